"""Dialects: the differences between servers of the Responses API; `Generic` is one that does what OpenAI documents.

A dialect only describes how it differs, as data in its `Traits`; the request is built and the answer is read by the
same code for all. A `Target` is one model at one of these servers.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from attrs import fields, frozen

from claude_bridge.core.backend_api import TokenizerEndpoint
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.responses_api.traits import Traits
from claude_bridge.core.server import Server

REQUEST_PATH: Final = "responses"
COUNTED: Final = (
    *("model", "reasoning", "text", "tool_choice", "parallel_tool_calls", "tools"),
    *("instructions", "input"),
)
"""The fields of a request that a server takes when it counts a prompt."""

COUNTER: Final = TokenizerEndpoint(path=f"{REQUEST_PATH}/input_tokens", key="input_tokens", fields=COUNTED)


@frozen
class Generic(Server):
    """A server that nobody knows.

    Subclasses override as little as possible.

    :cvar can_reason_less: whether the lowest level is asked for if reasoning cannot be switched off; a server that
        nobody knows is asked for nothing then.
    :cvar least_limit: tokens of the smallest ``max_output_tokens`` that it takes.
    """

    server: ClassVar[str] = "A server that does what OpenAI documents, read as forgivingly as possible"
    tokenizer: ClassVar[TokenizerEndpoint | None] = None
    can_reason_less: ClassVar[bool] = False
    least_limit: ClassVar[int] = 1
    default_traits: ClassVar[Traits] = Traits()

    def traits(self, model: str) -> Traits:
        """Return the traits of ``model`` at this server."""
        del model
        return self.default_traits

    def switches_off(self, levels: tuple[ReasoningLevel, ...]) -> bool:
        """Return whether a model with these levels is asked for something where the client wants no reasoning."""
        return self.can_reason_less or "none" in levels or "minimal" in levels


GENERIC: Final = Generic()


@frozen(kw_only=True)
class Target(Traits):
    """One model at one backend, as far as a request depends on it: its traits, its name and its limits.

    :ivar model: the backend's own name of the model.
    :ivar context_window: tokens, prompt and answer together, where known.
    :ivar window_configured: whether the window was configured, so that it overrides what the backend reports.
    :ivar max_output_tokens: the largest ``max_output_tokens`` to request, where known.
    :ivar past_reasoning: whether encrypted reasoning goes back; not in the retry after the server could not read it.
    """

    model: str
    dialect: Generic = GENERIC
    context_window: int | None = None
    window_configured: bool = False
    max_output_tokens: int | None = None
    strip_attribution: bool = True
    past_reasoning: bool = True


def as_fields(traits: Traits) -> dict[str, Any]:
    """Return traits as keyword arguments for a target."""
    return {each.name: getattr(traits, each.name) for each in fields(Traits)}
