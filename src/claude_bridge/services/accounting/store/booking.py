"""Writes requests and their attempts, and the sums that they change, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, TypeVar

from attrs import define, field

from claude_bridge.services.accounting.store import sql
from claude_bridge.services.accounting.store.batch import DAY, HOUR, Batch, Sums, by_period
from claude_bridge.services.accounting.store.entries import Attempt, Entry

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

_PIECE: Final = 128
"""Requests, or agents, after which other threads may run, about half a millisecond: a thread that only computes stops
the others for 5 ms at a time."""

_SIZES: Final = (256, 32, 4, 1)
"""Rows that one statement inserts. Each statement lets other threads run while the database works, and has to wait
for them when it is through: one for each row would cost the reactor more than the rows do."""

ItemT = TypeVar("ItemT")


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
        batch = Batch()
        for entry in in_pieces(entries):
            batch.add(entry, [self._shown(cursor, each) for each in entry.attempts])
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

    def _write(self, cursor: Any, batch: Batch, entries: Sequence[Entry]) -> None:  # noqa: ANN401 - as above
        agents = self._agents(cursor, batch)
        cursor.execute(sql.LAST_REQUEST)
        (last,) = cursor.fetchone()
        requests = (self._requests(cursor, piece, agents) for piece in _numbered(entries, last + 1))
        _insert(cursor, sql.new_requests, requests)
        attempts = (self._attempts(cursor, piece) for piece in _numbered(entries, last + 1))
        _insert(cursor, sql.new_attempts, attempts)
        for statement, unit in ((sql.HOUR, HOUR), (sql.DAY, DAY)):
            sums = by_period(in_pieces(batch.agents()), unit)
            cursor.executemany(statement, self._periods(cursor, sums))
        cursor.executemany(sql.LATENCY, self._latencies(cursor, batch))

    def _agents(self, cursor: Any, batch: Batch) -> dict[tuple[str, str, str], int]:  # noqa: ANN401 - as above
        """Write sessions and agents; return the number of each agent by key, session and agent."""
        found = {}
        for (key, text), session in batch.sessions.items():
            values = (text, self.name(cursor, key), session.owner, session.first, session.last, *session.total())
            (number,) = cursor.execute(sql.SESSION, values).fetchone()
            for name, agent in session.agents.items():
                kind = self.name(cursor, agent.type)
                of_agent = (number, name, kind, agent.parent, agent.first, agent.last, *agent.total())
                (found[key, text, name],) = cursor.execute(sql.AGENT, of_agent).fetchone()
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
        periods: dict[tuple[int, str, str, str], Sums],
    ) -> list[tuple[Any, ...]]:
        return [
            (period, self.name(cursor, backend), self.name(cursor, model), self.name(cursor, key), *sums)
            for (period, backend, model, key), sums in periods.items()
        ]

    def _latencies(self, cursor: Any, batch: Batch) -> list[tuple[Any, ...]]:  # noqa: ANN401 - as above
        return [
            (hour, self.name(cursor, backend), self.name(cursor, model), bucket, count)
            for (hour, backend, model, bucket), count in batch.latencies.items()
        ]


def in_pieces(items: Iterable[ItemT]) -> Iterator[ItemT]:
    """Yield the items; other threads may run after each `_PIECE` of them."""
    for number, each in enumerate(items):
        if number % _PIECE == 0:
            time.sleep(0)
        yield each


def _numbered(entries: Sequence[Entry], first: int) -> Iterator[Iterable[tuple[int, Entry]]]:
    """Yield the entries with their numbers, in pieces."""
    for start in range(0, len(entries), _PIECE):
        yield enumerate(entries[start : start + _PIECE], first + start)


def _insert(
    cursor: Any,  # noqa: ANN401 - as above
    statement: Callable[[int], str],
    pieces: Iterator[list[tuple[Any, ...]]],
) -> None:
    """Insert rows, many with each statement; they are made in pieces, in between."""
    rows = chain.from_iterable(pieces)
    while piece := tuple(islice(rows, _SIZES[0])):
        done = 0
        for size in _SIZES:
            while len(piece) - done >= size:
                cursor.execute(statement(size), tuple(chain.from_iterable(piece[done : done + size])))
                done += size
