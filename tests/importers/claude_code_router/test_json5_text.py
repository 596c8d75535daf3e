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
        assert read_json5(text) == {"a": [1, "x"]}

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ('{\n"a": "invented" "b"}', "look at line 2"),
            ('{"a": "invented', "line 1|not closed"),
            ("{a: invented}", "look at line 1"),
            ("[" * 100_000, "line 1|nested too deeply|not closed"),
        ],
    )
    def test_mistake(self, text: str, told: str) -> None:
        """The place is named, and nothing of the text is shown."""
        with pytest.raises(NotUsable, match=told) as caught:
            read_json5(text)
        assert "invented" not in str(caught.value)
