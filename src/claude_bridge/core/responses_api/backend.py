"""OpenAI's Responses API as a kind of backend; see `claude_bridge.core.backend_api`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, ClassVar, Final, Self

from attrs import evolve, frozen

from claude_bridge.core.answer_shape import AnswerShape
from claude_bridge.core.backend_api import (
    Advice,
    AnswerLimits,
    Circumstances,
    ClientRequest,
    Clues,
    DialectDecision,
    Explanation,
    TokenizerEndpoint,
    UpstreamFailure,
)
from claude_bridge.core.conversation import NO_DOCUMENTS
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.json_schema.sanitising import SanitisingWork, sanitising_work
from claude_bridge.core.openai_kind import OpenAIKind
from claude_bridge.core.responses_api import refusals, translation
from claude_bridge.core.responses_api.answer.reader import Reader
from claude_bridge.core.responses_api.dialect import GENERIC, Generic, Target, as_fields
from claude_bridge.core.responses_api.dialects.registry import DIALECTS, decide
from claude_bridge.core.responses_api.traits import TRAIT_WORDS
from claude_bridge.core.responses_api.translation import Translation
from claude_bridge.core.upstream_errors import advice

REQUEST_PATH: Final = "responses"
UNDECIDED: Final = DialectDecision(GENERIC, "not contacted yet", known=False)


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


@frozen
class ResponsesApi(OpenAIKind):
    """Implements `claude_bridge.core.backend_api.BackendKind`."""

    api_name: ClassVar[str] = "the Responses API"
    request_path: ClassVar[str] = REQUEST_PATH

    def base(self, url: str) -> str:
        """Return the url without ``/responses``, or without ``/chat/completions`` beside it."""
        return url.removesuffix("/responses").removesuffix("/chat/completions").rstrip("/")

    @property
    def dialects(self) -> Mapping[str, Generic]:
        """Return all dialects by name."""
        return DIALECTS

    @property
    def undecided(self) -> DialectDecision:
        """Return the decision for a server about which nothing is known."""
        return UNDECIDED

    def recognise(self, clues: Clues) -> DialectDecision | None:
        """Return the dialect that recognises the clues, or None."""
        return decide(clues)

    def traits(self, dialect: str, model: str) -> Mapping[str, Any]:
        """Return the traits of a model at a server."""
        return as_fields(DIALECTS[dialect].traits(model))

    def trait_words(self, name: str) -> Sequence[str]:
        """Return the words that the option of a trait may have, fewer than for chat completions; () for any value."""
        return TRAIT_WORDS.get(name, ())

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
    ) -> ResponsesTarget:
        """Return the target for a model: the dialect's traits, except for those that are configured differently.

        Traits of other kinds do not count.
        """
        server = DIALECTS[dialect]
        return ResponsesTarget(
            **{name: overrides.get(name, value) for name, value in as_fields(server.traits(model)).items()},
            model=model,
            dialect=server,
            context_window=context_window,
            window_configured=window_configured,
            max_output_tokens=max_output_tokens,
            strip_attribution=strip_attribution,
        )


RESPONSES_API: Final = ResponsesApi()
