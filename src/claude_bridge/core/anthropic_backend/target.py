"""A model behind the Messages API, and a request that is ready to be sent to it.

A client's request is passed on with the least touching: the model's name is replaced, and what the backend would refuse
because it did not come from there is left out (`body_editing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal, Self

from attrs import evolve, frozen

from claude_bridge.core import strict_json
from claude_bridge.core.anthropic_backend import refusals, rendering
from claude_bridge.core.anthropic_backend.body_editing import Changes, EditedBody, Editing
from claude_bridge.core.anthropic_backend.dialect import REQUEST_PATH, TRAITS, Traits
from claude_bridge.core.anthropic_backend.headers import request_headers
from claude_bridge.core.anthropic_backend.message_editing import PastThinking
from claude_bridge.core.anthropic_backend.message_reader import MessageReader
from claude_bridge.core.anthropic_backend.neutral_reader import NeutralReader
from claude_bridge.core.anthropic_backend.stream_reader import StreamReader
from claude_bridge.core.backend_api import (
    Advice,
    AnswerLimits,
    AnswerReader,
    Circumstances,
    ClientRequest,
    Explanation,
    OriginalRequest,
    TokenizerEndpoint,
    UpstreamFailure,
)
from claude_bridge.core.conversation import NO_DOCUMENTS
from claude_bridge.core.events import token_count
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.strict_json import Raw
from claude_bridge.core.upstream_errors import advice

COUNTER: Final = TokenizerEndpoint(path=f"{REQUEST_PATH}/count_tokens", key="input_tokens", fields=None)

LARGE: Final = 1 << 20
"""Bytes of a request from which on it is edited in steps; a smaller one takes a few milliseconds."""

NO_HEADERS: Final[Mapping[str, str]] = {}
_TRUE: Final = Raw(b"true")
_LONGEST_NUMBER: Final = 20
_EMPTY: Final = frozenset({b"", b"null", b"[]"})
_LEARNED: Final = frozenset((*TRAITS, "past_thinking", "thinking"))


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


def _has_bearer(headers: Mapping[str, str]) -> bool:
    return headers.get("authorization", "").lower().startswith("bearer ")


def _tokens(raw: Raw | None) -> int | None:
    """Return a number of tokens, or None if it is none."""
    return token_count(strict_json.decode(raw)) if raw is not None and len(raw) <= _LONGEST_NUMBER else None
