"""Tests for `claude_bridge.services.accounting.store.spending`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_bridge.core.budget_periods import Period
from claude_bridge.services.accounting.store.entries import Attempt, Entry
from claude_bridge.services.accounting.store.spending import Answer, Question, Span, Spent, spent
from claude_bridge.services.accounting.store.sqlite import connect
from tests.services.accounting.store.books import NOON, attempt, entries, entry, write

HOUR = 3_600_000
MINUTE = 60_000
TWO_HOURS = Span(NOON - HOUR, NOON + HOUR)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Connection]:
    """Yield an empty ledger."""
    with closing(connect(str(tmp_path / "ledger.sqlite"))) as connection:
        yield connection


def used(*attempts: Attempt) -> tuple[int, int]:
    """Return what attempts cost, and their tokens."""
    tokens = sum((each.input or 0) + (each.cache_read or 0) + (each.cache_write or 0) for each in attempts)
    return sum(each.cost or 0 for each in attempts), tokens + sum(each.output or 0 for each in attempts)


def total(rows: Sequence[Spent]) -> tuple[int, int]:
    """Return the sum of rows."""
    return sum(each.usd for each in rows), sum(each.tokens for each in rows)


def in_period(ledger: Connection, start: int, end: int) -> tuple[int, int]:
    """Return what the attempts of a period cost, and their tokens."""
    span = Span(start, end)
    return total(spent(ledger.cursor(), Question((span,), 0)).periods[span])


class SpanTests:
    """Periods of budgets in the ledger's unit."""

    def test_of_seconds(self) -> None:
        """A period in seconds is one in whole milliseconds."""
        assert Span.of(Period(1.0004, 3600.0)) == Span(1000, 3_600_000)


class SpentTests:
    """What budgets read."""

    def test_empty(self, ledger: Connection) -> None:
        """Nothing was spent."""
        assert spent(ledger.cursor(), Question((TWO_HOURS,), 10)) == Answer({TWO_HOURS: []}, {})

    def test_by_model_and_key(self, ledger: Connection) -> None:
        """A period is divided by backend, model and key; tokens are those of prompt and answer, cached ones too."""
        other = entry(key="bob", attempts=(attempt(model="Qwen"), attempt()))
        write(ledger, [entry(), entry(), other])
        answer = spent(ledger.cursor(), Question((TWO_HOURS,), 0))
        assert sorted(answer.periods[TWO_HOURS]) == [
            Spent("chutes", "GLM", "alice", 3_000_000, 2 * 102),
            Spent("chutes", "GLM", "bob", 1_500_000, 102),
            Spent("chutes", "Qwen", "bob", 1_500_000, 102),
        ]
        assert answer.sessions == {}

    def test_sessions_and_agents(self, ledger: Connection) -> None:
        """A session has what its agents have used too, by key; requests without a session are nobody's."""
        write(
            ledger, [entry(), entry(agent="a-1"), entry(key="bob"), entry(session=""), entry(session="", agent="a-2")]
        )
        assert spent(ledger.cursor(), Question((), 10)).sessions == {
            ("alice", "s-1"): (3_000_000, 204),
            ("bob", "s-1"): (1_500_000, 102),
            ("alice", "s-1", "a-1"): (1_500_000, 102),
        }

    def test_unknown_prices(self, ledger: Connection) -> None:
        """Attempts that used tokens at an unknown price are counted: in whole hours, in parts of one, by session."""
        free, failed = attempt(cost=None), attempt(cost=None, input=None)
        write(
            ledger, [entry(attempts=(free, failed, attempt())), entry(agent="a-1", attempts=(free,)), entry(key="bob")]
        )
        part = Span(NOON - 30 * MINUTE, NOON + 30 * MINUTE)
        answer = spent(ledger.cursor(), Question((TWO_HOURS, part), 10))
        for span in (TWO_HOURS, part):
            assert {row.key: row.unpriced for row in answer.periods[span]} == {"alice": 2, "bob": 0}
        assert answer.unpriced == {("alice", "s-1"): 2, ("alice", "s-1", "a-1"): 1}

    def test_last_used_sessions(self, ledger: Connection) -> None:
        """No more are read than are asked for: those that were used last."""
        write(ledger, [entry(session=f"s-{number}", started=NOON + number) for number in range(5)])
        assert set(spent(ledger.cursor(), Question((), 2)).sessions) == {("alice", "s-3"), ("alice", "s-4")}

    def test_within_an_hour(self, ledger: Connection) -> None:
        """A period of a zone whose hours begin at half past is exact: an attempt before or after it is not in it."""
        start = NOON + 30 * MINUTE
        times = (-1, 0, 29 * MINUTE, 31 * MINUTE, 2 * HOUR, 3 * HOUR - 1, 3 * HOUR)
        attempts = [attempt(started=start + each) for each in times]
        write(ledger, [entry(started=start - HOUR, attempts=(each,)) for each in attempts])
        assert in_period(ledger, start, start + 3 * HOUR) == used(*attempts[1:-1])

    def test_clock_that_was_ahead(self, ledger: Connection) -> None:
        """What was booked while the clock was ahead counts in no period that is now."""
        times = (NOON, NOON + HOUR, NOON + 24 * HOUR, NOON + 365 * 24 * HOUR)
        write(ledger, [entry(started=each, attempts=(attempt(started=each),)) for each in times])
        assert in_period(ledger, NOON, NOON + HOUR) == used(attempt())
        assert in_period(ledger, NOON - 12 * HOUR, NOON + 12 * HOUR) == used(attempt(), attempt())

    def test_periods_that_begin_together(self, ledger: Connection) -> None:
        """A day and a week that begin at the same moment are two."""
        write(ledger, [entry(started=each, attempts=(attempt(started=each),)) for each in (NOON, NOON + 24 * HOUR)])
        day, week = Span(NOON, NOON + 24 * HOUR), Span(NOON, NOON + 7 * 24 * HOUR)
        found = spent(ledger.cursor(), Question((day, week), 0)).periods
        assert [total(found[each]) for each in (day, week)] == [used(attempt()), used(attempt(), attempt())]

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
    @given(
        st.lists(entries(), max_size=6),
        st.integers(0, 40 * 24).map(lambda hours: NOON - hours * HOUR),
        st.sampled_from([0, 15, 30, 45]),
        st.sampled_from([10, 60, 24 * 60, 31 * 24 * 60 - 15]),
    )
    def test_sums_of_attempts(
        self, tmp_path_factory: pytest.TempPathFactory, drawn: list[Entry], since: int, minutes: int, length: int
    ) -> None:
        """What a period has is what the attempts that began in it have used, whatever they are."""
        start = since - minutes * MINUTE
        end = start + length * MINUTE
        mended = [  # no attempt begins before its request
            each._replace(started=min((made.started for made in each.attempts), default=each.started)) for each in drawn
        ]
        inside = [made for each in mended for made in each.attempts if start <= made.started < end]
        near = [made for each in mended for made in each.attempts if made.started - each.started > 24 * HOUR]
        with closing(connect(str(tmp_path_factory.mktemp("ledger") / "ledger.sqlite"))) as ledger:
            write(ledger, mended)
            found = in_period(ledger, start, end)
        assert near or found == used(*inside)
