"""Promises of the check of the context window."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.testing.chat import error, json_answer
from tests.doctor.stand_ins import entry, examination_of, examined, first, of, served, sometimes, wrong

TOO_LONG = "This model's maximum context length is 8192 tokens. However, you requested 100000022 tokens."


class WindowTests:
    """Claude Code needs room."""

    @pytest_twisted.ensureDeferred
    async def test_small(self, reactor: Any) -> None:
        """A window in which the client's own instructions do not fit is a fault, with the server's own flag."""
        listed = [entry(owner="vllm", max_model_len=8192)]
        async with served(reactor, listed=listed) as server:
            findings = await examined(reactor, server.url)
        assert first(findings).number == 6
        assert first(findings).level == "fault"
        assert first(findings).sentence.startswith("8,192 tokens. Claude Code's own instructions take 12,000 to 40,000")
        assert "--max-model-len 65536" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_tight(self, reactor: Any) -> None:
        """A window with room for a few turns is a limit."""
        async with served(reactor, listed=[entry(max_model_len=32_768)]) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(6, "warning")]

    @pytest_twisted.ensureDeferred
    async def test_cutting_server(self, reactor: Any) -> None:
        """Ollama's window is that of the loaded model, and what is longer is cut."""
        listed = [entry("qwen3:8b", "library")]
        loaded = json_answer(200, {"models": [{"name": "qwen3:8b", "model": "qwen3:8b", "context_length": 4096}]})
        async with served(reactor, listed=listed, models=["qwen3:8b"], pages={("GET", "/api/ps"): loaded}) as server:
            findings = await examined(reactor, server.url)
        assert first(findings).number == 6
        assert first(findings).sentence.startswith("4,096 tokens: the server silently cuts longer prompts")
        assert "OLLAMA_CONTEXT_LENGTH=65536" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_cutting_server_without_a_loaded_model(self, reactor: Any) -> None:
        """As long as no model is loaded nobody knows where Ollama cuts."""
        async with served(reactor, listed=[entry("qwen3:8b", "library")], models=["qwen3:8b"]) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == [(6, "warning")]
        assert first(findings).option == "context_window = 65536"

    @pytest_twisted.ensureDeferred
    async def test_slots(self, reactor: Any) -> None:
        """llama.cpp's context is divided among its slots."""
        page = json_answer(200, {"total_slots": 4, "default_generation_settings": {"n_ctx": 4096}})
        listed = [entry(owner="llamacpp")]
        async with served(reactor, listed=listed, pages={("GET", "/props"): page}) as server:
            findings = await examined(reactor, server.url)
        assert first(findings).sentence.startswith("4,096 tokens")
        assert "--ctx-size 65536 for each of its 4 slots" in first(findings).sentence

    @pytest_twisted.ensureDeferred
    async def test_refusal_tells(self, reactor: Any) -> None:
        """A window that no list tells is told by the refusal of an endless answer; not in a quick examination."""
        refusal = error(400, {"message": TOO_LONG, "code": "context_length_exceeded"})
        script = sometimes(lambda body: body.get("max_tokens", 0) > 8192, refusal)
        async with served(reactor, script, listed=[entry()]) as server:
            examination = await examination_of(reactor, server.url, quick=False)
        assert examination.window == 8192
        assert first(examination.findings).number == 6

    @pytest_twisted.ensureDeferred
    async def test_unknown(self, reactor: Any) -> None:
        """A window that nobody knows is a limit, as Claude Code then assumes a million; the line to write is told."""
        async with served(reactor, listed=[entry()]) as server:
            quick = await examined(reactor, server.url)
            whole = await examined(reactor, server.url, quick=False)
        for findings in (quick, whole):
            assert wrong(findings) == [(6, "warning")]
            assert "Claude Code then assumes 1,000,000 tokens" in first(findings).sentence
            assert "set `context_window = TOKENS` in [model:test-model]" in first(findings).sentence
            assert first(findings).option.startswith("# context_window = ")

    @pytest_twisted.ensureDeferred
    async def test_configured_beyond_the_server(self, reactor: Any) -> None:
        """A configured window that is larger than the server's is told with the line to write."""
        async with served(reactor, listed=[entry(max_model_len=65_536)]) as server:
            findings = await examined(reactor, server.url, more="[model:m]\nname = test-model\ncontext_window = 131072")
        assert wrong(findings) == [(6, "warning")]
        assert (first(findings).subject, first(findings).option) == ("model:m", "context_window = 65536")

    @pytest_twisted.ensureDeferred
    async def test_configured(self, reactor: Any) -> None:
        """What is configured counts where the server says nothing."""
        async with served(reactor, listed=[entry()]) as server:
            findings = await examined(reactor, server.url, more="[model:m]\nname = test-model\ncontext_window = 131072")
        assert of(findings, 6).sentence == "131,072 tokens"

    @pytest_twisted.ensureDeferred
    async def test_smaller_one_counts(self, reactor: Any) -> None:
        """A large number in the configuration does not make a small window large."""
        async with served(reactor, listed=[entry(max_model_len=8192)]) as server:
            findings = await examined(reactor, server.url, more="[model:m]\nname = test-model\ncontext_window = 131072")
        assert wrong(findings) == [(6, "warning"), (6, "fault")]
        assert of(findings, 6).sentence.startswith("8,192 tokens")
