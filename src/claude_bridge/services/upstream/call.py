"""One upstream request under way: connects the treq response, the timers and the receiver, and ends once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Final, cast
from urllib.parse import urljoin

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IResponse

from claude_bridge.core.errors import BridgeError, InternalFault, UpstreamError
from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.interfaces import ResponseHead, Sweep, UpstreamReceiver, UpstreamRequest
from claude_bridge.services.upstream import errors
from claude_bridge.services.upstream.silence import Silence

_log = Logger()

MAX_JOINED_BYTES: Final = 8192
"""Bytes of a header's values that are joined; of longer ones the first is taken."""

MAX_NAMES: Final = 256
"""Names of headers that are remembered; `sys.intern` would keep them for good on Python 3.12."""

_SINGLE: Final = frozenset(
    {"content-encoding", "content-length", "content-type", "date", "location", "retry-after", "server", "set-cookie"}
)
"""Headers that are no lists: of several values the first counts."""


class UnwantedBody(Protocol):
    """Closes the connection of a body that is not needed."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Close the connection."""
        cast(IPushProducer, self.transport).stopProducing()


@define(eq=False, repr=False)
class Call(Protocol):
    """Implements `claude_bridge.services.interfaces.UpstreamCall`, and is the producer of the response's body.

    ::

        requested --- response ---> in body --- body's end ---> over

    A failure, a time limit and `cancel` lead to over from both other states. The receiver is told the end, once,
    except after `cancel`.
    """

    _request: UpstreamRequest
    _receiver: UpstreamReceiver
    _sweep: Sweep
    _silence: Silence = field(init=False)
    _asked: Deferred[IResponse] | None = field(init=False, default=None)
    _head: ResponseHead | None = field(init=False, default=None)
    _body: IPushProducer | None = field(init=False, default=None)
    _over: bool = field(init=False, default=False)

    @_silence.default
    def _limits(self) -> Silence:
        request = self._request
        return Silence(
            backend=request.backend.name,
            first_byte_timeout=request.first_byte_timeout,
            idle_timeout=request.idle_timeout,
            seconds=self._sweep.seconds,
            on_expired=self._abort,
        )

    def follow(self, asked: Deferred[IResponse], clock: IReactorTime) -> None:
        """Wait for the response. One that is there already is handled in the next turn, after ``send`` has returned."""
        self._asked = asked
        self._sweep.add(self._silence)
        if asked.called:
            clock.callLater(0, self._listen)
        else:
            self._listen()

    def data_event_seen(self) -> None:
        """Apply the idle limit from now on."""
        self._silence.data_event_seen()

    def finish_seen(self) -> None:
        """Apply the short grace for late usage from now on."""
        self._silence.finish_seen()

    def cancel(self) -> None:
        """Close the connection and report nothing; do nothing if the call is over."""
        if not self._over:
            self._finish()

    def _listen(self) -> None:
        if self._asked is not None:
            self._asked.addCallbacks(self._answered, self._failed).addErrback(self._broke)

    def _answered(self, response: IResponse) -> None:
        self._asked = None
        error = None if self._over else self._refusal(response)
        if self._over or error is not None:
            response.deliverBody(UnwantedBody())
            self._end(error)
            return
        self._silence.bytes_seen += 1  # a response head ends the silence too
        self._head = _head(response)
        response.deliverBody(self)

    def _refusal(self, response: IResponse) -> UpstreamError | None:
        """Return the error for a response that cannot be passed on; None if it can."""
        backend = self._request.backend
        if 300 <= response.code < 400:  # noqa: PLR2004 - HTTP's redirections
            place = urljoin(self._request.url, _first(response, b"location"))
            return errors.redirected(backend, response.code, place)
        coding = _first(response, b"content-encoding")
        if coding.lower() not in {"", "identity"}:
            return errors.coded(backend, coding)
        return None

    def _failed(self, failure: Failure) -> None:
        self._asked = None
        if not self._over:
            self._end(errors.before_head(failure, self._request.backend))

    def _broke(self, failure: Failure) -> None:
        """Log that the receiver raised over the head, and end the call."""
        _log.failure("A receiver of {backend} failed", failure, backend=self._request.backend.name)
        self._abort(InternalFault("the bridge failed over the answer's head"))

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Announce the head, now that there is a transport to pause or stop."""
        self._body = cast(IPushProducer, self.transport)
        head, self._head = self._head, None
        self._receiver.head_received(cast(ResponseHead, head), self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Pass on what one read has brought.

        If the receiver raises, the call ends and the exception goes on to Twisted, which logs it and closes the
        connection. Without this the end of the connection would look like the backend's fault.
        """
        self._silence.bytes_seen += len(data)
        if self._over:
            return
        try:
            self._receiver.data_received(data)
        except Exception:
            self._end(InternalFault("the bridge failed over the backend's answer"))
            raise

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """End the body, complete or not."""
        self._end(errors.in_body(reason, self._request.backend))

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Stop reading for now; what the current read has brought is still passed on."""
        if self._body is not None:
            self._silence.paused()
            self._body.pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Read on."""
        if self._body is not None:
            self._silence.resumed()
            self._body.resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Stop for good: the same as `cancel`."""
        self.cancel()

    def _abort(self, error: BridgeError | None) -> None:
        """Close the connection and report the end; None is an end without an error."""
        if not self._over:
            self._finish()
            self._receiver.ended(error)

    def _end(self, error: BridgeError | None) -> None:
        """Report the end of the response; its connection is closed, or idle by now."""
        if not self._over:
            self._body = None
            self._finish()
            self._receiver.ended(error)

    def _finish(self) -> None:
        """Stop the timers, and close the connection of a response that has not ended."""
        self._over = True
        self._sweep.discard(self._silence)
        self._silence.on_expired = do_nothing  # it refers to this call, and cycles are collected rarely
        body, self._body = self._body, None
        if body is not None:
            body.stopProducing()
        elif self._asked is not None:
            self._asked.cancel()


def _head(response: IResponse) -> ResponseHead:
    headers = {}
    for raw_name, values in response.headers.getAllRawHeaders():
        name = _header_name(raw_name)
        headers[name] = (values[0] if len(values) == 1 else _joined(name, values)).decode("latin-1")
    return ResponseHead(status=response.code, headers=headers)


@lru_cache(maxsize=MAX_NAMES)
def _header_name(raw_name: bytes) -> str:
    """Return the name of a header in lower case, one text for all answers under way."""
    return raw_name.decode("latin-1").lower()


def _joined(name: str, values: Sequence[bytes]) -> bytes:
    """Return the values of a header that came in several lines as one list, each value once (RFC 9110, 5.3)."""
    if name in _SINGLE or sum(map(len, values)) > MAX_JOINED_BYTES:
        return values[0]
    return b", ".join(dict.fromkeys(values))


def _first(response: IResponse, name: bytes) -> str:
    values = response.headers.getRawHeaders(name)
    return values[0].decode("latin-1") if values else ""
