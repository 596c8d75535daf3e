"""A Messages request -> a chat completion request, for one attempt (wire-contract 5.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from attrs import define, field, frozen

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions import codec as chat_codec
from claude_bridge.core.chat_completions import fields, tools
from claude_bridge.core.chat_completions.messages import cache_control, instructions, reasoning_history
from claude_bridge.core.chat_completions.messages.chat_messages import Written, write
from claude_bridge.core.chat_completions.messages.media import NO_DOCUMENTS
from claude_bridge.core.chat_completions.openai_types import ChatMessage, ChatRequest
from claude_bridge.core.chat_completions.structured_output import Structured
from claude_bridge.core.chat_completions.target import Target
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.events import Event, Finished, FinishReason, Started, TextDelta, Usage
from claude_bridge.core.messages_api import codec as messages_codec
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest, Tool
from claude_bridge.core.messages_api.conversation import Conversation, read
from claude_bridge.core.messages_api.conversation_reader import begin
from claude_bridge.core.messages_api.limits import BOUNDS, RequestLimits
from claude_bridge.core.surrogates import Mending

LEAST_OUTPUT: Final = 1024
"""Never ask for fewer tokens than this because of the window: an answer cut shorter helps nobody, and the backend
says better than our estimate whether the prompt fits."""

MAX_MODEL: Final = 256
"""Characters of a model's name, which goes into a header, every log line and what is learned of models."""

UNSUPPORTED: Final = ("compaction", "fallbacks", "mcp_servers", "thread")
"""Fields that no chat completion can stand for, and that would change the answer (wire-contract 5.1)."""

UNSUPPORTED_DETAILS: Final[Mapping[str, Mapping[str, object]]] = {
    "thread": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]},
}
"""``error.details`` on which the official SDKs' tool runners leave the field out and send the whole conversation."""

NO_WEB_SEARCH: Final = "Web search is not available through this gateway."


@frozen(kw_only=True)
class Translation:
    """One attempt's request.

    :ivar body: the JSON to send.
    :ivar tool_names: the backend's name of a tool -> the client's, where they differ.
    :ivar max_tokens: what was asked for.
    :ivar with_tools: whether tools were sent (the silence limit is longer then).
    :ivar echoed: whether past reasoning was sent back because nothing was configured (its refusal can be mended).
    :ivar fields: everything but the messages, as it was sent; what a refusal can be about.
    :ivar extra: names of the fields that OpenAI does not have.
    :ivar target: what it was made for.
    :ivar slimmed: keys that were taken out of tools' schemas or replaced there.
    :ivar structured: the shape that the answer must have and that the server does not see to.
    """

    body: bytes
    tool_names: Mapping[str, str]
    max_tokens: int | None
    with_tools: bool
    echoed: bool
    fields: ChatRequest
    extra: frozenset[str]
    target: Target
    slimmed: frozenset[str]
    structured: Structured | None


@define
class Decoding:
    """A request's body being decoded: in one step, or in some more where broken escapes have to be mended first.

    Content blocks are read later (`claude_bridge.core.messages_api.conversation_reader`), or by who needs them first.
    """

    _body: bytes
    _counting: bool = False
    _bounds: RequestLimits = BOUNDS
    _mending: Mending | None = field(default=None, init=False)
    _request: MessagesRequest | None = field(default=None, init=False)

    @property
    def request(self) -> MessagesRequest:
        """Return the request, once `step` has returned True."""
        assert self._request is not None  # noqa: S101 - for the type checker
        return self._request

    def step(self) -> bool:
        """Do some more and return whether that was all; raises `InvalidRequest` naming the field, as the API does."""
        if self._mending is not None:
            if not self._mending.step():
                return False
            self._body = self._mending.body
        try:
            self._request = messages_codec.decode_request(self._body)
        except messages_codec.LoneSurrogates as error:
            if self._mending is not None:
                raise InvalidRequest(str(error)) from None
            self._mending = Mending(self._body)
            return False
        except strict_json.JsonError as error:
            raise InvalidRequest(str(error)) from None
        _check(self._request, self._body, self._bounds, counting=self._counting)
        self._body, self._mending = b"", None  # who holds this while an answer is awaited holds no body with it
        return True


def decode(body: bytes, *, counting: bool = False, bounds: RequestLimits = BOUNDS) -> MessagesRequest:
    """Decode and check a request's body at once; see `Decoding`.

    ``counting``: the body of ``count_tokens``, which has no ``max_tokens`` and runs nothing.
    """
    decoding = Decoding(body, counting, bounds)
    while not decoding.step():
        pass
    return decoding.request


def _check(request: MessagesRequest, body: bytes, bounds: RequestLimits, *, counting: bool) -> None:
    if not request.model:
        raise InvalidRequest("model: String should have at least 1 character")
    if len(request.model) > MAX_MODEL:
        raise InvalidRequest(f"model: String should have at most {MAX_MODEL} characters")
    if not request.messages:
        raise InvalidRequest("messages: at least one message is required")
    bounds.check_request(request, len(body))
    for index, tool in enumerate(request.tools or ()):
        _check_tool(tool, f"tools.{index}")
    if not counting:
        _check_run(request)
    begin(request, bounds, marked=cache_control.marked(body))


def _check_tool(tool: Tool, path: str) -> None:
    if not tool.name and tool.type in {None, "custom"}:
        raise InvalidRequest(f"{path}.name: Field required")
    if strict_json.present(tool.input_schema) and not bytes(tool.input_schema).startswith(b"{"):
        raise InvalidRequest(f"{path}.input_schema: Input should be an object")


def _check_run(request: MessagesRequest) -> None:
    """Refuse what cannot be run: fields without which the answer would be one to another question."""
    if request.max_tokens is None:
        raise InvalidRequest("max_tokens: Field required")
    if request.max_tokens < 0:
        raise InvalidRequest("max_tokens: Input should be greater than or equal to 0")
    for name in UNSUPPORTED:
        value = getattr(request, name)
        if strict_json.present(value) and bytes(value) not in {b"{}", b"[]"}:
            raise InvalidRequest(
                f"{name}: Extra inputs are not permitted (this gateway cannot do that)",
                details=UNSUPPORTED_DETAILS.get(name),
            )


def local_answer(request: MessagesRequest, *, searches: bool = False) -> list[Event] | None:
    """Return the answer to a request that no backend need see, or None for all others.

    ``max_tokens: 0`` only warms a cache that is not there. A request whose only tools are web search that Anthropic
    would run is Claude Code's WebSearch: it takes a short text for an answer (claude-code-client 4), unless the bridge
    ``searches`` the web itself.
    """
    if request.max_tokens == 0:
        return [Started(""), Finished(FinishReason.LENGTH, usage=Usage())]
    searching = request.tools and tools.only_web_search(request.tools, referenced=lambda: _read(request).loaded)
    if searching and not searches:
        return [Started(""), TextDelta(NO_WEB_SEARCH), Finished(FinishReason.STOPPED, usage=Usage())]
    return None


def _read(request: MessagesRequest) -> Conversation:
    try:
        return read(request, "fold")
    except strict_json.JsonError as error:
        raise InvalidRequest(str(error)) from None


def translate(
    request: MessagesRequest,
    target: Target,
    *,
    estimate: int = 0,
    max_tokens: int | None = None,
    documents: Mapping[str, str] = NO_DOCUMENTS,
    more: Sequence[ChatMessage] = (),
) -> Translation:
    """Build the chat request for ``target``.

    ``estimate``: the prompt's tokens, roughly, for the clamp to the window. ``max_tokens``: overrides the client's,
    for the one retry after an overflow. ``documents``: base64 text of a PDF -> its text, for where the backend takes no
    files. ``more``: messages for the end of the conversation (a repair turn). Raises `InvalidRequest` with the path of
    a malformed block, and for what the target cannot do.
    """
    try:
        written = write(request, target, documents)
        limit = max_tokens if max_tokens is not None else clamped(request, target, estimate)
        return _translate(request, target, written, limit, more)
    except strict_json.JsonError as error:
        raise InvalidRequest(str(error)) from None


def _translate(
    request: MessagesRequest, target: Target, chat: Written, limit: int | None, more: Sequence[ChatMessage]
) -> Translation:
    conversation, messages = chat.conversation, chat.messages
    if not messages:
        raise InvalidRequest("messages: at least one message must have content")
    offered = tools.offered(
        [*(request.tools or ()), *conversation.defined],
        referenced=conversation.loaded,
        removed=conversation.removed,
        traits=target,
    )
    built = fields.build(request, target, offered, limit)
    if built.structured is not None:
        instructions.add_to_system(messages, built.structured.instruction, target.system_role)
    if built.instruction:
        instructions.add_last(messages, built.instruction)
    messages += [_with_thought(message, target) for message in more]
    return Translation(
        body=chat_codec.encode_chat(built.fields, {**built.extra, **chat.extra}, messages),
        tool_names={**chat.names, **offered.downstream_names()},
        max_tokens=limit,
        with_tools=bool(built.fields.tools),
        echoed=chat.echoed,
        fields=built.fields,
        extra=frozenset(built.extra),
        target=target,
        slimmed=offered.removed,
        structured=built.structured,
    )


def _with_thought(message: ChatMessage, target: Target) -> ChatMessage:
    """Return a message of our own the thinking without which the server would refuse it."""
    if message.role == "assistant" and reasoning_history.requires(
        target.reasoning_echo, called=False, after_question=True
    ):
        reasoning_history.put(message, reasoning_history.NO_THOUGHT, target.reasoning_field)
    return message


def clamped(request: MessagesRequest, target: Target, estimate: int) -> int | None:
    """Return the output limit to ask for: never more than the model gives or the window leaves.

    What the window leaves is rounded down to whole thousands, so that the request's first bytes do not change with
    every turn.
    """
    if request.max_tokens is None:
        return None
    limit = request.max_tokens
    if target.max_output_tokens is not None:
        limit = min(limit, target.max_output_tokens)
    if target.context_window is not None:
        left = target.context_window - estimate - margin(target.context_window)
        limit = min(limit, max(LEAST_OUTPUT, left - left % LEAST_OUTPUT))
    return limit


def margin(window: int) -> int:
    """Return the part of a window to leave free: the estimate is rough, and chat templates add tokens of their own."""
    return max(256, window // 50)
