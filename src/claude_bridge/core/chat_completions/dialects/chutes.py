"""Chutes: vLLM or SGLang by model, behind one proxy that passes on what the engine says."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialects.templated import Templated


@frozen
class Chutes(Templated):
    """Chutes (docs/servers.md 2.14): what both engines accept, and nothing that only one of them has.

    The engines' tokenizers cannot be reached, so prompts are estimated. Which engine serves a model does not matter
    here: both fields for reasoning and both forms of errors are understood everywhere.
    """

    name: ClassVar[str] = "chutes"
    server: ClassVar[str] = "Chutes: what both engines take, and nothing that only one of them has"
    known_by: ClassVar[str] = "its own headers `x-chutes-*` behind another name"
    hosts: ClassVar[tuple[str, ...]] = (".chutes.ai",)

    def recognised(self, clues: Clues) -> str:
        """Return the host, or, behind another name, one of its own headers."""
        header = next((name for name in clues.headers if name.startswith("x-chutes-")), "")
        return super().recognised(clues) or (f"header {header[:64]}" if header else "")
