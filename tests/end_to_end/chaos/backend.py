"""A backend whose health changes: well, moody, ill, down. What it does to a request is decided by the seed."""

from __future__ import annotations

import socket
from collections import Counter
from typing import Final

from attrs import define, evolve, field, frozen
from twisted.internet.defer import DeferredQueue
from twisted.internet.task import deferLater

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chat_stream, sse
from claude_bridge.testing.received import Received
from tests.end_to_end.chaos.faults import FAULTS, UNHEARD, WAITS, chosen
from tests.end_to_end.chaos.questions import asked, chance

LONGEST_ANSWER: Final = 0.8
"""Seconds that the deltas of an answer take at most."""

PHASE_SECONDS: Final = (1.0, 4.0)
"""How long a backend stays in one state of health, at least and at most."""

ON_THEIR_WAY: Final = 1.0
"""Seconds after a 429 in which requests that were sent before it was read may still arrive, on a busy machine."""


@frozen
class Health:
    """A state of health.

    :ivar weight: how often it comes, as against the others.
    :ivar faults: which part of the requests meets a fault.
    """

    weight: int
    faults: float


DOWN: Final = "down"
HEALTH: Final = {"well": Health(6, 0.03), "moody": Health(3, 0.3), "ill": Health(2, 0.9), DOWN: Health(1, 1.0)}


@define(eq=False)
class ChaosBackend(ScriptedBackend):
    """One of the backends.

    :ivar name: by which the daemon knows it, and which its answers have in them.
    :ivar done: how often it did what.
    :ivar asked: how often it was asked each question, but for those times when it reset the connection at once: the
        daemon repeats a request unseen that was lost on a connection which it had kept, as HTTP allows.
    :ivar most: answers under way at the same time, at most.
    :ivar impatient: requests that came although it had said how long to wait.
    """

    name: str = field(default="", kw_only=True)
    seed: int = field(default=0, kw_only=True)
    health: str = field(default="well", init=False)
    done: Counter[str] = field(factory=Counter, init=False)
    asked: Counter[str] = field(factory=Counter, init=False)
    most: int = field(default=0, init=False)
    impatient: int = field(default=0, init=False)
    _under_way: int = field(default=0, init=False)
    _heard: Counter[str] = field(factory=Counter, init=False)
    _told_to_wait: tuple[float, float] = field(default=(0.0, 0.0), init=False)  # since when, and until when
    _own_port: int = field(default=0, init=False)
    _reserved: socket.socket | None = field(default=None, init=False)

    def begin(self) -> None:
        """Listen, on a port that nobody else gets while this backend is down."""
        self.script = self.decide
        self._reserved = reserved = socket.socket()
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind(("127.0.0.1", 0))
        self._own_port = reserved.getsockname()[1]
        self.start(self._own_port)

    async def live(self, until: float) -> None:
        """Change from one state of health to another until then (reactor seconds), and be well at the end."""
        random = chance(self.seed, self.name)
        while (left := until - self._reactor.seconds()) > 0:
            await self.become(random.choices(list(HEALTH), [each.weight for each in HEALTH.values()])[0])
            await deferLater(self._reactor, min(left, random.uniform(*PHASE_SECONDS)))
        await self.become("well")

    async def finish(self) -> None:
        """Stop."""
        await self.stop()
        if self._reserved is not None:
            self._reserved.close()

    def answer(self, received: Received) -> Answer:
        """Answer, and keep nothing of it: thousands of requests come."""
        given = super().answer(received)
        self.requests.clear()
        self.arrivals = DeferredQueue()
        return given

    def decide(self, received: Received) -> Answer:
        """Return a good answer or a faulty one; in whatever order requests come, the same for the same seed."""
        self._begin(received)
        question = asked(received.json)
        self._heard[question.token] += 1
        random = chance(self.seed, self.name, question.token, self._heard[question.token])
        good = chat_stream(text=question.answer(self.name), split=random.randint(20, 120))
        since, until = self._told_to_wait
        self.impatient += since + ON_THEIR_WAY < received.arrived < until
        fault = chosen(random) if random.random() < HEALTH[self.health].faults else "good"
        self.done[fault] += 1
        self.asked[question.token] += fault != UNHEARD
        if fault == "good":
            answer = sse(good, pause=random.uniform(0, LONGEST_ANSWER) / len(good))
            return evolve(answer, steps=answer.steps[:-1])  # it ends with its last byte
        if fault in WAITS:
            self._told_to_wait = (received.arrived, received.arrived + WAITS[fault])
        return FAULTS[fault](good, random)

    def _begin(self, received: Received) -> None:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        received.when_over().addCallback(self._over)

    def _over(self, _: object) -> None:
        self._under_way -= 1

    async def become(self, health: str) -> None:
        """Change to a state of health; in `DOWN` connections are refused, and those that there are break."""
        before, self.health = self.health, health
        if health == before:
            return
        self.done[f"became {health}"] += 1
        if health == DOWN:
            await self.stop()
        elif before == DOWN:
            self.start(self._own_port)
