"""Parsing of a Messages request's body: it is decoded and checked, and answered here where no backend is needed."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Final

from attrs import define, field

from claude_bridge.core import strict_json
from claude_bridge.core.errors import InvalidRequest, UnsupportedField
from claude_bridge.core.events import Event, Finished, FinishReason, Started, TextDelta, Usage
from claude_bridge.core.messages_api import codec, large_body, subagent_tag, tool_definitions
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest, Tool
from claude_bridge.core.messages_api.conversation_reader import (
    ConversationReader,
    has_cache_marks,
    prepare_reading,
    reading_of,
)
from claude_bridge.core.messages_api.limits import BOUNDS, RequestLimits
from claude_bridge.core.surrogates import Mending

MAX_MODEL_CHARACTERS: Final = 256
"""Characters of a model's name, which goes into a header, every log line and the model profiles."""

UNSUPPORTED: Final = ("compaction", "fallbacks", "mcp_servers", "thread")
"""Fields that other APIs cannot express and that would change the answer (docs/chat-completions.md 1.1)."""

UNSUPPORTED_DETAILS: Final[Mapping[str, Mapping[str, object]]] = {
    "thread": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
}
"""``error.details`` that make the official SDKs' tool runners omit the field and send the whole conversation."""

NO_WEB_SEARCH: Final = "Web search is not available through this gateway."


_Steps = Generator[None, None, tuple[MessagesRequest, bytes]]
"""Yields between two steps; returns the request, and the body that was decoded."""


@define
class Decoding:
    """The decoding of a request's body: one step for most, several for a large one and for one with lone surrogates.

    Content blocks are decoded later, by `claude_bridge.core.messages_api.conversation_reader`.
    """

    _body: bytes
    _counting: bool = False
    _bounds: RequestLimits = BOUNDS
    _steps: _Steps | None = field(default=None, init=False)
    _request: MessagesRequest | None = field(default=None, init=False)

    @property
    def request(self) -> MessagesRequest:
        """Return the request, once `step` has returned True."""
        assert self._request is not None  # noqa: S101 - for the type checker
        return self._request

    def step(self) -> bool:
        """Do the next step and return whether it was the last; raises `InvalidRequest` naming the field."""
        try:
            if self._steps is not None:
                return self._next_step(self._steps)
            if len(self._body) > large_body.LARGE:
                self._steps = _in_steps(self._body, self._bounds, counting=self._counting)
                return False
            try:
                request = codec.decode_request(self._body)
            except codec.LoneSurrogates:
                self._steps = _mended(self._body, self._bounds, counting=self._counting)
                return False
        except strict_json.JsonError as error:
            raise InvalidRequest(str(error)) from None
        _check(request, self._body, self._bounds, counting=self._counting)
        _prepare(request, self._body, self._bounds)
        self._request = request
        return True

    def take_body(self) -> bytes:
        """Return the body that was decoded. It is not kept here: this object may live as long as the answer."""
        body, self._body = self._body, b""
        return body

    def _next_step(self, steps: _Steps) -> bool:
        try:
            next(steps)
        except StopIteration as end:
            self._steps, (self._request, self._body) = None, end.value
        return self._steps is None


def decode(body: bytes, *, counting: bool = False, bounds: RequestLimits = BOUNDS) -> MessagesRequest:
    """Return the decoded and checked request of a body, without steps; see `Decoding`.

    ``counting``: whether it is a body of ``count_tokens``, which has no ``max_tokens`` and runs no model.
    """
    decoding = Decoding(body, counting, bounds)
    while not decoding.step():
        pass
    return decoding.request


def _in_steps(body: bytes, bounds: RequestLimits, *, counting: bool) -> _Steps:
    """Decode a large body."""
    try:
        request = yield from large_body.decode_in_steps(body, bounds)
    except codec.LoneSurrogates:
        yield
        return (yield from _mended(body, bounds, counting=counting))
    return (yield from _checked(request, body, bounds, counting=counting))


def _mended(body: bytes, bounds: RequestLimits, *, counting: bool) -> _Steps:
    """Decode a body with its lone surrogates replaced."""
    mending = Mending(body)
    while not mending.step():
        yield
    yield
    if len(mending.body) > large_body.LARGE:
        request = yield from large_body.decode_in_steps(mending.body, bounds)
    else:
        request = codec.decode_request(mending.body)
    return (yield from _checked(request, mending.body, bounds, counting=counting))


def _checked(request: MessagesRequest, body: bytes, bounds: RequestLimits, *, counting: bool) -> _Steps:
    """Check a decoded request; the last step does nothing, for what follows is done in the same turn."""
    yield
    _check(request, body, bounds, counting=counting)
    yield
    _prepare(request, body, bounds)
    yield
    return request, body


def _check(request: MessagesRequest, body: bytes, bounds: RequestLimits, *, counting: bool) -> None:
    if not request.model:
        raise InvalidRequest("model: String should have at least 1 character")
    if len(request.model) > MAX_MODEL_CHARACTERS:
        raise InvalidRequest(f"model: String should have at most {MAX_MODEL_CHARACTERS} characters")
    if not request.messages:
        raise InvalidRequest("messages: at least one message is required")
    bounds.check_request(request, len(body))
    for index, tool in enumerate(request.tools or ()):
        _check_tool(tool, index)
    if not counting:
        _check_runnable(request)


def _prepare(request: MessagesRequest, body: bytes, bounds: RequestLimits) -> None:
    """Apply the tag of a subagent, and create the reader of the messages."""
    if subagent_tag.may_be_in(body):
        subagent_tag.apply(request)
    prepare_reading(
        request,
        bounds,
        marked=has_cache_marks(body),
        large=len(body) > large_body.LARGE,
        many=large_body.may_have_many_elements(body),
    )


def _check_tool(tool: Tool, index: int) -> None:
    if not tool.name and tool.type in {None, "custom"}:
        raise InvalidRequest(f"tools.{index}.name: Field required")
    if strict_json.present(tool.input_schema) and not strict_json.begins_object(tool.input_schema):
        raise InvalidRequest(f"tools.{index}.input_schema: Input should be an object")


def _check_runnable(request: MessagesRequest) -> None:
    """Raise `InvalidRequest` for a request that no model can answer."""
    if request.max_tokens is None:
        raise InvalidRequest("max_tokens: Field required")
    if request.max_tokens < 0:
        raise InvalidRequest("max_tokens: Input should be greater than or equal to 0")


def check_supported(request: MessagesRequest) -> None:
    """Raise `UnsupportedField` for one that only Anthropic's API can honour and that would change the answer."""
    for name in UNSUPPORTED:
        value = getattr(request, name)
        if strict_json.present(value) and bytes(value) not in {b"{}", b"[]"}:
            raise UnsupportedField(
                f"{name}: Extra inputs are not permitted (this gateway cannot do that)",
                details=UNSUPPORTED_DETAILS.get(name),
            )


def local_answer(request: MessagesRequest, *, searches: bool = False) -> list[Event] | None:
    """Return the answer to a request that needs no backend, or None for all others.

    ``max_tokens: 0`` only warms Anthropic's prompt cache, which the bridge does not have. A request whose only tools
    are web search that Anthropic would run is Claude Code's WebSearch. It gets a short text as its answer
    (docs/claude-code.md 3), unless the bridge ``searches`` the web itself.
    """
    if request.max_tokens == 0:
        return [Started(""), Finished(FinishReason.LENGTH, usage=Usage())]
    searching = request.tools and tool_definitions.only_web_search(
        request.tools, referenced=lambda: _read_all(request).loaded
    )
    if searching and not searches:
        return [Started(""), TextDelta(NO_WEB_SEARCH), Finished(FinishReason.STOPPED, usage=Usage())]
    return None


def _read_all(request: MessagesRequest) -> ConversationReader:
    try:
        return reading_of(request).read_all()
    except strict_json.JsonError as error:
        raise InvalidRequest(str(error)) from None
