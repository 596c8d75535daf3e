"""HTTP/1.1 as a client reads and writes it: bytes in, a head and body bytes out. It knows nothing of Twisted.

The rules are those of RFC 9112. Carelessness that changes no length is tolerated, as servers are known for it: bare
line feeds and folded lines in a head, blanks before a colon, several equal lengths. Everything that leaves the end of
a body in doubt is an error, or at least the connection is not used again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from enum import Enum, auto
from typing import Final

from attrs import frozen

MAX_HEAD_BYTES: Final = 256 * 1024
"""Bytes before and after a body, interim responses included. A few kilobytes are usual; servers accept 8 to 64 KiB."""

MAX_HEAD_LINES: Final = 2000
"""Lines likewise. They are read in one turn of the reactor; real heads have fewer than a hundred."""

MAX_LINE_BYTES: Final = 16 * 1024
"""Bytes of one line of a head."""

MAX_INTERIM_RESPONSES: Final = 100
"""Interim responses (1xx): a proxy that sends ``102 Processing`` every twenty seconds may do so for half an hour."""

MAX_SIZE_LINE_BYTES: Final = 1024
"""Bytes of the line that gives a chunk's size, with its extensions."""

_ALERT: Final = b"\x15\x03"
"""The beginning of a TLS alert record."""

_STATUS_LINE = re.compile(rb"HTTP/1\.([0-9]) +([0-9]{3})(?: +(.*))?")
_CHUNK_SIZE = re.compile(rb"0*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n]*)?")
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"[!-~]+")
_LENGTH = re.compile(rb"[0-9]{1,18}")


class FramingError(Exception):
    """The bytes are no HTTP/1.1 response."""


class HeadTooLong(FramingError):
    """The head, or what follows the last chunk, exceeds a limit; the message says which."""


class SpeaksTLS(FramingError):
    """The server speaks TLS: it answered a plain request with a TLS alert."""


@frozen
class Head:
    """Status line and headers of a response.

    :ivar version: the minor version of HTTP/1.
    :ivar headers: names in lower case.
    """

    version: int
    status: int
    phrase: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    def values(self, name: bytes) -> list[bytes]:
        """Return the comma-separated values of all headers called ``name``, in lower case."""
        found = b",".join(value for each, value in self.headers if each == name)
        return [value.strip().lower() for value in found.split(b",")] if found else []


class State(Enum):
    """What the parser reads next."""

    HEAD = auto()
    LENGTH = auto()
    CHUNK_SIZE = auto()
    CHUNK = auto()
    CHUNK_END = auto()
    TRAILERS = auto()
    UNTIL_CLOSE = auto()
    COMPLETE = auto()
    FAILED = auto()


class ResponseParser:
    """Parses one response, fed in pieces of any size; what it yields does not depend on where they were cut.

    ::

        HEAD ---+--- no body -------------------------------------------------------------+--> COMPLETE
          ^  |  +--- Content-Length ---> LENGTH ------------------------------------------+
          +--+  +--- chunked ----------> CHUNK_SIZE --- size 0 ---> TRAILERS -------------+
        (1xx)   |                         ^     |
                |                         |     +--- else ---> CHUNK ---> CHUNK_END ---> CHUNK_SIZE
                +--- neither ----------> UNTIL_CLOSE

    :ivar head: the head, once it is complete.
    :ivar error: why the bytes are no response; set once, and no more is read then.
    :ivar started: whether any byte has arrived.
    """

    __slots__ = (
        "_buffer",
        "_bytes_counted",
        "_closes",
        "_excess",
        "_interim",
        "_left",
        "_lines",
        "_lines_counted",
        "_method",
        "_state",
        "_status",
        "error",
        "head",
        "started",
    )

    def __init__(self, method: bytes) -> None:
        self._method = method
        self._state = State.HEAD
        self._buffer = b""
        self._status: re.Match[bytes] | None = None
        self._lines: list[bytes] = []
        self._bytes_counted = self._lines_counted = self._interim = 0
        self._left = 0  # bytes of the body, or of the chunk, that have yet to come
        self._excess = self._closes = False
        self.head: Head | None = None
        self.error: FramingError | None = None
        self.started = False

    def drop_headers(self) -> None:
        """Drop the headers of the head, which its reader has by now: an answer may take minutes."""
        head = self.head
        if head is not None:
            self.head = Head(head.version, head.status, head.phrase, ())

    @property
    def complete(self) -> bool:
        """Whether the response is complete."""
        return self._state is State.COMPLETE

    @property
    def ends_with_connection(self) -> bool:
        """Whether the body has no framing, so that only the end of the connection ends it."""
        return self._state is State.UNTIL_CLOSE

    @property
    def reusable(self) -> bool:
        """Whether another request may be sent on the connection."""
        return self.complete and not self._closes and not self._excess

    @property
    def has_excess(self) -> bool:
        """Whether bytes came after the end of the response."""
        return self._excess

    def feed(self, data: bytes) -> bytes:
        """Return the bytes of the body in ``data``. After a mistake `error` is set; what came before it is returned."""
        self.started = True
        parts: list[bytes] = []
        try:
            if self._state is State.HEAD:
                data = self._read_head(data)
            self._read_body(data, parts)
        except FramingError as error:
            self.error, self._state = error, State.FAILED
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _read_body(self, data: bytes, parts: list[bytes]) -> None:
        """Append what ``data`` holds of the body to ``parts``."""
        if self._state is State.LENGTH:
            self._read_length(data, parts)
        elif self._state is State.UNTIL_CLOSE:
            parts.append(data)
        elif self._state is State.COMPLETE:
            self._excess = self._excess or bool(data)
        elif self._state not in {State.HEAD, State.FAILED}:
            self._read_chunks(data, parts)

    def _read_head(self, data: bytes) -> bytes:
        """Read lines up to the end of the head, and return what follows it."""
        data = self._buffer + data
        if self._status is None and data.startswith(_ALERT):
            raise SpeaksTLS
        start = 0
        while self._state is State.HEAD:
            end = data.find(b"\n", start)
            if end < 0:
                self._hold(data[start:])
                return b""
            line = data[start:end].removesuffix(b"\r")
            start = end + 1
            self._count(line)
            self._head_line(line)
        self._buffer = b""
        return data[start:]

    def _head_line(self, line: bytes) -> None:
        """Add one line to the head; the empty one ends it."""
        if b"\r" in line or b"\0" in line:
            raise FramingError
        if self._status is None:
            self._status = _STATUS_LINE.fullmatch(line)
            if self._status is None:
                raise FramingError
        elif not line:
            self._end_head(_head(self._status, self._lines))
        elif line[0] not in b" \t":
            self._lines.append(line)
        elif self._lines:
            self._lines[-1] += line
        else:
            raise FramingError

    def _end_head(self, head: Head) -> None:
        """Begin the body, or read on after an interim response."""
        self._status, self._lines = None, []
        if 100 <= head.status < 200 and head.status != 101:  # noqa: PLR2004 - RFC 9110, 15.2; nobody asked for an upgrade
            self._interim += 1
            if self._interim > MAX_INTERIM_RESPONSES:
                raise HeadTooLong(f"more than {MAX_INTERIM_RESPONSES} interim answers (HTTP 1xx)")
            return
        self._state = self._body_state(head)
        self.head = head

    def _body_state(self, head: Head) -> State:
        """Return the framing of the body by RFC 9112, 6.3."""
        if head.status == 101:  # noqa: PLR2004 - Switching Protocols
            raise FramingError
        self._closes = head.version == 0 or b"close" in head.values(b"connection")
        tunnel = self._method == b"CONNECT" and head.status < 300  # noqa: PLR2004 - the connection is now another's
        if self._method == b"HEAD" or head.status in {204, 304} or tunnel:
            return State.COMPLETE
        codings, lengths = head.values(b"transfer-encoding"), set(head.values(b"content-length"))
        if codings:
            if codings != [b"chunked"]:
                raise FramingError
            self._closes = self._closes or bool(lengths)  # whoever sends both may mean either
            return State.CHUNK_SIZE
        if not lengths:
            return State.UNTIL_CLOSE
        length = lengths.pop()
        if lengths or _LENGTH.fullmatch(length) is None:
            raise FramingError
        self._left = int(length)
        return State.LENGTH if self._left else State.COMPLETE

    def _read_length(self, data: bytes, parts: list[bytes]) -> None:
        body = data[: self._left]
        parts.append(body)
        self._left -= len(body)
        if not self._left:
            self._state = State.COMPLETE
            self._excess = len(data) > len(body)

    def _read_chunks(self, data: bytes, parts: list[bytes]) -> None:
        data, self._buffer = self._buffer + data, b""
        self._excess = self._read_framed(data, parts) < len(data)

    def _read_framed(self, data: bytes, parts: list[bytes]) -> int:
        """Append the contents of chunks to ``parts``, and return how much of ``data`` was read or held."""
        position, total = 0, len(data)
        while position < total and self._state is not State.COMPLETE:
            if self._state is State.CHUNK:
                piece = data[position : position + self._left]
                parts.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = State.CHUNK_END
                continue
            end = data.find(b"\r\n", position)
            if end < 0:
                self._hold_chunk_line(data[position:])
                return total
            self._chunk_line(data[position:end])
            position = end + 2
            stop = position + self._left
            if self._left and data[stop : stop + 2] == b"\r\n":  # all of the chunk is there, as usual
                parts.append(data[position:stop])
                position = stop + 2
                self._left, self._state = 0, State.CHUNK_SIZE
        return position

    def _chunk_line(self, line: bytes) -> None:
        """Read one line of the framing between, or after, the chunks."""
        if self._state is State.TRAILERS:
            self._count(line)
            if not line:
                self._state = State.COMPLETE
            return
        if self._state is State.CHUNK_END:
            if line:
                raise FramingError
            self._state = State.CHUNK_SIZE
            return
        size = _CHUNK_SIZE.fullmatch(line)
        if size is None or len(line) > MAX_SIZE_LINE_BYTES:
            raise FramingError
        self._left = int(size[1], 16)
        self._state = State.CHUNK if self._left else State.TRAILERS

    def _hold_chunk_line(self, rest: bytes) -> None:
        """Keep the beginning of a line between the chunks."""
        if self._state is State.CHUNK_END and rest != b"\r":
            raise FramingError
        if self._state is State.CHUNK_SIZE and len(rest.removesuffix(b"\r")) > MAX_SIZE_LINE_BYTES:
            raise FramingError
        self._hold(rest)

    def _hold(self, rest: bytes) -> None:
        """Keep the beginning of a line until the rest of it arrives."""
        _check_length(rest.removesuffix(b"\r"))
        self._buffer = rest

    def _count(self, line: bytes) -> None:
        """Count a line of a head or a trailer."""
        _check_length(line)
        self._bytes_counted += len(line) + 1
        self._lines_counted += 1
        if self._bytes_counted > MAX_HEAD_BYTES or self._lines_counted > MAX_HEAD_LINES:
            raise HeadTooLong(f"a head of more than {MAX_HEAD_BYTES // 1024} KiB or {MAX_HEAD_LINES} lines")


def _check_length(line: bytes) -> None:
    if len(line) > MAX_LINE_BYTES:
        raise HeadTooLong(f"a line of more than {MAX_LINE_BYTES} bytes in its head")


def _head(status: re.Match[bytes], lines: Iterable[bytes]) -> Head:
    headers = []
    for line in lines:
        name, colon, value = line.partition(b":")
        name = name.strip().lower()
        if not colon or _TOKEN.fullmatch(name) is None:
            raise FramingError
        headers.append((name, value.strip()))
    return Head(int(status[1]), int(status[2]), status[3] or b"", tuple(headers))


def request_head(
    method: bytes, target: bytes, host: bytes, headers: Iterable[tuple[bytes, Sequence[bytes]]], length: int | None
) -> bytes:
    """Return the head of a request with a body of ``length`` bytes, or without one.

    ``headers`` must be free of line ends, and of those that frame a message, which the configuration refuses.

    :raises ValueError: if ``method`` or ``target`` cannot stand in a request line.
    """
    if _TOKEN.fullmatch(method) is None or _TARGET.fullmatch(target) is None:
        raise ValueError("no method, or no target of a request")
    lines = [b"%b %b HTTP/1.1" % (method, target), b"Host: " + host]
    lines += [b"%b: %b" % (name, value) for name, values in headers for value in values]
    if length is not None:
        lines.append(b"Content-Length: %d" % length)
    lines.append(b"\r\n")
    return b"\r\n".join(lines)
