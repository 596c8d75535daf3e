"""Tests for `claude_bridge.core.chat_completions.dialects.ollama`."""

from __future__ import annotations

import pytest

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialects.ollama import Ollama
from claude_bridge.core.chat_completions.openai_types import Delta
from claude_bridge.core.conversation import ReasoningLevel
from tests.core.chat_completions.dialects.shaping import asked

THINKERS = [
    "gpt-oss:20b",
    "gpt-oss",
    "deepseek-r1:8b",
    "deepseek-v3.1:671b-cloud",
    "qwen3:8b",
    "Qwen3:30b-a3b-thinking-2507",
    "qwen3.5:27b",
    "magistral",
    "gemma4:12b",
    "nemotron-3-nano:30b",
    "glm-4.7-flash:q8_0",
    "kimi-k2-thinking:cloud",
    "minimax-m2.1:cloud",
]
OTHERS = [
    "gemma3:27b",
    "qwen3-coder:30b",
    "qwen3:30b-a3b-instruct-2507-q4_K_M",
    "qwen2.5:7b",
    "llama3.3",
    "hf.co/unsloth/Qwen3-8B-GGUF:Q4_K_M",
    "me/qwen3:8b",
    "deepseek-v3:671b",
    "",
    "qwen3:8b\n",
]


class OllamaTests:
    """Ollama, source of August 2026 (docs/servers.md 1.4)."""

    @pytest.mark.parametrize("model", THINKERS)
    def test_thinkers(self, model: str) -> None:
        """Models of its library that think are told how much."""
        assert asked(Ollama(), model, "high") == {"reasoning_effort": "high"}

    @pytest.mark.parametrize("model", OTHERS)
    def test_others(self, model: str) -> None:
        """All others are not: they answer 400 '"m" does not support thinking' (server/routes.go)."""
        assert asked(Ollama(), model, "high") == {}

    @pytest.mark.parametrize(
        ("level", "word"), [("none", "none"), ("minimal", "low"), ("xhigh", "max"), ("max", "max")]
    )
    def test_levels(self, level: ReasoningLevel, word: str) -> None:
        """Levels have the words of its own scale (openai.go, thinkFromReasoningEffort)."""
        assert asked(Ollama(), "qwen3:8b", level) == {"reasoning_effort": word}

    def test_traits(self) -> None:
        """A forced tool is not to be had, and too long a prompt is cut without a word (docs/servers.md 1.4)."""
        traits = Ollama().traits("m")
        assert (traits.tool_choice, traits.truncates, traits.tool_images) == ("none", True, False)

    def test_reasoning(self) -> None:
        """Thinking is called ``reasoning`` both ways (openai.go, Message)."""
        assert Ollama().reasoning(Delta(reasoning="hm")) == "hm"
        assert Ollama().traits("m").reasoning_field == "reasoning"

    def test_lists(self) -> None:
        """With which window a model is loaded is told by /api/ps alone (server/routes.go, PsHandler)."""
        assert Ollama().lists == ("/api/ps",)
        assert Ollama().tokenizer is None

    @pytest.mark.parametrize(
        ("clues", "why"),
        [
            (Clues(fingerprint="fp_ollama"), "system_fingerprint fp_ollama"),
            (Clues(owners=("library",)), "owned_by library in its model list"),
            (Clues(owners=("unsloth", "library")), "owned_by library in its model list"),
            (Clues(host="ollama.com"), "host ollama.com"),
        ],
    )
    def test_known(self, clues: Clues, why: str) -> None:
        """Its answers have a fingerprint, and the owner of a model is its name space, mostly "library"."""
        assert Ollama().recognised(clues) == why

    @pytest.mark.parametrize(
        "clues",
        [
            Clues(owners=("library", "openai")),
            Clues(owners=("library", "vllm")),
            Clues(owners=("unsloth",)),
            Clues(fingerprint="fp_ollama2"),
            Clues(host="notollama.com"),
        ],
    )
    def test_strangers(self, clues: Clues) -> None:
        """A gateway that has Ollama's models among others is not taken for it."""
        assert Ollama().recognised(clues) == ""
