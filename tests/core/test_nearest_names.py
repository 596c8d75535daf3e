"""Tests for `claude_bridge.core.nearest_names`."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.nearest_names import MAX_NAME_CHARACTERS, MAX_NAMES, name_list, nearest_names

NAMES = ("zai-org/GLM-4.5-Air", "qwen3-coder", "qwen3-coder:30b", "llama-3.3-70b", "gpt-oss-120b", "deepseek-v3.2")


class NearestTests:
    """Who mistypes a name sees the right one."""

    def test_like(self) -> None:
        """The names that are most like it come first, whatever their case and their organisation."""
        assert nearest_names("glm-4.5-air", NAMES)[0] == "zai-org/GLM-4.5-Air"
        assert nearest_names("Qwen3-Coder", NAMES)[:2] == ("qwen3-coder", "qwen3-coder:30b")
        assert nearest_names("lama-3.3", NAMES)[0] == "llama-3.3-70b"

    def test_few(self) -> None:
        """Of a few names all are told, like it or not."""
        assert nearest_names("x", ("a", "b", "a")) == ("a", "b")
        assert nearest_names("", ()) == ()

    def test_many(self) -> None:
        """Of thousands only some are told, and the search is over in no time."""
        begun = time.thread_time()
        near = nearest_names("model-77", (f"organisation/model-{n}-instruct" for n in range(5_000)))
        assert time.thread_time() - begun < 1
        assert len(near) == MAX_NAMES
        assert "organisation/model-77-instruct" in near

    @given(st.text(max_size=300), st.lists(st.text(max_size=300), max_size=9))
    def test_any_names(self, name: str, names: list[str]) -> None:
        """No name makes it fail, and none is told at length."""
        assert all(len(one) <= MAX_NAME_CHARACTERS for one in nearest_names(name, names))


class ListedTests:
    """Names in a sentence."""

    def test_words(self) -> None:
        """It is said how many more there are."""
        assert name_list(("a", "b"), 2) == "a, b"
        assert name_list(("a", "b"), 9) == "a, b and 7 more"
