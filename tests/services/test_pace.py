"""Tests for `claude_bridge.services.pace`."""

from __future__ import annotations

import pytest
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api.conversation_reader import STEP, reading_of
from claude_bridge.services.pace import HUGE, Pace
from tests.core.asking import asked, text, user


def outcome(deferred: Deferred[None]) -> list[object]:
    """Return a list that gets the result once it is there."""
    got: list[object] = []
    deferred.addBoth(got.append)
    return got


class PaceTests:
    """Work in turns."""

    def test_small_work_at_once(self) -> None:
        """What takes one step is done before anybody else has a turn: no timer is set for it."""
        clock = Clock()
        done = outcome(Deferred.fromCoroutine(Pace(clock).finish(lambda: True)))

        assert done == [None]
        assert clock.getDelayedCalls() == []

    def test_turns_in_between(self) -> None:
        """Between two steps others have their turn."""
        clock, order = Clock(), list[str]()

        def step() -> bool:
            order.append("step")
            clock.callLater(0, order.append, "others")
            return order.count("step") == 3

        done = outcome(Deferred.fromCoroutine(Pace(clock).finish(step)))
        assert (done, order) == ([], ["step"])
        clock.advance(0)

        assert done == [None]
        assert order == ["step", "others", "step", "others", "step", "others"]

    def test_cancel(self) -> None:
        """Who leaves meanwhile leaves no work and no timer behind."""
        clock = Clock()
        working: Deferred[None] = Deferred.fromCoroutine(Pace(clock).finish(lambda: False))
        done = outcome(working)
        working.cancel()

        (failure,) = done
        assert failure.check(CancelledError)  # type: ignore[attr-defined]
        assert clock.getDelayedCalls() == []

    def test_read(self) -> None:
        """A large conversation is read in turns."""
        clock, whole = Clock(), asked(user(*[text("a")] * (2 * STEP + 1)))
        reading = Pace(clock).read(whole)
        assert reading is not None
        done = outcome(reading)
        assert done == []
        clock.advance(0)

        assert done == [None]
        assert reading_of(whole).count == 2 * STEP + 1

    def test_small(self) -> None:
        """One of ordinary size is read at once."""
        whole = asked(user("a"))

        assert Pace(Clock()).read(whole) is None
        assert len(reading_of(whole).turns) == 1

    def test_huge(self) -> None:
        """A huge request is decoded, read and translated in turns of their own."""
        clock, whole = Clock(), asked(user("a"))
        reading = Pace(clock).read(whole, HUGE + 1)
        assert reading is not None
        done = outcome(reading)
        assert (done, reading_of(whole).turns) == ([], [])
        clock.advance(0)

        assert done == [None]
        assert len(reading_of(whole).turns) == 1

    def test_malformed(self) -> None:
        """What cannot be read is the client's mistake, whether it is seen at once or later."""
        with pytest.raises(InvalidRequest, match=r"^messages\.0\.content\.0\.text: Field required$"):
            Pace(Clock()).read(asked(user({"type": "text"})))
        clock = Clock()
        reading = Pace(clock).read(asked(user({"type": "text"})), HUGE + 1)
        assert reading is not None
        done = outcome(reading)
        clock.advance(0)

        assert done[0].check(InvalidRequest)  # type: ignore[attr-defined]

    def test_step_that_fails(self) -> None:
        """What a step raises comes out."""

        def step() -> bool:
            raise KeyError("x")

        done = outcome(Deferred.fromCoroutine(Pace(Clock()).finish(step)))
        with pytest.raises(KeyError):
            done[0].raiseException()  # type: ignore[attr-defined]
