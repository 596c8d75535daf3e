"""All dialects by name, and which one a backend speaks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from claude_bridge.core.dialect import GENERIC, Clues, Dialect
from claude_bridge.core.dialects.chutes import Chutes
from claude_bridge.core.dialects.llamacpp import LlamaCpp
from claude_bridge.core.dialects.lmstudio import LmStudio
from claude_bridge.core.dialects.ollama import Ollama
from claude_bridge.core.dialects.sglang import Sglang
from claude_bridge.core.dialects.vllm import Vllm

_ALL: Final[tuple[Dialect, ...]] = (
    # the first that recognises a backend is it; Chutes passes on what its engines say, so it stands before them
    Chutes(),
    LlamaCpp(),
    LmStudio(),
    Ollama(),
    Sglang(),
    Vllm(),
)

DIALECTS: Final[Mapping[str, Dialect]] = {dialect.name: dialect for dialect in (GENERIC, *_ALL)}


@frozen
class Decided:
    """A dialect and why it is the one."""

    dialect: Dialect
    why: str


def decide(clues: Clues) -> Decided | None:
    """Give the dialect that recognises the clues, or None."""
    for dialect in _ALL:
        why = dialect.recognised(clues)
        if why:
            return Decided(dialect, why)
    return None
