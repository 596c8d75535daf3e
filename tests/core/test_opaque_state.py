"""Tests for `claude_bridge.core.opaque_state`: a backend's state on its way through the client."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import strict_json
from claude_bridge.core.opaque_state import MAX_DEPTH, MAX_STATE_BYTES, PREFIX, OpaqueState, pack, unpack
from tests.core.strategies import JSON, TEXT


def packed(raw: bytes) -> str:
    """Return a carrier of these bytes, whatever they are."""
    return PREFIX + urlsafe_b64encode(raw).rstrip(b"=").decode()


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
        text = pack(OpaqueState(dialect, model, state))
        assert text.isascii()
        assert text.isprintable()
        assert unpack(text) == OpaqueState(dialect, model, state)

    def test_large(self) -> None:
        """A state that is too large does not travel at all, rather than half."""
        assert pack(OpaqueState("d", "m", "x" * MAX_STATE_BYTES)) == ""
        assert unpack(packed(strict_json.encode({"d": "d", "m": "m", "x": "x" * MAX_STATE_BYTES}))) is None

    def test_deep(self) -> None:
        """Nor does one that could not be written again inside a request."""
        assert unpack(pack(OpaqueState("d", "m", nested(MAX_DEPTH)))) is not None
        assert pack(OpaqueState("d", "m", nested(MAX_DEPTH + 1))) == ""
        assert unpack(packed(b'{"d":"d","m":"m","x":' + b"[" * 900 + b"]" * 900 + b"}")) is None


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
        assert unpack(packed(raw)) is None

    @pytest.mark.parametrize("text", ["", "cb1", "cb1.", "cb2.abc", "EqQBCkgIBBABGAIiQL8", "cb1.\u00e9", "cb1.\ud800"])
    def test_other_texts(self, text: str) -> None:
        """Anthropic's own signatures and broken text are no carriers."""
        assert unpack(text) is None

    @given(st.text(max_size=40), st.binary(max_size=40))
    def test_any_text(self, text: str, raw: bytes) -> None:
        """Nothing that a client can send does any harm."""
        for one in (text, PREFIX + text, packed(raw)):
            assert isinstance(unpack(one), OpaqueState | None)

    @given(JSON)
    def test_any_json(self, value: object) -> None:
        """Nor does any JSON."""
        assert isinstance(unpack(packed(strict_json.encode(value))), OpaqueState | None)
