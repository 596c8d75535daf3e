"""A request that a scripted backend has received."""

from __future__ import annotations

from typing import Any

import msgspec
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.web.server import Request

__all__ = ["Received", "received_from"]


@define(eq=False, kw_only=True)
class Received:
    """One request that a backend got, and what became of its answer.

    :ivar path: with its query.
    :ivar headers: names in lower case; the last value where a header came twice.
    :ivar json: the decoded body; None if there is none or it is not JSON.
    :ivar arrived: when it was complete; times are monotonic seconds.
    :ivar problems: why it is not a valid chat completion request.
    :ivar sent: body bytes of the answer handed to the socket so far.
    :ivar ended: when the answer was complete, or cut by the script.
    :ivar gone: when the other side closed the connection before that.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = field(repr=False)
    json: Any = field(repr=False)
    arrived: float
    problems: tuple[str, ...] = ()
    sent: int = 0
    ended: float | None = None
    gone: float | None = None
    _waiting: list[Deferred[None]] = field(factory=list, init=False, repr=False)

    def when_over(self) -> Deferred[None]:
        """Return a Deferred that fires when the answer has ended or the other side is gone."""
        waiting: Deferred[None] = Deferred()
        if self.ended is None and self.gone is None:
            self._waiting.append(waiting)
        else:
            waiting.callback(None)
        return waiting

    def over(self, *, ended: float | None = None, gone: float | None = None) -> None:
        """Note the end, once; for the backend alone."""
        if self.ended is None and self.gone is None:
            self.ended, self.gone = ended, gone
            waiting, self._waiting = self._waiting, []
            for one in waiting:
                one.callback(None)


def received_from(request: Request, arrived: float) -> Received:
    """Read what twisted.web got; ``arrived`` is the time."""
    body = request.content.read() if request.content is not None else b""
    return Received(
        method=request.method.decode("ascii", "replace"),
        path=request.uri.decode("ascii", "replace"),
        headers={
            name.decode("latin-1").lower(): values[-1].decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        },
        body=body,
        json=_decoded(body),
        arrived=arrived,
    )


def _decoded(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
