"""The body of an upstream answer on its way to its receiver, as a push producer."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from claude_bridge.services.interfaces import ResponseHead, UpstreamReceiver
from claude_bridge.services.upstream.pool import Reads
from claude_bridge.services.upstream.silence import Silence


class ReceiverBroke(Exception):
    """The receiver raised over bytes that it was given."""


def _nobody(*_: object) -> None:
    """Do nothing."""


class ResponseBody(Protocol):
    """Passes bytes on, all of one read together, and pauses, resumes or stops the connection they come from.

    After `stopProducing` the receiver hears nothing more: nobody wants the rest.

    :param done: called once with Twisted's reason when the body is over, unless it was stopped.
    :param stopped: called when somebody stops it as a producer.
    """

    def __init__(
        self,
        head: ResponseHead,
        receiver: UpstreamReceiver,
        reads: Reads,
        silence: Silence,
        done: Callable[[Failure], None],
        stopped: Callable[[], None],
    ) -> None:
        self._head = head
        self._receiver = receiver
        self._reads = reads
        self._silence = silence
        self._done = done
        self._stopped = stopped
        self._held: list[bytes] = []
        self._paused = False
        self._over = False
        self._passing_on = False

    def begin(self, deliver: Callable[[Protocol], None]) -> None:
        """Let ``deliver`` connect this body to its transport, which announces the head and may bring bytes at once.

        Twisted resumes the transport when it delivers a body, so a pause that the receiver asked for meanwhile has
        to be said again.
        """
        deliver(self)
        if self._paused and not self._over:
            self._producer().pauseProducing()

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Announce the head, now that there is something to pause or stop."""
        self._receiver.head_received(self._head, self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Hold ``data`` until the read that it is from is over; without a read going on, pass it on."""
        self._silence.bytes_seen += len(data)
        if self._over:
            return
        bodies = self._reads.bodies
        if bodies is None:
            self._pass_on(data)
            return
        if not self._held:
            bodies.append(self)
        self._held.append(data)

    def flush(self) -> None:
        """Pass on what is held, in one piece."""
        held = self._held
        if held:
            self._held = []
            self._pass_on(held[0] if len(held) == 1 else b"".join(held))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """End the body, complete or not."""
        if self._over:
            return
        if self._passing_on:
            reason = Failure(ReceiverBroke())
        else:
            self.flush()
        if not self._over:  # the receiver may have had enough just now
            self._over = True
            self._done(reason)

    def close(self) -> None:
        """Close the connection and say nothing more to anybody.

        ``stopProducing`` and not ``loseConnection``, which over TLS waits for the peer's consent.
        """
        self._over = True
        self._held = []
        self._producer().stopProducing()

    def forget(self) -> None:
        """Let go of everybody, now that it is over: Twisted keeps a body in a cycle of its own."""
        self._over = True
        self._done, self._stopped = _nobody, _nobody

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Read no more for now; what the read going on has brought is still passed on."""
        self._paused = True
        self._silence.paused()
        self._producer().pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Read on."""
        self._paused = False
        self._silence.resumed()
        self._producer().resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Nobody wants the rest: as `claude_bridge.services.interfaces.UpstreamCall.cancel`."""
        self._stopped()

    def _pass_on(self, data: bytes) -> None:
        """Give ``data`` to the receiver.

        If that raises, Twisted logs it and ends the connection while the flag still stands: so the end of the body
        can tell the bridge's own fault from the backend's, without catching what is not ours to catch.
        """
        self._passing_on = True
        self._receiver.data_received(data)
        self._passing_on = False

    def _producer(self) -> IPushProducer:
        return cast(IPushProducer, self.transport)


class UnwantedBody(Protocol):
    """Takes the place of a body that nobody wants, and closes its connection."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Close."""
        cast(IPushProducer, self.transport).stopProducing()
