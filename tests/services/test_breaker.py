"""Promises of the circuit breaker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher

from claude_bridge.core.errors import (
    BridgeError,
    CircuitOpen,
    ContextOverflow,
    InternalFault,
    InvalidRequest,
    UpstreamCredentialRefused,
    UpstreamCut,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from claude_bridge.services.breaker import PROBE_RETRY_SECONDS, CircuitBreakers, CircuitState, NoBreaker
from claude_bridge.services.interfaces import Admission, Breaker

CUT = UpstreamCut("cut")

Report = Callable[[Admission], None]
REPORTS: list[Report] = [
    lambda admission: admission.succeeded(),
    lambda admission: admission.failed(CUT),
    lambda admission: admission.abandoned(),
]


def breakers(clock: Clock, failures: int = 3) -> CircuitBreakers:
    """Build breakers that open after three failures, for 30 s."""
    return CircuitBreakers(clock.seconds, failures=failures, open_seconds=30.0)


def fail(breaker: CircuitBreakers, times: int, error: BridgeError = CUT, backend: str = "a") -> None:
    """Let ``times`` requests to ``backend`` fail."""
    for _ in range(times):
        breaker.admit(backend).failed(error)


class CircuitBreakersTests:
    """A backend that keeps failing is left alone for a while."""

    def test_closed_admits(self) -> None:
        """A backend that never failed is always asked."""
        breaker: Breaker = breakers(Clock())
        for _ in range(100):
            breaker.admit("a")

    def test_opens_after_failures_in_a_row(self) -> None:
        """The configured number of failures in a row opens the circuit, and the refusal says when to come back."""
        clock = Clock()
        breaker = breakers(clock)
        fail(breaker, 2)
        breaker.admit("a").failed(CUT)
        clock.advance(10)
        with pytest.raises(CircuitOpen) as refusal:
            breaker.admit("a")
        assert refusal.value.retry_after == 20.0
        assert "a" in refusal.value.message

    def test_success_between_starts_the_count_anew(self) -> None:
        """Failures now and then do not add up."""
        breaker = breakers(Clock())
        for _ in range(10):
            fail(breaker, 2)
            breaker.admit("a").succeeded()
        assert breaker.state("a") is CircuitState.CLOSED

    def test_backends_are_apart(self) -> None:
        """One backend's failures do not close the way to another."""
        breaker = breakers(Clock())
        fail(breaker, 3, backend="a")
        breaker.admit("b")
        assert breaker.state("b") is CircuitState.CLOSED

    @pytest.mark.parametrize(
        "error",
        [
            UpstreamUnreachable("x"),
            UpstreamServerError("x"),
            UpstreamUnavailable("x"),
            UpstreamOverloaded("x"),
            UpstreamTimeout("x"),
            UpstreamCut("x"),
            UpstreamProtocolError("x"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_backend_faults_count(self, error: BridgeError) -> None:
        """What is the backend's fault counts against it."""
        breaker = breakers(Clock())
        fail(breaker, 3, error)
        assert breaker.state("a") is CircuitState.OPEN

    @pytest.mark.parametrize(
        "error",
        [
            UpstreamRateLimited("x", retry_after=1),
            UpstreamCredentialRefused("x"),
            UpstreamRefused("x"),
            ContextOverflow("x"),
            InvalidRequest("x"),
            InternalFault("x"),
        ],
        ids=lambda error: type(error).__name__,
    )
    def test_other_faults_do_not_count(self, error: BridgeError) -> None:
        """A 4xx, a spent quota or a fault of our own never opens a circuit."""
        breaker = breakers(Clock())
        fail(breaker, 20, error)
        assert breaker.state("a") is CircuitState.CLOSED

    def test_clients_that_leave_do_not_count(self) -> None:
        """Any number of people pressing Escape does not harm a backend, nor wash its failures off."""
        breaker = breakers(Clock())
        fail(breaker, 2)
        for _ in range(20):
            breaker.admit("a").abandoned()
        assert breaker.state("a") is CircuitState.CLOSED
        fail(breaker, 1)
        assert breaker.state("a") is CircuitState.OPEN

    def test_one_probe_after_the_time(self) -> None:
        """When the time is over, one request may try and all others wait for it."""
        clock = Clock()
        breaker = breakers(clock)
        fail(breaker, 3)
        clock.advance(30)
        breaker.admit("a")
        for _ in range(5):
            with pytest.raises(CircuitOpen) as refusal:
                breaker.admit("a")
            assert refusal.value.retry_after == PROBE_RETRY_SECONDS

    def test_probe_that_succeeds_closes(self) -> None:
        """A backend that is back gets everybody again, with a clean record."""
        clock = Clock()
        breaker = breakers(clock)
        fail(breaker, 3)
        clock.advance(30)
        breaker.admit("a").succeeded()
        fail(breaker, 2)
        assert breaker.state("a") is CircuitState.CLOSED

    def test_probe_refused_for_its_request_closes(self) -> None:
        """A backend that answers 4xx to the probe is alive."""
        clock = Clock()
        breaker = breakers(clock)
        fail(breaker, 3)
        clock.advance(30)
        breaker.admit("a").failed(UpstreamRefused("bad field"))
        assert breaker.state("a") is CircuitState.CLOSED

    def test_probe_that_fails_opens_again(self) -> None:
        """A backend that still fails is left alone for the whole time again."""
        clock = Clock()
        breaker = breakers(clock)
        fail(breaker, 3)
        clock.advance(31)
        breaker.admit("a").failed(CUT)
        with pytest.raises(CircuitOpen) as refusal:
            breaker.admit("a")
        assert refusal.value.retry_after == 30.0

    def test_abandoned_probe_frees_its_slot(self) -> None:
        """If the probe's client leaves, the next request is the probe."""
        clock = Clock()
        breaker = breakers(clock)
        fail(breaker, 3)
        clock.advance(30)
        breaker.admit("a").abandoned()
        breaker.admit("a")
        with pytest.raises(CircuitOpen):
            breaker.admit("a")

    def test_long_stream_does_not_keep_the_probe_away(self) -> None:
        """With an old stream still out, the place of a probe whose client left is free all the same."""
        clock = Clock()
        breaker = breakers(clock)
        breaker.admit("a")
        fail(breaker, 3)
        clock.advance(30)
        breaker.admit("a").abandoned()
        breaker.admit("a").succeeded()
        assert breaker.state("a") is CircuitState.CLOSED

    @pytest.mark.parametrize("report", REPORTS)
    def test_only_the_probe_decides(self, report: Report) -> None:
        """However a request from before the trouble ends, the half-open circuit waits for its probe."""
        clock = Clock()
        breaker = breakers(clock)
        old = breaker.admit("a")
        fail(breaker, 3)
        clock.advance(30)
        probe = breaker.admit("a")
        report(old)
        assert breaker.state("a") is CircuitState.HALF_OPEN
        with pytest.raises(CircuitOpen):
            breaker.admit("a")
        probe.succeeded()
        assert breaker.state("a") is CircuitState.CLOSED

    @pytest.mark.parametrize("report", REPORTS)
    def test_late_report_to_an_open_circuit(self, report: Report) -> None:
        """An old stream says nothing about new requests: an open circuit stays open for as long as it was to be."""
        clock = Clock()
        breaker = breakers(clock)
        old = breaker.admit("a")
        fail(breaker, 3)
        clock.advance(20)
        report(old)
        with pytest.raises(CircuitOpen) as refusal:
            breaker.admit("a")
        assert refusal.value.retry_after == 10.0

    def test_late_report_to_a_circuit_that_closed_again(self) -> None:
        """What is left from before the trouble does not count against the backend that is back."""
        clock = Clock()
        breaker = breakers(clock)
        old = [breaker.admit("a") for _ in range(5)]
        fail(breaker, 3)
        clock.advance(30)
        breaker.admit("a").succeeded()
        for admission in old:
            admission.failed(CUT)
        assert breaker.state("a") is CircuitState.CLOSED

    @pytest.mark.parametrize("report", REPORTS)
    def test_one_report_each(self, report: Report) -> None:
        """Who has reported has nothing more to say."""
        breaker = breakers(Clock(), failures=1)
        admission = breaker.admit("a")
        report(admission)
        state = breaker.state("a")
        admission.failed(CUT)
        assert breaker.state("a") is state

    def test_changes_are_logged(self) -> None:
        """Whoever runs the daemon sees when a circuit opens and closes, and whose it is."""
        clock = Clock()
        events: list[LogEvent] = []
        observe: Any = events.append
        globalLogPublisher.addObserver(observe)
        try:
            breaker = breakers(clock)
            fail(breaker, 3)
            clock.advance(30)
            breaker.admit("a").succeeded()
        finally:
            globalLogPublisher.removeObserver(observe)
        assert [(event["backend"], event["state"]) for event in events if "backend" in event] == [
            ("a", "open"),
            ("a", "half-open"),
            ("a", "closed"),
        ]

    def test_stopped_service_forgets(self) -> None:
        """A daemon that starts again starts with closed circuits."""
        breaker = breakers(Clock())
        breaker.startService()
        fail(breaker, 3)
        breaker.stopService()
        breaker.admit("a")

    @given(
        st.lists(
            st.tuples(st.sampled_from(["admit", "succeed", "fail", "leave", "wait"]), st.integers(0, 50)),
            max_size=200,
        )
    )
    def test_never_two_probes(self, steps: list[tuple[str, int]]) -> None:
        """In whatever order requests come, end and leave, a half-open circuit has let one of them through."""
        clock = Clock()
        breaker = breakers(clock, failures=2)
        out: list[tuple[Admission, bool]] = []  # with whether it is a probe
        for step, amount in steps:
            if step == "wait":
                clock.advance(amount)
            elif step == "admit":
                try:
                    admitted = breaker.admit("a")
                except CircuitOpen:
                    continue
                out.append((admitted, breaker.state("a") is CircuitState.HALF_OPEN))
            elif out:
                ended, _ = out.pop(amount % len(out))
                REPORTS[["succeed", "fail", "leave"].index(step)](ended)
            probes = sum(probe for _, probe in out)
            assert probes == (1 if breaker.state("a") is CircuitState.HALF_OPEN else 0)

    @given(st.integers(0, 20), st.sampled_from(REPORTS))
    def test_never_stuck(self, old: int, report: Report) -> None:
        """A circuit always comes back: whoever else is out, after the probe's report and the time there is another."""
        clock = Clock()
        breaker = breakers(clock)
        for _ in range(old):
            breaker.admit("a")
        fail(breaker, 3)
        clock.advance(30)
        report(breaker.admit("a"))
        clock.advance(30)
        breaker.admit("a")


class NoBreakerTests:
    """A configuration without a breaker."""

    def test_admits_whatever_happened(self) -> None:
        """Without a breaker every request is tried."""
        breaker: Breaker = NoBreaker()
        for _ in range(50):
            breaker.admit("a").failed(CUT)
        breaker.admit("a").succeeded()
        breaker.admit("a").abandoned()
        breaker.admit("a")


class ResetTests:
    """Somebody knows that the backend is well again."""

    def test_open(self) -> None:
        """An open circuit is closed at once, and begins to count anew."""
        breaker = breakers(Clock())
        fail(breaker, 3)
        breaker.reset("a")
        assert breaker.state("a") is CircuitState.CLOSED
        fail(breaker, 2)
        assert breaker.state("a") is CircuitState.CLOSED

    def test_closed(self) -> None:
        """Failures of a closed one are forgotten; of another backend's they are not."""
        breaker = breakers(Clock())
        fail(breaker, 2)
        fail(breaker, 2, backend="b")
        breaker.reset("a")
        fail(breaker, 1)
        fail(breaker, 1, backend="b")
        assert (breaker.state("a"), breaker.state("b")) == (CircuitState.CLOSED, CircuitState.OPEN)


class ShareTests:
    """Two configurations with one backend."""

    def test_shared(self) -> None:
        """What one is told the other knows, of that backend alone, also when the first has stopped."""
        clock = Clock()
        old, new = breakers(clock), breakers(clock)
        new.share("a", old)
        fail(old, 3)
        fail(old, 3, backend="b")
        old.stopService()
        assert (new.state("a"), new.state("b")) == (CircuitState.OPEN, CircuitState.CLOSED)
