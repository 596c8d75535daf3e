"""Sessions of Claude Code: each asks one question after the other, in the main conversation or as its subagent.

After a failure it waits for as long as it is told, and then asks another question.
"""

from __future__ import annotations

from random import Random
from typing import Any, Final
from uuid import UUID

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater
from twisted.web.client import ResponseFailed

from tests.end_to_end.asking import MESSAGES
from tests.end_to_end.chaos.questions import Question, chance
from tests.end_to_end.chaos.verdicts import OK, Verdict, verdict
from tests.end_to_end.client import Client, Reading, Reply
from tests.end_to_end.processes import told_late

BOUND: Final = 45.0
"""Seconds after which a request counts as hung: far more than all limits in the daemon's configuration together."""

THINKING: Final = (0.2, 1.2)
"""Seconds between an answer and the next question, at least and at most."""

LONGEST_WAIT: Final = 5.0
"""Seconds of Retry-After that a session waits at most."""

MODEL: Final = "claude-opus-5"
AGENT: Final = "helper"
MOST_MESSAGES: Final = 8
STREAMED: Final = 0.7
SUBAGENT: Final = 0.3
LEAVES: Final = 0.03
"""Which part of the requests is streamed, comes from the subagent, is left before its end."""

LEFT = Verdict(outcome="left")
HUNG = Verdict(outcome="hung", problems=[f"no end after {BOUND:g} s"])


@frozen(kw_only=True)
class Result:
    """One request that has ended.

    :ivar conversation: the session and, with a dot, its agent.
    :ivar began: reactor seconds.
    """

    question: Question
    conversation: str
    began: float
    seconds: float
    verdict: Verdict


@define(eq=False, kw_only=True)
class Session:
    """One session.

    :ivar results: grows with each request.
    """

    _reactor: Any
    client: Client
    number: int
    seed: int
    results: list[Result]
    _session: str = field(init=False)
    _asked: int = field(default=0, init=False)
    _told_to_wait: float = field(default=0.0, init=False)
    _histories: dict[str, list[dict[str, str]]] = field(factory=dict, init=False)

    @_session.default
    def _named(self) -> str:
        return str(UUID(int=chance(self.seed, "name", self.number).getrandbits(128), version=4))

    async def run(self, until: float) -> None:
        """Ask until then (reactor seconds)."""
        random = chance(self.seed, "session", self.number)
        await deferLater(self._reactor, random.uniform(*THINKING))
        while self._reactor.seconds() < until:
            await self._ask(random)
            await deferLater(self._reactor, max(self._told_to_wait, random.uniform(*THINKING)))

    async def _ask(self, random: Random) -> None:
        self._asked += 1
        self._told_to_wait = 0.0
        agent = AGENT if random.random() < SUBAGENT else ""
        question = Question(f"s{self.number}-q{self._asked}-{random.getrandbits(32):08x}", random.randint(1, 20))
        asking = [*self._histories.get(agent, ()), {"role": "user", "content": question.text}]
        body = {"model": MODEL, "max_tokens": 4000, "stream": random.random() < STREAMED, "messages": asking}
        headers = {"x-claude-code-session-id": self._session, **({"x-claude-code-agent-id": agent} if agent else {})}
        leaves, seconds = random.random() < LEAVES, random.uniform(0, 0.5)
        began = self._reactor.seconds()
        ending = self._leave(body, headers, seconds) if leaves else self._answer(question, body, headers)
        try:
            found = await Deferred.fromCoroutine(ending).addTimeout(BOUND, self._reactor, told_late)
        except (TimeoutError, ConnectError, ResponseFailed) as error:
            lost = Verdict(outcome="cut", problems=[f"no answer: {error!r}"])
            found = HUNG if self._reactor.seconds() - began >= BOUND else lost
        self.results.append(
            Result(
                question=question,
                conversation=f"{self.number}.{agent}",
                began=began,
                seconds=self._reactor.seconds() - began,
                verdict=found,
            )
        )
        if found.outcome == OK:
            asking.append({"role": "assistant", "content": question.answer(found.backend)})
            self._histories[agent] = asking[-MOST_MESSAGES:]

    async def _answer(self, question: Question, body: dict[str, Any], headers: dict[str, str]) -> Verdict:
        reading = await self.client.send("POST", MESSAGES, body, headers)
        try:
            await reading.ended(BOUND)
        finally:
            if reading.reason is None:
                reading.leave()  # the request hangs, and would keep the daemon from its end too
        if not reading.is_complete:
            return Verdict(outcome="cut", problems=[f"{reading.reason} after {bytes(reading.raw[-200:])!r}"])
        self._told_to_wait = min(float(reading.headers.get("retry-after", 0)), LONGEST_WAIT)
        reply = Reply(status=reading.status, headers=reading.headers, body=bytes(reading.raw))
        return verdict(question, reply, streamed=bool(body["stream"]))

    async def _leave(self, body: dict[str, Any], headers: dict[str, str], seconds: float) -> Verdict:
        """Ask, and close the connection after so many seconds."""
        readings: list[Reading] = []
        sent = self.client.send("POST", MESSAGES, body, headers)
        sent.addCallbacks(readings.append, lambda _: None)
        await deferLater(self._reactor, seconds)
        sent.cancel()
        for reading in readings:
            if reading.reason is None:
                reading.leave()
        return LEFT
