"""The Anthropic Messages API as a kind of backend; see `claude_bridge.core.backend_api`.

A client's request is passed on with the least touching: the model's name is replaced, and what the backend would refuse
because it did not come from there is left out (`body_editing`). The answer is passed on as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, Self

from attrs import evolve, fields, frozen

from claude_bridge.core import strict_json
from claude_bridge.core.anthropic_backend import models_endpoint, refusals, rendering
from claude_bridge.core.anthropic_backend.body_editing import Changes, EditedBody, Editing
from claude_bridge.core.anthropic_backend.dialect import DIALECTS, GENERIC, Generic, Traits, decide
from claude_bridge.core.anthropic_backend.headers import request_headers, response_headers
from claude_bridge.core.anthropic_backend.message_editing import PastThinking
from claude_bridge.core.anthropic_backend.message_reader import MessageReader
from claude_bridge.core.anthropic_backend.neutral_reader import NeutralReader
from claude_bridge.core.anthropic_backend.stream_reader import StreamReader
from claude_bridge.core.anthropic_backend.wire_events import ReportedError
from claude_bridge.core.backend_api import (
    Advice,
    AnswerLimits,
    AnswerReader,
    Circumstances,
    ClientRequest,
    Clues,
    DialectDecision,
    Explanation,
    OriginalRequest,
    TokenizerEndpoint,
    UpstreamFailure,
)
from claude_bridge.core.conversation import NO_DOCUMENTS
from claude_bridge.core.errors import ErrorResponse
from claude_bridge.core.events import token_count
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.model_list import ModelList
from claude_bridge.core.strict_json import Raw
from claude_bridge.core.upstream_errors import advice, classification

UNDECIDED: Final = DialectDecision(GENERIC, "not contacted yet", known=False)
REQUEST_PATH: Final = "v1/messages"
PLACES: Final = ("", "/", "/anthropic/", "/api/", "/api/anthropic/")
"""Where the API may be: below the configured url, at most servers, at DeepSeek and others, at OpenRouter, at Z.ai."""

COUNTER: Final = TokenizerEndpoint(path=f"{REQUEST_PATH}/count_tokens", key="input_tokens", fields=None)
VERSION: Final = ("anthropic-version", "2023-06-01")

_TRUE: Final = Raw(b"true")
LARGE: Final = 1 << 20
"""Bytes of a request from which on it is edited in steps; a smaller one takes a few milliseconds."""

NO_HEADERS: Final[Mapping[str, str]] = {}
_LONGEST_NUMBER: Final = 20
_FIRST_FAILED_STATUS: Final = 400
_EMPTY: Final = frozenset({b"", b"null", b"[]"})


@frozen(kw_only=True)
class PreparedMessages:
    """A request that is ready to be sent; implements `claude_bridge.core.backend_api.Prepared`.

    :ivar streams: whether the answer is streamed, as the client asked.
    :ivar is_own: whether the bridge made it itself, so that there is nobody to pass the answer on to.
    """

    path: ClassVar[str] = REQUEST_PATH
    dropped_keywords: ClassVar[frozenset[str]] = frozenset()
    answer_shape: ClassVar[None] = None
    target: MessagesTarget
    headers: tuple[tuple[str, str], ...]
    client_key_header: str
    body: bytes
    streams: bool
    is_own: bool
    with_tools: bool
    max_tokens: int | None

    @property
    def model(self) -> str:
        """Return the backend's own name of the model."""
        return self.target.model

    @property
    def context_window(self) -> int | None:
        """Return the context window in tokens, where it is configured."""
        return self.target.context_window

    @property
    def past_thinking(self) -> PastThinking:
        """Return which thinking blocks were left in the request."""
        return self.target.kept_thinking

    @property
    def thinking_off(self) -> bool:
        """Whether thinking was turned off in the request."""
        return self.target.thinking == "off"

    def reader(self, limits: AnswerLimits, random_bytes: RandomBytes) -> AnswerReader:
        """Return a new reader for the answer."""
        del random_bytes
        if self.is_own:
            return NeutralReader(max_event=limits.max_event)
        return StreamReader(max_event=limits.max_event) if self.streams else MessageReader(max_answer=limits.max_answer)

    def adjust(self, failure: UpstreamFailure, *, estimate: int) -> Advice:
        """Return how to ask again after a refusal. The windows that refusals name are left to the backend to check."""
        del estimate
        return Advice(adjustment=refusals.adjustment(failure, self))

    def explain(self, failure: UpstreamFailure, circumstances: Circumstances) -> Explanation:
        """Return what a failure means to the client."""
        return refusals.explain(failure, self, circumstances)

    def describe(self, failure: UpstreamFailure) -> str:
        """Return a description of a failure for the log, without words that may quote the prompt."""
        return advice.describe(failure, self)


@frozen(kw_only=True)
class MessagesTarget(Traits):
    """A model behind the Messages API; implements `claude_bridge.core.backend_api.Target`.

    :ivar context_window: tokens, prompt and answer together, where configured: a beta may make the window larger than
        the backend's list says, so that only the backend itself refuses a prompt.
    :ivar past_thinking: which thinking blocks are sent whatever the traits say; "none" only after a refusal.
    :ivar thinking: "off" only after a refusal.
    """

    passes_through: ClassVar[bool] = True
    strip_attribution: ClassVar[bool] = False
    truncates: ClassVar[bool] = False
    documents_as_text: ClassVar[bool] = False
    tokenizer: ClassVar[TokenizerEndpoint | None] = COUNTER
    model: str
    context_window: int | None = None
    max_output_tokens: int | None = None
    past_thinking: Literal["as_signed", "none"] = "as_signed"
    thinking: Literal["as_asked", "off"] = "as_asked"

    @property
    def window_configured(self) -> bool:
        """Whether the window is known at all, which it is only if it is configured."""
        return self.context_window is not None

    @property
    def kept_thinking(self) -> PastThinking:
        """Return which thinking blocks stay in the request."""
        if self.past_thinking == "none":
            return "none"
        return "signed" if self.signatures == "checked" else "all"

    def prepare(
        self,
        asked: ClientRequest,
        *,
        estimate: int = 0,
        max_tokens: int | None = None,
        documents: Mapping[str, str] = NO_DOCUMENTS,
    ) -> PreparedMessages:
        """Return the client's request for this model, or one made of its conversation if the client's is not there."""
        del estimate, documents
        original = asked.original
        if original is None:
            limit = max_tokens or asked.conversation.max_tokens or self.max_output_tokens
            body = rendering.body_of(asked.conversation, self.model, max_tokens=limit)
            headers, key_header = NO_HEADERS, ""
            given: Mapping[str, Raw] = strict_json.decode_fields(body)
        else:
            edited = self._edited(original)
            body, given, headers = edited.joined(), edited.fields, original.headers
            key_header = "Authorization" if _has_bearer(original.headers) else "x-api-key"
        return PreparedMessages(
            target=self,
            headers=request_headers(headers),
            client_key_header=key_header,
            body=body,
            streams=given.get("stream") == _TRUE,
            is_own=original is None,
            with_tools=bytes(given.get("tools", b"")) not in _EMPTY,
            max_tokens=_tokens(given.get("max_tokens")),
        )

    def preparation(self, asked: ClientRequest) -> Editing | None:
        """Return the editing of a large request, whose result is kept with it; None if there is nothing to do."""
        original = asked.original
        if original is None or len(original.body) <= LARGE or self._changes in original.derived:
            return None
        return Editing(original.body, self._changes, original.derived)

    @property
    def _changes(self) -> Changes:
        return Changes(model=self.model, past_thinking=self.kept_thinking, thinking_off=self.thinking == "off")

    def _edited(self, original: OriginalRequest) -> EditedBody:
        """Return the edited request, which is kept for a refusal, and for another attempt."""
        found = original.derived.get(self._changes)
        if isinstance(found, EditedBody):
            return found
        return Editing(original.body, self._changes, original.derived).finish()

    def adjusted(self, overrides: Mapping[str, Any], *, refuses_reasoning: bool, max_output_tokens: int | None) -> Self:
        """Return the target with what refusals taught, or itself if there is nothing that concerns this kind."""
        del refuses_reasoning, max_output_tokens
        changes = {name: value for name, value in overrides.items() if name in _LEARNED}
        return evolve(self, **changes) if changes else self

    def with_window(self, context_window: int | None) -> Self:
        """Return the target itself: a window that is not configured does not count."""
        del context_window
        return self


_TRAITS: Final = tuple(each.name for each in fields(Traits))
_LEARNED: Final = frozenset((*_TRAITS, "past_thinking", "thinking"))


@frozen
class AnthropicMessages:
    """Implements `claude_bridge.core.backend_api.BackendKind`."""

    api_name: ClassVar[str] = "Anthropic's Messages API"
    passes_through: ClassVar[bool] = True
    request_path: ClassVar[str] = REQUEST_PATH
    models_path: ClassVar[str] = models_endpoint.PATH
    places: ClassVar[Sequence[str]] = PLACES
    headers: ClassVar[tuple[tuple[str, str], ...]] = (VERSION,)

    def base(self, url: str) -> str:
        """Return the url without ``/v1`` and ``/v1/messages``, as in ``ANTHROPIC_BASE_URL``."""
        return url.removesuffix("/v1/messages").removesuffix("/v1").rstrip("/")

    def traits(self, dialect: str, model: str) -> Mapping[str, Any]:
        """Return the traits of a model at a server."""
        traits = DIALECTS[dialect].traits(model)
        return {name: getattr(traits, name) for name in _TRAITS}

    def trait_words(self, name: str) -> Sequence[str]:
        """Return (): the configuration itself knows which words each trait may have."""
        del name
        return ()

    @property
    def dialects(self) -> Mapping[str, Generic]:
        """Return all dialects by name."""
        return DIALECTS

    @property
    def undecided(self) -> DialectDecision:
        """Return the decision for a server of which nothing is known."""
        return UNDECIDED

    def recognise(self, clues: Clues) -> DialectDecision | None:
        """Return the dialect that recognises the clues, or None."""
        return decide(clues)

    def target(
        self,
        dialect: str,
        model: str,
        overrides: Mapping[str, Any],
        *,
        context_window: int | None,
        window_configured: bool,
        max_output_tokens: int | None,
        strip_attribution: bool,
    ) -> MessagesTarget:
        """Return the target for a model. Traits of other kinds, and what would change the request, do not count."""
        del strip_attribution
        return MessagesTarget(
            **{name: overrides.get(name, value) for name, value in self.traits(dialect, model).items()},
            model=model,
            context_window=context_window if window_configured else None,
            max_output_tokens=max_output_tokens,
        )

    def read_models(self, body: bytes) -> ModelList | None:
        """Return the list of models in a response's body, or None if it contains none."""
        return models_endpoint.read_models(body)

    def read_refusal(self, status: int, headers: Mapping[str, str], body: bytes, *, now: float) -> UpstreamFailure:
        """Return the failure that an error response reports, with the response if that is an error of this API."""
        failure = classification.from_response(status, headers, body, now=now)
        told = status if status >= _FIRST_FAILED_STATUS else failure.status
        return refusals.with_response(failure, ErrorResponse(told, body, response_headers(headers)))

    def read_error(self, value: object) -> UpstreamFailure:
        """Return the failure that a decoded error inside an answer reports."""
        failure = classification.from_error(value)
        body = value.data if isinstance(value, ReportedError) else strict_json.encode(value)
        return refusals.with_response(failure, ErrorResponse(failure.status, body))


ANTHROPIC_MESSAGES: Final = AnthropicMessages()


def _has_bearer(headers: Mapping[str, str]) -> bool:
    return headers.get("authorization", "").lower().startswith("bearer ")


def _tokens(raw: Raw | None) -> int | None:
    """Return a number of tokens, or None if it is none."""
    return token_count(strict_json.decode(raw)) if raw is not None and len(raw) <= _LONGEST_NUMBER else None
