"""Tests for `claude_bridge.core.messages_api.readable_json`: any JSON becomes readable text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.events import SearchHit, SearchResulted
from claude_bridge.core.messages_api import rendering
from claude_bridge.core.messages_api.readable_json import MAX_DEPTH, SKIPPED_KEYS, readable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["text", "content", "url", "stdout"]), inner),
    max_leaves=12,
)


def strings(value: Any) -> list[str]:
    """Return all strings in a value but keys."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for item in inner for text in strings(item)]


class SaidTests:
    """Values as text."""

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            ('a\n"b"', 'a\n"b"'),
            ({"type": "x", "text": "hi"}, "hi"),
            ({"type": "x", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "a\nb"),
            ({"stdout": "out", "stderr": "", "return_code": 0}, "stdout: out; return_code: 0"),
            ([{"title": "T", "url": "U", "encrypted_content": "xyz", "page_age": None}], "title: T; url: U"),
            ({"a": {"b": "c", "d": [1, True, 1.5]}}, "a: {b: c; d: 1\ntrue\n1.5}"),
            ({"x": False}, "x: false"),
            (None, ""),
            ([None, "a", {"text": None}], "a"),
            ({}, ""),
            ([], ""),
        ],
    )
    def test_forms(self, value: object, expected: str) -> None:
        """A lone text stands bare, other keys are named, empty and technical ones left out."""
        assert readable(value) == expected

    def test_no_noise_at_any_depth(self) -> None:
        """Markers, ids and encrypted blobs fill no context, however deep they stand."""
        noisy = dict.fromkeys(SKIPPED_KEYS, "noise")
        assert readable({"a": [{"b": {"c": "word", **noisy}, **noisy}], **noisy}) == "a: b: {c: word}"

    def test_own_search(self) -> None:
        """What the bridge's own search had found can be read by the model in a later turn, foreign blobs cannot."""
        block = rendering.search_result(SearchResulted("srvtoolu_1", (SearchHit("T", "https://e.org/", "Rain; 9 °C"),)))
        assert readable(block) == "url: https://e.org/; title: T; content: Rain; 9 °C"

    def test_deep(self) -> None:
        """Below a certain depth JSON is given as it is."""
        value: Any = "bottom"
        for _ in range(200):
            value = [value]
        assert readable(value) == "[" * (200 - MAX_DEPTH - 1) + '"bottom"' + "]" * (200 - MAX_DEPTH - 1)

    @given(JSON)
    def test_no_string_is_lost(self, value: Any) -> None:
        """Every string in it can be read in the text, unescaped."""
        text = readable(value)
        assert all(one in text for one in strings(value))
