"""Just enough HTTP/1.1 for a benchmark: where the messages of a connection end, and whole ones cut out of its bytes.

A body without length or chunks counts as empty.
"""

from __future__ import annotations

import re

from attrs import define, field, frozen

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked", re.IGNORECASE)
_LAST_CHUNK = b"0\r\n\r\n"
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
    """Cuts messages out of a connection's bytes."""

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


@define(eq=False)
class Framing:
    """Follows messages through a connection's bytes, keeping none of them; each ends before the next one begins."""

    _left: int = field(default=0, init=False)
    _chunked: bool = field(default=False, init=False)
    _in_body: bool = field(default=False, init=False)
    _begun: bytes = field(default=b"", init=False)

    def ends_with(self, data: bytes) -> bool:
        """Take bytes and return whether the message ends with them. Raise `ValueError` if something follows its end."""
        if not self._in_body:
            data, self._begun = self._begun + data, b""
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._begun = data
                return False
            self._start_body(data[: end + 2])
            data = data[end + 4 :]
        self._in_body = not (self._chunks_end(data) if self._chunked else self._length_ends(data))
        return not self._in_body

    def _start_body(self, head: bytes) -> None:
        self._chunked = bool(_CHUNKED.search(head))
        length = None if self._chunked else _LENGTH.search(head)
        self._left = int(length[1]) if length else 0

    def _length_ends(self, data: bytes) -> bool:
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("bytes behind the end of a message")
        return not self._left

    def _chunks_end(self, data: bytes) -> bool:
        data, self._begun = self._begun + data, b""
        at = self._left
        while (line := data.find(b"\r\n", at)) >= 0:
            size = int(data[at:line], 16)
            if not size:
                break
            at = line + 2 + size + 2
        self._left, self._begun = max(at - len(data), 0), data[at:]
        return self._last_chunk_ends()

    def _last_chunk_ends(self) -> bool:
        if len(self._begun) > len(_LAST_CHUNK) and self._begun.startswith(b"0\r\n"):
            raise ValueError("bytes behind the last chunk")
        if self._begun != _LAST_CHUNK:
            return False
        self._begun = b""
        return True
