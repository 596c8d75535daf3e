"""Tests for `claude_bridge.core.ids`."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.ids import MAX_LENGTH, downstream_id, token, upstream_id

LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def counting_bytes() -> st.SearchStrategy[bytes]:
    """Return bytes as a source of randomness would."""
    return st.binary(min_size=24, max_size=24)


class IdTests:
    """Ids on their way to the client and back."""

    @given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=30), counting_bytes())
    def test_there_and_back(self, identifier: str, noise: bytes) -> None:
        """The backend gets its own id back, whatever is in it, and the client gets one that is legal everywhere."""
        ours = downstream_id(identifier, lambda count: noise[:count])
        assert LEGAL.fullmatch(ours)
        if len(identifier.encode()) <= 34:
            assert upstream_id(ours) == identifier

    @given(st.text(st.characters(codec="utf-8"), min_size=36), counting_bytes())
    def test_long(self, identifier: str, noise: bytes) -> None:
        """An id too long to travel is replaced by one that comes back unchanged."""
        ours = downstream_id(identifier, lambda count: noise[:count])
        assert len(ours) <= MAX_LENGTH
        assert upstream_id(ours) == ours

    def test_absent(self) -> None:
        """A call without an id gets one."""
        assert downstream_id("", bytes) == "toolu_" + "0" * 24

    def test_unique(self) -> None:
        """The same upstream id in two answers gives two ids, since clients drop the second of two equal ones."""
        noise = iter([bytes(10), b"\x01" * 10])
        first, second = (downstream_id("functions.f:0", lambda _: next(noise)) for _ in range(2))
        assert first != second
        assert upstream_id(first) == upstream_id(second) == "functions.f:0"

    def test_lone_surrogate(self) -> None:
        """Even an id that no server can send does not stop an answer."""
        assert LEGAL.fullmatch(downstream_id("\ud800", bytes))

    @pytest.mark.parametrize(
        "foreign",
        [
            "toolu_01A09q90qw90lq917835lq9",
            "call_abc",
            "",
            "toolu_0123456789_",
            "toolu_0123456789_A",
            "toolu_0123456789_YWJ=",
            "toolu_0123456789__-_-",
            "toolu_0123456789_YR",
            "toolu_0123456789_YWJj\n",
        ],
    )
    def test_foreign(self, foreign: str) -> None:
        """An id that is not ours goes upstream as it is."""
        assert upstream_id(foreign) == foreign

    def test_token(self) -> None:
        """A token has the length asked for, of letters and digits."""
        assert token(62, lambda count: bytes(range(count))).isalnum()
        assert len(set(token(62, lambda count: bytes(range(count))))) == 62

    @given(st.binary())
    def test_token_of_any_bytes(self, noise: bytes) -> None:
        """Each random byte chooses one character, the digits first."""
        alphabet = string.digits + string.ascii_uppercase + string.ascii_lowercase
        assert token(len(noise), lambda _: noise) == "".join(alphabet[byte % 62] for byte in noise)
