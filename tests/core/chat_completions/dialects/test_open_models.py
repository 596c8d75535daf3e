"""Tests for `claude_bridge.core.chat_completions.dialects.open_models`."""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.dialects.open_models import (
    is_gpt_oss,
    is_mistral,
    switched_by_thinking,
    writes_calls,
)


class NamesTests:
    """Families are known by names as operators write them."""

    @pytest.mark.parametrize("name", ["openai/gpt-oss-120b", "gpt-oss:20b", "GPT-OSS-20B-MXFP4.gguf", "gpt_oss"])
    def test_gpt_oss(self, name: str) -> None:
        """OpenAI's open model is known with its size, its quantization and its owner."""
        assert is_gpt_oss(name)
        assert writes_calls(name)

    @pytest.mark.parametrize("name", ["mistralai/Mistral-Small-4-119B-2603", "Devstral-2", "mixtral:8x7b", "magistral"])
    def test_mistral(self, name: str) -> None:
        """Mistral's models are known under all their names."""
        assert is_mistral(name)
        assert writes_calls(name)

    @pytest.mark.parametrize(
        "name", ["deepseek-ai/DeepSeek-V3.1", "deepseek-v4-flash", "moonshotai/Kimi-K2.6", "ibm-granite/granite-3.2-8b"]
    )
    def test_thinking(self, name: str) -> None:
        """Some templates call their switch ``thinking``."""
        assert switched_by_thinking(name)

    @pytest.mark.parametrize("name", ["Qwen/Qwen3-32B", "zai-org/GLM-5", "deepseek-r1", "deepseek-v3", "my-model", ""])
    def test_others(self, name: str) -> None:
        """Most others have the usual switch, and so has a name that says nothing."""
        assert not switched_by_thinking(name)
        assert not is_mistral(name)
        assert not is_gpt_oss(name)

    def test_calls(self) -> None:
        """Leaks are looked for in families that are known for them, and in no other."""
        assert all(map(writes_calls, ["Qwen3-Coder", "glm-4.7", "kimi-k2", "MiniMax-M2", "Hermes-3", "Llama-3.3-70B"]))
        assert not any(map(writes_calls, ["gemma3:27b", "phi-4", "smollm2-135m", "my-model"]))
