"""Tests for `claude_bridge.core.upstream_errors.refusal_words`; each kind tests the words of real servers."""

from __future__ import annotations

import re

import pytest

from claude_bridge.core.upstream_errors.refusal_words import (
    levels_without_none,
    listed_levels,
    other_levels,
    refused,
    weaker_tool_choice,
)


class FieldTests:
    """The refusal of a field as such."""

    @pytest.mark.parametrize(
        "words", ["Unsupported parameter: 'top_p'", "top_p: Extra inputs are not permitted", "unknown field `top_p`"]
    )
    def test_refused(self, words: str) -> None:
        """The field's name beside a word of refusal."""
        assert re.search(refused("top_p"), words, re.IGNORECASE)

    def test_a_value(self) -> None:
        """A value that is out of bounds says nothing against the field."""
        assert not re.search(refused("top_p"), "top_p must be at most 1", re.IGNORECASE)


class LevelTests:
    """Levels of reasoning that a refusal lists."""

    def test_listed(self) -> None:
        """Those behind the words, not the refused one before them."""
        words = "Unsupported value: 'minimal'. Supported values are: 'none', 'low', and 'high'."
        assert listed_levels(words) == ("none", "low", "high")

    def test_other(self) -> None:
        """They help only if the refused one is not among them."""
        assert other_levels("effort must be one of: low, high", "minimal") == ("low", "high")
        assert other_levels("effort must be one of: low, high", "low") is None
        assert other_levels("effort is wrong", "low") is None

    def test_without_none(self) -> None:
        """Where reasoning cannot be switched off, the lowest other level is used."""
        assert levels_without_none(("none", "low", "high")) == ("low", "high")
        assert levels_without_none(("low", "high")) is None


class ToolChoiceTests:
    """What is asked for after a refused tool choice."""

    @pytest.mark.parametrize(
        ("word", "named", "text", "expected"),
        [
            (None, True, "tool_choice is invalid", "required"),
            (None, True, "thinking does not support a named tool_choice", "auto"),
            ("required", False, "tool_choice must be 'auto' or 'any'", "any"),
            ("required", False, "tool_choice is not supported", "auto"),
            ("auto", False, "tool_choice is not supported", "none"),
        ],
    )
    def test_weaker(self, word: str | None, named: bool, text: str, expected: str) -> None:
        """The next weaker form."""
        assert weaker_tool_choice(word, text, named=named) == expected
