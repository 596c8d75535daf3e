"""The circuit breaker: does not ask a backend that keeps failing, and lets one request try now and then.

::

                 `failures` in a row                 `open_seconds` over, next `admit`
      closed ----------------------------> open ----------------------------------------> half-open
        ^                                   ^                                              |  |  ^ |
        |                                   +-------------- a failure that counts ---------+  |  | | abandoned:
        +--------------------------------------------------------- any answer ----------------+  +-+ slot is free

In half-open a *single* probe is out; everybody else is refused until it has reported.

Every change of state begins a new period, and only what was admitted in the present period is heard: a stream from
before the trouble that ends, well or badly, says nothing about a circuit that has opened since. So the probe alone
decides a half-open circuit, however many old streams are still out.

The machine is three states, no timer of its own (an open circuit is looked at only when somebody wants to be
admitted) and answers by raising, so it is written out as plain methods over an enum: a typed Automat would have
to carry the clock and the raised error through its outputs and be longer than what it replaces.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import ClassVar

from attrs import define, field
from twisted.application.service import Service
from twisted.logger import Logger

from claude_bridge.core.errors import BridgeError, CircuitOpen

# How long a client should wait while the probe is out: its end cannot be known, and a few seconds are what a
# first token usually takes.
PROBE_RETRY_SECONDS = 5.0


class CircuitState(Enum):
    """What a circuit lets through: everything, nothing, one probe."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@define(eq=False)
class Circuit:
    """The circuit of one backend.

    :param seconds: the clock.
    :param limit: counted failures in a row that open it.
    :param open_seconds: how long it stays open before a probe may go.
    :ivar period: changes with every change of state.
    """

    _log: ClassVar = Logger()

    _backend: str
    _seconds: Callable[[], float]
    _limit: int
    _open_seconds: float
    state: CircuitState = field(default=CircuitState.CLOSED, init=False)
    period: int = field(default=0, init=False)
    _failures: int = field(default=0, init=False)  # in a row, while closed
    _open_until: float = field(default=0.0, init=False)

    def admit(self) -> CircuitAdmission:
        """Return the permission for one request; raise `CircuitOpen`."""
        if self.state is CircuitState.HALF_OPEN:
            raise self._refusal(PROBE_RETRY_SECONDS)
        if self.state is CircuitState.OPEN:
            remaining = self._open_until - self._seconds()
            if remaining > 0:
                raise self._refusal(remaining)
            self._move(CircuitState.HALF_OPEN)
        return CircuitAdmission(self, self.period)

    def succeeded(self) -> None:
        """Record an answer within the period."""
        self._failures = 0
        if self.state is CircuitState.HALF_OPEN:
            self._move(CircuitState.CLOSED)

    def failed(self) -> None:
        """Record a failure within the period: too many in a row open the circuit, a probe's failure opens it again."""
        self._failures += 1
        if self.state is CircuitState.HALF_OPEN or self._failures >= self._limit:
            self._open(self._open_seconds)

    def abandoned(self) -> None:
        """Record that nothing was learned within the period: after a probe another one may go at once."""
        if self.state is CircuitState.HALF_OPEN:
            self._open(0.0)

    def reset(self) -> None:
        """Close the circuit, whatever has failed before: somebody knows that the backend works again."""
        self._failures = 0
        if self.state is not CircuitState.CLOSED:
            self._move(CircuitState.CLOSED)

    def _open(self, seconds: float) -> None:
        self._open_until = self._seconds() + seconds
        self._move(CircuitState.OPEN)

    def _move(self, state: CircuitState) -> None:
        self.state = state
        self.period += 1
        self._failures = 0
        self._log.warn("Circuit of backend {backend} is now {state}", backend=self._backend, state=state.value)

    def _refusal(self, retry_after: float) -> CircuitOpen:
        return CircuitOpen(
            f"backend {self._backend} keeps failing and is not asked for now (circuit breaker)",
            retry_after=retry_after,
        )


@define(eq=False)
class CircuitAdmission:
    """Implements `claude_bridge.services.interfaces.Admission` for one period of a circuit."""

    _circuit: Circuit | None
    _period: int

    def succeeded(self) -> None:
        """Report an answer, also one with a 4xx status."""
        circuit = self._report()
        if circuit is not None:
            circuit.succeeded()

    def failed(self, error: BridgeError) -> None:
        """Report a failure. An error that does not count is an answer; the bridge's own fault says nothing."""
        if error.counts_against_backend:
            circuit = self._report()
            if circuit is not None:
                circuit.failed()
        elif error.fault == "bridge":
            self.abandoned()
        else:
            self.succeeded()

    def abandoned(self) -> None:
        """Report that the client left before the backend had sent anything."""
        circuit = self._report()
        if circuit is not None:
            circuit.abandoned()

    def _report(self) -> Circuit | None:
        """Use up the one report; return the circuit if its period is still the same."""
        circuit, self._circuit = self._circuit, None
        return circuit if circuit is not None and circuit.period == self._period else None


class NoAdmission:
    """The `Admission` of a configuration without a breaker: ignores reports."""

    def succeeded(self) -> None:
        """Do nothing."""

    def failed(self, error: BridgeError) -> None:
        """Do nothing."""

    def abandoned(self) -> None:
        """Do nothing."""


class NoBreaker:
    """The `Breaker` of a configuration without one: permits every request and ignores reports."""

    _admission = NoAdmission()

    def admit(self, backend: str) -> NoAdmission:  # noqa: ARG002 - the seam's shape
        """Return the permission, always."""
        return self._admission


class CircuitBreakers(Service):
    """One circuit a backend; implements `claude_bridge.services.interfaces.Breaker`.

    As a service it forgets everything when it stops, so that a daemon that starts again starts with closed circuits.

    :param seconds: the clock.
    :param failures: counted failures in a row that open a circuit.
    :param open_seconds: how long it stays open before a probe may go.
    """

    def __init__(self, seconds: Callable[[], float], *, failures: int, open_seconds: float) -> None:
        self._seconds = seconds
        self._failures = failures
        self._open_seconds = open_seconds
        # One entry a configured backend, so as many as the configuration has.
        self._circuits: dict[str, Circuit] = {}

    def stopService(self) -> None:  # noqa: N802 - Twisted's name
        """Forget all circuits."""
        super().stopService()  # type: ignore[no-untyped-call]  # Twisted's is untyped
        self._circuits.clear()

    def state(self, backend: str) -> CircuitState:
        """Return the state of ``backend``'s circuit, for health and tests."""
        return self._circuit(backend).state

    def admit(self, backend: str) -> CircuitAdmission:
        """Return the permission to ask ``backend``; raise `CircuitOpen` if it must not be asked now."""
        return self._circuit(backend).admit()

    def reset(self, backend: str) -> None:
        """Close the circuit of ``backend``."""
        self._circuit(backend).reset()

    def share(self, backend: str, others: CircuitBreakers) -> None:
        """Use the circuit that ``others`` have for ``backend``, so that reports to either reach both."""
        self._circuits[backend] = others._circuit(backend)

    def _circuit(self, backend: str) -> Circuit:
        circuit = self._circuits.get(backend)
        if circuit is None:
            circuit = self._circuits[backend] = Circuit(backend, self._seconds, self._failures, self._open_seconds)
        return circuit
