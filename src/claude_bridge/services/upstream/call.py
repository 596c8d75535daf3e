"""One upstream request under way: connects the treq response, the timers and the receiver, and ends once."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IResponse

from claude_bridge.core.errors import BridgeError, InternalFault, UpstreamError
from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.interfaces import ResponseHead, Sweep, UpstreamReceiver, UpstreamRequest
from claude_bridge.services.upstream import errors
from claude_bridge.services.upstream.pool import BytesBody, Reads
from claude_bridge.services.upstream.response_body import ResponseBody, UnwantedBody
from claude_bridge.services.upstream.silence import Silence

_log = Logger()


@define(eq=False, repr=False)
class Call:
    """Implements `claude_bridge.services.interfaces.UpstreamCall`.

    ::

        requested --- response ---> in body --- body's end ---> over

    A failure, a time limit and `cancel` lead to over from both other states. The receiver is told the end, once,
    except after `cancel`.
    """

    _request: UpstreamRequest
    _receiver: UpstreamReceiver
    _sweep: Sweep
    _reads: Reads
    _payload: BytesBody | None = None
    _silence: Silence = field(init=False)
    _asked: Deferred[IResponse] | None = field(init=False, default=None)
    _body: ResponseBody | None = field(init=False, default=None)
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
        """Close the connection and tell the receiver nothing; do nothing if the call is over."""
        if not self._over:
            self._mark_over()
            self._close()

    def _listen(self) -> None:
        if self._asked is not None:
            self._asked.addCallbacks(self._answered, self._failed).addErrback(self._broke)

    def _answered(self, response: IResponse) -> None:
        self._release()
        error = None if self._over else self._refusal(response)
        if self._over or error is not None:
            response.deliverBody(UnwantedBody())
            self._end(error)
            return
        self._silence.bytes_seen += 1  # a response head ends the silence too
        self._body = ResponseBody(
            _head(response), self._receiver, self._reads, self._silence, on_end=self._body_over, on_stop=self.cancel
        )
        self._body.begin(response.deliverBody)

    def _refusal(self, response: IResponse) -> UpstreamError | None:
        """Return the error for a response that cannot be passed on; None if it can."""
        backend = self._request.backend
        if 300 <= response.code < 400:  # noqa: PLR2004 - HTTP's redirections
            return errors.redirected(backend, response.code)
        coding = _first(response, b"content-encoding")
        if coding.lower() not in {"", "identity"}:
            return errors.coded(backend, coding)
        return None

    def _failed(self, failure: Failure) -> None:
        if not self._over:
            self._end(errors.before_head(failure, self._request.backend))

    def _broke(self, failure: Failure) -> None:
        """Log that the receiver raised over the head, and end the call."""
        _log.failure("A receiver of {backend} failed", failure, backend=self._request.backend.name)
        self._abort(InternalFault("the bridge failed over the answer's head"))

    def _body_over(self, reason: Failure) -> None:
        self._end(errors.in_body(reason, self._request.backend))

    def _abort(self, error: BridgeError | None) -> None:
        """Close the connection and tell the receiver the end; None is an end without an error."""
        if not self._over:
            self._mark_over()
            self._close()
            self._receiver.ended(error)

    def _end(self, error: BridgeError | None) -> None:
        """Tell the receiver the end of the response."""
        if not self._over:
            self._mark_over()
            self._forget_body()
            self._receiver.ended(error)

    def _mark_over(self) -> None:
        """Stop the timers and drop what refers to this call: bodies are large, and cycles are collected rarely."""
        self._over = True
        self._sweep.discard(self._silence)
        self._silence.on_expired = do_nothing
        self._release()

    def _release(self) -> None:
        """Drop the request's bytes."""
        payload, self._payload = self._payload, None
        if payload is not None:
            payload.release()

    def _close(self) -> None:
        """Close the connection: through the body if there is one, since cancelling the request has no effect then."""
        if self._body is not None:
            self._body.close()
            self._forget_body()
        elif self._asked is not None:
            self._asked.cancel()

    def _forget_body(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.forget()


def _head(response: IResponse) -> ResponseHead:
    headers = {
        name.decode("latin-1").lower(): values[0].decode("latin-1")
        for name, values in response.headers.getAllRawHeaders()
    }
    return ResponseHead(status=response.code, headers=headers)


def _first(response: IResponse, name: bytes) -> str:
    values = response.headers.getRawHeaders(name)
    return values[0].decode("latin-1") if values else ""
