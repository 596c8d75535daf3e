"""Base of dialects for servers that render the model's chat template with variables of the request: vLLM, SGLang.

Thinking is switched by ``chat_template_kwargs``, with ``reasoning_effort`` beside it for the templates that know
levels. The switch works with every version, and with templates that do not know it. ``reasoning_effort`` alone does
not: versions of a year ago refuse ``none``, ``minimal``, ``xhigh`` and ``max``, and do not switch thinking by it.
"""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.chat_completions.dialect import Generic, Shaping
from claude_bridge.core.chat_completions.dialects import open_models
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import ReasoningControl, Traits
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.reasoning_levels import nearest_level

LEVELS: Final[tuple[ReasoningLevel, ...]] = ("low", "medium", "high")
"""The levels that all versions accept."""


def effort_beside_switch(level: ReasoningLevel | None, levels: tuple[ReasoningLevel, ...]) -> ReasoningLevel | None:
    """Return the effort to send beside a switch that is on, or None: templates refuse words that they do not know."""
    return (
        None if level is None or level == "none" else nearest_level(level, [each for each in levels if each != "none"])
    )


@frozen
class Templated(Generic):
    """A server that differs by the family of the model."""

    notes: ClassVar[tuple[str, ...]] = ("sends the level beside the switch",)
    default_traits: ClassVar[Traits] = Traits(reasoning_levels=LEVELS, top_k=True, prefill="continue")

    def traits(self, model: str) -> Traits:
        """Return the traits, with the switch for thinking that the model's family uses.

        Mistral's own validation, which vLLM runs for Mistral's models, refuses a user message after tool messages,
        where clients put their reminders (mistral-common issue 169); so do their chat templates.
        """
        if open_models.is_gpt_oss(model):
            return evolve(self.default_traits, reasoning_control="effort", recover_tool_calls=True)
        return evolve(
            self.default_traits,
            reasoning_control=_switch(model),
            alternate=open_models.is_mistral(model),
            recover_tool_calls=open_models.writes_calls(model),
        )

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Send the level beside the switch."""
        super().shape(chat, extra, shaping)
        if "chat_template_kwargs" in extra and chat.reasoning_effort is None:
            chat.reasoning_effort = effort_beside_switch(shaping.level, shaping.traits.reasoning_levels)


def _switch(model: str) -> ReasoningControl:
    """Return the switch; vLLM answers 400 "chat_template is not supported for Mistral tokenizers" to any."""
    if open_models.is_mistral(model):
        return "none"
    return "template_thinking" if open_models.switched_by_thinking(model) else "enable_thinking"
