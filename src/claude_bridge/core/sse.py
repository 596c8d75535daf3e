"""Server-sent events: an incremental decoder for what backends send, and the encoding of what the bridge sends.

The decoder accepts bytes cut anywhere and follows docs/chat-completions.md 2.1: lines end with LF, CRLF or
CR; one byte-order mark is dropped; several ``data:`` lines are joined by LF; comments are skipped;
an event ends with a blank line and, as some servers omit that, with the stream.

Its state is what is pending, from the outside in::

    an event    `_name` and `_data`: the complete lines since the last blank line
    a line      `_partial`: the bytes since the last line end
    a line end  `_after_cr`: the last byte was CR, so that an LF that follows belongs to it

    bytes --> end of line: the partial line becomes a field of the event --> blank line: the event is returned

Nothing is pending (`_held` is 0) at the start and after each event. `_first` is set until the first line, which may
begin with the byte-order mark.
"""

from __future__ import annotations

from itertools import repeat
from typing import Final

from attrs import define, field

from claude_bridge.core.errors import UpstreamProtocolError

Frame = tuple[bytes, bytes]
"""An event: its name (mostly empty) and its data."""

MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
"""Bytes that one event may have. The largest are whole tool calls, 0.5 MB if a model writes all that it may. An event
is processed in one reactor turn, and without a limit a backend that never ends its line would fill the memory."""

DEFAULT_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of one answer that may be held back."""

_LINE_COST: Final = 64
"""Bytes that a line takes in memory besides its content, so that many short lines do not evade the limit."""

_BOM: Final = b"\xef\xbb\xbf"
_DATA: Final = b"data: "
_NAME: Final = b"event: "
_BETWEEN_EVENTS: Final = b"\n\ndata: "


@define
class Decoder:
    """Decodes bytes into events. The time is linear in the bytes, however they are cut."""

    limit: int = MAX_EVENT_BYTES
    _partial: bytearray = field(factory=bytearray, init=False)
    _data: list[bytes] = field(factory=list, init=False)
    _name: bytes = field(default=b"", init=False)
    _held: int = field(default=0, init=False)
    _first: bool = field(default=True, init=False)
    _after_cr: bool = field(default=False, init=False)

    def feed(self, data: bytes) -> list[Frame]:
        """Decode more bytes and return the events they complete.

        Raises `UpstreamProtocolError` if a single event outgrows the limit.
        """
        if self._first and not self._held and data.startswith(_DATA):
            self._first = False  # there is no byte-order mark
        if self._first or self._after_cr or b"\r" in data or len(data) > self.limit:
            return self._feed_lines(data) if data else []
        if not self._held:
            return self._feed_whole_events(data)
        end = data.find(b"\n\n") + 2
        if end < 2:  # noqa: PLR2004 - the blank line that ends the pending event has not come yet
            return self._feed_lines(data)
        return self._feed_lines(data[:end]) + self._feed_whole_events(data[end:])

    def close(self) -> list[Frame]:
        """Return the last event, at the end of the stream, if it lacks only its blank line."""
        frames: list[Frame] = []
        last = bytes(self._partial)
        self._partial.clear()
        if last:
            self._add_line(last, frames)
        self._dispatch(frames)
        return frames

    def _feed_whole_events(self, data: bytes) -> list[Frame]:
        """Decode the common case quickly: nothing is pending and each event is one line of data."""
        if not data.startswith(_DATA):
            return self._feed_named_events(data) if data.startswith(_NAME) else self._feed_lines(data)
        end = data.rfind(b"\n\n")
        if data.find(b"\n") == end == len(data) - 2:
            return [(b"", data[len(_DATA) : end])]
        events = data[len(_DATA) : max(end, 0)].split(_BETWEEN_EVENTS)
        if data.count(b"\n", 0, end + 2) != 2 * len(events):
            return self._feed_lines(data)
        frames = list(zip(repeat(b""), events, strict=False))
        if end + 2 < len(data):
            frames += self._feed_lines(data[end + 2 :])
        return frames

    def _feed_named_events(self, data: bytes) -> list[Frame]:
        """Decode the other common case: nothing is pending and each event is its name and one line of data."""
        end = data.find(b"\n")
        if data.find(b"\n", end + 1) == len(data) - 2 and data.startswith(_DATA, end + 1) and data.endswith(b"\n"):
            return [(data[len(_NAME) : end].strip(), data[end + 1 + len(_DATA) : -2])]
        end = data.rfind(b"\n\n")
        frames: list[Frame] = []
        for event in data[: max(end, 0)].split(b"\n\n"):
            name, _, rest = event.partition(b"\n")
            if not (name.startswith(_NAME) and rest.startswith(_DATA)) or b"\n" in rest:
                return self._feed_lines(data)
            frames.append((name[len(_NAME) :].strip(), rest[len(_DATA) :]))
        if end + 2 < len(data):
            frames += self._feed_lines(data[end + 2 :])
        return frames

    def _feed_lines(self, data: bytes) -> list[Frame]:
        if self._after_cr:
            self._after_cr = False
            if data.startswith(b"\n"):
                data = data[1:]
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        lines = data.split(b"\n")
        rest = lines.pop()
        frames: list[Frame] = []
        for line in lines:
            if self._partial:
                self._held -= len(self._partial)
                line = bytes(self._partial) + line  # noqa: PLW2901 - the complete line
                self._partial.clear()
            self._add_line(line, frames)
        if rest:
            self._partial += rest
            self._hold(len(rest))
        return frames

    def _add_line(self, line: bytes, frames: list[Frame]) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            self._dispatch(frames)
        elif line.startswith(b"data:"):
            value = line[6:] if line[5:6] == b" " else line[5:]
            self._data.append(value)
            self._hold(len(value) + _LINE_COST)
        elif line.startswith(b"event:"):
            self._name = line[6:].strip()
            self._hold(len(line))
        elif line == b"data":
            self._data.append(b"")
            self._hold(_LINE_COST)

    def _dispatch(self, frames: list[Frame]) -> None:
        if self._data:
            frames.append((self._name, b"\n".join(self._data)))
            self._data.clear()
        self._name = b""
        self._held = 0

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > self.limit:
            raise UpstreamProtocolError(f"the backend sent a single event of more than {self.limit} bytes")


def encode(name: bytes, data: bytes) -> bytes:
    """Return one encoded event with its name, as the Anthropic SDKs require (docs/messages-api.md 3.3)."""
    return b"event: %b\ndata: %b\n\n" % (name, data)
