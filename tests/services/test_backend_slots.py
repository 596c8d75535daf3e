"""Promises of the slots of backends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock

from claude_bridge.config.schema import Backend
from claude_bridge.core.errors import BackendBusy
from claude_bridge.services.backend_slots import UNLIMITED, BackendSlots, Slot

FREE = Backend(name="gpu")
TWO = evolve(FREE, max_streams=2)
ONE = evolve(FREE, max_streams=1)


@define
class Desk:
    """Slots, and what became of the requests for them, by names that the tests choose.

    :ivar order: the names in the order in which they got a slot.
    :ivar refused: the errors of those that got none.
    """

    clock: Clock = field(factory=Clock)
    slots: BackendSlots = field(init=False)
    held: dict[str, Slot] = field(factory=dict)
    waiting: dict[str, Deferred[Slot]] = field(factory=dict)
    order: list[str] = field(factory=list)
    refused: dict[str, BaseException] = field(factory=dict)
    on_slot: Callable[[str], None] = field(default=lambda _: None)

    def __attrs_post_init__(self) -> None:
        """Build them."""
        self.slots = BackendSlots(self.clock)

    def ask(self, name: str, backend: Backend = ONE, owner: str = "") -> None:
        """Ask for a slot."""
        try:
            found = self.slots.acquire(backend, owner)
        except BackendBusy as busy:
            self.refused[name] = busy
            return
        if isinstance(found, Slot):
            self._got(found, name)
            return
        self.waiting[name] = found
        found.addCallbacks(self._got, self._failed, callbackArgs=(name,), errbackArgs=(name,))

    def release(self, name: str) -> None:
        """Give a slot back."""
        self.held.pop(name).release()

    def leave(self, name: str) -> None:
        """Leave the queue."""
        self.waiting[name].cancel()

    def busy(self, name: str) -> BackendBusy:
        """Return the refusal that a request got."""
        error = self.refused[name]
        assert isinstance(error, BackendBusy)
        return error

    def _got(self, slot: Slot, name: str) -> None:
        self.waiting.pop(name, None)
        self.held[name] = slot
        self.order.append(name)
        self.on_slot(name)

    def _failed(self, failure: Any, name: str) -> None:
        self.waiting.pop(name, None)
        self.refused[name] = failure.value


class AcquireTests:
    """A slot for a stream."""

    def test_without_limit(self) -> None:
        """Without `max_streams` every request has the same slot, and nothing is counted or kept."""
        slots = BackendSlots(Clock())
        assert [slots.acquire(FREE) for _ in range(3)] == [UNLIMITED] * 3
        UNLIMITED.release()
        assert (slots.figures("gpu"), slots._pools) == ((0, 0), {})

    def test_at_once(self) -> None:
        """As long as one is free it is there at once, without a Deferred and without a timer."""
        clock = Clock()
        slots = BackendSlots(clock)
        assert all(isinstance(slots.acquire(TWO), Slot) for _ in range(2))
        assert (slots.figures("gpu"), clock.getDelayedCalls()) == ((2, 0), [])

    def test_waits(self) -> None:
        """If all are held a request waits for the first that ends; those that wait keep their order."""
        desk = Desk()
        for name in "abcd":
            desk.ask(name, TWO)
        assert (desk.order, desk.slots.figures("gpu")) == (["a", "b"], (2, 2))
        desk.release("b")
        desk.release("a")
        assert (desk.order, desk.slots.figures("gpu")) == (["a", "b", "c", "d"], (2, 0))
        assert desk.clock.getDelayedCalls() == []

    def test_released_once(self) -> None:
        """Giving a slot back twice frees one slot."""
        desk = Desk()
        for name in "abc":
            desk.ask(name)
        slot = desk.held["a"]
        slot.release()
        slot.release()
        assert (desk.order, desk.slots.figures("gpu")) == (["a", "b"], (1, 1))

    def test_backends_are_apart(self) -> None:
        """A busy backend does not keep another one waiting."""
        desk = Desk()
        desk.ask("a")
        desk.ask("b", evolve(ONE, name="other"))
        assert desk.order == ["a", "b"]

    def test_given_back_at_once(self) -> None:
        """However many fail as soon as they have their slot, the queue moves on, and not by recursion."""
        desk = Desk()
        many = evolve(ONE, max_queue=2000)
        desk.ask("first", many)
        for number in range(2000):
            desk.ask(str(number), many)
        desk.on_slot = desk.release
        desk.release("first")
        assert (len(desk.order), desk.refused, desk.slots.figures("gpu")) == (2001, {}, (0, 0))

    def test_newcomer_waits_behind(self) -> None:
        """Who asks while a slot is passed on does not overtake those that wait."""
        desk = Desk()
        for name in "abc":
            desk.ask(name)

        def ask_too(name: str) -> None:
            if name == "b":
                desk.release("b")
                desk.ask("new")

        desk.on_slot = ask_too
        desk.release("a")
        desk.release("c")
        assert desk.order == ["a", "b", "c", "new"]


class LeaveTests:
    """The client left while its request waited."""

    def test_place_is_free(self) -> None:
        """It leaves the queue at once, with its timer, and the next one moves up."""
        desk = Desk()
        for name in "abc":
            desk.ask(name)
        desk.leave("b")
        assert isinstance(desk.refused["b"], CancelledError)
        assert (desk.slots.figures("gpu"), len(desk.clock.getDelayedCalls())) == ((1, 1), 1)
        desk.release("a")
        assert desk.order == ["a", "c"]

    def test_too_late(self) -> None:
        """Leaving with a slot changes nothing: whoever has it gives it back."""
        desk = Desk()
        desk.ask("a")
        desk.ask("b")
        waiting = desk.waiting["b"]
        desk.release("a")
        waiting.cancel()
        assert (desk.slots.figures("gpu"), desk.refused) == ((1, 0), {})


class BusyTests:
    """Too many, or too long."""

    def test_too_long(self) -> None:
        """After `queue_timeout` a request is refused with the backend, the limit and their keys; others wait on."""
        desk = Desk()
        patient = evolve(TWO, queue_timeout=30.0)
        for name in "abc":
            desk.ask(name, patient)
        desk.clock.advance(10)
        desk.ask("d", patient)
        desk.clock.advance(20)
        assert list(desk.refused) == ["c"]
        assert desk.busy("c").message == (
            "backend gpu is busy: it answers 2 requests at a time (max_streams of [backend:gpu]), and no place "
            "became free within 30 s (queue_timeout)"
        )
        desk.release("a")
        assert desk.order == ["a", "b", "d"]

    @pytest.mark.parametrize(("max_queue", "waiting"), [(None, 8), (3, 3), (0, 0)])
    def test_too_many(self, max_queue: int | None, waiting: int) -> None:
        """More than may wait are refused at once."""
        desk = Desk()
        backend = evolve(TWO, max_queue=max_queue)
        for number in range(2 + waiting):
            desk.ask(str(number), backend)
        assert desk.refused == {}
        desk.ask("more", backend)
        assert desk.slots.figures("gpu") == (2, waiting)
        assert desk.busy("more").message == (
            "backend gpu is busy: it answers 2 requests at a time (max_streams of [backend:gpu]), and "
            f"{waiting} more are waiting (max_queue)"
        )

    @pytest.mark.parametrize(
        ("held", "waiting", "seconds"),
        [(None, 0, 5.0), (None, 3, 20.0), (8.0, 3, 16.0), (0.01, 0, 1.0), (500.0, 3, 60.0)],
    )
    def test_when_to_come_back(self, held: float | None, waiting: int, seconds: float) -> None:
        """The refusal has the time that it would take: that of all who wait, as long as slots were held lately."""
        desk = Desk()
        backend = evolve(TWO, max_queue=waiting)
        if held is not None:
            desk.ask("earlier", backend)
            desk.clock.advance(held)
            desk.release("earlier")
        for number in range(2 + waiting + 1):
            desk.ask(str(number), backend)
        assert desk.busy(str(2 + waiting)).retry_after == pytest.approx(seconds)

    def test_lately(self) -> None:
        """What slots were held for long ago no longer counts."""
        desk = Desk()
        for seconds in (1000.0, *(4.0 for _ in range(40))):
            desk.ask("a")
            desk.clock.advance(seconds)
            desk.release("a")
        for number in range(6):
            desk.ask(str(number))
        assert desk.busy("5").retry_after == pytest.approx(20, rel=0.05)


class FairnessTests:
    """Owners take turns."""

    def test_turns(self) -> None:
        """One owner's many requests, which came first, do not keep the others waiting until all are answered."""
        desk = Desk()
        backend = evolve(ONE, max_queue=20)
        for name, owner in [("now", "anna"), *((f"a{n}", "anna") for n in range(4)), ("b0", "ben"), ("b1", "ben")]:
            desk.ask(name, backend, owner)
        desk.ask("c0", backend, "carl")
        while desk.held:
            desk.release(desk.order[-1])
        assert desk.order == ["now", "a0", "b0", "c0", "a1", "b1", "a2", "a3"]

    def test_who_comes_back(self) -> None:
        """Who asks for one slot after the other has none before who waits."""
        desk = Desk()
        desk.ask("a0", owner="anna")
        desk.ask("a1", owner="anna")
        desk.ask("b0", owner="ben")
        desk.release("a0")
        desk.ask("a2", owner="anna")
        desk.release("a1")
        assert desk.order == ["a0", "a1", "b0"]

    def test_full_queue(self) -> None:
        """In a full queue the newest request of who has most gives way to another owner's, until they have as many."""
        desk = Desk()
        for number in range(5):
            desk.ask(f"a{number}", owner="anna")
        for number in range(4):
            desk.ask(f"b{number}", owner="ben")
        assert list(desk.refused) == ["a4", "a3", "b2", "b3"]
        assert "max_queue" in desk.busy("a4").message
        assert (desk.slots.figures("gpu"), list(desk.waiting)) == ((1, 4), ["a1", "a2", "b0", "b1"])

    def test_who_gave_way_asks_again(self) -> None:
        """Who loses its place and asks again at once does not make the queue longer than it may be."""
        desk = Desk()
        for number in range(5):
            desk.ask(f"a{number}", owner="anna")
        desk.waiting["a4"].addCallback(lambda _: desk.ask("again", owner="anna"))
        desk.ask("b0", owner="ben")
        assert list(desk.refused) == ["a4", "again"]
        assert desk.slots.figures("gpu") == (1, 4)


class ReloadTests:
    """Other limits, while streams and requests are there."""

    def test_higher(self) -> None:
        """A higher limit admits those who wait at once."""
        desk = Desk()
        for name in "abcd":
            desk.ask(name)
        desk.slots.limits_changed([evolve(ONE, max_streams=3)])
        assert (desk.order, desk.slots.figures("gpu")) == (["a", "b", "c"], (3, 1))

    def test_lower(self) -> None:
        """Under a lower limit streams go on, and the next begins when there are fewer than that."""
        desk = Desk()
        for name in "abc":
            desk.ask(name, TWO)
        desk.slots.limits_changed([ONE])
        desk.release("a")
        assert desk.order == ["a", "b"]
        desk.release("b")
        assert desk.order == ["a", "b", "c"]

    def test_earlier_configuration(self) -> None:
        """A request that began under the earlier limit meets the present one."""
        desk = Desk()
        desk.slots.limits_changed([ONE])
        desk.ask("a", TWO)
        desk.ask("b", TWO)
        assert desk.order == ["a"]

    def test_no_limit_any_more(self) -> None:
        """Without a limit everybody is admitted, and when the streams have ended nothing is kept."""
        desk = Desk()
        for name in "abc":
            desk.ask(name)
        desk.slots.limits_changed([FREE])
        assert desk.order == ["a", "b", "c"]
        desk.slots.keep_only([FREE])
        assert desk.slots.figures("gpu") == (3, 0)
        for name in "abc":
            desk.release(name)
        desk.slots.keep_only([FREE])
        assert desk.slots._pools == {}

    def test_removed(self) -> None:
        """Of a backend that is no longer there nothing is kept; those that stay keep their streams."""
        desk = Desk()
        other = evolve(ONE, name="other")
        desk.ask("a")
        desk.ask("b", other)
        desk.release("b")
        desk.slots.keep_only([ONE])
        assert list(desk.slots._pools) == ["gpu"]
        desk.ask("c")
        assert desk.order == ["a", "b"]


STEPS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "release", "leave", "wait", "limit"]), st.integers(0, 50)), max_size=120
)


class InvariantTests:
    """In whatever order requests come, end and leave."""

    @given(STEPS)
    def test_limit_is_kept_and_nobody_is_lost(self, steps: list[tuple[str, int]]) -> None:
        """Never more slots than allowed; each request ends in exactly one way; an owner's requests keep their order."""
        desk, backend, limit, asked = Desk(), evolve(TWO, queue_timeout=40.0), 2, 0
        for step, amount in steps:
            before = len(desk.held)
            if step == "ask":
                desk.ask(f"{asked}", backend, "abc"[amount % 3])
                asked += 1
            elif step == "release" and desk.held:
                desk.release(list(desk.held)[amount % len(desk.held)])
            elif step == "leave" and desk.waiting:
                desk.leave(list(desk.waiting)[amount % len(desk.waiting)])
            elif step == "wait":
                desk.clock.advance(amount)
            elif step == "limit":
                limit = 1 + amount % 4
                backend = evolve(backend, max_streams=limit)
                desk.slots.limits_changed([backend])
            assert len(desk.held) <= max(limit, before)
            assert desk.slots.figures("gpu") == (len(desk.held), len(desk.waiting))
            assert not desk.waiting or len(desk.held) >= limit
            assert len(desk.clock.getDelayedCalls()) == len(desk.waiting)
            assert len(desk.order) + len(desk.waiting) + len(desk.refused) == asked
        while desk.held:
            desk.release(next(iter(desk.held)))
        assert (desk.waiting, desk.slots.figures("gpu")) == ({}, (0, 0))
        assert desk.slots._pools.get("gpu") is None or desk.slots._pools["gpu"].idle

    @given(st.lists(st.sampled_from("abc"), max_size=30))
    def test_order(self, owners: list[str]) -> None:
        """An owner's requests are answered in the order in which they came, and nobody is passed over twice."""
        desk = Desk()
        backend = evolve(ONE, max_queue=100)
        desk.ask("first", backend)
        for number, owner in enumerate(owners):
            desk.ask(f"{owner}{number:02}", backend, owner)
        while desk.held:
            desk.release(desk.order[-1])
        answered = desk.order[1:]
        for owner in "abc":
            mine = [name for name in answered if name[0] == owner]
            assert mine == sorted(mine)
        for place, name in enumerate(answered):
            left = {other[0] for other in answered[place + 1 :]} - {name[0]}
            assert left <= {other[0] for other in answered[place + 1 : place + 4]}
