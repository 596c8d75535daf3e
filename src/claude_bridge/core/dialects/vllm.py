"""vLLM: reasoning under ``reasoning``, usage in every chunk on request, its own tokenizer for counting."""

from __future__ import annotations

from typing import ClassVar

from attrs import frozen

from claude_bridge.core.dialect import Clues, Counter, Generic
from claude_bridge.core.traits import Traits


@frozen
class Vllm(Generic):
    """vLLM 0.33 (wire-contract 4.1)."""

    name: ClassVar[str] = "vllm"
    counter: ClassVar[Counter | None] = Counter(path="/tokenize", key="count", window="max_model_len")
    plain: ClassVar[Traits] = Traits(
        reasoning_control="enable_thinking", stream_options="continuous", top_k=True, tool_images=True
    )

    def recognised(self, clues: Clues) -> str:
        """Know it by the owner of its models."""
        return "owned_by vllm in its model list" if "vllm" in clues.owners else super().recognised(clues)
