"""Just enough HTTP/1.1 for both ends of a benchmark: whole messages out of the bytes of one connection."""

from __future__ import annotations

import re

from attrs import define, field, frozen

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)


@frozen
class Message:
    """A request or an answer; ``head`` ends with its last header's line end."""

    head: bytes
    body: bytes

    @property
    def status(self) -> int:
        """Return the status of an answer."""
        return int(self.head[9:12])

    @property
    def closes(self) -> bool:
        """Return whether the connection ends with this message."""
        return bool(_CLOSE.search(self.head))


@define(eq=False)
class MessageReader:
    """Cuts messages out of a connection's bytes. A body without length or chunks counts as empty."""

    _buffer: bytearray = field(factory=bytearray, init=False)
    _head: bytes | None = field(default=None, init=False)
    _length: int | None = field(default=0, init=False)
    _pieces: list[bytes] = field(factory=list, init=False)

    def feed(self, data: bytes) -> list[Message]:
        """Take bytes and return the messages that they complete."""
        self._buffer += data
        messages = []
        while self._take_head() and self._take_body():
            messages.append(Message(self._head or b"", b"".join(self._pieces)))
            self._head, self._pieces = None, []
        return messages

    def _take_head(self) -> bool:
        if self._head is not None:
            return True
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        self._head = self._cut(end + 2)
        del self._buffer[:2]
        length = _LENGTH.search(self._head)
        self._length = None if _CHUNKED.search(self._head) else int(length[1]) if length else 0
        return True

    def _take_body(self) -> bool:
        if self._length is None:
            return self._take_chunks()
        if len(self._buffer) < self._length:
            return False
        self._pieces.append(self._cut(self._length))
        return True

    def _take_chunks(self) -> bool:
        while (line := self._buffer.find(b"\r\n")) >= 0:
            size = int(self._buffer[:line].split(b";")[0], 16)
            if len(self._buffer) < line + size + 4:
                return False
            del self._buffer[: line + 2]
            self._pieces.append(self._cut(size))
            del self._buffer[:2]
            if not size:
                return True
        return False

    def _cut(self, size: int) -> bytes:
        piece = bytes(self._buffer[:size])
        del self._buffer[:size]
        return piece
