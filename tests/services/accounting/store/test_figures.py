"""What is read of a ledger."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_bridge.services.accounting.store import figures, sqlite
from claude_bridge.services.accounting.store.batch import DAY, HOUR
from claude_bridge.services.accounting.store.counts import Counts
from claude_bridge.services.accounting.store.entries import Entry
from claude_bridge.services.accounting.store.figures import BY, By
from tests.services.accounting.store.books import NOON, attempt, entries, entry, write


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a new ledger."""
    connection = sqlite.connect(str(tmp_path / "ledger.sqlite"))
    yield connection
    connection.close()


def at(time: int, **more: str) -> Entry:
    """Make a request at some time."""
    return entry(started=time, attempts=(attempt(started=time, **more),))


class RowsTests:
    """Sums by something."""

    def test_by_model(self, ledger: sqlite3.Connection) -> None:
        """Models of the same name at two backends are two; what costs most comes first."""
        write(ledger, [at(NOON), at(NOON, backend="box"), at(NOON, backend="box")])
        seen = figures.rows(ledger, NOON - DAY, "model")
        assert [(row.what, row.figures.requests) for row in seen] == [
            ({"backend": "box", "model": "GLM"}, 2),
            ({"backend": "chutes", "model": "GLM"}, 1),
        ]

    @pytest.mark.parametrize(("by", "unit"), [("day", DAY), ("hour", HOUR)])
    def test_by_time(self, ledger: sqlite3.Connection, by: By, unit: int) -> None:
        """Days and hours come in their order, those without a request not at all."""
        times = [NOON - 2 * DAY, NOON - DAY - HOUR, NOON - DAY]
        write(ledger, [at(each) for each in reversed(times)])
        seen = figures.rows(ledger, NOON - DAY - 12 * HOUR, by)
        assert [row.first for row in seen] == sorted({each // unit * unit for each in times[1:]})

    def test_from_an_hour_on(self, ledger: sqlite3.Connection) -> None:
        """A beginning within a day is kept to the hour."""
        write(ledger, [at(NOON - HOUR), at(NOON)])
        (row,) = figures.rows(ledger, NOON, "backend")
        assert (row.what, row.figures.requests) == ({"backend": "chutes"}, 1)
        assert figures.rows(ledger, NOON, "day")[0].first == NOON // DAY * DAY

    def test_sessions_and_agents(self, ledger: sqlite3.Connection) -> None:
        """Sessions come with the last one first, whole; agents say whose they are and who started them."""
        write(
            ledger,
            [
                at(NOON - 9 * DAY),
                at(NOON - DAY)._replace(session="s-2", agent="a", agent_type="Plan", parent="p"),
                at(NOON),
            ],
        )
        sessions = figures.rows(ledger, NOON - 2 * DAY, "session")
        assert [(row.what["session"], row.figures.requests) for row in sessions] == [("s-1", 2), ("s-2", 1)]
        assert len(figures.rows(ledger, NOON - 2 * DAY, "session", limit=1)) == 1
        agent = figures.rows(ledger, NOON - 2 * DAY, "agent")[1]
        assert agent.what == {"session": "s-2", "key": "alice", "agent": "a", "type": "Plan"}
        assert agent.parent == "p"
        assert figures.agents_of(ledger, "s-2") == [agent]

    def test_nothing(self, ledger: sqlite3.Connection) -> None:
        """Of an empty ledger there is nothing, whatever is asked."""
        assert [figures.rows(ledger, 0, by) for by in BY] == [[]] * len(BY)
        assert figures.total([]) == Counts()

    def test_cost_is_known_or_not(self, ledger: sqlite3.Connection) -> None:
        """A cost of nothing and an unknown one are two things."""
        write(ledger, [entry(attempts=(attempt(cost=0),)), entry(key="bob", attempts=(attempt(cost=None),))])
        known = {row.what["key"]: row.figures.known_cost for row in figures.rows(ledger, 0, "key")}
        assert known == {"alice": 0, "bob": None}

    def test_sessions_like(self, ledger: sqlite3.Connection) -> None:
        """The beginning of an id finds the sessions that have it."""
        write(ledger, [entry(session=each) for each in ("abc", "abd", "b")])
        assert figures.sessions_like(ledger, "ab") == ["abc", "abd"]

    def test_attempts(self, ledger: sqlite3.Connection) -> None:
        """An export has the columns of the view, from the beginning of requests on."""
        write(ledger, [at(NOON - DAY, backend="old"), at(NOON)])
        columns, rows = figures.attempts(ledger, NOON - HOUR)
        (row,) = [dict(zip(columns, each, strict=True)) for each in rows]
        assert (row["backend"], row["session"], row["cost_pico_usd"]) == ("chutes", "s-1", 1_500_000)

    @pytest.mark.parametrize(
        ("more", "found"),
        [
            ({"key": "bob"}, [2, 3]),
            ({"session": "s-1"}, [1, 2]),
            ({"key": "bob", "session": "s-1"}, [2]),
            ({"key": ""}, []),
        ],
    )
    def test_attempts_of_somebody(self, ledger: sqlite3.Connection, more: dict[str, Any], found: list[int]) -> None:
        """An export of a key or a session has its attempts alone, in their order."""
        write(ledger, [entry(), entry(key="bob"), entry(key="bob", session="s-2")])
        assert [request for request, *_ in figures.attempts(ledger, 0, **more)[1]] == found
        assert list(figures.attempts(ledger, NOON + 1, **more)[1]) == []

    @settings(max_examples=60)
    @given(written=st.lists(entries(), max_size=8))
    def test_all_ways_add_up_to_the_same(self, written: list[Entry], tmp_path_factory: pytest.TempPathFactory) -> None:
        """Whatever it is sorted by, the sum is one, of all and of each key."""
        connection = sqlite.connect(str(tmp_path_factory.mktemp("books") / "ledger.sqlite"))
        write(connection, written)
        sums = [figures.total(figures.rows(connection, 0, by)) for by in BY]
        assert sums == [sums[0]] * len(BY)
        assert sums[0].requests == len(written)
        assert sums[0].attempts == sum(len(each.attempts) for each in written)
        for key in ("alice", "bob", ""):
            of_key = [figures.total(figures.rows(connection, 0, by, key=key)) for by in BY]
            assert of_key == [of_key[0]] * len(BY)
            assert of_key[0].requests == sum(each.key == key for each in written)
        assert figures.rows(connection, 0, "key", key="nobody") == []
        connection.close()
