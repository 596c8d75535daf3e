"""Promises of the budget of memory: who may hold how much, and who pays where it is short."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import define, field
from twisted.internet.task import Clock

from claude_bridge.config.schema import Limits
from claude_bridge.core.errors import BridgeError, BridgeOverloaded, RequestTooSlow
from claude_bridge.edge.memory_budget import COPIES_OF_BODY, RATE_SECONDS, MemoryBudget, Share
from claude_bridge.services.sweep import PeriodicSweep

BOUND = 300_000
LARGEST = 30_000


@define(eq=False)
class Client:
    """A client that sends a body.

    :ivar told: why it was turned away.
    """

    told: list[BridgeError] = field(factory=list)

    def turn_away(self, error: BridgeError) -> None:
        """Keep it."""
        self.told.append(error)


@define(eq=False)
class Stage:
    """A budget and the clients of it."""

    limits: Limits = field(factory=lambda: Limits(max_in_progress=BOUND, max_body=LARGEST, min_body_rate=100))
    clock: Clock = field(factory=Clock)
    sweep: PeriodicSweep = field(init=False)
    budget: MemoryBudget = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Build it."""
        self.sweep = PeriodicSweep(self.clock)
        self.budget = MemoryBudget(lambda: self.limits)

    def upload(self, held: int = 0, length: int | None = None) -> tuple[Share, Client]:
        """Begin to send."""
        client = Client()
        share = self.budget.open(client, length, self.sweep)
        share.hold(held)
        return share, client

    def exchange(self, held: int) -> Share:
        """Wait for an answer."""
        share, _ = self.upload(held)
        share.received()
        return share


class RoomTests:
    """What all hold together stays within the bound."""

    def test_counts_from_first_byte_to_end(self) -> None:
        """A body counts while it comes and while it is answered, and no longer."""
        budget = (stage := Stage()).budget
        share, _ = stage.upload(1000)
        share.hold(5000)
        assert (budget.held, budget.answering) == (5000, 0)
        share.received()
        assert (budget.held, budget.answering) == (5000, 5000)
        share.hold(7000)
        assert (budget.held, budget.answering) == (7000, 7000)
        share.close()
        share.close()
        assert (budget.held, budget.answering) == (0, 0)

    def test_largest_pays(self) -> None:
        """Where it is short the largest upload is ended, however many small ones come."""
        stage = Stage()
        _, large = stage.upload(BOUND - 9000)
        others = [stage.upload(1000)[1] for _ in range(9)]
        newcomer, ordinary = stage.upload(5000)
        assert [error.status for error in large.told] == [529]
        assert large.told[0].retry_after
        assert (ordinary.told, [other.told for other in others]) == ([], [[]] * 9)
        assert stage.budget.held == 14_000
        newcomer.received()

    def test_oldest_of_like_size_pays(self) -> None:
        """Who has held as much for longer pays: an honest upload is short."""
        stage = Stage()
        _, old = stage.upload(100_000)
        stage.clock.advance(20)
        _, new = stage.upload(150_000)
        _, newest = stage.upload(60_000)
        assert (len(old.told), new.told, newest.told) == (1, [], [])

    def test_the_one_that_grows_pays_itself(self) -> None:
        """Where it is the largest itself it hears so."""
        stage = Stage()
        _, small = stage.upload(100_000)
        share, _ = stage.upload(150_000)
        with pytest.raises(BridgeOverloaded) as caught:
            share.hold(210_000)
        assert caught.value.retry_after
        assert small.told == []

    def test_exchanges_never_pay(self) -> None:
        """What is under way is not ended: uploads are, and one for which there is no room is told to come again."""
        stage = Stage()
        waiting = stage.exchange(BOUND - 10_000)
        _, large = stage.upload(9000)
        small, _ = stage.upload(2000)
        assert len(large.told) == 1
        with pytest.raises(BridgeOverloaded, match="max_in_progress") as caught:
            small.hold(10_001)
        small.close()
        assert (caught.value.status, caught.value.retry_after) == (529, 5.0)
        assert stage.budget.held == waiting.held == BOUND - 10_000

    def test_declared_length(self) -> None:
        """Where exchanges alone leave no room, that is said before the body is sent."""
        stage = Stage()
        stage.exchange(BOUND - COPIES_OF_BODY * 1000)
        stage.upload(length=1000)
        stage.upload(length=None)
        with pytest.raises(BridgeOverloaded, match="max_in_progress"):
            stage.upload(length=1001)

    def test_what_an_exchange_really_holds(self) -> None:
        """Where room is short exchanges are weighed, once each; before that nobody looks."""
        looked: list[str] = []

        def beyond(name: str, found: int | None) -> Callable[[], int | None]:
            def look() -> int | None:
                looked.append(name)
                return found

            return look

        stage = Stage()
        first, second, third = (stage.exchange(held) for held in (10_000, 20_000, 20_000))
        first.measure_with(beyond("first", 70_000))
        second.measure_with(beyond("second", None))  # not known yet
        third.measure_with(beyond("third", 1))
        third.close()
        stage.upload(1000)
        assert looked == []
        stage.upload(50_000)
        assert looked == ["first", "second"]
        assert (first.held, stage.budget.answering) == (80_000, 100_000)
        stage.upload(1000)
        assert looked == ["first", "second", "second"]
        first.close()
        second.close()
        assert (stage.budget.answering, stage.budget.held, stage.budget.unmeasured) == (0, 52_000, {})

    def test_weighed_too_heavy(self) -> None:
        """What weighing finds makes room be short: who comes is told so, and what is under way goes on."""
        stage = Stage()
        exchange = stage.exchange(80_000)
        exchange.measure_with(lambda: BOUND)
        share, _ = stage.upload()
        with pytest.raises(BridgeOverloaded, match="max_in_progress"):
            share.hold(1000)
        assert exchange.held == BOUND + 80_000

    def test_exchange_that_grows(self) -> None:
        """One whose decoded form is larger than was thought has uploads make room, or is refused before it begins."""
        stage = Stage()
        growing, (_, client) = stage.exchange(100_000), stage.upload(150_000)
        growing.hold(160_000)
        assert len(client.told) == 1
        stage.exchange(BOUND - 170_000)
        with pytest.raises(BridgeOverloaded, match="max_in_progress"):
            growing.hold(180_000)

    def test_one_alone_is_always_served(self) -> None:
        """A single request of the largest size is welcome, whatever the bound, and whatever it becomes."""
        stage = Stage(Limits(max_in_progress=1, max_body=LARGEST))
        share, _ = stage.upload(COPIES_OF_BODY * LARGEST, length=LARGEST)
        share.received()
        share.hold(10 * LARGEST)
        with pytest.raises(BridgeOverloaded):
            stage.upload(length=1)


class RateTests:
    """Bodies that come too slowly, of 100 bytes a second."""

    def fed(self, size: int, seconds: int, stage: Stage | None = None) -> Client:
        """Send ``size`` bytes every second."""
        stage = stage or Stage()
        share, client = stage.upload()
        for _ in range(seconds):
            share.add_arrived(size)
            stage.clock.advance(1)
        return client

    def test_slow(self) -> None:
        """Who sends less on average is told 408, once its time is over."""
        assert self.fed(99, int(RATE_SECONDS) - 1).told == []
        (error,) = self.fed(99, int(RATE_SECONDS) + 1).told
        assert (error.status, type(error)) == (408, RequestTooSlow)

    def test_not_slow(self) -> None:
        """Who sends as much may go on for as long as it takes."""
        assert self.fed(100, 500).told == []

    def test_a_burst_buys_no_rest(self) -> None:
        """Only the last stretch counts: a megabyte at first does not hold the place for hours."""
        stage = Stage()
        share, client = stage.upload()
        share.add_arrived(1_000_000)
        share.add_arrived(1)
        for _ in range(3 * int(RATE_SECONDS)):
            stage.clock.advance(1)
        assert len(client.told) >= 1

    def test_no_limit(self) -> None:
        """Zero is none."""
        assert self.fed(1, 500, Stage(Limits(min_body_rate=0))).told == []

    def test_whole(self) -> None:
        """Nothing is expected of a body that is there."""
        stage = Stage()
        share, client = stage.upload()
        share.add_arrived(1)
        share.add_arrived(1)
        share.complete = True
        stage.clock.pump([1.0] * 100)
        assert client.told == []

    def test_small_ones_cost_nothing(self) -> None:
        """A body that comes in one piece starts no clock, and afterwards none runs."""
        stage = Stage()
        share, _ = stage.upload()
        share.add_arrived(100)
        assert stage.clock.getDelayedCalls() == []
        share.add_arrived(100)
        assert len(stage.sweep) == 1
        share.close()
        assert len(stage.sweep) == 0
