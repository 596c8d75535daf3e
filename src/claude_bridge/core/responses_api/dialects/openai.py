"""OpenAI, whose API this is: models reason beside tools here, and give their reasoning back encrypted."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar, Final

from attrs import evolve, frozen

from claude_bridge.core.backend_api import TokenizerEndpoint
from claude_bridge.core.responses_api.dialect import COUNTER, Generic
from claude_bridge.core.responses_api.traits import Traits

Families = Sequence[tuple[str, Traits]]
"""Patterns of model names, in lower case, with the traits of each family; the first that is found decides."""

REASONS: Final = Traits(
    reasoning_levels=("none", "low", "medium", "high", "xhigh"),
    system_messages="inline",
    system_role="developer",
    schema="basic",
    pdf="file",
    prefill="refuse",
    # refused while a model reasons, or for any value but one
    drop=("temperature", "top_p"),
)

CHATS: Final = evolve(
    REASONS,
    reasoning_control="none",
    reasoning_summary=False,
    encrypted_reasoning=False,
    system_role="system",
    drop=(),
)
"""gpt-4 and the like: no reasoning."""

_PHASES: Final = evolve(REASONS, phases=True)
"""gpt-5.3-codex and later, which do worse without the phases of their messages (says the ``openai`` package)."""

_O_SERIES: Final = evolve(REASONS, reasoning_levels=("low", "medium", "high"))

# a name may follow a prefix: "ft:", "openai/", and any deployment's name at Azure
_AT: Final = r"(?:^|[/:_-])"

FAMILIES: Final[Families] = (
    (_AT + r"o[13]-(?:mini|preview)", evolve(_O_SERIES, images="refuse", pdf="text")),
    (_AT + r"o\d", _O_SERIES),
    (r"chat-latest|gpt-5-chat|search-api", CHATS),
    (_AT + r"gpt-5(?:-|$)", evolve(REASONS, reasoning_levels=("minimal", "low", "medium", "high"))),
    (_AT + r"gpt-5\.1(?:-|$)", evolve(REASONS, reasoning_levels=("none", "low", "medium", "high"))),
    (_AT + r"gpt-5\.(?:[4-9]|3-codex)", _PHASES),
    (_AT + r"gpt-5", REASONS),
    (_AT + r"codex", evolve(_O_SERIES, reasoning_levels=("low", "medium", "high", "xhigh"))),
    (
        r"gpt-6-(?:astra|rosalind)|gpt-6\.1-sol",
        evolve(_PHASES, reasoning_levels=("low", "medium", "high", "xhigh", "max")),
    ),
    (
        _AT + r"gpt-(?:[6-9]|\d\d)",
        evolve(_PHASES, reasoning_levels=("none", "low", "medium", "high", "xhigh", "max")),
    ),
    (_AT + r"(?:gpt-3\.5|gpt-4(?:-\d{4}|-32k|$))", evolve(CHATS, images="refuse", pdf="text")),
)


@frozen
class OpenAI(Generic):
    """OpenAI's Responses API."""

    name: ClassVar[str] = "openai"
    server: ClassVar[str] = "OpenAI's Responses API"
    speaks_for_itself: ClassVar[bool] = True
    hosts: ClassVar[tuple[str, ...]] = ("api.openai.com", ".api.openai.com")
    tokenizer: ClassVar[TokenizerEndpoint | None] = COUNTER
    can_reason_less: ClassVar[bool] = True
    least_limit: ClassVar[int] = 16
    default_traits: ClassVar[Traits] = CHATS
    families: ClassVar[Families] = FAMILIES

    def traits(self, model: str) -> Traits:
        """Return the traits of the model's family."""
        name = model.lower()
        return next((traits for pattern, traits in self.families if re.search(pattern, name)), self.default_traits)
