"""Tests for `claude_bridge.core.sse`."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import sse
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.sse import Decoder, Frame
from tests.core.strategies import cut, cuts, in_steps, upstream_streams

WIRE = (
    b"\xef\xbb\xbf: hello\n\n"
    b"data: one\n\n"
    b"data:two\n\n"
    b"event: error\ndata: three\n\n"
    b"data: fo\ndata: ur\n\n"
    b"id: 7\nretry: 10\ndata\n\n"
    b"unknown: x\n\n\n\n"
    b"data:  five\xe2\x82\xac\n"
)
FRAMES = [
    (b"", b"one"),
    (b"", b"two"),
    (b"error", b"three"),
    (b"", b"fo\nur"),
    (b"", b""),
    (b"", " five€".encode()),
]


def read(pieces: list[bytes], limit: int = sse.DEFAULT_LIMIT) -> list[Frame]:
    """Decode pieces to the end."""
    decoder = Decoder(limit)
    frames = [frame for piece in pieces for frame in decoder.feed(piece)]
    return frames + decoder.close()


class DecoderTests:
    """Bytes of a backend's stream to events."""

    @pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
    @pytest.mark.parametrize("size", [1, 2, 3, 7, 37, 4096])
    def test_line_ends(self, end: bytes, size: int) -> None:
        """All three line ends of the standard give the same events, cut anywhere, with or without the last one."""
        assert read(in_steps(WIRE.replace(b"\n", end), size)) == FRAMES
        assert read(in_steps(WIRE.replace(b"\n", end).strip(), size)) == FRAMES

    @given(stream=upstream_streams(), data=st.data())
    def test_any_cut(self, stream: bytes, data: st.DataObject) -> None:
        """However the network cuts a stream, its events are the same."""
        assert read(cut(stream, data.draw(cuts(len(stream))))) == read([stream]) == read(in_steps(stream, 1))

    @given(st.binary(max_size=200), st.data())
    def test_any_bytes(self, junk: bytes, data: st.DataObject) -> None:
        """Bytes that are no event stream at all do no harm, and mean the same however they are cut."""
        assert read(cut(junk, data.draw(cuts(len(junk))))) == read([junk])

    @given(
        st.lists(st.sampled_from([b"data: x", b"data:", b"event: e", b":", b"", b"\r", b"y"]), max_size=12), st.data()
    )
    def test_any_lines(self, lines: list[bytes], data: st.DataObject) -> None:
        """Lines in any order mean the same however they are cut."""
        stream = b"\n".join(lines)
        assert read(cut(stream, data.draw(cuts(len(stream))))) == read([stream])

    def test_quick_way(self) -> None:
        """Events come out with the read that completes them, also right after one that was cut."""
        decoder = Decoder()
        assert decoder.feed(b"data: a\n\ndata: b\n\ndata: c") == [(b"", b"a"), (b"", b"b")]
        assert decoder.feed(b"c\n\ndata: d\n\n") == [(b"", b"cc"), (b"", b"d")]
        assert decoder.feed(b"data: e\n\ndata: f\n\ndata: g") == [(b"", b"e"), (b"", b"f")]
        assert decoder.feed(b"g") == []
        assert decoder.close() == [(b"", b"gg")]

    def test_quick_way_with_names(self) -> None:
        """So do events with names, as the Responses API and Anthropic's have them."""
        decoder = Decoder()
        assert decoder.feed(b"event: a\ndata: 1\n\n") == [(b"a", b"1")]
        assert decoder.feed(b"event: b \ndata: 2\n\nevent: c\ndata: 3\n\neve") == [(b"b", b"2"), (b"c", b"3")]
        assert decoder.feed(b"nt: d\ndata: 4\n\nevent: e\ndata: 5\n\n") == [(b"d", b"4"), (b"e", b"5")]

    @given(
        st.lists(
            st.sampled_from(
                [
                    b"event: a\ndata: x\n\n",
                    b"event: b\ndata: y\ndata: z\n\n",
                    b"data: u\n\n",
                    b": c\n\n",
                    b"event: d\n\n",
                ]
            ),
            max_size=8,
        ),
        st.data(),
    )
    def test_any_events(self, events: list[bytes], data: st.DataObject) -> None:
        """Events with and without names mean the same in any order, however they are cut."""
        stream = b"".join(events)
        assert read(cut(stream, data.draw(cuts(len(stream))))) == read([stream]) == read(in_steps(stream, 1))

    def test_empty_read(self) -> None:
        """A read of nothing between CR and LF does not make two lines of one."""
        assert read([b"data: a\r", b"", b"\ndata: b\r\n\r\n"]) == [(b"", b"a\nb")]

    def test_mark_only_at_the_start(self) -> None:
        """A byte-order mark is dropped at the very beginning and nowhere else."""
        assert read([b"\xef\xbb", b"\xbfdata: a\n\n", b"\xef\xbb\xbfdata: b\n\n"]) == [(b"", b"a")]

    def test_name_belongs_to_its_event(self) -> None:
        """A name without data says nothing about the next event."""
        assert read([b"event: error\n\ndata: a\n\n"]) == [(b"", b"a")]

    @pytest.mark.parametrize(
        "endless",
        [b"data: " + b"x" * 60, b"data: x\n", b"data\n", b"event: error\n", b"y" * 60],
        ids=["line", "lines", "bare lines", "names", "junk"],
    )
    def test_limit(self, endless: bytes) -> None:
        """An event that never ends is refused before it fills the memory."""
        decoder = Decoder(1000)
        for _ in range(15 if len(endless) > 50 else 5):
            assert decoder.feed(endless) == []
        with pytest.raises(UpstreamProtocolError, match="more than 1000 bytes"):
            [decoder.feed(endless) for _ in range(200)]

    def test_limit_in_one_read(self) -> None:
        """The limit holds for an event that arrives whole, and many small events in one read are no large one."""
        with pytest.raises(UpstreamProtocolError):
            read([b"data: " + b"x" * 2000 + b"\n\n"], limit=1000)
        with pytest.raises(UpstreamProtocolError):
            read([b"data: y\n\n", b"data: " + b"x" * 2000 + b"\n\n"], limit=1000)
        assert len(read([b"data: x\n\n" * 1000], limit=1000)) == 1000

    def test_comments_cost_nothing(self) -> None:
        """Hours of keep-alive comments never reach the limit."""
        assert read([b": keep-alive\n\n"] * 1000 + [b":\n"] * 1000, limit=100) == []

    def test_memory(self) -> None:
        """A long event that arrives in tiny reads takes about as much memory as its bytes."""
        decoder = Decoder()
        decoder.feed(b"data: ")
        tracemalloc.start()
        for _ in range(100_000):
            decoder.feed(b"xy")
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert held < 400_000
        assert len(decoder.close()[0][1]) == 200_000


class EncodeTests:
    """What we send."""

    def test_named(self) -> None:
        """Each event has its name, as the SDKs need it, and LF line ends."""
        assert sse.encode(b"ping", b'{"type":"ping"}') == b'event: ping\ndata: {"type":"ping"}\n\n'
