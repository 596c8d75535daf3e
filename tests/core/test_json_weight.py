"""Tests for `claude_bridge.core.json_weight`."""

from __future__ import annotations

import json
import time

import pytest

from claude_bridge.core.json_weight import MAX_UNCHECKED_BYTES, MAX_VALUES, has_too_many_values


class TooMuchTests:
    """What is in a piece of JSON is known before it is read."""

    @pytest.mark.parametrize(
        "value",
        [
            {"a": ",[{" * 200_000},
            {"a": '"' * 200_000 + ",[{" * 200_000},
            {"a": '\\"' * 100_000 + "," * 200_000 + "\\"},
            [{"a": '{"b": [1, 2, 3]}' * 100_000}] * 2,
            list(range(MAX_VALUES - 10)),
            ["x" * 10] * (MAX_VALUES - 10),
            {"a": "x" * 10_000_000},
            ["," * 10] * 40_000,
        ],
        ids=["text", "quotes", "backslashes", "JSON in a text", "numbers", "strings", "long", "commas"],
    )
    def test_little(self, value: object) -> None:
        """Text is no values, whatever it looks like."""
        assert not has_too_many_values(json.dumps(value).encode())

    @pytest.mark.parametrize(
        "data",
        [
            b"[" + b"{}," * MAX_VALUES + b"1]",
            b"[" + b'"",' * MAX_VALUES + b"1]",
            b"[" * (MAX_VALUES + 1),
            b'{"a":' * (MAX_VALUES + 1),
            b'{"a":["x\\\\",' + b'"\\",",' * MAX_VALUES + b"1]}",
            b"[" + b",".join(b"%d" % n for n in range(MAX_VALUES + 10)) + b"]",
        ],
        ids=["objects", "strings", "levels", "keys", "escapes", "numbers"],
    )
    def test_much(self, data: bytes) -> None:
        """More values than are read in one turn are told as such."""
        assert has_too_many_values(data)

    def test_small(self) -> None:
        """A small piece is not looked at: it cannot hold many."""
        assert MAX_UNCHECKED_BYTES < MAX_VALUES
        assert not has_too_many_values(b"," * MAX_UNCHECKED_BYTES)

    @pytest.mark.parametrize("piece", [b",", b'"', b'"",', b'\\"', b"\\\\", b"{}", b"x"])
    def test_cheap(self, piece: bytes) -> None:
        """The look itself costs next to nothing, whatever it looks at."""
        data = piece * (4 * 1024 * 1024 // len(piece))
        begun = time.thread_time()
        has_too_many_values(data)
        assert time.thread_time() - begun < 1
