"""Ollama: silently truncates long prompts, ignores ``tool_choice``, refuses reasoning for models that cannot think."""

from __future__ import annotations

import re
from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialect import Generic
from claude_bridge.core.chat_completions.dialects import open_models
from claude_bridge.core.chat_completions.traits import ReasoningControl, Traits
from claude_bridge.core.conversation import ReasoningLevel

_LEVELS: Final[tuple[ReasoningLevel, ...]] = ("none", "low", "medium", "high", "max")
_STRANGERS: Final = frozenset({"anthropic", "llamacpp", "openai", "organization_owner", "sglang", "system", "vllm"})
"""Owners that do not occur in Ollama's lists, where an owner is a namespace of its library."""

_THINKS: Final = re.compile(
    r"(?:gpt-oss(?:-safeguard)?|deepseek-(?:r1|v3\.[1-9]|v[4-9][a-z0-9.-]*)|qwen3(?:\.\d+)?(?:-next|-vl)?|magistral"
    r"|gemma[4-9]|nemotron-3[a-z-]*|glm-(?:4\.[5-9]|[5-9])[a-z0-9.-]*|kimi-k2(?:-thinking|\.[5-9])"
    r"|minimax-m[2-9][a-z0-9.]*)"
    r"(?::(?!.*instruct).*)?"
)


@frozen
class Ollama(Generic):
    """Ollama, source of August 2026 (docs/servers.md 1.4).

    The window is that of a loaded model, from ``/api/ps``: it may be smaller than the model's maximum. Parts of a tool
    message would become messages without a call, so tool messages are text.
    """

    name: ClassVar[str] = "ollama"
    speaks_for_itself: ClassVar[bool] = True
    server: ClassVar[str] = "Ollama, source of August 2026"
    known_by: ClassVar[str] = "its fingerprint, or its library as the owner of models"
    hosts: ClassVar[tuple[str, ...]] = ("ollama.com",)
    lists: ClassVar[tuple[str, ...]] = ("/api/ps",)
    default_traits: ClassVar[Traits] = Traits(
        reasoning_levels=_LEVELS, reasoning_field="reasoning", tool_choice="none", truncates=True
    )

    def recognised(self, clues: Clues) -> str:
        """Return its fingerprint, or its library as the owner of models, as the clue, or ""."""
        if clues.fingerprint == "fp_ollama":
            return "system_fingerprint fp_ollama"
        if "library" in clues.owners and _STRANGERS.isdisjoint(clues.owners):
            return "owned_by library in its model list"
        return super().recognised(clues)

    def traits(self, model: str) -> Traits:
        """Return the traits, with reasoning control only for models of the library that think.

        For others any level is refused with 400 '"m" does not support thinking'. Without a level, a model that can
        think does.
        """
        control: ReasoningControl = "effort" if _THINKS.fullmatch(model.lower()) else "none"
        return evolve(
            self.default_traits, reasoning_control=control, recover_tool_calls=open_models.writes_calls(model)
        )
