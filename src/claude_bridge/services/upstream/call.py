"""One upstream request under way: who hears what, and the one end of it."""

from __future__ import annotations

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IResponse

from claude_bridge.core.errors import BridgeError, InternalFault, UpstreamError
from claude_bridge.services.interfaces import ResponseHead, Sweep, UpstreamReceiver, UpstreamRequest
from claude_bridge.services.upstream import errors
from claude_bridge.services.upstream.pool import BytesBody, Reads
from claude_bridge.services.upstream.response_body import ResponseBody, UnwantedBody
from claude_bridge.services.upstream.silence import Silence

_log = Logger()


@define(eq=False, repr=False)
class Call:
    """Implements `claude_bridge.services.interfaces.UpstreamCall`.

    Its life: asked (the Deferred is out), answered (there is a body), over. It is over by the body's end, by a
    failure, by a limit, or by `cancel`; the receiver hears of the first three, once.
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
            expired=self._abort,
        )

    def follow(self, asked: Deferred[IResponse], clock: IReactorTime) -> None:
        """Wait for the answer. One that is there already is heard of in the next turn, after ``send`` returned."""
        self._asked = asked
        self._sweep.add(self._silence)
        if asked.called:
            clock.callLater(0, self._listen)
        else:
            self._listen()

    def data_event_seen(self) -> None:
        """From now on the idle limit holds."""
        self._silence.data_event_seen()

    def finish_seen(self) -> None:
        """From now on there is only the grace for late usage."""
        self._silence.finish_seen()

    def cancel(self) -> None:
        """Close the connection and be silent; harmless when all is over."""
        if not self._over:
            self._leave()
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
        self._silence.bytes_seen += 1  # a head is a sign of life too
        self._body = ResponseBody(
            _head(response), self._receiver, self._reads, self._silence, done=self._body_over, stopped=self.cancel
        )
        self._body.begin(response.deliverBody)

    def _refusal(self, response: IResponse) -> UpstreamError | None:
        """Return why this is no answer to give to anybody."""
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
        """Log that the receiver raised, and do not leave it waiting."""
        _log.failure("A receiver of {backend} failed", failure, backend=self._request.backend.name)
        self._abort(InternalFault("the bridge failed over the answer's head"))

    def _body_over(self, reason: Failure) -> None:
        self._end(errors.in_body(reason, self._request.backend))

    def _abort(self, error: BridgeError | None) -> None:
        """Close the connection and tell the receiver why; None is an end without fault."""
        if not self._over:
            self._leave()
            self._close()
            self._receiver.ended(error)

    def _end(self, error: BridgeError | None) -> None:
        """Tell the receiver that it was all."""
        if not self._over:
            self._leave()
            self._forget_body()
            self._receiver.ended(error)

    def _leave(self) -> None:
        """Be over, and let go of what holds this call: bodies are large, and collections of cycles are rare."""
        self._over = True
        self._sweep.discard(self._silence)
        self._silence.expired = _ignored
        self._release()

    def _release(self) -> None:
        """Let go of the request's bytes."""
        payload, self._payload = self._payload, None
        if payload is not None:
            payload.release()

    def _close(self) -> None:
        """Close the connection: a body by its transport, for then cancelling the request has no effect any more."""
        if self._body is not None:
            self._body.close()
            self._forget_body()
        elif self._asked is not None:
            self._asked.cancel()

    def _forget_body(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.forget()


def _ignored(_: object) -> None:
    """Do nothing."""


def _head(response: IResponse) -> ResponseHead:
    headers = {
        name.decode("latin-1").lower(): values[0].decode("latin-1")
        for name, values in response.headers.getAllRawHeaders()
    }
    return ResponseHead(status=response.code, headers=headers)


def _first(response: IResponse, name: bytes) -> str:
    values = response.headers.getRawHeaders(name)
    return values[0].decode("latin-1") if values else ""
