"""The figures of one session: its main conversation and each of its subagents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import define, field

from claude_bridge.services.accounting.counts import Breakdown
from claude_bridge.services.accounting.store.counts import Counts, total
from claude_bridge.services.accounting.store.entries import ANSWERED, AUXILIARY, LastAnswer, PastAgent
from claude_bridge.services.interfaces import RequestRecord

MAX_AGENTS: Final = 200
"""Agents of a session that have figures of their own; those of the others are added up."""

MAIN: Final = ""
"""The id of the main conversation among the agents."""


@define(eq=False)
class Agent:
    """The figures of the main conversation, or of one subagent.

    :ivar type: what kind of subagent it is, as the client calls it; else "".
    :ivar parent: the id of the subagent that started this one; "" where the main conversation did.
    :ivar last: what answered it last; None before the first answer.
    """

    type: str = ""
    parent: str = ""
    counts: Counts = field(factory=Counts)
    last: LastAnswer | None = None

    def add(self, more: Agent) -> None:
        """Add the figures of another agent."""
        self.counts.add(more.counts)

    def request_ended(self, record: RequestRecord, counts: Counts) -> None:
        """Add a request, whose sums are ``counts``."""
        self.type, self.parent = record.agent_type, record.parent
        self.counts.add(counts)
        for each in record.attempts:
            usage = each.usage
            if usage is not None and each.outcome in ANSWERED and record.kind != AUXILIARY:
                self.last = LastAnswer(
                    each.backend, each.model, usage.prompt_tokens, usage.cache_read_tokens, usage.output_tokens
                )

    def restore(self, past: PastAgent) -> None:
        """Add what was before."""
        if not self.counts.requests:
            self.type, self.parent = past.type, past.parent
        self.counts.add(Counts(*past.sums))
        if self.last is None:
            self.last = past.last


def _no_agents() -> Breakdown[str, Agent]:
    return Breakdown(MAX_AGENTS, Agent, Agent.add)


@define(eq=False)
class Session:
    """The figures of one session of one owner.

    :ivar is_complete: whether what the ledger had of it before is among the figures, or nothing was there.
    :ivar is_asked: whether the ledger was asked for that, and has not refused to answer.
    """

    is_complete: bool = False
    is_asked: bool = False
    _agents: Breakdown[str, Agent] = field(factory=_no_agents, init=False)
    _main: Agent = field(factory=Agent, init=False)

    @property
    def main(self) -> Agent:
        """The main conversation."""
        return self._main

    @property
    def counts(self) -> Counts:
        """The sums of the main conversation and all agents."""
        return total([self._main.counts, *(each.counts for each in self._agents.parts())])

    @property
    def other_agents(self) -> Agent | None:
        """The sums of the subagents that have no figures of their own any more; None if there are none."""
        return self._agents.other

    def agents(self) -> Iterator[tuple[str, Agent]]:
        """Yield the ids and figures of the subagents, those used last first."""
        return self._agents.named()

    def __len__(self) -> int:
        """Return how many agents have figures of their own, the main conversation among them."""
        return 1 + len(self._agents)

    def request_ended(self, record: RequestRecord, counts: Counts) -> None:
        """Add a request, whose sums are ``counts``."""
        agent = self._main if record.agent == MAIN else self._agents.of(record.agent)
        agent.request_ended(record, counts)

    def restore(self, past: Iterable[PastAgent]) -> None:
        """Add what the ledger had before the first request that was added here; only the first time."""
        if self.is_complete:
            return
        self.is_complete = True
        for each in past:
            if each.agent is None:
                self._agents.others().restore(each)
            else:
                agent = self._main if each.agent == MAIN else self._agents.of(each.agent)
                agent.restore(each)

    def replace(self, past: Sequence[PastAgent]) -> None:
        """Set the figures to what the ledger has, which has got all requests that were added here.

        If it has fewer, as after a damaged file, the figures stay.
        """
        if self.is_complete:
            return
        if total(Counts(*each.sums) for each in past).requests < self.counts.requests:
            self.is_complete = True
            return
        self._agents, self._main = _no_agents(), Agent()
        self.restore(past)
