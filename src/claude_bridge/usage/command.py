"""What `claude-bridge usage` does with the ledger's file."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final, TextIO

from attrs import frozen

from claude_bridge.config.budgets import limits
from claude_bridge.config.directories import LEDGER, SYSTEM_STATE, ledger_file, state_directory
from claude_bridge.config.schema import Config
from claude_bridge.services.accounting.store import figures, removal, sqlite
from claude_bridge.services.accounting.store.errors import NewerVersion, NoLedger, NothingRecorded
from claude_bridge.usage import budgets, tables
from claude_bridge.usage.order import Misuse, Order, meant
from claude_bridge.usage.period import (
    beginning,
    beginning_of_sums,
    end_of_sums,
    milliseconds,
    moment,
    oldest_hour,
    own_end,
)

SHOWN: Final = 50
"""Sessions or agents that a table for a person has."""

PATIENCE: Final = sqlite.LOCK_SECONDS
"""Seconds to wait for other programs that use the file."""


@frozen(kw_only=True)
class LedgerFile:
    """The file that is read.

    :ivar is_named: whether the command line names it; any other need not be there yet.
    :ivar is_own: whether that is where the user's own bridge has it, as nothing says otherwise.
    :ivar of_service: the file of the machine's service, if that is there and is another; else "".
    """

    path: str
    is_named: bool = False
    is_own: bool = False
    of_service: str = ""


def find(config: Config, environ: Mapping[str, str], system: str = SYSTEM_STATE) -> LedgerFile:
    """Return the ledger of the user's own bridge, or of the system's. Raises `NoLedger`."""
    state = state_directory(config.server.state_dir, environ)
    own = ledger_file(enabled=None, database=config.ledger.database, state=state)
    if own is not None and (config.ledger.database or config.server.state_dir is not None):
        return LedgerFile(path=own)
    of_system = Path(system, LEDGER)
    if own is not None and Path(own).exists():
        return LedgerFile(path=own, is_own=True, of_service=str(of_system) if _is_another(of_system, own) else "")
    if config.server.state_dir is None and (_is_there(of_system) or _will_be_there(of_system, own)):
        return LedgerFile(path=str(of_system))
    if own is None:
        raise NoLedger("no accounts are kept: there is no state directory, and no [ledger] database")
    return LedgerFile(path=own, is_own=True)


def run(order: Order, file: LedgerFile, now: datetime, out: TextIO, err: TextIO) -> int:
    """Do what is asked; return the exit status. Raises `Misuse`."""
    actions: Mapping[str, Callable[[Order, LedgerFile, datetime, TextIO], int]] = {
        "session": _session,
        "export": partial(_export, err=err),
        "compact": _compact,
        "forget": _forget,
    }
    order.check_options()
    return _told(file, err, lambda: actions.get(order.action, _usage)(order, file, now, out))


def run_budgets(order: Order, config: Config, file: LedgerFile, now: datetime, out: TextIO, err: TextIO) -> int:
    """Print how much of the configured budgets is spent; return the exit status. Raises `Misuse`."""
    if len(order.words) > 1:
        raise Misuse(f"{order.words[1]} is one word too many")
    order.check_options()

    def print_budgets() -> int:
        if config.ledger.enabled is False and not file.is_named:
            raise NoLedger(
                "no accounts are kept ([ledger] enabled = no): only the running bridge knows what is spent; "
                "Claude Code's status line shows the budget of which least is left"
            )
        known = limits(config)
        try:
            with closing(sqlite.open_to_read(file.path)) as connection:
                found = budgets.spent_of(known, connection, now.timestamp())
        except NothingRecorded:
            if file.is_named:
                raise
            found = budgets.spent_of(known, None, now.timestamp())
            if known:
                err.write(f"no request was recorded yet; the accounts will be kept in {file.path}\n")
        out.write(tables.as_json({"budgets": budgets.plain(found)}) if order.form == "json" else budgets.table(found))
        return 0

    return _told(file, err, print_budgets)


def _told(file: LedgerFile, err: TextIO, action: Callable[[], int]) -> int:
    """Return the exit status of an action, and say which file is used where there are two, or why it cannot be."""
    if file.of_service:
        err.write(
            f"claude-bridge usage: this is {file.path}; the ledger of the machine's service is another: "
            f"--database {file.of_service}\n"
        )
    if file.is_named and not _is_there(Path(file.path)):
        err.write(f"claude-bridge usage: there is no ledger at {file.path}, as --database says\n")
        return 1
    try:
        return action()
    except (NoLedger, NewerVersion) as error:
        err.write(f"claude-bridge usage: {error}\n")
    except sqlite3.Error as error:
        err.write(f"claude-bridge usage: {file.path}: {error}\n")
    except UnicodeEncodeError:  # bytes of the command line that are no UTF-8: nothing in the file is called that
        err.write("claude-bridge usage: there is none whose name is no text\n")
    return 1


def _usage(order: Order, file: LedgerFile, now: datetime, out: TextIO) -> int:
    if len(order.words) > 1:
        raise Misuse(f"one period is enough: {order.words[1]} is one word too many")
    if order.words and order.since is not None:
        raise Misuse(f"one period is enough: {order.words[0]}, or --since {order.since}")
    default = "today" if order.until is None else "all"
    named = order.words[0] if order.words else default if order.since is None else order.since
    by: figures.By = order.by or "model"
    since = _time(beginning_of_sums, named, now, suggestion=meant(named) if order.words else "")
    if by == "hour":
        since = max(since, oldest_hour(now))
    until = _end(order, now)
    if until is not None:
        until = end_of_sums(until, since, now)
        if until <= since and by == "hour" and until <= oldest_hour(now):
            raise Misuse(
                f"there are no sums by hour that are older than {removal.HOURS_KEPT // 24} days: --by day has them"
            )
        if until <= since:
            raise Misuse(
                f"nothing is between {since:%Y-%m-%d %H:%M} and {until:%Y-%m-%d %H:%M} UTC: sums are of whole hours, "
                f"more than {removal.HOURS_KEPT // 24} days ago of whole days"
            )
    start = milliseconds(since)
    end = figures.NO_END if until is None else milliseconds(until)
    with closing(sqlite.open_to_read(file.path)) as connection:
        limit = SHOWN if order.form == "text" else figures.ALL
        found = figures.rows(connection, start, by, limit, until=end, key=order.key)
    if order.form == "json":
        document = {
            "since": tables.iso(start),
            "until": None if until is None else tables.iso(end),
            "by": by,
            **({} if order.key is None else {"key": order.key}),
            "rows": [tables.plain(row, by) for row in found],
            "total": tables.plain_figures(figures.total(found)),
        }
        out.write(tables.as_json(document))
    elif order.form == "csv":
        out.write(tables.as_csv(found, by))
    else:
        where = "" if file.is_own else f", in {tables.printable(file.path)}"
        out.write(_headline(named, _span(start, end) + where, by, order.key, len(found)))
        out.write(tables.table(found, by) if found else "")
    return 0


def _end(order: Order, now: datetime) -> datetime | None:
    """Return the end of the period, if it has one. Raises `Misuse`."""
    of_word = own_end(order.words[0], now) if order.words else None
    if order.until is None:
        return of_word
    if of_word is not None:
        raise Misuse(f"{order.words[0]} has an end of its own: leave out --until {order.until}, or say --since")
    return _time(beginning, order.until, now)


def _span(start: int, end: int) -> str:
    if end == figures.NO_END:
        return f"since {moment(start)} UTC" if start else "since the beginning"
    return f"from {moment(start)} to {moment(end)} UTC" if start else f"until {moment(end)} UTC"


def _headline(named: str, told: str, by: figures.By, key: str | None, count: int) -> str:
    if not count:
        return _nothing(key, told)
    whose = _whose(key)
    if by not in {"session", "agent"}:
        return f"{named}:{whose} {told}\n"
    last = f"the last {SHOWN} " if count == SHOWN else ""
    return f"{last}{by}s that were used{whose} {told}, the last one first, each with all its figures\n"


def _nothing(key: str | None, told: str) -> str:
    return f"nothing was used{_whose(key)} {told}\n"


def _whose(key: str | None) -> str:
    if key is None:
        return ""
    return f" with the key {tables.printable(key)}" if key else " without a key"


def _session(order: Order, file: LedgerFile, _now: datetime, out: TextIO) -> int:
    if len(order.words) != 2:  # noqa: PLR2004 - the action, and whose it is
        raise Misuse("name one session by its id, or the beginning of it: usage session ID")
    with closing(sqlite.open_to_read(file.path)) as connection:
        session = _only_session(connection, order.words[1])
        agents = figures.agents_of(connection, session)
    keys = list(dict.fromkeys(row.what["key"] for row in agents))
    if order.form == "json":
        rows = [tables.plain(row, "agent") for row in agents]
        total = tables.plain_figures(figures.total(agents))
        out.write(tables.as_json({"session": session, "keys": keys, "agents": rows, "total": total}))
    elif order.form == "csv":
        out.write(tables.as_csv(agents, "agent"))
    else:
        for key in keys:
            own = [row for row in agents if row.what["key"] == key]
            first, last = min(row.first or 0 for row in own), max(row.last or 0 for row in own)
            of_key = f", key {tables.printable(key)}" if key else ""
            out.write(f"{tables.printable(session)}{of_key}, {moment(first)} to {moment(last)} UTC\n{tables.tree(own)}")
    return 0


def _only_session(connection: sqlite3.Connection, beginning: str) -> str:
    found = figures.sessions_like(connection, beginning)
    if beginning in found:
        return beginning
    if not found:
        raise NoLedger(f"there is no session {beginning}: usage all --by session shows the last ones")
    if len(found) > 1:
        raise NoLedger(f"several sessions begin with {beginning}: {', '.join(map(tables.printable, found))}")
    return found[0]


def _export(order: Order, file: LedgerFile, now: datetime, out: TextIO, err: TextIO) -> int:
    if len(order.words) > 1:
        raise Misuse(f"the period of an export is named with --since: {order.words[1]} is one word too many")
    start = milliseconds(_time(beginning, "all" if order.since is None else order.since, now))
    end = figures.NO_END if order.until is None else milliseconds(_time(beginning, order.until, now))
    if end <= start:
        raise Misuse(f"nothing is between {moment(start)} and {moment(end)} UTC: --until is the later one")
    with closing(sqlite.open_to_read(file.path)) as connection:
        session = None if order.session is None else _only_session(connection, order.session)
        columns, rows = figures.attempts(connection, start, until=end, key=order.key, session=session)
        first = next(rows, None)
        if first is None:
            of_session = "" if session is None else f" in session {tables.printable(session)}"
            err.write(_nothing(order.key, _span(start, end) + of_session))
        else:
            rows = chain([first], rows)
        if order.form == "csv":
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(rows)
        else:
            out.writelines(_json_line(dict(zip(columns, row, strict=True))) for row in rows)
    return 0


def _json_line(row: dict[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n"


def _compact(order: Order, file: LedgerFile, _now: datetime, out: TextIO) -> int:
    if len(order.words) > 1:
        raise Misuse(f"{order.words[1]} is one word too many")
    before = _size(file.path)
    with closing(_opened_to_write(file.path)) as connection:
        done = removal.compact(connection)
    out.write(f"{file.path}: {before / 1e6:,.1f} MB, now {_size(file.path) / 1e6:,.1f} MB\n")
    if not done:
        out.write("another program reads the file: the rest is done when it has ended and the bridge writes\n")
    return 0 if done else 1


def _forget(order: Order, file: LedgerFile, _now: datetime, out: TextIO) -> int:
    if order.session and order.key:
        raise Misuse("one of the two at a time: usage forget --session ID, or usage forget --key NAME")
    if len(order.words) > 1 or not (order.session or order.key):
        raise Misuse("name what to forget: usage forget --session ID, or usage forget --key NAME")
    what, forget = (
        (f"session {order.session}", removal.forget_session)
        if order.session
        else (f"key {order.key}", removal.forget_key)
    )
    with closing(_opened_to_write(file.path)) as connection:
        forgotten = forget(connection, order.session or order.key or "")
    if not forgotten:
        raise NoLedger(f"there is no {what} in {file.path}")
    gone = (
        f"{forgotten.requests:,} requests"
        if forgotten.requests
        else "its name in the sums; its requests were removed before"
    )
    out.write(f"{what} is forgotten: {gone}\n")
    path = Path(file.path)
    copies = sorted(each.name for each in path.parent.glob(f"{path.name}.*"))
    if copies:
        out.write(f"earlier copies beside it are unchanged: {', '.join(copies)}\n")
    if not forgotten.overwritten:
        out.write(
            f"but {path.name}-wal may still have it, as another program reads the ledger: "
            "end that, and run `claude-bridge usage compact`\n"
        )
    return 0 if forgotten.overwritten else 1


def _opened_to_write(path: str) -> sqlite3.Connection:
    """Return a connection that may change what is there. Raises `NoLedger`, `NewerVersion` and `sqlite3.Error`."""
    sqlite.open_to_read(path).close()  # which makes no file where there is none
    try:
        return sqlite.connect(path, PATIENCE)
    except OSError as error:
        raise NoLedger(f"{path}: {error.strerror or type(error).__name__}") from error


def _time(read: Callable[[str, datetime], datetime], text: str, now: datetime, suggestion: str = "") -> datetime:
    try:
        return read(text, now)
    except ValueError as error:
        raise Misuse(f"{error}{f'; did you mean {suggestion}?' if suggestion else ''}") from None


def _will_be_there(of_system: Path, own: str | None) -> bool:
    """Return whether the system's bridge keeps files where no ledger is yet, and this user's bridge has kept none."""
    return own is not None and not Path(own).parent.exists() and of_system.parent.is_dir()


def _size(path: str) -> int:
    """Return the bytes of a ledger, with what is still in the file beside it."""
    size = 0
    for each in (path, f"{path}-wal"):
        with suppress(OSError):
            size += Path(each).stat().st_size
    return size


def _is_another(path: Path, own: str) -> bool:
    try:
        return path.exists() and not path.samefile(own)
    except OSError:
        return False  # who may not look into its folder cannot mean it


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return True  # in a folder that may not be looked into: opening it says so
