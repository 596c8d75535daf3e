"""A long body on its way to a client that may read slowly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IPushProducer
from twisted.web.server import Request
from zope.interface import implementer

PIECE: Final = 64 * 1024
"""Bytes written at once: what Twisted's transports hold before they ask for a pause. So a client has the time that a
client may leave its answer unread for each of these, not for the whole."""


@implementer(IPushProducer)
@define(eq=False, slots=False)
class BufferedBodyProducer:
    """Writes ``body`` as fast as the client takes it, ends the request and calls ``poured``."""

    _request: Request
    _body: bytes | None
    _poured: Callable[[], None]
    _written: int = field(default=0, init=False)
    _paused: bool = field(default=False, init=False)

    def start(self) -> None:
        """Write what the connection takes now; the head must be set already."""
        self._request.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Wait for the client."""
        self._paused = True

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Write on."""
        body, self._paused = self._body, False
        if body is None:
            return
        while not self._paused and self._written < len(body):
            piece = body[self._written : self._written + PIECE]
            self._written += PIECE
            self._request.write(piece)
        if self._written >= len(body):
            self._end()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Write no more; who waits for the end learns in another way that the client is gone, and waits no longer."""
        self._body, self._poured = None, _nothing

    def _end(self) -> None:
        poured = self._poured
        self.stopProducing()
        self._request.unregisterProducer()
        self._request.finish()
        poured()


def _nothing() -> None:
    """Do nothing."""
