"""Writes requests and their attempts, and the sums that they change, in one transaction."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any, Final

from attrs import define, field

from claude_bridge.services.accounting.store import sql
from claude_bridge.services.accounting.store.entries import LATENCY_BOUNDS, SEVERAL_OWNERS, Attempt, Entry

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR

OTHER: Final = "other"
"""What a model is called in the sums of hours and days that its backend does not know, or that is one too many."""

MOST_MODELS: Final = 200
"""Models of a day that have sums of their own: clients may send whatever they like for a model's name."""

UNKNOWN_MODEL: Final = "not_found"
"""The outcome of an attempt whose backend does not know the model."""

_MAX_DAYS: Final = 8
"""Days whose models are remembered."""

_MAX_NAMES: Final = 20_000
"""Names whose numbers are remembered."""

_PIECE: Final = 32
"""Requests after which other threads may run: a thread that only computes stops the others for 5 ms at a time."""

_NONE: Final = (0,) * len(sql.SUMS)

Sums = list[int]


@define
class _Times:
    """The sums of a session or an agent, and when it was used."""

    first: int
    last: int
    sums: Sums
    more: tuple[Any, ...] = ()

    def spans(self, first: int, last: int) -> None:
        self.first, self.last = min(self.first, first), max(self.last, last)


@define(eq=False)
class Booking:
    """Writes to one database, and remembers the numbers of its names."""

    _names: dict[str, int] = field(factory=dict, init=False)
    _models: dict[int, set[tuple[str, str]]] = field(factory=dict, init=False)
    _data_version: int | None = field(default=None, init=False)

    def book(self, cursor: Any, entries: Sequence[Entry]) -> None:  # noqa: ANN401 - of whatever database
        """Write the entries; ``cursor`` is in no transaction, and who has it commits."""
        cursor.execute("BEGIN IMMEDIATE")
        self._forget_if_changed(cursor)
        batch = _Batch()
        for number, entry in enumerate(entries):
            batch.add(entry, [self._shown(cursor, each) for each in entry.attempts])
            if number % _PIECE == 0:
                time.sleep(0)
        self._write(cursor, batch, entries)

    def forget(self) -> None:
        """Forget names and models, which a transaction that failed may have made."""
        self._names.clear()
        self._models.clear()

    def name(self, cursor: Any, text: str) -> int:  # noqa: ANN401 - as above
        """Return the number of a name, which gets one if it has none."""
        known = self._names.get(text)
        if known is not None:
            return known
        cursor.execute(sql.NEW_NAME, (text,))
        cursor.execute(sql.NAME, (text,))
        (number,) = cursor.fetchone()
        if len(self._names) >= _MAX_NAMES:
            self._names.clear()
        self._names[text] = number
        return int(number)

    def _forget_if_changed(self, cursor: Any) -> None:  # noqa: ANN401 - as above
        """Forget names and models if somebody else has written: `claude-bridge usage compact` removes unused names."""
        cursor.execute("PRAGMA data_version")
        (found,) = cursor.fetchone()
        if found != self._data_version:
            self.forget()
            self._data_version = found

    def _shown(self, cursor: Any, attempt: Attempt) -> str:  # noqa: ANN401 - as above
        """Return what an attempt's model is called in the sums, so that a day has no more than `MOST_MODELS`."""
        if attempt.outcome == UNKNOWN_MODEL:
            return OTHER
        day, place = attempt.started // DAY, (attempt.backend, attempt.model)
        known = self._models.get(day)
        if known is None:
            if len(self._models) >= _MAX_DAYS:
                self._models.clear()
            known = self._models[day] = set(cursor.execute(sql.MODELS_OF_DAY, (day,)))
        if place not in known:
            if len(known) >= MOST_MODELS:
                return OTHER
            known.add(place)
        return attempt.model

    def _write(self, cursor: Any, batch: _Batch, entries: Sequence[Entry]) -> None:  # noqa: ANN401 - as above
        sessions = self._sessions(cursor, batch)
        agents = self._agents(cursor, batch, sessions)
        cursor.execute(sql.LAST_REQUEST)
        (last,) = cursor.fetchone()
        numbered = list(enumerate(entries, start=last + 1))
        cursor.executemany(sql.REQUEST, self._requests(cursor, numbered, agents))
        cursor.executemany(sql.ATTEMPT, self._attempts(cursor, numbered))
        for statement, unit in ((sql.HOUR, HOUR), (sql.DAY, DAY)):
            cursor.executemany(statement, self._periods(cursor, batch.hours, unit))
        cursor.executemany(sql.LATENCY, self._latencies(cursor, batch))

    def _sessions(self, cursor: Any, batch: _Batch) -> dict[tuple[str, str], int]:  # noqa: ANN401 - as above
        found = {}
        for (key, session), each in batch.sessions.items():
            (owner,) = each.more
            values = (session, self.name(cursor, key), owner, each.first, each.last, *each.sums)
            (found[key, session],) = cursor.execute(sql.SESSION, values).fetchone()
        return found

    def _agents(
        self,
        cursor: Any,  # noqa: ANN401 - as above
        batch: _Batch,
        sessions: dict[tuple[str, str], int],
    ) -> dict[tuple[str, str, str], int]:
        found = {}
        for (key, session, agent), each in batch.agents.items():
            kind, parent = each.more
            values = (sessions[key, session], agent, self.name(cursor, kind), parent, each.first, each.last, *each.sums)
            (found[key, session, agent],) = cursor.execute(sql.AGENT, values).fetchone()
        return found

    def _requests(
        self,
        cursor: Any,  # noqa: ANN401 - as above
        numbered: Iterable[tuple[int, Entry]],
        agents: dict[tuple[str, str, str], int],
    ) -> list[tuple[Any, ...]]:
        return [
            (
                number,
                each.request_id,
                agents[each.key, each.session, each.agent],
                self.name(cursor, each.model),
                self.name(cursor, each.route),
                self.name(cursor, each.kind),
                each.started,
                each.milliseconds,
                each.first_byte,
                each.status,
                self.name(cursor, each.outcome),
            )
            for number, each in numbered
        ]

    def _attempts(self, cursor: Any, numbered: Iterable[tuple[int, Entry]]) -> list[tuple[Any, ...]]:  # noqa: ANN401 - as above
        return [
            (
                request,
                number,
                self.name(cursor, each.backend),
                self.name(cursor, each.model),
                self.name(cursor, each.credential),
                each.started,
                each.milliseconds,
                each.first_token,
                each.status,
                self.name(cursor, each.outcome),
                each.input,
                each.cache_read,
                each.cache_write,
                each.output,
                each.thinking,
                int(each.estimated),
                each.cost,
                self.name(cursor, each.price_from),
            )
            for request, entry in numbered
            for number, each in enumerate(entry.attempts, start=1)
        ]

    def _periods(
        self,
        cursor: Any,  # noqa: ANN401 - as above
        hours: dict[tuple[int, str, str, str], Sums],
        unit: int,
    ) -> list[tuple[Any, ...]]:
        found: dict[tuple[int, str, str, str], Sums] = {}
        for (hour, backend, model, key), sums in hours.items():
            _add(found.setdefault((hour * HOUR // unit, backend, model, key), list(_NONE)), sums)
        return [
            (period, self.name(cursor, backend), self.name(cursor, model), self.name(cursor, key), *sums)
            for (period, backend, model, key), sums in found.items()
        ]

    def _latencies(self, cursor: Any, batch: _Batch) -> list[tuple[Any, ...]]:  # noqa: ANN401 - as above
        return [
            (hour, self.name(cursor, backend), self.name(cursor, model), bucket, count)
            for (hour, backend, model, bucket), count in batch.latencies.items()
        ]


@define
class _Batch:
    """The sums of one transaction: each row of the database is changed once."""

    sessions: dict[tuple[str, str], _Times] = field(factory=dict)
    agents: dict[tuple[str, str, str], _Times] = field(factory=dict)
    hours: dict[tuple[int, str, str, str], Sums] = field(factory=dict)
    latencies: dict[tuple[int, str, str, int], int] = field(factory=dict)

    def add(self, entry: Entry, models: Sequence[str]) -> None:
        """Add one request; ``models`` are what those of its attempts are called in the sums."""
        failed = int(entry.outcome not in sql.NO_FAILURE)
        own = [1, failed, *_NONE[2:]]
        total = list(own)
        backend, last_model = "", models[-1] if models else ""
        for attempt, model in zip(entry.attempts, models, strict=True):
            backend = attempt.backend
            sums = sums_of(attempt)
            _add(total, sums)
            _add(self._hour(attempt.started, backend, model, entry.key), sums)
            if attempt.first_token is not None:
                bucket = bisect_left(LATENCY_BOUNDS, attempt.first_token / 1000)
                place = attempt.started // HOUR, backend, model, bucket
                self.latencies[place] = self.latencies.get(place, 0) + 1
        _add(self._hour(entry.started, backend, last_model, entry.key), own)
        last = entry.started + entry.milliseconds
        where = entry.key, entry.session
        session = self.sessions.get(where) or self.sessions.setdefault(
            where, _Times(entry.started, last, list(_NONE), (entry.owner,))
        )
        if session.more != (entry.owner,):
            session.more = (SEVERAL_OWNERS,)
        place_of_agent = *where, entry.agent
        agent = self.agents.get(place_of_agent) or self.agents.setdefault(
            place_of_agent, _Times(entry.started, last, list(_NONE), (entry.agent_type, entry.parent))
        )
        for each in (session, agent):
            each.spans(entry.started, last)
            _add(each.sums, total)

    def _hour(self, started: int, backend: str, model: str, key: str) -> Sums:
        return self.hours.setdefault((started // HOUR, backend, model, key), list(_NONE))


def sums_of(attempt: Attempt) -> Sums:
    """Return what an attempt adds to each sum."""
    return [
        0,
        0,
        1,
        attempt.input or 0,
        attempt.cache_read or 0,
        attempt.cache_write or 0,
        attempt.output or 0,
        attempt.thinking or 0,
        attempt.cost or 0,
        int(attempt.cost is not None),
        int(attempt.cost is None and attempt.input is not None),
    ]


def _add(sums: Sums, more: Sequence[int]) -> None:
    for place, number in enumerate(more):
        sums[place] += number
