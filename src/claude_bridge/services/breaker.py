"""The circuit breaker: stop asking a backend that keeps failing, and let one request try now and then.

::

                 `failures` in a row                 `open_seconds` over, next `admit`
      closed ----------------------------> open ----------------------------------------> half-open
        ^                                   ^                                              |  |  ^ |
        |                                   +-------------- a failure that counts ---------+  |  | | abandoned:
        +--------------------------------------------------------- any answer ----------------+  +-+ slot is free

In half-open a *single* probe is out; everybody else is refused until it has reported.

The machine is three states, no timer of its own (an open circuit is looked at only when somebody wants to be
admitted) and answers by raising, so it is written out as plain methods over an enum: a typed Automat would have
to carry the clock and the raised error through its outputs and be longer than what it replaces.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from attrs import define
from twisted.application.service import Service
from twisted.logger import Logger

from claude_bridge.core.errors import (
    BridgeError,
    CircuitOpen,
    ClientError,
    UpstreamCut,
    UpstreamError,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)

# Design 6, "breaker": connect errors, 5xx, 529, timeouts and cuts; no 4xx, so neither 429 nor a refused credential.
COUNTED = (
    UpstreamUnreachable,
    UpstreamServerError,
    UpstreamUnavailable,
    UpstreamOverloaded,
    UpstreamTimeout,
    UpstreamCut,
    UpstreamProtocolError,
)

# How long a client should wait while the probe is out: its end cannot be known, and a few seconds are what a
# first token usually takes.
PROBE_RETRY_SECONDS = 5.0


class State(Enum):
    """What a circuit lets through: everything, nothing, one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@define(eq=False)
class Circuit:
    """The state of one backend.

    :ivar failures: counted failures in a row, while closed.
    :ivar open_until: clock seconds, while open.
    :ivar out: requests admitted that have not reported yet, old ones and the probe together.
    """

    state: State = State.CLOSED
    failures: int = 0
    open_until: float = 0.0
    out: int = 0


class NoBreaker:
    """The `Breaker` of a configuration without one: admits everybody and learns nothing."""

    def admit(self, backend: str) -> None:
        """Let it pass."""

    def succeeded(self, backend: str) -> None:
        """Learn nothing."""

    def failed(self, backend: str, error: BridgeError) -> None:
        """Learn nothing."""

    def abandoned(self, backend: str) -> None:
        """Learn nothing."""


class CircuitBreakers(Service):
    """One circuit a backend; implements `claude_bridge.services.interfaces.Breaker`.

    Everybody who was admitted reports exactly once: `succeeded`, `failed` or `abandoned`. As a service it forgets
    everything when it stops, so that a daemon that starts again starts with closed circuits.

    :param seconds: the clock.
    :param failures: counted failures in a row that open a circuit.
    :param open_seconds: how long it stays open before a probe may go.
    """

    _log = Logger()

    def __init__(self, seconds: Callable[[], float], *, failures: int, open_seconds: float) -> None:
        self._seconds = seconds
        self._failures = failures
        self._open_seconds = open_seconds
        # One entry a configured backend, so as many as the configuration has.
        self._circuits: dict[str, Circuit] = {}

    def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Forget all."""
        super().stopService()  # type: ignore[no-untyped-call]  # Twisted's is untyped
        self._circuits.clear()

    def state(self, backend: str) -> State:
        """Tell the state of ``backend``'s circuit, for health and tests."""
        return self._circuit(backend).state

    def admit(self, backend: str) -> None:
        """Raise `CircuitOpen` if ``backend`` must not be asked now."""
        circuit = self._circuit(backend)
        if circuit.state is State.HALF_OPEN:
            raise self._refusal(backend, PROBE_RETRY_SECONDS)
        if circuit.state is State.OPEN:
            remaining = circuit.open_until - self._seconds()
            if remaining > 0:
                raise self._refusal(backend, remaining)
            self._move(backend, circuit, State.HALF_OPEN)
        circuit.out += 1

    def succeeded(self, backend: str) -> None:
        """Note an answer, also one that says 4xx.

        An open circuit takes no notice: that was an old request, and the probe will tell.
        """
        circuit = self._reported(backend)
        if circuit.state is State.OPEN:
            return
        circuit.failures = 0
        if circuit.state is State.HALF_OPEN:
            self._move(backend, circuit, State.CLOSED)

    def failed(self, backend: str, error: BridgeError) -> None:
        """Note a failure; one that is an answer after all is `succeeded`, one that is our own says nothing."""
        if isinstance(error, COUNTED):
            self._count(backend)
        elif isinstance(error, (UpstreamError, ClientError)):
            self.succeeded(backend)
        else:
            self.abandoned(backend)

    def abandoned(self, backend: str) -> None:
        """Note that the client left before the backend could show anything: the probe's slot is free again.

        It may also have been an old request, admitted before the circuit opened. So the slot is free only when
        nobody is out any more: that way there are never two probes.
        """
        circuit = self._reported(backend)
        if circuit.state is State.HALF_OPEN and circuit.out == 0:
            circuit.open_until = self._seconds()
            self._move(backend, circuit, State.OPEN)

    def _count(self, backend: str) -> None:
        circuit = self._reported(backend)
        if circuit.state is State.CLOSED:
            circuit.failures += 1
            if circuit.failures < self._failures:
                return
        if circuit.state is not State.OPEN:
            circuit.open_until = self._seconds() + self._open_seconds
            self._move(backend, circuit, State.OPEN)

    def _circuit(self, backend: str) -> Circuit:
        return self._circuits.setdefault(backend, Circuit())

    def _reported(self, backend: str) -> Circuit:
        circuit = self._circuit(backend)
        circuit.out = max(0, circuit.out - 1)
        return circuit

    def _move(self, backend: str, circuit: Circuit, state: State) -> None:
        circuit.state = state
        circuit.failures = 0
        self._log.warn("Circuit of backend {backend} is now {state}", backend=backend, state=state.value)

    @staticmethod
    def _refusal(backend: str, retry_after: float) -> CircuitOpen:
        return CircuitOpen(
            f"backend {backend} keeps failing and is not asked for now (circuit breaker)",
            retry_after=retry_after,
        )
