"""Base of dialects for servers that host models of several families: traits are looked up by a model's name."""

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

    :cvar families: the first pattern that matches decides; `default_traits` are for all other models.
    :cvar open_models: whether open models are served with the server's own parsers, so that calls are recovered from
        the text of models that write them there (`open_models.writes_calls`).
    """

    families: ClassVar[Families] = ()
    open_models: ClassVar[bool] = False

    def traits(self, model: str) -> Traits:
        """Return the traits of the model's family, by its name."""
        name = model.lower()
        traits = next((traits for pattern, traits in self.families if re.search(pattern, name)), self.default_traits)
        if self.open_models and writes_calls(name):
            return evolve(traits, recover_tool_calls=True)
        return traits


def forces_a_tool(chat: ChatRequest) -> bool:
    """Return whether a request demands that a tool is called."""
    return isinstance(chat.tool_choice, NamedToolChoice) or chat.tool_choice in {"required", "any"}
