"""A push producer that sends a long body to a client which may read slowly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field
from twisted.internet.interfaces import IPushProducer
from twisted.web.server import Request
from zope.interface import implementer

from claude_bridge.services.callbacks import do_nothing

PIECE_BYTES: Final = 64 * 1024
"""Bytes written at once: what Twisted's transports buffer before they ask for a pause. The limit on how long a client
may leave its answer unread therefore holds for each piece, not for the whole body."""


@implementer(IPushProducer)
@define(eq=False, slots=False)
class BufferedBodyProducer:
    """Writes ``body`` as fast as the client reads it, finishes the request and calls ``on_finished``."""

    _request: Request
    _body: bytes | None
    _on_finished: Callable[[], None]
    _written: int = field(default=0, init=False)
    _paused: bool = field(default=False, init=False)

    def start(self) -> None:
        """Write as much as the connection takes now; the headers must be set already."""
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
            piece = body[self._written : self._written + PIECE_BYTES]
            self._written += PIECE_BYTES
            self._request.write(piece)
        if self._written >= len(body):
            self._end()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Write no more, and do not call ``on_finished``: Klein tells the response that the client is gone."""
        self._body, self._on_finished = None, do_nothing

    def _end(self) -> None:
        on_finished = self._on_finished
        self.stopProducing()
        self._request.unregisterProducer()
        self._request.finish()
        on_finished()
