"""Tests for `claude_bridge.core.chat_completions.dialects.registry`."""

from __future__ import annotations

import pytest

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialect import GENERIC, Dialect
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS, decide


class RegistryTests:
    """All dialects."""

    def test_local_ones_are_there(self) -> None:
        """Every engine that people run themselves has its name, and the plain server has one too."""
        assert {"generic", "vllm", "sglang", "llamacpp", "ollama", "lmstudio", "chutes"} <= DIALECTS.keys()

    def test_names(self) -> None:
        """Each is found under its own name."""
        assert [dialect.name for dialect in DIALECTS.values()] == list(DIALECTS)

    @pytest.mark.parametrize("dialect", DIALECTS.values(), ids=lambda dialect: dialect.name)
    def test_nothing_is_no_clue(self, dialect: Dialect) -> None:
        """Where a backend says nothing special no dialect claims it."""
        for clues in (
            Clues(),
            Clues(host="localhost"),
            Clues(host="127.0.0.1", owners=("openai", "system"), fingerprint="fp_44709d6fcb"),
            Clues(error={"error": {"message": "no", "type": "invalid_request_error", "param": None, "code": None}}),
            Clues(error=[{"error": "no"}], headers={"server": "nginx", "x-request-id": "1"}),
        ):
            assert dialect.recognised(clues) == ""

    def test_decides(self) -> None:
        """A clue leads to a dialect and to the words that say why."""
        found = decide(Clues(owners=("llamacpp",)))
        assert found is not None
        assert (found.dialect.name, found.why) == ("llamacpp", "owned_by llamacpp in its model list")
        assert decide(Clues(owners=("somebody",))) is None

    def test_proxy_before_its_engines(self) -> None:
        """Chutes is Chutes although its models are vLLM's."""
        found = decide(Clues(owners=("vllm",), headers={"x-chutes-invocationid": "1"}))
        assert found is not None
        assert found.dialect.name == "chutes"

    def test_generic_is_first(self) -> None:
        """The plain server is the one that everything else only differs from."""
        assert next(iter(DIALECTS.values())) is GENERIC

    def test_speak_for_themselves(self) -> None:
        """Engines and OpenAI never show what another server is; services and gateways pass on what theirs says."""
        found = {name for name, dialect in DIALECTS.items() if dialect.speaks_for_itself}
        assert found == {"llamacpp", "lmstudio", "ollama", "openai", "sglang", "vllm"}
