"""The figures of a session and its agents."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from claude_bridge.core.events import Usage
from claude_bridge.core.messages_api import routing_facts
from claude_bridge.services.accounting.counts import of_attempt
from claude_bridge.services.accounting.sessions import MAX_AGENTS, Agent, Session
from claude_bridge.services.accounting.store.counts import Counts, total
from claude_bridge.services.accounting.store.entries import AUXILIARY, LastAnswer, PastAgent
from claude_bridge.services.interfaces import RequestRecord
from tests.services.accounting.test_request_log import ATTEMPT, RECORD

MAIN = evolve(RECORD, agent="", attempts=(evolve(ATTEMPT, cost=100),))
ANSWER = LastAnswer("box", "zai/GLM", prompt=17, cached=3, answer=7)


def agent(name: str, kind: str = "Explore", **more: Any) -> RequestRecord:
    """Make the record of a subagent's request."""
    return evolve(MAIN, agent=name, agent_type=kind, kind="subagent", **more)


def counts(record: RequestRecord) -> Counts:
    """Return the sums of a request."""
    return total([Counts(1, record.outcome != "ok"), *(of_attempt(each) for each in record.attempts)])


def session(*records: RequestRecord) -> Session:
    """Return a session that had these requests."""
    made = Session()
    for each in records:
        made.request_ended(each, counts(each))
    return made


def past(name: str = "", requests: int = 1, cost: int = 0, **more: Any) -> PastAgent:
    """Make what a ledger has of an agent."""
    sums = (requests, 0, requests, 0, 0, 0, 0, 0, cost, requests, 0)
    return PastAgent(name, "Plan", "a-0", sums, ANSWER)._replace(**more)


class SessionTests:
    """Adding requests."""

    def test_main_conversation_and_agents(self) -> None:
        """Each has its own figures, and the session has the sum of all."""
        found = session(MAIN, agent("a-1"), agent("a-2", parent="a-1"), agent("a-1", outcome="upstream_cut"), MAIN)
        assert [(name, each.type, each.parent, each.counts.requests) for name, each in found.agents()] == [
            ("a-1", "Explore", "", 2),
            ("a-2", "Explore", "a-1", 1),
        ]
        assert (found.main.counts.requests, found.main.counts.cost) == (2, 200)
        assert (found.counts.requests, found.counts.failed, found.counts.cost) == (5, 1, 500)

    def test_last_answer(self) -> None:
        """What answered last is known, with the tokens of its prompt and answer."""
        assert session(MAIN).main.last == ANSWER
        moved = evolve(ATTEMPT, backend="cloud", usage=Usage(100, 20, 30, 40))
        assert session(MAIN, evolve(MAIN, attempts=(moved,))).main.last == LastAnswer("cloud", "zai/GLM", 170, 30, 20)

    @pytest.mark.parametrize(
        "more",
        [
            {"attempts": (evolve(ATTEMPT, outcome="upstream_cut", backend="cloud"),)},
            {"attempts": (evolve(ATTEMPT, usage=None, backend="cloud"),)},
            {"attempts": (evolve(ATTEMPT, backend="cloud"),), "kind": "auxiliary"},
            {"attempts": (evolve(ATTEMPT, backend="cloud"),), "agent": "a-1"},
            {"attempts": ()},
        ],
        ids=["failed", "uncounted", "auxiliary", "subagent", "not asked"],
    )
    def test_what_is_no_answer_of_the_conversation(self, more: dict[str, Any]) -> None:
        """A failure, a request that the client makes for itself, and an agent leave the last answer as it was."""
        assert session(MAIN, evolve(MAIN, **more)).main.last == ANSWER

    def test_auxiliary_requests(self) -> None:
        """They are those that the routes know as such."""
        assert AUXILIARY == routing_facts.AUXILIARY

    def test_answer_that_was_broken_off(self) -> None:
        """An answer that the person has stopped was one."""
        left = evolve(ATTEMPT, outcome="client_left", backend="cloud")
        found = session(MAIN, evolve(MAIN, outcome="client_left", attempts=(left,))).main.last
        assert found is not None
        assert found.backend == "cloud"

    def test_more_agents_than_are_kept(self) -> None:
        """The cost of a session is right however many agents it had; those used last have figures of their own."""
        found = session(*(agent(f"a-{number}") for number in range(MAX_AGENTS + 50)))
        assert len(list(found.agents())) == MAX_AGENTS
        assert next(found.agents())[0] == f"a-{MAX_AGENTS + 49}"
        assert found.other_agents is not None
        assert found.other_agents.counts.requests == 50
        assert found.counts.cost == 100 * (MAX_AGENTS + 50)
        assert len(found) == MAX_AGENTS + 1


class RestoringTests:
    """What a ledger had before."""

    def test_is_added(self) -> None:
        """It is added to what came since, for each agent."""
        found = session(MAIN, agent("a-1"))
        found.restore([past("", 3, 1000), past("a-1", 1, 10), past("a-9", 2, 1)])
        assert found.is_complete
        assert found.counts.cost == 100 + 100 + 1000 + 10 + 1
        assert {name: each.counts.requests for name, each in found.agents()} == {"a-1": 2, "a-9": 2}

    def test_once(self) -> None:
        """A second time changes nothing."""
        found = session(MAIN)
        found.restore([past("", 3, 1000)])
        found.restore([past("", 3, 1000)])
        assert found.counts.requests == 4

    def test_newer_is_kept(self) -> None:
        """What an agent is, and what answered it last, is what was seen since; for others what the ledger says."""
        moved = evolve(ATTEMPT, backend="cloud")
        found = session(agent("a-1", attempts=(moved,)))
        found.restore([past("a-1"), past("a-2")])
        named = dict(found.agents())
        assert (named["a-1"].type, named["a-1"].parent) == ("Explore", "")
        assert named["a-1"].last is not None
        assert named["a-1"].last.backend == "cloud"
        assert (named["a-2"].type, named["a-2"].parent, named["a-2"].last) == ("Plan", "a-0", ANSWER)

    def test_agents_of_which_only_the_sum_is_known(self) -> None:
        """They count in the session, and among the agents without figures of their own."""
        found = session(agent("a-1"))
        found.restore([past("a-1"), past("", 3)._replace(agent=None)])
        assert [name for name, _ in found.agents()] == ["a-1"]
        assert found.other_agents is not None
        assert (found.other_agents.counts.requests, found.counts.requests) == (3, 5)

    def test_is_the_whole(self) -> None:
        """Where all that was added here is among what the ledger has the figures are the ledger's."""
        found = session(MAIN, agent("a-1"))
        found.replace([past("", 3, 1000), past("a-9", 2, 1)])
        assert found.is_complete
        assert (found.counts.requests, found.counts.cost) == (5, 1001)
        assert [name for name, _ in found.agents()] == ["a-9"]
        found.restore([past("", 3, 1000)])
        found.replace([past("", 30, 1000)])
        assert found.counts.requests == 5

    @pytest.mark.parametrize("lost", [[], [past("", 1)]])
    def test_what_the_ledger_has_lost(self, lost: list[PastAgent]) -> None:
        """Where the ledger has fewer requests than were added here nothing better will be known: these stay."""
        found = session(MAIN, agent("a-1"))
        found.replace(lost)
        assert (found.counts.requests, found.counts.cost, found.is_complete) == (2, 200, True)

    def test_agents_add_up(self) -> None:
        """Two agents make one, as where there are too many."""
        one, two = Agent(counts=Counts(cost=1)), Agent(counts=Counts(cost=2))
        one.add(two)
        assert one.counts.cost == 3
