"""Tests for `claude_bridge.core.chat_completions.dialects.llamacpp`."""

from __future__ import annotations

import pytest

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialects.llamacpp import LlamaCpp
from tests.core.chat_completions.dialects.shaping import asked

OVERFLOW = {
    "code": 400,
    "message": "request (4839 tokens) exceeds the available context size (4096 tokens), try increasing it",
    "type": "exceed_context_size_error",
    "n_prompt_tokens": 4839,
    "n_ctx": 4096,
}
"""Recorded from build 11549."""


class LlamaCppTests:
    """llama.cpp's server (docs/servers.md 1.3)."""

    def test_thinking(self) -> None:
        """Thinking has a switch, a budget, and a level for the templates that know one (recorded: all are taken)."""
        assert asked(LlamaCpp(), "qwen3", "high") == {
            "chat_template_kwargs": {"enable_thinking": True, "reasoning_effort": "high"},
            "thinking_budget_tokens": 16384,
            "return_progress": True,
        }

    def test_off(self) -> None:
        """Switched off there is neither budget nor level."""
        assert asked(LlamaCpp(), "qwen3", "none") == {
            "chat_template_kwargs": {"enable_thinking": False},
            "return_progress": True,
        }

    def test_progress(self) -> None:
        """Progress is asked for in streams, where it can be told."""
        assert asked(LlamaCpp(), "m", None) == {"return_progress": True}
        assert asked(LlamaCpp(), "m", None, stream=False) == {}

    def test_traits(self) -> None:
        """A tool cannot be chosen by its name: an object is taken for ``auto`` (docs/servers.md 1.3)."""
        assert LlamaCpp().traits("m").tool_choice == "required"
        assert LlamaCpp().traits("qwen3").recover_tool_calls
        assert not LlamaCpp().traits("m").recover_tool_calls

    def test_counter(self) -> None:
        """Prompts are counted behind the base URL, ``{"input_tokens": 339, "object": ...}`` (recorded)."""
        tokenizer = LlamaCpp().tokenizer
        assert tokenizer is not None
        assert (tokenizer.path, tokenizer.key) == ("chat/completions/input_tokens", "input_tokens")

    @pytest.mark.parametrize(
        ("clues", "why"),
        [
            (Clues(owners=("llamacpp",)), "owned_by llamacpp in its model list"),
            (Clues(headers={"server": "llama.cpp"}), "header Server: llama.cpp"),
            (Clues(fingerprint="b6399-e4912fc1"), "system_fingerprint b6399-e4912fc1"),
            (Clues(fingerprint="b0-unknown"), "system_fingerprint b0-unknown"),
            (Clues(error={"error": OVERFLOW}), "an error of type exceed_context_size_error"),
        ],
    )
    def test_known(self, clues: Clues, why: str) -> None:
        """It shows itself in its list, its header, its build number and its overflow (all recorded)."""
        assert LlamaCpp().recognised(clues) == why

    @pytest.mark.parametrize(
        "clues",
        [
            Clues(fingerprint="fp_44709d6fcb"),
            Clues(fingerprint="b1234"),
            Clues(fingerprint="b1234-release"),
            Clues(fingerprint="xb1234-abcdef1"),
            Clues(headers={"server": "uvicorn"}),
            Clues(error={"error": {"message": OVERFLOW["message"], "type": "invalid_request_error"}}),
            Clues(error={"error": {"type": "exceed_context_size_error"}}),
            Clues(error={"error": "exceed_context_size_error"}),
            Clues(error=["x"]),
        ],
    )
    def test_strangers(self, clues: Clues) -> None:
        """OpenAI's fingerprints, and servers that run llama.cpp inside and pass on its words (Ollama), are not it."""
        assert LlamaCpp().recognised(clues) == ""
