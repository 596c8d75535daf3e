"""Both ends of a benchmark cut messages out of bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.http1 import Framing, Message, MessageReader

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED += b"5\r\nhello\r\n1a\r\n0\r\n\r\nabcdefghijklmnopqrstu\r\n0\r\n\r\n"
GET = b"GET /v1/models HTTP/1.1\r\nHost: here\r\n\r\n"


class MessageReaderTests:
    """`MessageReader`."""

    @pytest.mark.parametrize("size", [1, 2, 7, 1000])
    def test_messages_are_found_at_every_cut(self, size: int) -> None:
        """However the bytes arrive, the same messages come out, also where the end of one looks like that of all."""
        stream = PLAIN + CHUNKED + GET + PLAIN
        reader = MessageReader()
        found = [m for at in range(0, len(stream), size) for m in reader.feed(stream[at : at + size])]

        assert [message.body for message in found] == [b"hello", b"hello0\r\n\r\nabcdefghijklmnopqrstu", b"", b"hello"]
        assert found[2].head == GET[:-2]

    def test_an_unfinished_message_is_none_yet(self) -> None:
        """An answer without its last byte is not given."""
        assert MessageReader().feed(CHUNKED[:-1]) == []


class MessageTests:
    """`Message`."""

    def test_status_and_end_of_the_connection_are_read(self) -> None:
        """A gateway may answer with an error and close."""
        message = Message(b"HTTP/1.1 503 Busy\r\nconnection: close\r\n", b"")

        assert message.status == 503
        assert message.closes
        assert not Message(b"HTTP/1.1 200 OK\r\n", b"").closes


class FramingTests:
    """`Framing`."""

    @given(cuts=st.lists(st.sets(st.integers(1, 100)), min_size=4, max_size=4))
    def test_ends_are_found_at_every_cut(self, cuts: list[set[int]]) -> None:
        """However the bytes arrive, a message ends with its last byte and never before."""
        framing = Framing()
        for message, places in zip((PLAIN, CHUNKED, GET, CHUNKED), cuts, strict=True):
            inside = sorted(place for place in places if place < len(message))
            bounds = [0, *inside, len(message)]
            ends = [framing.ends_with(message[at:to]) for at, to in pairwise(bounds)]

            assert ends == [False] * len(inside) + [True]

    @pytest.mark.parametrize("message", [PLAIN, CHUNKED, GET])
    def test_bytes_behind_the_end_are_refused(self, message: bytes) -> None:
        """The next message may not begin before the first one was dealt with."""
        with pytest.raises(ValueError, match="behind"):
            Framing().ends_with(message + b"H")
