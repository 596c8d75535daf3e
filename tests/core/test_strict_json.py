"""Tests for `claude_bridge.core.strict_json`."""

from __future__ import annotations

import gc
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given

from claude_bridge.core import strict_json
from claude_bridge.core.strict_json import JsonError, Raw
from tests.core.strategies import JSON

LONE = r'{"a": "x\ud800y"}'


class DecodeTests:
    """Bytes to plain values."""

    @given(JSON)
    def test_any_json(self, value: Any) -> None:
        """What JSON says is what comes out."""
        assert strict_json.decode(json.dumps(value).encode()) == value
        assert strict_json.decode(strict_json.encode(value)) == value

    @pytest.mark.parametrize("text", ["", "{", "nope", '{"a": NaN}', "{} {}", "[" * 100_000])
    def test_not_json(self, text: str) -> None:
        """What is no JSON, or nested beyond reason, is one kind of error."""
        with pytest.raises(JsonError):
            strict_json.decode(text.encode())

    def test_forgiving(self) -> None:
        """Lone surrogates and bytes that are not UTF-8 are replaced, and the rest is kept."""
        assert strict_json.decode(LONE.encode()) == {"a": "x\ufffdy"}
        assert strict_json.decode(b'{"a": "x\xffy"}') == {"a": "x\ufffdy"}
        assert strict_json.decode(Raw(b'{"a": "x\xffy"}')) == {"a": "x\ufffdy"}

    def test_leaves_nothing_behind(self) -> None:
        """A body that is no JSON leaves no frames for the collector, as an error page of a backend is one."""
        gc.collect()
        gc.disable()
        try:
            with suppress(JsonError):
                strict_json.decode(b"<html>")
            assert gc.collect() == 0
        finally:
            gc.enable()

    def test_said_in_words(self) -> None:
        """The reason can be shown to a person."""
        with pytest.raises(JsonError, match="nested too deeply"):
            strict_json.decode(b"[" * 100_000 + b"]" * 100_000)


class EncodeTests:
    """What is written."""

    @pytest.mark.parametrize(
        ("raw", "text"),
        [
            (b'{"b": 1,\n "a": [1, 2]}', '{"b":1,"a":[1,2]}'),
            (b'{"b":"x: y, z"}', '{"b":"x: y, z"}'),
            (b'{"b":1}', '{"b":1}'),
            (b'{"b": broken', '{"b": broken'),
            (b"[ " + b" " * strict_json.MAX_COMPACTED_BYTES + b"]", "[ " + " " * strict_json.MAX_COMPACTED_BYTES + "]"),
        ],
    )
    def test_compact(self, raw: bytes, text: str) -> None:
        """White space goes unless there is too much of all, the order of keys and what is in strings stay."""
        assert strict_json.compact(Raw(raw)) == text

    def test_present(self) -> None:
        """Absent and null are the same: nothing."""
        assert [strict_json.present(Raw(raw)) for raw in (b"", b"null", b"0", b"{}")] == [False, False, True, True]

    def test_begins_object(self) -> None:
        """Raw JSON begins with its first bracket: the decoder has taken white space in front of it away."""
        raws = (b'{"a":1}', b"{}", b"[{}]", b'"{"', b"")
        assert [strict_json.begins_object(Raw(raw)) for raw in raws] == [True, True, False, False, False]

    @pytest.mark.parametrize(
        ("text", "one"),
        [
            ("{}", True),
            (' {"a": {"b": [1e999]}}\n', True),
            ("[]", False),
            ('{"a": tru}', False),
            ('{"a": 1} x', False),
            ("", False),
            ('{"a": "\ud800"}', False),
            ('{"a":' + "[" * 100_000, False),
        ],
    )
    def test_is_object(self, text: str, one: bool) -> None:
        """It is told whether a text is one JSON object and nothing else."""
        assert strict_json.is_object(text) is one

    @pytest.mark.parametrize(
        ("data", "cut"),
        [
            *((b'{"a": [1, "b"]}'[:size], True) for size in range(1, 15)),
            *((broken, False) for broken in (b"", b'{"a": [1, "b"]}', b'{"a" [', b"{}}", b'{"a":x', b'["a"', b"nul")),
        ],
    )
    def test_is_truncated(self, data: bytes, cut: bool) -> None:
        """The beginning of an object is told from what can never become one."""
        assert strict_json.is_truncated(data) is cut


class DecodeFieldsTests:
    """An object's names, its values left alone."""

    def test_values_stay_as_they_are(self) -> None:
        """What is not looked into keeps its bytes, and can be written again as it was."""
        fields = strict_json.decode_fields(b'{"a": [1, 2 ], "b":"\\u00e4"}')
        assert {name: bytes(raw) for name, raw in fields.items()} == {"a": b"[1, 2 ]", "b": b'"\\u00e4"'}
        assert strict_json.encode(fields) == b'{"a":[1, 2 ],"b":"\\u00e4"}'

    @pytest.mark.parametrize("data", [b"", b"[]", b"null", b'{"a":', b'{"a":1} x', b"\xff", b"[" * 100_000])
    def test_no_object(self, data: bytes) -> None:
        """What is no JSON object is refused in one way."""
        with pytest.raises(strict_json.JsonError):
            strict_json.decode_fields(data)
