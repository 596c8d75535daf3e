"""JSON5 as people write it by hand."""

from __future__ import annotations

import pytest

from claude_bridge.importers.claude_code_router.json5_text import read_json5
from claude_bridge.importers.source import NotUsable


class ReadTests:
    """One text."""

    @pytest.mark.parametrize(
        "text",
        [
            '{"a": [1, "x"]}',
            "{a: [1, 'x'],}",
            "// first\n{/* in it */ 'a': [+1, 'x',], // last\n}",
            '{"a": [0x1, "x"]}\n// behind',
            "\n\n{ a\n:\n[1\n,'x']}",
        ],
    )
    def test_same_value(self, text: str) -> None:
        """Quotes, comments and commas make no difference."""
        assert read_json5(text, "config.json") == {"a": [1, "x"]}

    @pytest.mark.parametrize("comma", ["", ","])
    @pytest.mark.parametrize(("written", "text"), [(r"\ud83d\ude00", "\U0001f600"), (r"\ud83d x", "\ufffd x")])
    def test_surrogates(self, written: str, text: str, comma: str) -> None:
        """A character that is written as two escapes is one character, and half of it is none."""
        assert read_json5(f'{{"{written}": ["{written}"{comma}]}}', "config.json") == {text: [text]}

    def test_large_plain_json(self) -> None:
        """Plain JSON may be much larger: an export of version 3 holds a database."""
        assert read_json5("[1]" + " " * 600_000, "config.json") == [1]

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('{\n"a": "invented" "b"}', "look at line 2"),
            ('{"a": "invented', "line 1|not closed"),
            ("{a: invented}", "look at line 1"),
            ("[" * 100_000, "line 1|nested too deeply|not closed"),
            ("[" * 400 + "]" * 400, "nested too deeply"),
            ('{"a": ' * 100 + "1" + "}" * 100, "nested too deeply"),
            ("[1,]" + " " * 600_000, "more than 512 KB and is not plain JSON: take out its comments"),
        ],
    )
    def test_mistake(self, text: str, told: str) -> None:
        """The place is named, and nothing of the text is shown."""
        with pytest.raises(NotUsable, match=told) as caught:
            read_json5(text, "config.json")
        assert str(caught.value).startswith("config.json ")
        assert "invented" not in str(caught.value)
