"""All dialects of the Responses API by name, and the recognition of a backend's dialect."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from claude_bridge.core.backend_api import Clues, DialectDecision, first_recognised
from claude_bridge.core.responses_api.dialect import GENERIC, Generic
from claude_bridge.core.responses_api.dialects.azure import Azure
from claude_bridge.core.responses_api.dialects.llamacpp import LlamaCpp
from claude_bridge.core.responses_api.dialects.openai import OpenAI

_ALL: Final[tuple[Generic, ...]] = (Azure(), OpenAI(), LlamaCpp())
"""The first that recognises a backend decides: hosts before clues from engines, which services pass on."""

DIALECTS: Final[Mapping[str, Generic]] = {dialect.name: dialect for dialect in (GENERIC, *_ALL)}


def decide(clues: Clues) -> DialectDecision | None:
    """Return the dialect that recognises the clues, or None."""
    return first_recognised(_ALL, clues)
