"""Promises of the request log: one line a request."""

from __future__ import annotations

from typing import cast

import pytest
from attrs import evolve
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent

from claude_bridge.core.events import Usage
from claude_bridge.services.accounting.request_log import RequestLog
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord

ATTEMPT = AttemptRecord(
    backend="box",
    model="zai/GLM",
    credential="client",
    started=1_700_000_000.0,
    seconds=2.34567,
    first_event_seconds=0.98765,
    status=200,
    outcome="ok",
    usage=Usage(12, 7, 3, 2, thinking_tokens=4, raw={"prompt_tokens": 17}),
    first_token_seconds=0.999,
)
RECORD = RequestRecord(
    request_id="req_1",
    kind="main",
    model="claude-opus-5-5",
    session="s-1",
    agent="a-1",
    client="anna",
    streamed=True,
    started=1_700_000_000.0,
    seconds=2.5,
    first_byte_seconds=1.23456,
    status=200,
    outcome="ok",
    body_bytes=1234,
    attempts=(evolve(ATTEMPT, outcome="refused"), ATTEMPT),
    peer="10.0.0.7",
)


def request_log(events: list[LogEvent], *, detailed: bool = False) -> RequestLog:
    """Make a log that writes into ``events``."""
    return RequestLog(detailed, Logger(observer=cast(ILogObserver, events.append), namespace="test"))


def logged(record: RequestRecord) -> LogEvent:
    """Return the one event that a request's end writes."""
    events: list[LogEvent] = []
    request_log(events).request_ended(record)
    (event,) = events
    return event


class RequestLineTests:
    """The line at a request's end."""

    def test_cost(self) -> None:
        """The cost is that of all attempts, in dollars; unknown is null, never 0."""
        priced = evolve(ATTEMPT, cost=4_200_000_000, price_from="configuration")
        assert logged(evolve(RECORD, attempts=(priced, priced)))["cost_usd"] == 0.0084
        assert logged(evolve(RECORD, attempts=(ATTEMPT, priced)))["cost_usd"] is None

    def test_names_everything(self) -> None:
        """Ids, model, backend, attempts, times, tokens and outcome are fields of the line."""
        event = logged(RECORD)
        told = {name: value for name, value in event.items() if not name.startswith("log_")}
        assert told == {
            "event": "request",
            "request_id": "req_1",
            "status": 200,
            "outcome": "ok",
            "kind": "main",
            "model": "claude-opus-5-5",
            "backend": "box",
            "upstream_model": "zai/GLM",
            "credential": "client",
            "attempts": 2,
            "streamed": True,
            "session": "s-1",
            "agent": "a-1",
            "client": "anna",
            "body_bytes": 1234,
            "seconds": 2.5,
            "first_byte_seconds": 1.235,
            "first_event_seconds": 0.988,
            "tokens_per_second": 5.198,
            "input_tokens": 12,
            "output_tokens": 7,
            "cache_read_tokens": 3,
            "cache_write_tokens": 2,
            "thinking_tokens": 4,
            "estimated": False,
            "peer": "10.0.0.7",
            "reason": None,
            "route": "",
            "cost_usd": None,
        }
        counts = "17 in (3 cached) 7 out  2.5 s  first 1.2 s  5 tok/s"
        assert formatEvent(event) == f"main #s-1 claude-opus-5-5 -> box (2 attempts)  {counts}  for anna"

    def test_says_why(self) -> None:
        """A failed request's line says why it failed."""
        event = logged(evolve(RECORD, status=502, outcome="upstream_unreachable", client="", reason="no connection"))
        assert formatEvent(event).endswith("5 tok/s: no connection")
        assert event["reason"] == "no connection"

    def test_without_usage(self) -> None:
        """A request without counts has none, rather than zeros."""
        event = logged(evolve(RECORD, attempts=(evolve(ATTEMPT, usage=None, first_event_seconds=None),)))
        assert (event["input_tokens"], event["first_event_seconds"]) == (None, None)

    def test_without_a_backend(self) -> None:
        """A request that no backend was asked for has a line of its own, words apart."""
        event = logged(evolve(RECORD, attempts=(), status=503, outcome="circuit_open"))
        assert formatEvent(event) == "main #s-1 claude-opus-5-5  failed: 503 circuit_open  2.5 s  first 1.2 s  for anna"
        assert (event["attempts"], event["session"], event["body_bytes"]) == (0, "s-1", 1234)
        assert "backend" not in event

    def test_another_model_than_the_first_choice(self) -> None:
        """Where another model than the first choice was asked, the fields name both, and the route."""
        event = logged(evolve(RECORD, route="default", first_choice="tower/big"))
        assert (event["route"], event["first_choice"], event["backend"]) == ("default", "tower/big", "box")

    @pytest.mark.parametrize(
        ("status", "outcome", "attempts", "level"),
        [
            (200, "ok", (ATTEMPT,), LogLevel.info),
            (400, "context_overflow", (ATTEMPT,), LogLevel.info),
            (400, "invalid_request", (), LogLevel.info),
            (429, "upstream_rate_limited", (ATTEMPT,), LogLevel.info),
            (405, "method_not_allowed", (), LogLevel.info),
            (400, "upstream_refused", (ATTEMPT,), LogLevel.warn),
            (401, "authentication_failed", (), LogLevel.warn),
            (401, "authentication_failed", (ATTEMPT,), LogLevel.warn),
            (402, "billing_refused", (ATTEMPT,), LogLevel.warn),
            (403, "permission_denied", (), LogLevel.warn),
            (404, "not_found", (ATTEMPT,), LogLevel.warn),
            (404, "not_found", (), LogLevel.warn),
            (413, "request_too_large", (), LogLevel.warn),
            (502, "upstream_credential_refused", (ATTEMPT,), LogLevel.warn),
            (0, "client_left", (ATTEMPT,), LogLevel.info),
            (200, "client_left", (ATTEMPT,), LogLevel.info),
            (502, "upstream_cut", (ATTEMPT,), LogLevel.warn),
            (200, "upstream_cut", (ATTEMPT,), LogLevel.warn),
            (529, "bridge_overloaded", (), LogLevel.warn),
            (500, "internal_fault", (), LogLevel.warn),
        ],
    )
    def test_level(self, status: int, outcome: str, attempts: tuple[AttemptRecord, ...], level: object) -> None:
        """What somebody must act on is a warning, a wrong key or name too; what clients mend themselves is none."""
        event = logged(evolve(RECORD, status=status, outcome=outcome, attempts=attempts))
        assert event["log_level"] is level

    def test_a_path_that_is_not_there(self) -> None:
        """What any scanner asks for is no warning."""
        event = logged(evolve(RECORD, kind="/favicon.ico", model="", attempts=(), status=404, outcome="not_found"))
        assert event["log_level"] is LogLevel.info


class AttemptLineTests:
    """The line of a single attempt."""

    def test_only_for_who_looks_closely(self) -> None:
        """Attempts are written at debug level, by the request's id."""
        events: list[LogEvent] = []
        request_log(events, detailed=True).attempt_ended("req_1", ATTEMPT)
        (event,) = events
        assert (event["log_level"], event["request_id"], event["seconds"]) == (LogLevel.debug, "req_1", 2.346)
        assert formatEvent(event) == "req_1 attempt at box/zai/GLM: ok"

    def test_else_not_at_all(self) -> None:
        """Otherwise an attempt costs nothing."""
        events: list[LogEvent] = []
        request_log(events).attempt_ended("req_1", ATTEMPT)
        assert events == []
