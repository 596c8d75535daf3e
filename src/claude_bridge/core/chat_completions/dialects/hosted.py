"""Servers that host models of several families: a table of patterns, looked up by a model's name."""

from __future__ import annotations

import re
from typing import ClassVar

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialect import Generic
from claude_bridge.core.chat_completions.dialects.open_models import writes_calls
from claude_bridge.core.chat_completions.openai_types import ChatRequest, NamedToolChoice
from claude_bridge.core.chat_completions.traits import Traits

__all__ = ["Families", "Hosted", "forces_a_tool"]

Families = tuple[tuple[str, Traits], ...]
"""Pairs of a pattern, to be found in a model's name in lower case, and of the traits of such models."""


@frozen
class Hosted(Generic):
    """A server with models of several families.

    :cvar families: the first pattern that is found decides; `default_traits` are for all other models.
    :cvar open_models: other makers' open models are served, with parsers of the server's own: calls of
        those that write them as text (`open_models.writes_calls`) are looked for there.
    """

    families: ClassVar[Families] = ()
    open_models: ClassVar[bool] = False

    def traits(self, model: str) -> Traits:
        """Look the family up by the model's name."""
        name = model.lower()
        traits = next((traits for pattern, traits in self.families if re.search(pattern, name)), self.default_traits)
        if self.open_models and writes_calls(name):
            return evolve(traits, recover_tool_calls=True)
        return traits


def forces_a_tool(chat: ChatRequest) -> bool:
    """Return whether a request demands that a tool is called."""
    return isinstance(chat.tool_choice, NamedToolChoice) or chat.tool_choice in {"required", "any"}
