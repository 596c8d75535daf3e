"""The body of an upstream response: passes bytes to the receiver, and is its push producer."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.interfaces import ResponseHead, UpstreamReceiver
from claude_bridge.services.upstream.pool import Reads
from claude_bridge.services.upstream.silence import Silence


class ReceiverBroke(Exception):
    """The receiver raised an exception: a fault of the bridge, not of the backend."""


class ResponseBody(Protocol):
    """Passes bytes on, all of one read together, and pauses, resumes or stops the connection they come from.

    After `stopProducing` no method of the receiver is called any more.

    :param on_end: called once with Twisted's reason when the body has ended, unless it was stopped.
    :param on_stop: called when the receiver stops it as a producer.
    """

    def __init__(
        self,
        head: ResponseHead,
        receiver: UpstreamReceiver,
        reads: Reads,
        silence: Silence,
        on_end: Callable[[Failure], None],
        on_stop: Callable[[], None],
    ) -> None:
        self._head = head
        self._receiver = receiver
        self._reads = reads
        self._silence = silence
        self._on_end = on_end
        self._on_stop = on_stop
        self._held: list[bytes] = []
        self._paused = False
        self._over = False

    def begin(self, deliver: Callable[[Protocol], None]) -> None:
        """Let ``deliver`` connect this body to its transport, which announces the head and may bring bytes at once.

        Twisted resumes the transport when it delivers a body, so a pause that the receiver asked for meanwhile has to
        be repeated.
        """
        deliver(self)
        if self._paused and not self._over:
            self._producer().pauseProducing()

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Announce the head, now that there is a transport to pause or stop."""
        self._receiver.head_received(self._head, self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Hold ``data`` until the current read is over; if there is none, pass it on."""
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
        """Pass on the held bytes in one piece."""
        held = self._held
        if held:
            self._held = []
            self._pass_on(held[0] if len(held) == 1 else b"".join(held))

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """End the body, complete or not."""
        if self._over:
            return
        self.flush()
        self._end(reason)

    def close(self) -> None:
        """Close the connection; nothing is called any more.

        This uses ``stopProducing`` and not ``loseConnection``, which over TLS waits for the peer.
        """
        self._over = True
        self._held = []
        self._producer().stopProducing()

    def forget(self) -> None:
        """Drop the callbacks, now that the body has ended: Twisted keeps a body in a reference cycle."""
        self._over = True
        self._on_end, self._on_stop = do_nothing, do_nothing

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Stop reading for now; what the current read has brought is still passed on."""
        self._paused = True
        self._silence.paused()
        self._producer().pauseProducing()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Read on."""
        self._paused = False
        self._silence.resumed()
        self._producer().resumeProducing()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Stop for good: the same as `claude_bridge.services.interfaces.UpstreamCall.cancel`."""
        self._on_stop()

    def _pass_on(self, data: bytes) -> None:
        """Pass ``data`` to the receiver.

        If the receiver raises, the body ends with `ReceiverBroke` and the exception goes on to Twisted, which logs it
        and closes the connection. Without this the end of the connection would look like the backend's fault.
        """
        try:
            self._receiver.data_received(data)
        except Exception:
            self._end(Failure(ReceiverBroke()))
            raise

    def _end(self, reason: Failure) -> None:
        """Report the end, unless the receiver has just stopped the body."""
        if not self._over:
            self._over = True
            self._on_end(reason)

    def _producer(self) -> IPushProducer:
        return cast(IPushProducer, self.transport)


class UnwantedBody(Protocol):
    """Closes the connection of a body that is not needed."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Close the connection."""
        cast(IPushProducer, self.transport).stopProducing()
