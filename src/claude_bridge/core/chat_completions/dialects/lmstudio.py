"""LM Studio: no choice of a tool by its name, errors as plain strings, windows in a list of its own."""

from __future__ import annotations

from typing import ClassVar

from attrs import evolve, frozen

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialect import Generic
from claude_bridge.core.chat_completions.dialects import open_models
from claude_bridge.core.chat_completions.dialects.templated import LEVELS
from claude_bridge.core.chat_completions.traits import Traits


@frozen
class LmStudio(Generic):
    """LM Studio's local server (docs/servers.md 1.5).

    It answers 400 "Invalid tool_choice type: 'object'" if a tool is chosen by its name. Its own list contains the
    window with which a model is loaded.
    """

    name: ClassVar[str] = "lmstudio"
    speaks_for_itself: ClassVar[bool] = True
    server: ClassVar[str] = "LM Studio's local server"
    known_by: ClassVar[str] = "the words that stand for the owner of each model"
    lists: ClassVar[tuple[str, ...]] = ("/api/v0/models",)
    default_traits: ClassVar[Traits] = Traits(tool_choice="required", top_k=True)

    def recognised(self, clues: Clues) -> str:
        """Return the placeholder that it uses as the owner of each model as the clue, or ""."""
        return clues.only_owner("organization_owner") or super().recognised(clues)

    def traits(self, model: str) -> Traits:
        """Return the traits: levels for gpt-oss only, as documented; recovery of calls by the model's family."""
        if open_models.is_gpt_oss(model):
            return evolve(
                self.default_traits, reasoning_control="effort", reasoning_levels=LEVELS, recover_tool_calls=True
            )
        return evolve(self.default_traits, recover_tool_calls=open_models.writes_calls(model))
