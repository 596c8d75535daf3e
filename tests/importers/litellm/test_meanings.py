"""Tests for `claude_bridge.importers.litellm.meanings`."""

from __future__ import annotations

import pytest

from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.litellm.meanings import (
    Meaning,
    general_meaning,
    litellm_meaning,
    model_info_meaning,
    parameter_meaning,
    router_meaning,
    top_meaning,
)
from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.yaml_reader import Scalar
from tests.importers.litellm.files import lost, remarks

YES = Scalar("yes", value=True)
NO = Scalar("no", value=False)


class MeaningTests:
    """What a setting without counterpart means."""

    @pytest.mark.parametrize(
        ("meaning", "words", "is_lost"),
        [
            (parameter_meaning("temperature", YES), "the client decides", True),
            (parameter_meaning("num_retries", YES), "asks again", False),
            (parameter_meaning("aws_region_name", YES), "login", True),
            (parameter_meaning("drop_params", YES), "not needed", False),
            (litellm_meaning("drop_params", YES), "not needed", False),
            (litellm_meaning("redact_user_api_key_info", YES), "not needed", False),
            (router_meaning("set_verbose", YES), "not needed", False),
            (general_meaning("disable_master_key_return", YES), "not needed", False),
            (parameter_meaning("never_heard_of", YES), "no counterpart", True),
            (parameter_meaning("enable_thinking", NO, in_body=True), "how much", True),
            (parameter_meaning("anything", NO, in_body=True), "not added", True),
            (model_info_meaning("supports_vision", YES), "by itself", False),
            (model_info_meaning("access_groups", YES), "models =", True),
            (router_meaning("redis_host", YES), "each bridge", True),
            (router_meaning("content_policy_fallbacks", YES), "no other model", True),
            (litellm_meaning("success_callback", YES), "ledger", True),
            (litellm_meaning("cache", YES), "never cached", True),
            (litellm_meaning("max_internal_user_budget", YES), "[key:*]", True),
            (general_meaning("database_url", YES), "database", True),
            (general_meaning("enable_jwt_auth", YES), "keys alone", True),
            (general_meaning("alerting", YES), "anybody", True),
            (top_meaning("guardrails", YES), "not inspected", True),
            (top_meaning("mcp_servers", YES), "MCP", True),
            (top_meaning("x-anchors", YES), "does not read", False),
        ],
    )
    def test_words(self, meaning: Meaning, words: str, is_lost: bool) -> None:
        """It says what follows, and whether anything is missing."""
        assert words in meaning.words
        assert meaning.lost is is_lost

    @pytest.mark.parametrize(
        "meaning",
        [
            litellm_meaning("cache", NO),
            parameter_meaning("never_heard_of", NO),
            parameter_meaning("drop_params", NO),
            general_meaning("store_model_in_db", NO),
            top_meaning("guardrails", []),
        ],
    )
    def test_nothing(self, meaning: Meaning) -> None:
        """What is switched off is not told."""
        notes, draft = Notes(), ImportedConfiguration(tool="LiteLLM", source_words="a file")
        meaning.note(notes, "x")
        notes.write(draft)
        assert draft.findings == []

    def test_noted(self) -> None:
        """It is told as lost, or as different."""
        notes, draft = Notes(), ImportedConfiguration(tool="LiteLLM", source_words="a file")
        Meaning("a").note(notes, "x")
        Meaning("b", lost=False).note(notes, "y")
        notes.write(draft)
        assert lost(draft) == {"x": "a"}
        assert remarks(draft) == {"y": "b"}
