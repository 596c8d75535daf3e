"""Tests for `claude_bridge.core.opaque_state`: what clients return as it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import strict_json
from claude_bridge.core.opaque_state import (
    MAX_DEPTH,
    MAX_SNIPPET_BYTES,
    MAX_STATE_BYTES,
    SNIPPET_PREFIX,
    STATE_PREFIX,
    OpaqueState,
    base64url,
    from_base64url,
    pack_snippet,
    pack_state,
    unpack_snippet,
    unpack_state,
)
from tests.core.strategies import JSON, TEXT


def packed(raw: bytes) -> str:
    """Return a carrier of these bytes, whatever they are."""
    return STATE_PREFIX + base64url(raw)


def nested(levels: int) -> Any:
    """Return lists in lists, so many of them."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


class RoundTripTests:
    """There and back."""

    @given(TEXT, TEXT, JSON)
    def test_any_state(self, dialect: str, model: str, state: object) -> None:
        """Any JSON comes back as it was, with who gave it, in characters that every client returns unchanged."""
        text = pack_state(OpaqueState(dialect, model, state))
        assert text.isascii()
        assert text.isprintable()
        assert unpack_state(text) == OpaqueState(dialect, model, state)

    def test_large(self) -> None:
        """A state that is too large does not travel at all, rather than half."""
        assert pack_state(OpaqueState("d", "m", "x" * MAX_STATE_BYTES)) == ""
        assert unpack_state(packed(strict_json.encode({"d": "d", "m": "m", "x": "x" * MAX_STATE_BYTES}))) is None

    def test_deep(self) -> None:
        """Nor does one that could not be written again inside a request."""
        assert unpack_state(pack_state(OpaqueState("d", "m", nested(MAX_DEPTH)))) is not None
        assert pack_state(OpaqueState("d", "m", nested(MAX_DEPTH + 1))) == ""
        assert unpack_state(packed(b'{"d":"d","m":"m","x":' + b"[" * 900 + b"]" * 900 + b"}")) is None


class ForeignTests:
    """Whatever else stands in such a place."""

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"null",
            b"[]",
            b"{}",
            b'{"d":"d"}',
            b'{"d":5,"m":"m"}',
            b'{"d":"d","m":null}',
            b"\xff",
            b'{"d":"d","m":"m","x":1e999}',
            b"[" * 100_000,
        ],
    )
    def test_no_carrier(self, raw: bytes) -> None:
        """What does not hold what it should is no carrier."""
        assert unpack_state(packed(raw)) is None

    @pytest.mark.parametrize("text", ["", "cb1", "cb1.", "cb2.abc", "EqQBCkgIBBABGAIiQL8", "cb1.\u00e9", "cb1.\ud800"])
    def test_other_texts(self, text: str) -> None:
        """Anthropic's own signatures and broken text are no carriers."""
        assert unpack_state(text) is None

    @given(st.text(max_size=40), st.binary(max_size=40))
    def test_any_text(self, text: str, raw: bytes) -> None:
        """Nothing that a client can send does any harm."""
        for one in (text, STATE_PREFIX + text, packed(raw)):
            assert isinstance(unpack_state(one), OpaqueState | None)

    @given(JSON)
    def test_any_json(self, value: object) -> None:
        """Nor does any JSON."""
        assert isinstance(unpack_state(packed(strict_json.encode(value))), OpaqueState | None)


class SnippetTests:
    """What a search found, on its way to the client and back."""

    @given(st.text(st.characters(codec="utf-8")))
    def test_round_trip(self, text: str) -> None:
        """A client gets an opaque ASCII string, and the same text is there again when it comes back."""
        assert unpack_snippet(pack_snippet(text)) == text
        assert pack_snippet(text).isascii()

    @pytest.mark.parametrize(
        "foreign",
        [
            "",
            "EqgfCioIARgBIiQ",
            SNIPPET_PREFIX,
            f"{SNIPPET_PREFIX}*",
            f"{SNIPPET_PREFIX}é",
            f"{SNIPPET_PREFIX}_w",
            SNIPPET_PREFIX + "A" * MAX_SNIPPET_BYTES,
            None,
            7,
            ["x"],
        ],
    )
    def test_foreign(self, foreign: object) -> None:
        """What is not ours is nothing, never an error."""
        assert unpack_snippet(foreign) == ""

    def test_half_a_character(self) -> None:
        """Text that UTF-8 cannot carry does no harm."""
        assert unpack_snippet(pack_snippet("a\ud800")) == "a?"


class Base64Tests:
    """The encoding of both, and of ids."""

    @given(st.binary(max_size=40))
    def test_round_trip(self, data: bytes) -> None:
        """Any bytes come back, from letters that are legal in an id."""
        text = base64url(data)
        assert from_base64url(text) == data
        assert re.fullmatch(r"[0-9A-Za-z_-]*", text)

    @pytest.mark.parametrize("text", ["a", "abcde"])
    def test_cut(self, text: str) -> None:
        """Letters that no bytes make are a `ValueError`."""
        with pytest.raises(ValueError, match="base64"):
            from_base64url(text)
