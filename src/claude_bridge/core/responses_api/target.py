"""A model behind a Responses API, and a request that is ready to be sent to it."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any, ClassVar, Self

from attrs import evolve, frozen

from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.backend_api import (
    Advice,
    AnswerLimits,
    Circumstances,
    ClientRequest,
    Explanation,
    TokenizerEndpoint,
    UpstreamFailure,
)
from claude_bridge.core.conversation import NO_DOCUMENTS
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.json_schema.sanitising import SanitisingWork, sanitising_work
from claude_bridge.core.responses_api import refusals, translation
from claude_bridge.core.responses_api.answer.reader import Reader
from claude_bridge.core.responses_api.dialect import REQUEST_PATH, Target
from claude_bridge.core.responses_api.traits import TRAIT_WORDS
from claude_bridge.core.responses_api.translation import Translation
from claude_bridge.core.upstream_errors import advice


@frozen
class PreparedResponse:
    """A request that is ready to be sent; implements `claude_bridge.core.backend_api.Prepared`."""

    path: ClassVar[str] = REQUEST_PATH
    headers: ClassVar = (("Content-Type", "application/json"), ("Accept", "text/event-stream"))
    client_key_header: ClassVar[str] = ""
    _sent: Translation
    _stop_sequences: tuple[str, ...]
    body: bytes
    with_tools: bool
    dropped_keywords: frozenset[str]
    answer_shape: AnswerShape | None

    def reader(self, limits: AnswerLimits, random_bytes: RandomBytes) -> Reader:
        """Return a new reader for the answer."""
        target = self._sent.target
        return Reader(
            dialect=target.dialect.name,
            random_bytes=random_bytes,
            model=target.model,
            tool_names=self._sent.tool_names,
            stop_sequences=self._stop_sequences,
            max_output_tokens=self._sent.max_tokens,
            context_window=target.context_window,
            max_event=limits.max_event,
            max_held=limits.max_held_arguments,
            max_answer=limits.max_answer,
        )

    def adjust(self, failure: UpstreamFailure, *, estimate: int) -> Advice:
        """Return how to ask again after a refusal."""
        return refusals.advise(failure, self._sent, estimate=estimate)

    def explain(self, failure: UpstreamFailure, circumstances: Circumstances) -> Explanation:
        """Return what a failure means to the client."""
        missing = advice.missing_capability(failure, self._sent, refusals.IMAGE_PART)
        return advice.explain(failure, self._sent, circumstances, missing)

    def describe(self, failure: UpstreamFailure) -> str:
        """Return a description of a failure for the log, without words that may quote the prompt."""
        return advice.describe(failure, self._sent)


@frozen(kw_only=True)
class ResponsesTarget(Target):
    """A model behind a Responses API; implements `claude_bridge.core.backend_api.Target`."""

    passes_through: ClassVar[bool] = False

    @property
    def documents_as_text(self) -> bool:
        """Whether PDF documents are sent as text extracted by the bridge."""
        return self.pdf == "text"

    @property
    def tokenizer(self) -> TokenizerEndpoint | None:
        """Return where its prompts can be counted, or None."""
        return self.dialect.tokenizer

    def prepare(
        self,
        asked: ClientRequest,
        *,
        estimate: int = 0,
        max_tokens: int | None = None,
        documents: Mapping[str, str] = NO_DOCUMENTS,
    ) -> PreparedResponse:
        """Translate a request; see `translation.translate`."""
        conversation = asked.conversation
        sent = translation.translate(
            conversation,
            self,
            estimate=estimate,
            max_tokens=max_tokens,
            documents=documents,
            session=asked.session,
        )
        return PreparedResponse(
            sent,
            tuple(conversation.stop_sequences),
            sent.body,
            sent.with_tools,
            sent.dropped_keywords,
            sent.answer_shape,
        )

    def preparation(self, asked: ClientRequest) -> SanitisingWork | None:
        """Return the work to be done on the schemas of tools, or None if they are sent unchanged."""
        return sanitising_work(asked, self.schema)

    def adjusted(self, overrides: Mapping[str, Any], *, refuses_reasoning: bool, max_output_tokens: int | None) -> Self:
        """Return the target with what refusals taught, or itself if there is nothing."""
        changes = {name: value for name, value in overrides.items() if name in TRAIT_WORDS}
        if refuses_reasoning:
            changes["past_reasoning"] = False
        if max_output_tokens is not None and max_output_tokens < (self.max_output_tokens or inf):
            changes["max_output_tokens"] = max_output_tokens
        return evolve(self, **changes) if changes else self

    def with_window(self, context_window: int | None) -> Self:
        """Return the target with another window."""
        return evolve(self, context_window=context_window)
