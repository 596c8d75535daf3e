"""Tests for `claude_bridge.core.body_reader`: what a body consists of. What its events mean is tested for each API."""

from __future__ import annotations

from typing import ClassVar

import pytest
from attrs import define

from claude_bridge.core.answer_body import MAX_PAGE_BYTES
from claude_bridge.core.answer_state import ANSWERING, AWAITING_FIRST_EVENT, DONE, FAILED, UNDECIDED, WHOLE_JSON
from claude_bridge.core.body_reader import MAX_JUNK_EVENTS, BodyReader
from claude_bridge.core.errors import UpstreamCut, UpstreamProtocolError
from claude_bridge.core.events import Event, Started, TextDelta, Usage
from claude_bridge.core.sse import Decoder, Frame
from claude_bridge.core.strict_json import JsonError
from claude_bridge.core.work import MAX_WORK_UNITS, Work


@define(kw_only=True)
class Words(BodyReader):
    """Reads an API of the tests: each event is a word, ``end`` ends the answer, ``broken`` is broken JSON."""

    event_kind: ClassVar[str] = "words"

    def __attrs_post_init__(self) -> None:
        """Create the parts."""
        self._decoder, self._work = Decoder(self.max_event), Work()

    @property
    def reported_usage(self) -> Usage | None:
        """Return that there is none."""
        return None

    def _read_frames(self, frames: list[Frame], events: list[Event]) -> None:
        for _, word in frames:
            if word == b"broken":
                raise JsonError("it is broken")
            if word == b"refused":
                self._fail("refused")
                return
            if word.isalpha():
                self._say(word, events)
            else:
                self._skip_junk(word)
            if word == b"end":
                self._move_to(DONE)
                return

    def _read_whole(self, body: bytes, events: list[Event]) -> None:
        self._say(body, events)
        self._move_to(DONE)

    def _say(self, word: bytes, events: list[Event]) -> None:
        self.data_event_seen = True
        if self.state is not ANSWERING:
            self._move_to(ANSWERING)
            events.append(Started(""))
        events.append(TextDelta(word.decode()))

    def is_full(self, usage: Usage | None) -> bool:
        """Return whether the model's window is full."""
        return self._window_full(usage)

    def renewed(self, data: bytes) -> int:
        """Return the work units that are left after reading with none."""
        self._work.left = 0
        self.feed(data)
        return self._work.left


def words(max_event: int = 1 << 20, max_answer: int = 1 << 20, context_window: int | None = None) -> Words:
    """Make a reader."""
    return Words(random_bytes=bytes, max_event=max_event, max_answer=max_answer, context_window=context_window)


def said(*pieces: bytes) -> tuple[str, Words]:
    """Return the words of an answer that comes in pieces and ends, and its reader."""
    reader = words()
    events = [event for piece in pieces for event in reader.feed(piece)] + reader.close()
    return " ".join(event.text for event in events if isinstance(event, TextDelta)), reader


class DecisionTests:
    """The first byte says whether an answer is a stream."""

    @pytest.mark.parametrize("start", [b"{", b"[", b"\xef\xbb\xbf\r\n {"])
    def test_whole(self, start: bytes) -> None:
        """A bracket begins an answer in one piece, of which nothing is read before its end."""
        reader = words()
        assert reader.feed(start) == []
        assert reader.state is WHOLE_JSON
        assert reader.feed(b"1}\n") == []
        assert reader.close()[1:] == [TextDelta(f"{start[-1:].decode()}1}}")]
        assert reader.done

    @pytest.mark.parametrize("start", [b"data: a", b": ping", b"<html>"])
    def test_stream(self, start: bytes) -> None:
        """Any other byte begins a stream."""
        reader = words()
        reader.feed(start)
        assert reader.state is AWAITING_FIRST_EVENT

    def test_blank(self) -> None:
        """White space decides nothing."""
        reader = words()
        reader.feed(b" \r\n")
        assert reader.state is UNDECIDED


class EndTests:
    """The end of a body."""

    def test_event_without_its_blank_line(self) -> None:
        """It is read at the end of the body."""
        assert said(b"data: so\n\nda", b"ta: end")[0] == "so end"

    def test_behind_the_end(self) -> None:
        """What follows the end of an answer is ignored, in the same read and later."""
        text, reader = said(b"data: end\n\ndata: more\n\n", b"data: still\n\n")
        assert (text, reader.error, reader.failure) == ("end", None, None)

    def test_cut(self) -> None:
        """A stream that ends before its answer was cut off, even if it had only keep-alives, and so was nothing."""
        for pieces in ((b"data: so\n\n",), (b": ping\n\n",), ()):
            reader = said(*pieces)[1]
            assert reader.state is FAILED
            assert isinstance(reader.error, UpstreamCut)

    def test_page(self) -> None:
        """A body that is no event stream is an error that the backend reports; only its head is kept."""
        page = b"<html>upstream unavailable" + b" " * MAX_PAGE_BYTES
        reader = said(page[:10], page[10:])[1]
        assert reader.failure == {"error": page[:MAX_PAGE_BYTES].decode()}
        assert reader.error is None

    def test_failure(self) -> None:
        """An error that the backend reports ends the reading; what came before it is not lost."""
        text, reader = said(b"data: so\n\ndata: refused\n\ndata: more\n\n")
        assert (text, reader.failure) == ("so", "refused")

    def test_broken(self) -> None:
        """Likewise what is no JSON."""
        text, reader = said(b"data: so\n\ndata: broken\n\n", b"data: more\n\n")
        assert text == "so"
        assert str(reader.error) == "the backend sent broken JSON: it is broken"


class LimitTests:
    """What an answer may hold."""

    def test_whole(self) -> None:
        """An answer in one piece is given up once it is larger than an event or an answer may be."""
        for reader in (words(max_event=10), words(max_answer=10)):
            reader.feed(b"{" * 10)
            assert reader.error is None
            reader.feed(b"{")
            assert str(reader.error) == "the backend sent an answer of more than 10 bytes in one piece"
            assert reader.close() == []

    def test_values(self) -> None:
        """One with too many values is not read."""
        reader = words()
        reader.feed(b"[" + b"1," * 200_000 + b"1]")
        assert reader.close() == []
        assert isinstance(reader.error, UpstreamProtocolError)

    def test_junk(self) -> None:
        """Some events that are not of the API are skipped, blank ones without being counted; more are an error."""
        junk = b"data: 1\n\ndata: \n\n"
        assert said(junk * MAX_JUNK_EVENTS, b"data: end\n\n")[0] == "end"
        assert str(said(junk * (MAX_JUNK_EVENTS + 1))[1].error) == "the backend sends events that are not words"

    def test_work(self) -> None:
        """The work budget is for one read."""
        assert words().renewed(b"data: so\n\n") == MAX_WORK_UNITS


class WindowTests:
    """The model's window."""

    def test_full(self) -> None:
        """It is full of the prompt and the answer together, where their sizes are known."""
        counts = Usage(input_tokens=5, output_tokens=3, cache_read_tokens=2)
        assert words(context_window=10).is_full(counts)
        assert not words(context_window=11).is_full(counts)
        assert not words().is_full(counts)
        assert not words(context_window=10).is_full(None)
