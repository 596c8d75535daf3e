"""The head of an answer, bounded: Twisted limits a line, and neither their number nor that of interim answers.

The names of Twisted's that are private and used here are those of `HTTPClientParser`'s module; tests guard each.
"""

from __future__ import annotations

from typing import Final

from twisted.python.failure import Failure
from twisted.web import _newclient
from twisted.web._newclient import HTTPClientParser

MAX_HEAD_BYTES: Final = 256 * 1024
"""Bytes before a body, interim answers among them. A few kilobytes are usual; servers take 8 to 64 KiB themselves."""

MAX_HEAD_LINES: Final = 2000
"""Lines of them. Each takes some ten microseconds, and a head is read in one turn; real ones have below a hundred."""

MAX_INTERIM_RESPONSES: Final = 100
"""Interim answers (1xx): a proxy that says ``102 Processing`` every twenty seconds does so for half an hour."""


_ALERT: Final = b"\x15\x03"
"""The beginning of a TLS record that is an alert."""


class HeadTooLong(Exception):
    """What comes before the body does not end; says what there was too much of."""


class SpeaksTLS(Exception):
    """The server takes a plain request for a bad greeting: it answers with an alert of TLS."""


class BoundedParser(HTTPClientParser):
    """Reads an answer, and raises `HeadTooLong` where its head is no head any more."""

    _bytes = 0
    _lines = 0
    _interim = 0

    def lineReceived(self, line: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take a line of the head; a body comes otherwise."""
        if self.state == _newclient.STATUS and line.startswith(_ALERT):
            raise SpeaksTLS
        self._bytes += len(line) + 1
        self._lines += 1
        if self._bytes > MAX_HEAD_BYTES or self._lines > MAX_HEAD_LINES:
            raise HeadTooLong(f"a head of more than {MAX_HEAD_BYTES // 1024} KiB or {MAX_HEAD_LINES} lines")
        super().lineReceived(line)  # type: ignore[no-untyped-call]  # Twisted's is untyped

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002, N802 - Twisted's signature
        """Refuse a line without end."""
        raise HeadTooLong(f"a line of more than {self.MAX_LENGTH} bytes in its head")

    def connectionLost(self, reason: Failure | None = None) -> None:  # noqa: N802 - Twisted's name
        """End the answer; an alert has no line's end."""
        if self.state == _newclient.STATUS and bytes(self._buffer).startswith(_ALERT):
            reason = Failure(SpeaksTLS())
        super().connectionLost(reason)

    def allHeadersReceived(self) -> None:  # noqa: N802 - Twisted's name
        """Begin the body, or read on after an interim answer: without Twisted's line in the log for each."""
        if not 100 <= self.response.code < 200:  # noqa: PLR2004 - HTTP's interim answers
            super().allHeadersReceived()  # type: ignore[no-untyped-call]  # the same
            return
        self._interim += 1
        if self._interim > MAX_INTERIM_RESPONSES:
            raise HeadTooLong(f"more than {MAX_INTERIM_RESPONSES} interim answers (HTTP 1xx)")
        self.connectionMade()  # type: ignore[no-untyped-call]  # the same
        del self.response
