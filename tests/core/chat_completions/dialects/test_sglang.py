"""Tests for `claude_bridge.core.chat_completions.dialects.sglang`."""

from __future__ import annotations

import pytest

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialects.sglang import Sglang
from claude_bridge.core.chat_completions.openai_types import Delta

FLAT = {"object": "error", "type": "BadRequestError", "param": None, "code": 400}


class SglangTests:
    """SGLang 0.5.23 (docs/servers.md 1.2)."""

    def test_reasoning(self) -> None:
        """Reasoning is in ``reasoning_content``, both ways (openai/protocol.py)."""
        assert Sglang().reasoning(Delta(reasoning_content="hm")) == "hm"
        assert Sglang().traits("m").reasoning_field == "reasoning_content"

    def test_known_by_its_list(self) -> None:
        """Its model list says ``owned_by: sglang`` (docs/servers.md 1.2)."""
        assert Sglang().recognised(Clues(owners=("sglang",))) == "owned_by sglang in its model list"

    @pytest.mark.parametrize(
        "message",
        [
            "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
            "Requested token count exceeds the model's maximum context length of 4096 tokens.",
        ],
    )
    def test_known_by_its_overflow(self, message: str) -> None:
        """Its refusals before the stream are flat, and its words for an overflow are its own (docs/servers.md 1.2)."""
        assert Sglang().recognised(Clues(error={**FLAT, "message": message})) == "its words for an overflow"

    @pytest.mark.parametrize(
        "body",
        [
            None,
            {**FLAT, "message": "Invalid model: x"},
            {**FLAT, "message": None},
            {**FLAT},
            {**FLAT, "message": "bad value 'The input (5000 tokens) is longer than the model's context length'"},
            {"error": {"message": "The input (5000 tokens) is longer than the model's context length"}},
        ],
    )
    def test_flat_is_not_enough(self, body: object) -> None:
        """Mistral's and old vLLM's errors are as flat: that alone tells nothing, nor do words that one quotes."""
        assert Sglang().recognised(Clues(error=body)) == ""

    def test_counter(self) -> None:
        """Prompts are counted by ``/tokenize``, which tells ``{tokens, count, max_model_len}`` of messages.

        The window is not among it: this ``max_model_len`` is the tokenizer's own, not what is served
        (serving_tokenize.py). Older versions take only ``prompt`` and answer 400.
        """
        tokenizer = Sglang().tokenizer
        assert tokenizer is not None
        assert (tokenizer.path, tokenizer.key, tokenizer.window) == ("/tokenize", "count", "")

    def test_traits(self) -> None:
        """Usage is asked for in every chunk; tool messages are text."""
        traits = Sglang().traits("Qwen/Qwen3-32B")
        assert (traits.stream_options, traits.top_k, traits.tool_images) == ("continuous", True, False)
