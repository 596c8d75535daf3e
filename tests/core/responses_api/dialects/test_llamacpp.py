"""Tests for `claude_bridge.core.responses_api.dialects.llamacpp`."""

from __future__ import annotations

from attrs import evolve

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.responses_api.dialect import as_fields
from claude_bridge.core.responses_api.dialects.llamacpp import LlamaCpp
from tests.core.asking import tool, user
from tests.core.responses_api.asking import TARGET, sent

LLAMA = evolve(TARGET, dialect=LlamaCpp(), **as_fields(LlamaCpp().traits("m")))


class LlamaTests:
    """llama.cpp's server."""

    def test_recognised(self) -> None:
        """By its header, or as the owner of all its models."""
        assert LlamaCpp().recognised(Clues(headers={"server": "llama.cpp"})) == "header Server: llama.cpp"
        assert LlamaCpp().recognised(Clues(owners=("llamacpp",))) == "owned_by llamacpp in its model list"
        assert LlamaCpp().recognised(Clues(owners=("llamacpp", "other"))) == ""

    def test_request(self) -> None:
        """It gets nothing that it would ignore, and a single tool where one is chosen by its name."""
        request = sent(
            user("hi"),
            target=LLAMA,
            session="s",
            tools=[tool("a"), tool("b")],
            tool_choice={"type": "tool", "name": "b"},
        )
        assert not {"include", "prompt_cache_key"} & request.keys()
        assert [each["name"] for each in request["tools"]] == ["b"]
        assert request["tool_choice"] == "required"
