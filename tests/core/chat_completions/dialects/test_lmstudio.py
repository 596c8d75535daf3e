"""Tests for `claude_bridge.core.chat_completions.dialects.lmstudio`."""

from __future__ import annotations

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialects.lmstudio import LmStudio
from tests.core.chat_completions.dialects.shaping import asked


class LmStudioTests:
    """LM Studio (docs/servers.md 1.5)."""

    def test_tool_choice(self) -> None:
        """A tool is not chosen by its name.

        It answers 400 "Invalid tool_choice type: 'object'. Supported string values: none, auto, required" (many public
        reports).
        """
        assert LmStudio().traits("m").tool_choice == "required"

    def test_thinking(self) -> None:
        """Only gpt-oss has levels, those of its API's documentation."""
        assert asked(LmStudio(), "openai/gpt-oss-20b", "max") == {"reasoning_effort": "high"}
        assert asked(LmStudio(), "qwen/qwen3-8b", "max") == {}

    def test_leaks(self) -> None:
        """A call that it cannot read stays in the text, so calls are looked for there by family."""
        assert LmStudio().traits("qwen/qwen3-8b").recover_tool_calls
        assert not LmStudio().traits("gemma").recover_tool_calls

    def test_lists(self) -> None:
        """Windows of loaded models are in a list of its own (its REST API v0)."""
        assert LmStudio().lists == ("/api/v0/models",)

    def test_known(self) -> None:
        """All its models are ``owned_by: organization_owner`` (its /v1/models, many public recordings)."""
        assert LmStudio().recognised(Clues(owners=("organization_owner",)))
        assert not LmStudio().recognised(Clues(owners=("organization_owner", "openai")))
        assert not LmStudio().recognised(Clues(error={"error": "Unexpected endpoint"}))
