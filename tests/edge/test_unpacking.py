"""Promises of unpacking in turns: no more than so much work in one turn of the reactor."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from attrs import define, field

from claude_bridge.edge.unpacking import TURN_BYTES, Unpacking


@define(eq=False)
class Body:
    """A body with so much to unpack.

    :ivar work: what it did, each time it was asked.
    """

    left: int
    work: list[int] = field(factory=list)

    @property
    def has_packed_bytes(self) -> bool:
        """Whether it has more."""
        return self.left > 0

    def unpack(self, most: int) -> int:
        """Do some of it."""
        done = min(most, self.left)
        self.left -= done
        self.work.append(done)
        return done


@define(eq=False)
class Reactor:
    """The turns of a reactor, one by one: what a turn asks for comes in the next one, which a `Clock` would not do."""

    calls: list[Callable[[], None]] = field(factory=list)

    def call_later(self, seconds: float, call: Callable[[], None]) -> Any:
        """Take a call for the next turn."""
        assert seconds == 0
        self.calls.append(call)
        return object()

    def turn(self) -> None:
        """Make the next turn."""
        calls, self.calls = self.calls, []
        for call in calls:
            call()


class UnpackingTests:
    """Who is unpacked when."""

    def test_small_ones_at_once(self) -> None:
        """Ordinary bodies are unpacked as they come, several in one turn."""
        reactor = Reactor()
        unpacking = Unpacking(reactor.call_later)
        bodies = [Body(1000), Body(2000), Body(3000)]
        for body in bodies:
            unpacking.add(body)
        assert not any(body.has_packed_bytes for body in bodies)
        reactor.turn()
        assert reactor.calls == []

    def test_large_one_in_turns(self) -> None:
        """A large one takes a turn for each megabyte."""
        reactor = Reactor()
        unpacking = Unpacking(reactor.call_later)
        body = Body(3 * TURN_BYTES + 5)
        unpacking.add(body)
        turns = 0
        while reactor.calls:
            reactor.turn()
            turns += 1
        assert (body.work, turns) == ([TURN_BYTES, TURN_BYTES, TURN_BYTES, 5], 4)

    def test_all_together(self) -> None:
        """However many there are, one turn has no more work; each gets its part in its turn."""
        reactor = Reactor()
        unpacking = Unpacking(reactor.call_later)
        bodies = [Body(2 * TURN_BYTES) for _ in range(3)]
        for body in bodies:
            unpacking.add(body)
        done = [sum(sum(body.work) for body in bodies)]
        while reactor.calls:
            reactor.turn()
            done.append(sum(sum(body.work) for body in bodies))
        assert [after - before for before, after in pairwise(done)] == [TURN_BYTES] * 5 + [0]
        assert [body.work for body in bodies] == [[TURN_BYTES, TURN_BYTES]] * 3

    def test_one_that_comes_while_others_wait(self) -> None:
        """A newcomer waits its turn in the order of coming; more bytes of one that waits give it no second place."""
        reactor = Reactor()
        unpacking = Unpacking(reactor.call_later)
        large, small = Body(TURN_BYTES + 1), Body(10)
        for body in (large, small, large):
            unpacking.add(body)
        assert small.has_packed_bytes
        reactor.turn()
        assert (large.work, small.work) == ([TURN_BYTES, 1], [10])

    def test_one_that_breaks(self) -> None:
        """A fault over one body does not keep the others waiting for ever."""

        class Broken(Body):
            def unpack(self, most: int) -> int:
                self.left = 0
                raise RuntimeError(most)

        reactor = Reactor()
        unpacking = Unpacking(reactor.call_later)
        large, broken, late = Body(TURN_BYTES), Broken(1), Body(1)
        for body in (large, broken, late):
            unpacking.add(body)
        with pytest.raises(RuntimeError):
            reactor.turn()
        reactor.turn()
        assert not late.has_packed_bytes
