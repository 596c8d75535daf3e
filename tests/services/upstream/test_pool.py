"""Promises of the idle connections, with a clock of our own and on loopback sockets."""

from __future__ import annotations

from typing import Any

import pytest_twisted
from attrs import define
from twisted.internet.task import Clock

from claude_bridge.services.upstream.pool import CLOSE_SECONDS, IDLE_SECONDS, IdleConnections
from tests.services.upstream.loopback import SHORT, Bench, Conversation, Notes


@define(eq=False)
class Kept:
    """A connection that notes how it is closed; it ends at once unless it is deaf."""

    pool: IdleConnections
    origin: str = "here"
    deaf: bool = False
    closed: bool = False
    aborted: bool = False

    def close(self) -> None:
        """Note it."""
        self.closed = True
        if not self.deaf:
            self.pool.lost(self)

    def abort(self) -> None:
        """Note it."""
        self.aborted = True
        self.pool.lost(self)


def pool_of(clock: Clock, count: int, limit: int = 9, **settings: Any) -> tuple[IdleConnections, list[Kept]]:
    """Return a pool with some connections, one second apart."""
    pool = IdleConnections(clock, limit)
    kept = [Kept(pool, **settings) for _ in range(count)]
    for connection in kept:
        pool.put(connection)
        clock.advance(1)
    return pool, kept


class TakeTests:
    """Which connection is used."""

    def test_last_in_first_out(self) -> None:
        """The one that was used last is least likely to be dead, and the others can time out."""
        pool, kept = pool_of(Clock(), 3)
        assert [pool.take("here") for _ in range(4)] == [*reversed(kept), None]

    def test_origin(self) -> None:
        """A connection to another place is never taken."""
        pool, (other,) = pool_of(Clock(), 1, origin="there")
        pool.put(here := Kept(pool))
        assert [pool.take("there"), pool.take("there"), pool.take("here")] == [other, None, here]

    def test_lost(self) -> None:
        """A connection that ended while it was idle is not taken."""
        pool, kept = pool_of(Clock(), 2)
        pool.lost(kept[1])
        assert [pool.take("here"), pool.take("here")] == [kept[0], None]


class IdleTests:
    """How many are kept, and how long."""

    def test_bounded(self) -> None:
        """If there are too many, the oldest goes."""
        pool, kept = pool_of(Clock(), 5, limit=3)
        assert [connection.closed for connection in kept] == [True, True, False, False, False]
        assert len(pool) == 3

    def test_time_limit(self) -> None:
        """Each is closed when it has been idle for long enough, and there is one timer for all of them."""
        clock = Clock()
        pool, kept = pool_of(clock, 3)
        assert len(clock.getDelayedCalls()) == 1
        clock.advance(IDLE_SECONDS - 3)
        assert [connection.closed for connection in kept] == [True, False, False]
        clock.advance(1)
        assert [connection.closed for connection in kept] == [True, True, False]
        assert len(clock.getDelayedCalls()) == 1
        clock.advance(1)
        assert len(pool) == 0
        assert clock.getDelayedCalls() == []
        assert IDLE_SECONDS < 60  # common middleboxes drop idle connections silently after a minute

    def test_use_starts_anew(self) -> None:
        """A connection that is used in between has its time again."""
        clock = Clock()
        pool, (connection,) = pool_of(clock, 1)
        clock.advance(IDLE_SECONDS - 2)
        pool.put(pool.take("here"))  # type: ignore[arg-type]
        clock.advance(IDLE_SECONDS - 1)
        assert not connection.closed
        clock.advance(1)
        assert connection.closed

    def test_retired(self) -> None:
        """One that cannot be used again is closed, and aborted if the peer does not agree."""
        clock = Clock()
        pool, _ = pool_of(clock, 0)
        pool.retire(connection := Kept(pool, deaf=True))
        assert (connection.closed, connection.aborted) == (True, False)
        clock.advance(IDLE_SECONDS)
        assert connection.aborted
        assert (len(pool), clock.getDelayedCalls()) == (0, [])

    def test_peer_that_does_not_close(self) -> None:
        """One that was told to close and is still there the next time is aborted."""
        clock = Clock()
        _, (connection,) = pool_of(clock, 1, deaf=True)
        clock.advance(IDLE_SECONDS)
        assert (connection.closed, connection.aborted) == (True, False)
        clock.advance(IDLE_SECONDS)
        assert connection.aborted
        clock.advance(IDLE_SECONDS)
        assert clock.getDelayedCalls() == []


class SizeTests:
    """The number of idle connections is the configured one."""

    @pytest_twisted.ensureDeferred
    async def test_idle_connections_are_bounded(self, bench: Bench) -> None:
        """After a rush only max_connections connections are kept."""
        waiting: list[Conversation] = []
        raw, backend = bench.serve(lambda c, _: waiting.append(c), max_connections=2)
        rush = [Notes() for _ in range(5)]
        for notes in rush:
            bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: len(waiting) == 5)
        for conversation in waiting:
            conversation.transport.write(SHORT)
        await bench.until(lambda: all(notes.ends for notes in rush))
        await bench.until(lambda: sum(conversation.lost for conversation in raw.conversations) == 3)


class CloseTests:
    """Closing the pool ends, whatever the backends do."""

    @pytest_twisted.ensureDeferred
    async def test_answer_under_way_ends_with_its_connection(self, bench: Bench) -> None:
        """A pool closed under a running answer lets it finish and keeps its connection no longer."""
        waiting: list[Conversation] = []
        _, backend = bench.serve(lambda c, _: waiting.append(c))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: waiting)
        await bench.client.close()
        waiting[0].transport.write(SHORT)
        await bench.end_of(notes)
        assert notes.ends == [None]
        await bench.until(lambda: waiting[0].lost)

    def test_close_that_hangs_has_a_limit(self) -> None:
        """A connection that never closes does not hold up the daemon's stop, and is aborted."""
        clock = Clock()
        pool, (connection,) = pool_of(clock, 1, deaf=True)
        closed = pool.close()
        clock.advance(CLOSE_SECONDS - 0.1)
        assert not closed.called
        clock.advance(0.1)
        assert closed.called
        assert connection.aborted
        assert clock.getDelayedCalls() == []

    def test_closes_as_soon_as_all_have(self) -> None:
        """Nobody waits longer than needed, and no timer is left."""
        clock = Clock()
        pool, kept = pool_of(clock, 2, deaf=True)
        closed = pool.close()
        pool.lost(kept[0])
        assert not closed.called
        pool.lost(kept[1])
        assert closed.called
        assert clock.getDelayedCalls() == []

    def test_idle_after_the_close(self) -> None:
        """A connection whose response ends after the close is closed, and not kept; no timer outlives it."""
        clock = Clock()
        pool, _ = pool_of(clock, 0)
        pool.close()
        pool.put(late := Kept(pool, deaf=True))
        assert (late.closed, len(pool)) == (True, 0)
        pool.lost(late)
        assert clock.getDelayedCalls() == []

    def test_empty_pool_closes_at_once(self) -> None:
        """Nothing open, nothing to wait for, no timer left."""
        clock = Clock()
        assert IdleConnections(clock, 3).close().called
        assert clock.getDelayedCalls() == []
