"""Tests for `claude_bridge.core.json_pointer`."""

from __future__ import annotations

from typing import Final

import pytest

from claude_bridge.core.json_pointer import resolve_pointer

ROOT: Final = {
    "$defs": {"a": {"type": "string"}, "b/c~d": {"type": "integer"}, "text": "no schema"},
    "anyOf": [{"type": "null"}, {"type": "array"}],
}


class PointerTests:
    """Where references lead."""

    @pytest.mark.parametrize(
        ("reference", "expected"),
        [
            ("#", ROOT),
            ("#/$defs/a", {"type": "string"}),
            ("#/$defs/b~1c~0d", {"type": "integer"}),
            ("#/anyOf/1", {"type": "array"}),
            ("#/anyOf/2", None),
            ("#/anyOf/x", None),
            ("#/$defs/text", None),
            ("#/$defs/none", None),
            ("#anchor", None),
            ("https://example.com/schema.json", None),
            ("", None),
        ],
    )
    def test_pointed(self, reference: str, expected: object) -> None:
        """A pointer into the document is followed; nothing else leads anywhere."""
        assert resolve_pointer(ROOT, reference) == expected
