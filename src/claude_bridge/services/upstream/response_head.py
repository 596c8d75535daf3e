"""Bounds the head of a response: Twisted limits the length of a line, but not the number of lines or interim responses.

The private names of Twisted that are used here are those of `HTTPClientParser`'s module; tests guard each.
"""

from __future__ import annotations

from typing import Final

from twisted.python.failure import Failure
from twisted.web import _newclient
from twisted.web._newclient import HTTPClientParser

MAX_HEAD_BYTES: Final = 256 * 1024
"""Bytes before a body, interim responses included. A few kilobytes are usual; servers accept 8 to 64 KiB themselves."""

MAX_HEAD_LINES: Final = 2000
"""Lines before a body. Each takes about 10 us, and a head is read in one turn; real ones have fewer than a hundred."""

MAX_INTERIM_RESPONSES: Final = 100
"""Interim responses (1xx): a proxy that sends ``102 Processing`` every twenty seconds may do so for half an hour."""


_ALERT: Final = b"\x15\x03"
"""The beginning of a TLS alert record."""


class HeadTooLong(Exception):
    """The head exceeds a limit; the message says which."""


class SpeaksTLS(Exception):
    """The server speaks TLS: it answered a plain request with a TLS alert."""


class BoundedParser(HTTPClientParser):
    """Parses a response, and raises `HeadTooLong` if its head exceeds a limit."""

    _bytes = 0
    _lines = 0
    _interim = 0

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        """Parse a line of the head; the body does not come in lines."""
        if self.state == _newclient.STATUS and line.startswith(_ALERT):
            raise SpeaksTLS
        self._bytes += len(line) + 1
        self._lines += 1
        if self._bytes > MAX_HEAD_BYTES or self._lines > MAX_HEAD_LINES:
            raise HeadTooLong(f"a head of more than {MAX_HEAD_BYTES // 1024} KiB or {MAX_HEAD_LINES} lines")
        super().lineReceived(line)  # type: ignore[no-untyped-call]  # Twisted's is untyped

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002, N802 - Twisted's signature
        """Raise `HeadTooLong`."""
        raise HeadTooLong(f"a line of more than {self.MAX_LENGTH} bytes in its head")

    def connectionLost(self, reason: Failure | None = None) -> None:  # noqa: N802 - Twisted's name
        """End the response. A TLS alert is recognised here too, since it has no end of line."""
        if self.state == _newclient.STATUS and bytes(self._buffer).startswith(_ALERT):
            reason = Failure(SpeaksTLS())
        super().connectionLost(reason)

    def allHeadersReceived(self) -> None:  # noqa: N802 - Twisted's name
        """Begin the body, or continue after an interim response, for each of which Twisted would write a log line."""
        if not 100 <= self.response.code < 200:  # noqa: PLR2004 - HTTP's interim answers
            super().allHeadersReceived()  # type: ignore[no-untyped-call]  # the same
            return
        self._interim += 1
        if self._interim > MAX_INTERIM_RESPONSES:
            raise HeadTooLong(f"more than {MAX_INTERIM_RESPONSES} interim answers (HTTP 1xx)")
        self.connectionMade()  # type: ignore[no-untyped-call]  # the same
        del self.response
