"""OpenAI's chat completions as a kind of backend; see `claude_bridge.core.backend_api`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, ClassVar, Final, Self

from attrs import evolve, fields, frozen

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
from claude_bridge.core.chat_completions import translation
from claude_bridge.core.chat_completions.answer.reader import Reader
from claude_bridge.core.chat_completions.dialect import GENERIC, Dialect, Target, as_fields
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS, decide
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.conversation import NO_DOCUMENTS
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.json_schema.sanitising import SanitisingWork, sanitising_work
from claude_bridge.core.openai_kind import OpenAIKind
from claude_bridge.core.strict_json import Raw

_TRAITS: Final = frozenset(each.name for each in fields(Traits))

REQUEST_PATH: Final = "chat/completions"
UNDECIDED: Final = DialectDecision(GENERIC, "not contacted yet", known=False)


@frozen
class PreparedCompletion:
    """A chat request that is ready to be sent; implements `claude_bridge.core.backend_api.Prepared`."""

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
            dialect=target.dialect,
            random_bytes=random_bytes,
            model=target.model,
            tool_names=self._sent.tool_names,
            stop_sequences=self._stop_sequences,
            context_window=target.context_window,
            thinking_opened=target.thinking_opened,
            recoverable=self._recoverable(),
            max_event=limits.max_event,
            max_held=limits.max_held_arguments,
            max_answer=limits.max_answer,
        )

    def adjust(self, failure: UpstreamFailure, *, estimate: int) -> Advice:
        """Return how to ask again after a refusal."""
        from claude_bridge.core.chat_completions.errors import advice  # noqa: PLC0415 - loaded with the first refusal

        return advice.advise(failure, self._sent, estimate=estimate)

    def explain(self, failure: UpstreamFailure, circumstances: Circumstances) -> Explanation:
        """Return what a failure means to the client."""
        from claude_bridge.core.chat_completions.errors import advice  # noqa: PLC0415 - loaded with the first refusal

        return advice.explain(failure, self._sent, circumstances)

    def describe(self, failure: UpstreamFailure) -> str:
        """Return a description of a failure for the log, without words that may quote the prompt."""
        from claude_bridge.core.chat_completions.errors import advice  # noqa: PLC0415 - loaded with the first refusal

        return advice.describe(failure, self._sent)

    def _recoverable(self) -> dict[str, Raw]:
        """Return the tools, with their schemas, whose calls are to be recovered from the text."""
        if not self._sent.target.recover_tool_calls:
            return {}
        return {tool.function.name: tool.function.parameters for tool in self._sent.fields.tools or ()}


@frozen(kw_only=True)
class ChatTarget(Target):
    """A model behind a chat completions API; implements `claude_bridge.core.backend_api.Target`."""

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
    ) -> PreparedCompletion:
        """Translate a request; see `translation.translate`."""
        conversation = asked.conversation
        sent = translation.translate(conversation, self, estimate=estimate, max_tokens=max_tokens, documents=documents)
        return PreparedCompletion(
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
        changes = {name: value for name, value in overrides.items() if name in _TRAITS}
        if refuses_reasoning and self.reasoning_echo == "current_turn":
            changes.setdefault("reasoning_echo", "never")
        if max_output_tokens is not None and max_output_tokens < (self.max_output_tokens or inf):
            changes["max_output_tokens"] = max_output_tokens
        return evolve(self, **changes) if changes else self

    def with_window(self, context_window: int | None) -> Self:
        """Return the target with another window."""
        return evolve(self, context_window=context_window)


@frozen
class ChatCompletions(OpenAIKind):
    """Implements `claude_bridge.core.backend_api.BackendKind`."""

    api_name: ClassVar[str] = "chat completions"
    request_path: ClassVar[str] = REQUEST_PATH

    def base(self, url: str) -> str:
        """Return the url without ``/chat/completions``."""
        return url.removesuffix("/chat/completions").rstrip("/")

    def traits(self, dialect: str, model: str) -> Mapping[str, Any]:
        """Return the traits of a model at a server."""
        return as_fields(DIALECTS[dialect].traits(model))

    def trait_words(self, name: str) -> Sequence[str]:
        """Return (): the configuration itself knows which words each trait may have."""
        del name
        return ()

    @property
    def dialects(self) -> Mapping[str, Dialect]:
        """Return all dialects by name."""
        return DIALECTS

    @property
    def undecided(self) -> DialectDecision:
        """Return the decision for the generic OpenAI-compatible server."""
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
    ) -> ChatTarget:
        """Return the target for a model: the dialect's traits, except for those that are configured differently."""
        server = DIALECTS[dialect]
        return ChatTarget(
            **{**as_fields(server.traits(model)), **overrides},
            model=model,
            dialect=server,
            context_window=context_window,
            window_configured=window_configured,
            max_output_tokens=max_output_tokens,
            strip_attribution=strip_attribution,
        )


CHAT_COMPLETIONS: Final = ChatCompletions()
