"""Promises of the check that says what server it is."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted

from claude_bridge.doctor.checks.server import title
from claude_bridge.testing.chat import json_answer
from tests.doctor.stand_ins import entry, examined, of, served, wrong

VERSION = {
    "vllm": ("/version", {"version": "0.33.0"}, "vLLM 0.33.0"),
    "sglang": ("/get_server_info", {"version": "0.5.23"}, "SGLang 0.5.23"),
    "library": ("/api/version", {"version": "0.12.1"}, "Ollama 0.12.1"),
    "llamacpp": ("/props", {"build_info": "b11549-abc"}, "llama.cpp b11549-abc"),
    "organization_owner": ("/none", {}, "LM Studio,"),
}


class ServerTests:
    """The server is recognised as the bridge recognises it."""

    @pytest.mark.parametrize("owner", VERSION)
    @pytest_twisted.ensureDeferred
    async def test_known(self, reactor: Any, owner: str) -> None:
        """Name, version, dialect and the reason are told, and nothing wrong of such a server that is good."""
        path, page, told = VERSION[owner]
        listed = [entry("some-model", owner, max_model_len=131_072)]
        async with served(
            reactor, listed=listed, pages={("GET", path): json_answer(200, page)}, strict=False
        ) as server:
            findings = await examined(reactor, server.url)
        assert wrong(findings) == []
        assert of(findings, 5).sentence.startswith(told)
        assert "in its model list" in of(findings, 5).sentence
        assert of(findings, 6).sentence.startswith("131,072 tokens")

    @pytest_twisted.ensureDeferred
    async def test_doubted(self, reactor: Any) -> None:
        """A dialect that is configured and wrong is told."""
        listed = [entry("some-model", "vllm", max_model_len=131_072)]
        async with served(reactor, listed=listed, models=["some-model"]) as server:
            findings = await examined(reactor, server.url, "dialect = ollama")
        assert of(findings, 5).level == "warning"
        assert of(findings, 5).option == "dialect = auto"

    @pytest_twisted.ensureDeferred
    async def test_unknown(self, reactor: Any) -> None:
        """A server that nobody knows is no mistake."""
        async with served(reactor) as server:
            findings = await examined(reactor, server.url)
        assert of(findings, 5).level == "ok"
        assert "was not recognised" in of(findings, 5).sentence

    def test_hosts_speak_for_themselves(self) -> None:
        """The name of a dialect without a title is its title."""
        assert (title("chutes"), title("lmstudio")) == ("chutes", "LM Studio")
