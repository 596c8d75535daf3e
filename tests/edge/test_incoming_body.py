"""Promises of an incoming body: counted as it comes, unpacked where it is packed, never more than the limit."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.errors import InvalidRequest, RequestTooLarge
from claude_bridge.edge.incoming_body import UNPACKER_BYTES, IncomingBody

LIMIT = 1000


def unpack(body: IncomingBody, data: bytes, most: int = 1 << 20) -> int:
    """Feed a piece, unpack all of it, and give in how many turns."""
    body.feed(data)
    turns = 0
    while body.has_packed_bytes:
        body.unpack(most)
        turns += 1
    return turns


def fed(pieces: list[bytes], encoding: str = "", limit: int = LIMIT) -> bytes:
    """Feed all pieces and return what came out."""
    body = IncomingBody(limit, encoding)
    for piece in pieces:
        unpack(body, piece)
    body.end()
    return body.content.getvalue()


def cut(data: bytes, size: int) -> list[bytes]:
    """Cut into pieces."""
    return [data[at : at + size] for at in range(0, len(data), size)]


class PlainTests:
    """Bodies as they are."""

    @pytest.mark.parametrize("encoding", ["", "identity", " Identity "])
    def test_kept(self, encoding: str) -> None:
        """What comes is kept as it is."""
        assert fed([b"a", b"", b"bc"], encoding) == b"abc"

    def test_limit(self) -> None:
        """A body of the limit's size passes; one byte more is 413, and nothing of it is kept."""
        assert len(fed([b"x" * LIMIT])) == LIMIT
        body = IncomingBody(LIMIT)
        body.feed(b"x" * LIMIT)
        with pytest.raises(RequestTooLarge, match="max_body") as caught:
            body.feed(b"x")
        assert (caught.value.status, caught.value.should_retry) == (413, False)
        assert body.content.getvalue() == b""

    def test_declared(self) -> None:
        """A declared length is checked before a byte is read; a chunked body declares none."""
        body = IncomingBody(LIMIT)
        body.check_length(LIMIT)
        body.check_length(None)
        with pytest.raises(RequestTooLarge):
            body.check_length(LIMIT + 1)

    @pytest.mark.parametrize("encoding", ["br", "zstd", "deflate", "gzip, gzip"])
    def test_unknown_packing(self, encoding: str) -> None:
        """A packing that we do not have is told as such."""
        with pytest.raises(InvalidRequest, match="content-encoding") as caught:
            IncomingBody(LIMIT, encoding)
        assert caught.value.status == 400


class GzipTests:
    """PackedBody bodies."""

    @given(content=st.binary(max_size=LIMIT), size=st.integers(min_value=1, max_value=64))
    def test_unpacked(self, content: bytes, size: int) -> None:
        """However the bytes are cut, the content is what was packed."""
        assert fed(cut(gzip.compress(content), size), "gzip") == content

    @given(parts=st.lists(st.binary(max_size=50), max_size=4), size=st.integers(min_value=1, max_value=64))
    def test_several_members(self, parts: list[bytes], size: int) -> None:
        """Members packed one after the other are one body, as gzip has it."""
        packed = b"".join(gzip.compress(part) for part in parts)
        assert fed(cut(packed, size), "x-gzip") == b"".join(parts)

    @pytest.mark.parametrize("missing", [1, 4, 8, 9, 15])
    def test_cut_short(self, missing: int) -> None:
        """A body whose packing is not complete is told so, also when all of its content is there."""
        packed = gzip.compress(b'{"model": "glm", "messages": []}')
        with pytest.raises(InvalidRequest, match="cut short"):
            fed([packed[:-missing]], "gzip")

    def test_second_member_cut_short(self) -> None:
        """The same holds for what follows a complete member."""
        with pytest.raises(InvalidRequest, match="cut short"):
            fed([gzip.compress(b"a") + gzip.compress(b"b")[:12]], "gzip")

    @pytest.mark.parametrize("wrong", [b"not gzip at all", gzip.compress(b"a") + b"garbage"])
    def test_not_gzip(self, wrong: bytes) -> None:
        """What is not gzip is told so."""
        with pytest.raises(InvalidRequest, match="not valid gzip"):
            fed([wrong], "gzip")

    def test_wrong_checksum(self) -> None:
        """A body that was damaged on its way is not taken."""
        packed = bytearray(gzip.compress(b"hello"))
        packed[-5] ^= 1
        with pytest.raises(InvalidRequest, match="not valid gzip"):
            fed([bytes(packed)], "gzip")

    def test_limit_counts_unpacked_bytes(self) -> None:
        """A small packed body must not become a large one."""
        assert len(fed([gzip.compress(b"x" * LIMIT)], "gzip")) == LIMIT
        with pytest.raises(RequestTooLarge):
            fed([gzip.compress(b"x" * (LIMIT + 1))], "gzip")

    def test_bomb_is_not_unpacked(self) -> None:
        """Of a bomb no more than the limit is ever unpacked."""
        bomb = gzip.compress(b"\0" * 50_000_000)
        body = IncomingBody(100_000, "gzip")
        with pytest.raises(RequestTooLarge):
            unpack(body, bomb)
        assert body.content.getvalue() == b""

    def test_bomb_of_many_members(self) -> None:
        """Many small members add up like one large."""
        with pytest.raises(RequestTooLarge):
            fed([gzip.compress(b"x" * 100)] * 11, "gzip")

    def test_members_without_content_end_somewhere(self) -> None:
        """Members that unpack to nothing are not taken for ever."""
        with pytest.raises(RequestTooLarge):
            fed([gzip.compress(b"")] * 100, "gzip")

    @given(
        parts=st.lists(st.binary(max_size=200), max_size=3),
        size=st.integers(min_value=1, max_value=64),
        most=st.integers(min_value=1, max_value=300),
    )
    def test_any_turns(self, parts: list[bytes], size: int, most: int) -> None:
        """In however small turns it is unpacked, the content is what was packed."""
        body = IncomingBody(LIMIT, "gzip")
        for piece in cut(b"".join(gzip.compress(part) for part in parts), size):
            unpack(body, piece, most)
        body.end()
        assert body.content.getvalue() == b"".join(parts)

    def test_turns(self) -> None:
        """One turn unpacks no more than it was told, and says what it did."""
        body = IncomingBody(10_000, "gzip")
        body.feed(gzip.compress(b"x" * 10_000))
        done = []
        while body.has_packed_bytes:
            before = body.size
            done.append(body.unpack(3000))
            assert body.size - before <= 3000
        assert len(done) == 4
        assert body.size == 10_000

    def test_members_are_work(self) -> None:
        """A member counts as work though it unpacks to nothing, and there is an end to their number."""
        body = IncomingBody(10_000_000, "gzip")
        body.feed(gzip.compress(b"") * 3000)
        assert body.unpack(1 << 20) == 1 << 20
        assert body.has_packed_bytes
        with pytest.raises(InvalidRequest, match="members"):
            fed([gzip.compress(b"") * 10_001], "gzip", 10_000_000)

    def test_held_beside(self) -> None:
        """What waits to be unpacked, and the decoder, are counted."""
        plain, packed = IncomingBody(LIMIT), IncomingBody(LIMIT, "gzip")
        plain.feed(b"x" * 500)
        packed.feed(gzip.compress(b"hello"))
        assert (plain.unpacker_bytes, packed.unpacker_bytes) == (0, UNPACKER_BYTES + len(gzip.compress(b"hello")))
        packed.drop()
        assert (packed.unpacker_bytes, packed.has_packed_bytes) == (0, False)
