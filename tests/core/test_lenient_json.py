"""Tests for `claude_bridge.core.lenient_json`. Which fields are read so is tested with each API."""

from __future__ import annotations

import pytest
from hypothesis import given

from claude_bridge.core import json_weight, lenient_json
from claude_bridge.core.strict_json import JsonError, Raw, decode, present
from tests.core.strategies import JSON


class ValueTests:
    """Values of any type."""

    @given(JSON)
    def test_any(self, value: object) -> None:
        """Text is text and a list is a list; of any other value there is none."""
        assert lenient_json.text(value) == (value if isinstance(value, str) else None)
        assert (lenient_json.raws(value) is not None) == isinstance(value, list)

    @given(JSON)
    def test_raw(self, value: object) -> None:
        """A value stays the same when it is raw, and null becomes a missing field."""
        raw = lenient_json.raw(value)
        assert present(raw) == (value is not None)
        assert not present(raw) or decode(raw) == value

    def test_raws(self) -> None:
        """The values of a list, of too many one more than the limit."""
        assert lenient_json.raws([1, None, "a"]) == [Raw(b"1"), Raw(b""), Raw(b'"a"')]
        many = lenient_json.raws([1] * (json_weight.MAX_PARTS + 5))
        assert many is not None
        assert len(many) == json_weight.MAX_PARTS + 1

    def test_object(self) -> None:
        """An object is returned as it is, any other value is an error."""
        value = {"a": 1}
        assert lenient_json.as_object(value) is value
        for other in ([value], "a", None):
            with pytest.raises(JsonError, match="it is not a JSON object"):
                lenient_json.as_object(other)
