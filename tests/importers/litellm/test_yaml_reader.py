"""Tests for `claude_bridge.importers.litellm.yaml_reader`."""

from __future__ import annotations

from typing import Any

import pytest

from claude_bridge.importers.litellm.yaml_reader import (
    MAX_CHARACTERS,
    MAX_VALUES,
    Scalar,
    join,
    read_yaml,
    texts,
)
from claude_bridge.importers.source import NotUsable


def values(text: str) -> Any:
    """Return a text's values, plain."""
    return _plain(read_yaml(text, "f.yaml").root)


def _plain(tree: Any) -> Any:
    if isinstance(tree, Scalar):
        return tree.value
    if isinstance(tree, list):
        return [_plain(each) for each in tree]
    return {key: _plain(each) for key, each in tree.items()}


def oddities(text: str) -> dict[str, str]:
    """Return what is odd in a text."""
    return dict(read_yaml(text, "f.yaml").oddities)


class ValueTests:
    """What is read."""

    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("a: 1", 1),
            ("a: 0x10", 16),
            ("a: 1.5e-06", 1.5e-06),
            ("a: 1e-6", "1e-6"),
            ("a: no", False),
            ("a: On", True),
            ("a: 'no'", "no"),
            ("a: ~", None),
            ("a:", None),
            ("a: 2024-10-21", "2024-10-21"),
            ("a: !!str 12", "12"),
            ("a: !!int twelve", "twelve"),
            ("a: |\n  two\n  lines\n", "two\nlines\n"),
            ("a: [x, {b: y}]", ["x", {"b": "y"}]),
            ("a: !!set {x, y}", {"x": None, "y": None}),
        ],
    )
    def test_yaml_1_1(self, text: str, value: object) -> None:
        """Values are what LiteLLM takes them for; dates stay texts."""
        assert values(text) == {"a": value}

    def test_written_text_is_kept(self) -> None:
        """A name that YAML takes for a boolean or number is still there as it was written."""
        assert read_yaml("a: no", "f.yaml").root["a"] == Scalar("no", value=False)

    def test_merge(self) -> None:
        """Own keys come before merged ones, and those of the first mapping before those of the next."""
        text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz: {<<: [*x, *y], a: 0}\nw: {a: 5, <<: *y}\n"
        found = values(text)
        assert found["z"] == {"a": 0, "b": 1, "c": 2}
        assert found["w"] == {"a": 5, "b": 2, "c": 2}

    def test_quoted_merge_is_a_key(self) -> None:
        """Only a plain ``<<`` merges."""
        assert values("x: &x {a: 1}\ny: {'<<': *x}")["y"] == {"<<": {"a": 1}}


class OddityTests:
    """What is read, and reported."""

    @pytest.mark.parametrize(
        ("text", "path", "what", "left"),
        [
            ("a: {b: 1, b: 2}", "a.b", "twice", {"a": {"b": 2}}),
            ("a: !vault hidden-3f2a\nb: 1", "a", "tag", {"a": None, "b": 1}),
            ("a: !!python/object:os.x {b: 1}", "a", "tag", {"a": None}),
            ("a: {? [x, y] : 1, b: 2}", "a.?", "no text", {"a": {"b": 2}}),
            ("a: &a {b: *a}", "a.b", "part of", {"a": {"b": None}}),
            ("a: {<<: 3, b: 1}", "a.<<", "no mapping", {"a": {"b": 1}}),
            ("a: 1\n---\na: 2", "---", "second document", {"a": 1}),
        ],
    )
    def test_reported(self, text: str, path: str, what: str, left: object) -> None:
        """It is reported by its path, and everything else is read."""
        (found,) = oddities(text).items()
        assert found[0] == path
        assert what in found[1]
        assert "hidden-3f2a" not in found[1]
        assert values(text) == left


class RefusalTests:
    """What is not read."""

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("a: [1", "f.yaml is not valid YAML, line "),
            ("a: sk-5f1b2: c", "f.yaml is not valid YAML, line 1, column "),
            ("a: *sk-5f1b2", "f.yaml is not valid YAML: a refers to an anchor that is not there"),
            ("- sk-5f1b2", "f.yaml holds no settings"),
            ("", "f.yaml holds no settings"),
            ("a: \x01", "f.yaml is not valid YAML"),
            ("a: " + "[" * 100, "mappings and lists within each other"),
            ("a: " + "[" * 100_000, "f.yaml"),
            ("a" * (MAX_CHARACTERS + 1), "larger than 10 MB"),
        ],
    )
    def test_refused(self, text: str, told: str) -> None:
        """The message says where, and quotes nothing."""
        with pytest.raises(NotUsable) as caught:
            read_yaml(text, "f.yaml")
        assert told in str(caught.value)
        assert "sk-5f1b2" not in str(caught.value)

    def test_merges_are_bounded(self) -> None:
        """Merges of merges count as often as they copy."""
        wide = "a: &a {" + ", ".join(f"k{number}: 1" for number in range(1000)) + "}\n"
        many = "".join(f"m{number}: {{<<: [{', '.join(['*a'] * 100)}]}}\n" for number in range(10))
        with pytest.raises(NotUsable, match=f"more than {MAX_VALUES:,} values"):
            read_yaml(wide + many, "f.yaml")


class PathTests:
    """Paths and texts."""

    def test_join(self) -> None:
        """A path is readable whatever a key is."""
        assert join("", "a") == "a"
        assert join("a[0]", "b") == "a[0].b"
        assert join("a", "b\n" + "c" * 200) == "a.b?" + "c" * 78

    def test_texts(self) -> None:
        """One text and a list of them are read alike; nothing, mappings and empty texts are left out."""
        root = read_yaml("a: x\nb: [x, 2, ~, '', {c: d}]\nc: {d: e}", "f.yaml").root
        assert [list(texts(root[key])) for key in "abc"] == [["x"], ["x", "2"], []]
        assert list(texts(None)) == []
