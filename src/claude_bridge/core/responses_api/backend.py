"""OpenAI's Responses API as a kind of backend; see `claude_bridge.core.backend_api`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

from attrs import frozen

from claude_bridge.core.backend_api import Clues, DialectDecision
from claude_bridge.core.openai_kind import OpenAIKind
from claude_bridge.core.responses_api.dialect import GENERIC, REQUEST_PATH, Generic, as_fields
from claude_bridge.core.responses_api.dialects.registry import DIALECTS, decide
from claude_bridge.core.responses_api.traits import TRAIT_WORDS

if TYPE_CHECKING:
    from claude_bridge.core.responses_api.target import ResponsesTarget

UNDECIDED: Final = DialectDecision(GENERIC, "not contacted yet", known=False)


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
        from claude_bridge.core.responses_api.target import ResponsesTarget  # noqa: PLC0415 - only where it is used

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
