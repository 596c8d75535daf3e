"""What the ledger costs, and how fast it answers: ``python -m benchmarks ledger [--requests N] [--file FILE]``.

It fills a file with requests of the last ninety days, as many as are wanted, and prints what one of them costs the
ledger's thread and the disk. Then it asks what `claude-bridge usage` asks, and has a reactor write a thousand records a
second. A file that is there already is filled on from where it is, so a large one can be made in several runs.
"""

from __future__ import annotations

import argparse
import gc
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen
from twisted.internet.selectreactor import SelectReactor
from twisted.internet.task import LoopingCall

from claude_bridge.core.events import Usage
from claude_bridge.daemon.service import rare_collections
from claude_bridge.services.accounting.ledger import BufferedLedger
from claude_bridge.services.accounting.ledger_database import in_file
from claude_bridge.services.accounting.store import figures, sqlite
from claude_bridge.services.accounting.store.batch import DAY, HOUR
from claude_bridge.services.accounting.store.booking import Booking
from claude_bridge.services.accounting.store.entries import Attempt, Entry
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord

MILLION: Final = 1_000_000
BATCH: Final = 5_000
PERIOD: Final = 90 * DAY
PERIODS: Final = (("today", 1), ("week", 7), ("month", 30), ("all", 0))
"""What `usage` is asked for, in days; 0 is everything."""

SHOWN: Final = 50
"""Sessions or agents that `usage` shows."""

AT_ONCE: Final = 8
"""Sessions that are under way at the same time."""

PER_SESSION: Final = 40
AGENTS: Final = ("", "agent-1", "agent-2")
MODELS: Final = tuple((("chutes", "box", "router")[number % 3], f"vendor/model-{number}") for number in range(7))
KEYS: Final = tuple(f"person-{number}" for number in range(10))
REPEATED: Final = 20
"""One of so many requests was asked twice, as the first attempt failed."""

_FACTOR: Final = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""Spreads numbers over all ids, as random ones are spread."""


@frozen
class Spread:
    """Several times of the same thing, in seconds."""

    times: tuple[float, ...]

    def __str__(self) -> str:
        """Return the best time and the range, in milliseconds."""
        return f"{min(self.times) * 1e3:9.2f} ms   [{min(self.times) * 1e3:.2f} to {max(self.times) * 1e3:.2f}]"


@frozen
class Filled:
    """What it took to fill a file.

    :ivar requests: that were written now.
    :ivar seconds: of the thread that wrote them.
    """

    requests: int
    seconds: float
    longest: float


def entry(number: int, started: int) -> Entry:
    """Return the request of a number, which was begun at ``started``, in Unix milliseconds."""
    session = number // (AT_ONCE * PER_SESSION) * AT_ONCE + number % AT_ONCE
    agent = AGENTS[number // AT_ONCE % len(AGENTS)]
    backend, model = MODELS[session % len(MODELS)]
    prompt = 2_000 + number * 7_919 % 90_000
    answered = Attempt(
        backend=backend,
        model=model,
        credential=f"{backend}/1",
        started=started,
        milliseconds=4_000 + number % 9_000,
        first_token=300 + number * 31 % 5_000,
        status=200,
        outcome="ok",
        input=prompt // 10,
        cache_read=prompt - prompt // 10,
        cache_write=0,
        output=200 + number % 900,
        thinking=number % 300,
        estimated=False,
        cost=prompt * 60_000,
        price_from="list",
    )
    attempts: tuple[Attempt, ...] = (answered,)
    if number % REPEATED == 0:
        failed = answered._replace(status=503, outcome="upstream_unavailable", first_token=None, cost=None)
        nothing = failed._replace(input=None, cache_read=None, cache_write=None, output=None, thinking=None)
        attempts = (nothing._replace(price_from=""), answered)
    return Entry(
        request_id=f"req_{number * _FACTOR % 2**96:024x}",
        key=KEYS[session % len(KEYS)],
        session=session_id(session),
        agent=agent,
        agent_type="Explore" if agent else "",
        parent="",
        kind="subagent" if agent else "main",
        model="glm",
        route="default",
        started=started,
        milliseconds=5_000 + number % 9_000,
        first_byte=400 + number * 31 % 5_000,
        status=200,
        outcome="ok",
        attempts=attempts,
    )


def session_id(number: int) -> str:
    """Return the id of a session, as Claude Code makes them."""
    digits = f"{(number + 1) * _FACTOR % 2**128:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def fill(path: str, requests: int, now: int, told: Callable[[str], object] = lambda _: None) -> Filled:
    """Write requests of the ninety days until ``now``, in Unix milliseconds, until there are as many as wanted."""
    booking, written, spent, longest = Booking(), 0, 0.0, 0.0
    with closing(sqlite.connect(path)) as connection:
        (there,) = connection.execute("SELECT count(*) FROM request").fetchone()
        for first in range(there, requests, BATCH):
            numbers = range(first, min(first + BATCH, requests))
            batch = [entry(number, now - PERIOD + number * PERIOD // requests) for number in numbers]
            began = time.thread_time()
            wall = time.perf_counter()
            booking.book(connection.cursor(), batch)
            connection.commit()
            spent, written = spent + time.thread_time() - began, written + len(batch)
            longest = max(longest, time.perf_counter() - wall)
            if first // MILLION != (first + BATCH) // MILLION:
                told(f"{first + BATCH:,} requests\n")
    return Filled(written, spent, longest)


def questions(now: int, session: str) -> Iterator[tuple[str, Callable[[sqlite3.Connection], object]]]:
    """Yield what `usage` asks, with the words of its command line."""
    for period, days in PERIODS:
        since = (now // DAY - days + 1) * DAY if days else 0
        for by in figures.BY:
            start = max(since, (now // HOUR - 35 * 24) * HOUR) if by == "hour" else since
            yield (
                f"{period} --by {by}",
                lambda connection, start=start, by=by: figures.rows(  # type: ignore[misc]
                    connection, start, by, SHOWN
                ),
            )
    yield "24h --by model", lambda connection: figures.rows(connection, (now // HOUR - 23) * HOUR, "model", SHOWN)
    yield f"session {session[:8]}", lambda connection: figures.sessions_like(connection, session[:8])
    yield f"session {session}", lambda connection: figures.agents_of(connection, session)


def ask(path: str, question: Callable[[sqlite3.Connection], object], repeat: int) -> Spread:
    """Return the times that a question takes, each with a connection of its own, as the command has."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        with closing(sqlite.open_to_read(path)) as connection:
            question(connection)
        times.append(time.perf_counter() - began)
    return Spread(tuple(times))


def record(number: int) -> RequestRecord:
    """Return the record of a request that ended now."""
    made = entry(number, 0)
    attempt = AttemptRecord(
        backend=made.attempts[-1].backend,
        model=made.attempts[-1].model,
        credential=made.attempts[-1].credential,
        started=time.time(),
        seconds=4.0,
        first_event_seconds=0.3,
        first_token_seconds=0.3,
        status=200,
        outcome="ok",
        usage=Usage(2_000, 300, 20_000),
        cost=60_000_000,
        price_from="list",
    )
    return RequestRecord(
        request_id=made.request_id,
        kind=made.kind,
        model=made.model,
        session=made.session,
        agent=made.agent,
        agent_type=made.agent_type,
        client=made.key,
        streamed=True,
        started=time.time(),
        seconds=5.0,
        first_byte_seconds=0.4,
        status=200,
        outcome="ok",
        body_bytes=9_000,
        attempts=(attempt,),
        route="default",
    )


def waited() -> float:
    """Return the seconds for which this thread could have run, and others did; 0 where nobody counts it.

    Other threads are left out: while they wait for a CPU they may hold Python's lock, and that is time that they cost.
    """
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


@define
class Pace:
    """What records cost the reactor's thread.

    :ivar count: records so far.
    :ivar spent: seconds that the reactor's thread spent on noting them.
    :ivar gaps: seconds between two turns of the reactor, which has something to do each millisecond; without those in
        which neighbours had the CPU.
    """

    ledger: BufferedLedger | None
    per_turn: int
    count: int = 0
    spent: float = 0.0
    gaps: list[float] = field(factory=list)
    _last: float = field(factory=time.perf_counter)
    _waited: float = field(factory=waited)

    def turn(self) -> None:
        """Note the records of a turn, and how long after the turn before it is."""
        self.gaps.append(time.perf_counter() - self._last - (waited() - self._waited))
        records = [record(self.count + number) for number in range(self.per_turn)]
        began = time.perf_counter()
        if self.ledger is not None:
            for each in records:
                self.ledger.request_ended(each)
        self.spent += time.perf_counter() - began
        self.count += self.per_turn
        self._waited, self._last = waited(), time.perf_counter()


@contextmanager
def garbage_as_in_the_daemon() -> Iterator[None]:
    """Collect garbage as seldom as the daemon does: with all that a benchmark has imported it takes 10 to 30 ms."""
    thresholds = gc.get_threshold()
    rare_collections()
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def pace(path: str | None, seconds: float, a_second: int) -> Pace:
    """Have a reactor note records for some seconds, and a ledger write them to a file; None for no ledger."""
    with garbage_as_in_the_daemon():
        return _paced(path, seconds, a_second)


def _paced(path: str | None, seconds: float, a_second: int) -> Pace:
    reactor: Any = SelectReactor()
    ledger = None
    if path is not None:
        ledger = BufferedLedger(
            path=path, keep=9e9, clock=reactor, unix_time=time.time, open_writer=in_file(path, reactor)
        )
    found = Pace(ledger, max(1, a_second // 1000))
    loop = LoopingCall(found.turn)
    loop.clock = reactor

    def stop() -> None:
        loop.stop()
        if ledger is None:
            reactor.stop()
        else:
            ledger.stop().addBoth(lambda _: reactor.stop())

    reactor.callWhenRunning(loop.start, 0.001, now=False)
    reactor.callLater(seconds, stop)
    reactor.run(installSignalHandlers=False)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks ledger", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=MILLION, help="that the file is to have (default: 1,000,000)")
    parser.add_argument("--file", help="the file, which is kept; default: a temporary one")
    parser.add_argument("--repeat", type=int, default=5, help="how often each question is asked")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long a reactor writes")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="claude-bridge-ledger-") as folder:
        path = options.file or str(Path(folder, "ledger.sqlite"))
        _measure(path, options, Path(folder, "reactor.sqlite"))
    return 0


def _measure(path: str, options: argparse.Namespace, young: Path) -> None:
    now = int(time.time() * 1000)
    filled = fill(path, options.requests, now, sys.stderr.write)
    size = Path(path).stat().st_size
    out = sys.stdout.write
    out(f"{'size per million requests':40} {size / options.requests * MILLION / 1e6:9.1f} MB\n")
    if filled.requests:
        out(f"{'a request, in the ledger thread':40} {filled.seconds / filled.requests * 1e6:9.1f} us\n")
        out(f"{f'longest transaction of {BATCH:,}':40} {filled.longest * 1e3:9.1f} ms\n")
    with closing(sqlite.open_to_read(path)) as connection:
        (latest,) = connection.execute("SELECT max(started) FROM request").fetchone()
        (session,) = connection.execute("SELECT text FROM session ORDER BY last DESC LIMIT 1").fetchone()
    for words, question in questions(latest, session):
        out(f"{'usage ' + words:40} {ask(path, question, options.repeat)}\n")
    for told, where in (("without a ledger", None), ("with a ledger", str(young))):
        turns = pace(where, options.seconds, 1000)
        worst = sorted(turns.gaps)
        out(
            f"{f'{turns.count / options.seconds:,.0f} records a second, {told}':40} "
            f"{worst[-1] * 1e3:9.2f} ms longest turn, {worst[-len(worst) // 1000] * 1e3:.2f} ms at 99.9 %, "
            f"{turns.spent / turns.count * 1e6:.2f} us a record on the reactor\n"
        )
