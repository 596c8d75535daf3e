"""Removes from the ledger: what is too old, a session or a key that is to be forgotten, names that nobody has."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from claude_bridge.services.accounting.store import sql
from claude_bridge.services.accounting.store.batch import DAY, HOUR
from claude_bridge.services.accounting.store.booking import Booking

PIECE: Final = 2_000
"""Requests that one transaction removes, so that nobody waits long for its end."""

HOURS_KEPT: Final = 35 * 24
"""How many hours have sums of their own; days have them for ever."""

DAYS_TO_TRUST: Final = 3
"""Days with requests that bear out what the clock shows."""

TRUSTED_AHEAD: Final = 8 * DAY
"""Milliseconds from the beginning of the first of these days: who uses the bridge at weekends only is believed at
once, and what is removed is never more than a week too young."""

MOST_NAMES: Final = 20_000
"""Names above which those are looked for that nobody has any more; a ledger that nobody fills with made-up names of
models has a few hundred."""

FORGOTTEN: Final = "(forgotten)"
"""The name that the sums of a forgotten key have."""


def _trusted(cursor: Any, now: int) -> int:  # noqa: ANN401 - as below
    """Return ``now``, or an earlier time if the ledger does not bear it out.

    The time may be no later than `TRUSTED_AHEAD` after the third newest day with requests; if there are not as many,
    after the oldest. So a clock that is wrong by years costs what is a week too young to be removed at the most.
    """
    days = [day for (day,) in cursor.execute(sql.NEWEST_DAYS, (DAYS_TO_TRUST,))]
    return min(now, days[-1] * DAY + TRUSTED_AHEAD) if days else now


class Forgotten(NamedTuple):
    """What was forgotten.

    :ivar requests: how many.
    :ivar overwritten: whether no byte of them is left in the files.
    :ivar renamed: whether there were sums of hours or days under the name, which have another now.
    """

    requests: int
    overwritten: bool
    renamed: bool = False

    def __bool__(self) -> bool:
        """Return whether there was anything to forget."""
        return self.requests > 0 or self.renamed


def remove_old(cursor: Any, now: int, keep: int) -> int:  # noqa: ANN401 - a cursor of whatever database
    """Remove some requests that are older than ``keep``; return how many, less than `PIECE` if there are no more.

    ``now`` is in Unix milliseconds, ``keep`` in milliseconds. The sums of their sessions and agents become less, so
    that they are those of the attempts that are left; the sums of days stay. A clock that is far ahead is not believed
    before requests were recorded on `DAYS_TO_TRUST` days by it.
    """
    cursor.execute("BEGIN IMMEDIATE")
    now = _trusted(cursor, now)
    oldest_hour = now // HOUR - HOURS_KEPT
    cursor.execute(sql.DROP_HOURS, (oldest_hour,))
    cursor.execute(sql.DROP_LATENCIES, (oldest_hour,))
    requests = cursor.execute(sql.OLD_REQUESTS, (now - keep, PIECE)).fetchall()
    less: dict[int, list[int]] = {}
    for request, agent, failed in requests:
        sums = list(cursor.execute(sql.ATTEMPTS_OF, (request,)).fetchone())
        sums[:2] = 1, failed
        sums[-1] = sums[-1] or 0
        of_agent = less.setdefault(agent, [0] * len(sums))
        for place, number in enumerate(sums):
            of_agent[place] += number
    cursor.executemany(sql.LESS_OF_AGENT, [(*sums, agent) for agent, sums in less.items()])
    cursor.executemany(sql.LESS_OF_SESSION, [(*sums, agent) for agent, sums in less.items()])
    numbers = [(request,) for request, _, _ in requests]
    cursor.executemany(sql.DROP_ATTEMPTS, numbers)
    cursor.executemany(sql.DROP_REQUEST, numbers)
    for agent in less:
        session = cursor.execute(sql.SESSION_OF, (agent,)).fetchone()
        cursor.execute(sql.DROP_EMPTY_AGENT, (agent,))
        cursor.execute(sql.DROP_EMPTY_SESSION, session)
    return len(requests)


def remove_unused_names(cursor: Any, most: int = MOST_NAMES) -> int | None:  # noqa: ANN401 - as above
    """Remove the names that nobody has, if there are more than ``most``; return how many are left, None if not done.

    All requests are read for it, some seconds for ten million: nobody else has to wait for that. Only the removal
    itself is a transaction that writes, which the caller commits.
    """
    (count,) = cursor.execute(sql.COUNT_NAMES).fetchone()
    if count <= most:
        return None
    cursor.execute("BEGIN")
    (last,) = cursor.execute(sql.LAST_REQUEST).fetchone()
    used = _numbers(cursor, sql.NAMES_OF_REQUESTS)
    cursor.execute("COMMIT")
    cursor.execute("BEGIN IMMEDIATE")
    used |= _numbers(cursor, sql.NAMES_OF_LATER_REQUESTS, (last,)) | _numbers(cursor, sql.NAMES_ELSEWHERE)
    found = _numbers(cursor, (sql.NAMES,))
    cursor.executemany(sql.DROP_NAME, [(number,) for number in found - used])
    return len(found & used)


def _numbers(cursor: Any, statements: Sequence[str], values: tuple[int, ...] = ()) -> set[int]:  # noqa: ANN401 - as above
    found: set[int] = set()
    for statement in statements:
        for row in cursor.execute(statement, values):
            found.update(row)
    return found


def forget_session(connection: sqlite3.Connection, session: str) -> Forgotten:
    """Remove a session, its agents, requests and attempts, and the names that nobody else has.

    What it used stays in the sums of hours and days, with its backends, models and keys.
    """
    return _forget(connection, session, sql.REQUESTS_OF_SESSION, sql.FORGET_SESSION)


def forget_key(connection: sqlite3.Connection, key: str) -> Forgotten:
    """Remove a key's name and all its sessions.

    What it used stays in the sums of hours and days, under the name `FORGOTTEN`.
    """
    return _forget(connection, key, sql.REQUESTS_OF_KEY, sql.FORGET_KEY, rename=True)


def compact(connection: sqlite3.Connection) -> bool:
    """Remove names that nobody has, and give back the space of all that was removed.

    Returns whether that is done; False if it is still in the file beside it, as somebody reads.
    """
    cursor = connection.execute("BEGIN IMMEDIATE")
    cursor.execute(sql.UNUSED_NAMES)
    cursor.execute("COMMIT")
    cursor.execute("VACUUM")
    return _emptied_log(cursor)


def _forget(
    connection: sqlite3.Connection, what: str, counted: str, statements: tuple[str, ...], *, rename: bool = False
) -> Forgotten:
    connection.execute("PRAGMA secure_delete = ON")  # overwrites what it removes
    cursor = connection.execute("BEGIN IMMEDIATE")
    try:
        (requests,) = cursor.execute(counted, (what,)).fetchone()
        for statement in statements:
            cursor.execute(statement, (what,))
        renamed = rename and _rename(cursor, what)
        cursor.execute("COMMIT")
        # by themselves, as it takes seconds to find them, for which the bridge would not wait
        if remove_unused_names(cursor, most=0) is not None:
            cursor.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise
    return Forgotten(int(requests), _emptied_log(cursor), renamed)


def _emptied_log(cursor: sqlite3.Cursor) -> bool:
    """Move all that was written into the database itself, waiting for who reads it as for a lock.

    Returns whether the file beside it, which has what was there before, is empty now.
    """
    busy, _, _ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _rename(cursor: sqlite3.Cursor, key: str) -> bool:
    """Move the sums of a key to `FORGOTTEN`; return whether there were any."""
    found = cursor.execute(sql.NAME, (key,)).fetchone()
    if found is None or key == FORGOTTEN:
        return False
    other, rows = Booking().name(cursor, FORGOTTEN), 0
    for add, drop in sql.OTHER_KEY:
        cursor.execute(add, (other, *found))
        rows += cursor.execute(drop, found).rowcount
    return rows > 0
