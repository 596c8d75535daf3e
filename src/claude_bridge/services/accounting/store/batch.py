"""Adds up the requests of one transaction, so that each row of the database that holds sums is changed once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import define, field

from claude_bridge.services.accounting.store import sql
from claude_bridge.services.accounting.store.entries import LATENCY_BOUNDS, SEVERAL_OWNERS, Attempt, Entry

HOUR: Final = 3_600_000
DAY: Final = 24 * HOUR

_BUCKETS: Final = tuple(round(seconds * 1000) for seconds in LATENCY_BOUNDS)

_NONE: Final = (0,) * len(sql.SUMS)

Sums = list[int]
"""As in `sql.SUMS`."""


@define
class AgentSums:
    """What one agent of a session did in one transaction.

    :ivar first: when its first request began, in Unix milliseconds.
    :ivar last: when its last one ended.
    :ivar sums: by hour, backend and model.
    """

    owner: str
    type: str
    parent: str
    first: int
    last: int
    sums: dict[tuple[int, str, str], Sums] = field(factory=dict)

    def at(self, hour: int, backend: str, model: str) -> Sums:
        """Return its sums of an hour and a model, to be added to."""
        place = hour, backend, model
        found = self.sums.get(place)
        if found is None:
            found = self.sums[place] = list(_NONE)
        return found

    def total(self) -> Sums:
        """Return its sums of all hours and models."""
        return [sum(each) for each in zip(*self.sums.values(), strict=True)]


@define
class SessionSums:
    """What the agents of one session did in one transaction."""

    agents: dict[str, AgentSums] = field(factory=dict)

    @property
    def owner(self) -> str:
        """Whose it is; `SEVERAL_OWNERS` if several have used it."""
        owners = {each.owner for each in self.agents.values()}
        return owners.pop() if len(owners) == 1 else SEVERAL_OWNERS

    @property
    def first(self) -> int:
        """When its first request began, in Unix milliseconds."""
        return min(each.first for each in self.agents.values())

    @property
    def last(self) -> int:
        """When its last request ended."""
        return max(each.last for each in self.agents.values())

    def total(self) -> Sums:
        """Return the sums of all its agents."""
        return [sum(each) for each in zip(*(agent.total() for agent in self.agents.values()), strict=True)]


@define
class Batch:
    """The sums of one transaction: each row of the database is changed once.

    A request is added in one place only, as there are many of them; the sums of sessions, hours and days are made of
    those of the agents afterwards.
    """

    sessions: dict[tuple[str, str], SessionSums] = field(factory=dict)
    latencies: dict[tuple[int, str, str, int], int] = field(factory=dict)

    def add(self, entry: Entry, models: Sequence[str]) -> None:
        """Add one request; ``models`` are what those of its attempts are called in the sums."""
        agent = self._agent(entry)
        started, ended = entry.started, entry.started + entry.milliseconds
        agent.first, agent.last = min(agent.first, started), max(agent.last, ended)
        if agent.owner != entry.owner:
            agent.owner = SEVERAL_OWNERS
        backend = model = ""
        for attempt, model in zip(entry.attempts, models, strict=True):
            backend, hour = attempt.backend, attempt.started // HOUR
            add_attempt(agent.at(hour, backend, model), attempt)
            if attempt.first_token is not None:
                place = hour, backend, model, bisect_left(_BUCKETS, attempt.first_token)
                self.latencies[place] = self.latencies.get(place, 0) + 1
        own = agent.at(started // HOUR, backend, model)
        own[0] += 1
        own[1] += entry.outcome not in sql.NO_FAILURE

    def agents(self) -> Iterator[tuple[str, AgentSums]]:
        """Yield each agent of every session, behind the key whose it is."""
        for (key, _), session in self.sessions.items():
            for agent in session.agents.values():
                yield key, agent

    def _agent(self, entry: Entry) -> AgentSums:
        where = entry.key, entry.session
        session = self.sessions.get(where)
        if session is None:
            session = self.sessions[where] = SessionSums()
        agent = session.agents.get(entry.agent)
        if agent is None:
            last = entry.started + entry.milliseconds
            agent = AgentSums(entry.owner, entry.agent_type, entry.parent, entry.started, last)
            session.agents[entry.agent] = agent
        return agent


def by_period(agents: Iterable[tuple[str, AgentSums]], unit: int) -> dict[tuple[int, str, str, str], Sums]:
    """Return the sums by hour or day, backend, model and key; ``unit`` is the length of one in milliseconds."""
    found: dict[tuple[int, str, str, str], Sums] = {}
    for key, agent in agents:
        for (hour, backend, model), sums in agent.sums.items():
            _add(found.setdefault((hour * HOUR // unit, backend, model, key), list(_NONE)), sums)
    return found


def add_attempt(sums: Sums, attempt: Attempt) -> None:
    """Add an attempt to sums, which are as in `sql.SUMS`."""
    cost, prompt = attempt.cost, attempt.input
    sums[2] += 1
    if prompt is not None:
        sums[3] += prompt
        sums[4] += attempt.cache_read or 0
        sums[5] += attempt.cache_write or 0
        sums[6] += attempt.output or 0
        sums[7] += attempt.thinking or 0
    if cost is not None:
        sums[8] += cost
        sums[9] += 1
    elif prompt is not None:
        sums[10] += 1


def _add(sums: Sums, more: Sequence[int]) -> None:
    for place, number in enumerate(more):
        sums[place] += number
