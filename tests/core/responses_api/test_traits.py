"""Tests for `claude_bridge.core.responses_api.traits`."""

from __future__ import annotations

from attrs import fields

from claude_bridge.config.schema import Model
from claude_bridge.core.responses_api.traits import TRAIT_WORDS, Traits


class WordTests:
    """The words that traits may have."""

    def test_words(self) -> None:
        """Those of a literal, alone or in a list; none for a switch."""
        assert TRAIT_WORDS["reasoning_control"] == ("none", "effort")
        assert TRAIT_WORDS["drop"] == ("temperature", "top_p")
        assert TRAIT_WORDS["strict"] == ()

    def test_defaults_are_among_them(self) -> None:
        """The generic server has no word that could not be configured."""
        for each in fields(Traits):
            value, words = getattr(Traits(), each.name), TRAIT_WORDS[each.name]
            assert not words or set(value if isinstance(value, tuple) else [value]) <= set(words), each.name

    def test_options(self) -> None:
        """All but these can be configured by the options of a model that chat completions has, too."""
        options = {each.name for each in fields(Model)}
        assert {each.name for each in fields(Traits)} - options == {
            "reasoning_summary", "encrypted_reasoning", "answer_limit", "phases", "prompt_cache_key",
        }  # fmt: skip
