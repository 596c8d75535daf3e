"""Tests for `claude_bridge.core.anthropic_backend.search_text`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.core.anthropic_backend.search_text import is_ours, search_text
from claude_bridge.core.opaque_state import pack_snippet


class SearchTextTests:
    """Results of the bridge's searches."""

    def test_text(self) -> None:
        """A result has title, address, age and text, as far as it has them."""
        hit = {"title": "T", "url": "https://t.test", "page_age": None, "encrypted_content": pack_snippet("Snow.")}
        assert search_text("snow", [hit, 3]) == "Results of the web search 'snow':\n\nT\nhttps://t.test\nSnow."
        assert search_text(None, [{"title": "T"}]) == "Results of a web search:\n\nT"

    @pytest.mark.parametrize(
        ("content", "ours"),
        [
            ([{"encrypted_content": pack_snippet("")}], True),
            ([{"encrypted_content": "EqgfCioI"}], False),
            ([{"encrypted_content": 3}, "x"], False),
            ([], False),
            ({"type": "web_search_tool_result_error"}, False),
            (None, False),
        ],
    )
    def test_is_ours(self, content: Any, ours: bool) -> None:
        """They are known by how their texts are encoded."""
        assert is_ours(content) is ours
