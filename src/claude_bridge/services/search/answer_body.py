"""The body of an engine's answer, collected up to a bound."""

from __future__ import annotations

from typing import Final, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse

MAX_BODY_BYTES: Final = 2 * 1024 * 1024
"""Bytes: twenty results have some 50,000, and SearXNG's pages of many engines some 200,000."""


class TooLarge(Exception):
    """The body is larger than anybody's results."""


class _Collected(Protocol):
    def __init__(self, most: int) -> None:
        self.done: Deferred[bytes] = Deferred(lambda _: self._close())
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        self._size += len(data)
        self._parts.append(data)
        if self._size > self._most and not self.done.called:
            self._parts.clear()
            self.done.errback(TooLarge(f"its answer is larger than {self._most:,} bytes"))
            self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.done.callback(b"".join(self._parts))
        else:
            self.done.errback(reason)

    def _close(self) -> None:
        cast(ITCPTransport, self.transport).stopProducing()  # type: ignore[attr-defined]  # a push producer too


def collected(response: IResponse, most: int = MAX_BODY_BYTES) -> Deferred[bytes]:
    """Return the whole body; fails with `TooLarge`, or with what broke it. Cancelling closes the connection."""
    body = _Collected(most)
    response.deliverBody(body)
    return body.done


def dropped(response: IResponse) -> None:
    """Close the connection without reading the body."""
    body = _Collected(0)
    body.done.addErrback(lambda _: None)
    response.deliverBody(body)
    body.done.cancel()
