"""The figures of a session as a status line gets them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.events import Usage
from claude_bridge.edge.session_status import MAX_BODY, asked_session, rendered
from claude_bridge.services.accounting.counts import of_attempt
from claude_bridge.services.accounting.sessions import MAX_AGENTS, Session
from claude_bridge.services.accounting.store.counts import Counts, total
from claude_bridge.services.interfaces import BudgetState, RequestRecord
from tests.services.accounting.test_request_log import ATTEMPT, RECORD

DOLLAR = 10**12
MAIN = evolve(RECORD, agent="", attempts=(evolve(ATTEMPT, usage=Usage(100, 50, 850, 50), cost=DOLLAR // 4),))
AGENT = evolve(MAIN, agent="a-1", agent_type="Explore", parent="a-0", kind="subagent")


def counts(record: RequestRecord) -> Counts:
    """Return the sums of a request."""
    return total([Counts(1, record.outcome != "ok"), *(of_attempt(each) for each in record.attempts)])


def session(*records: RequestRecord, is_complete: bool = True) -> Session:
    """Return a session that had these requests."""
    made = Session(is_complete=is_complete)
    for each in records:
        made.request_ended(each, counts(each))
    return made


def answer(of: Session, **more: Any) -> dict[str, Any]:
    """Return what is answered, as a client reads it."""
    given: dict[str, Any] = {"window": None, "breaker": None, "budgets": ()} | more
    decoded: dict[str, Any] = json.loads(json.dumps(rendered(of, **given)))
    return decoded


class BodyTests:
    """What is asked."""

    def test_id(self) -> None:
        """The id is read as it is read from requests: what cannot be printed is left out, and it is cut."""
        assert asked_session(b'{"session_id": "s-1", "more": 1}') == "s-1"
        assert asked_session(json.dumps({"session_id": "s\n-" + "1" * 500}).encode()) == "s-" + "1" * 125

    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (b"", "not valid JSON"),
            (b"{", "not valid JSON"),
            (b"[]", "session_id: Field required"),
            (b"{}", "session_id: Field required"),
            (b'{"session_id": ""}', "session_id: Field required"),
            (b'{"session_id": "\\u0001"}', "session_id: Field required"),
            (b'{"session_id": 5}', "session_id: Field required"),
            (b'{"session_id": null}', "session_id: Field required"),
            (b'{"session_id": "' + b"x" * MAX_BODY + b'"}', "4,096 bytes"),
        ],
    )
    def test_bad_bodies(self, body: bytes, told: str) -> None:
        """What names no session is refused, in words that say what is missing."""
        with pytest.raises(InvalidRequest, match=told):
            asked_session(body)


class AnswerTests:
    """What is answered."""

    def test_session_with_an_agent(self) -> None:
        """The main conversation's model, the cost of all, each agent, and how full the window is."""
        assert answer(session(MAIN, AGENT), window=200_000, breaker="half_open") == {
            "model": "zai/GLM",
            "backend": "box",
            "cost_usd": 0.5,
            "unpriced": 0,
            "agents": [
                {
                    "id": "a-1",
                    "type": "Explore",
                    "parent": "a-0",
                    "model": "zai/GLM",
                    "backend": "box",
                    "cost_usd": 0.25,
                    "unpriced": 0,
                    "requests": 1,
                    "tokens": {"input": 100, "cache_read": 850, "cache_write": 50, "output": 50},
                }
            ],
            "context": 1050,
            "window": 200_000,
            "cached": 0.85,
            "budgets": [],
            "breaker": "half_open",
        }

    def test_unknown_price(self) -> None:
        """A cost of which nothing is known is null; of one that is known in part the rest is counted."""
        free = evolve(MAIN, attempts=(evolve(ATTEMPT, cost=None),))
        assert (answer(session(free))["cost_usd"], answer(session(free))["unpriced"]) == (None, 1)
        both = answer(session(MAIN, evolve(free, agent="a-1")))
        assert (both["cost_usd"], both["unpriced"]) == (0.25, 1)
        assert (both["agents"][0]["cost_usd"], both["agents"][0]["unpriced"]) == (None, 1)

    def test_before_the_first_answer(self) -> None:
        """While nothing has answered nothing is said of it."""
        found = answer(session(evolve(MAIN, attempts=())))
        assert [found[name] for name in ("model", "backend", "context", "cached")] == [None] * 4

    def test_refused_requests(self) -> None:
        """A session of which no backend was asked has cost nothing, which is known; one that failed there may have."""
        refused, failed = evolve(MAIN, attempts=()), evolve(MAIN, attempts=(evolve(ATTEMPT, usage=None, cost=None),))
        assert answer(session(refused))["cost_usd"] == 0
        assert answer(session(refused, failed))["cost_usd"] is None
        assert answer(session(refused, is_complete=False))["cost_usd"] is None

    def test_prompt_without_tokens(self) -> None:
        """A backend that counts nothing says nothing of its cache."""
        found = answer(session(evolve(MAIN, attempts=(evolve(ATTEMPT, usage=Usage(0, 5)),))))
        assert (found["context"], found["cached"]) == (5, None)

    def test_figures_that_are_not_whole_yet(self) -> None:
        """A cost is null until what was before a restart is part of it: less than it was would be wrong."""
        found = answer(session(MAIN, AGENT, is_complete=False))
        assert (found["cost_usd"], found["agents"][0]["cost_usd"]) == (None, None)
        assert (found["model"], found["context"]) == ("zai/GLM", 1050)

    def test_more_agents_than_are_kept(self) -> None:
        """The agents without figures of their own are one entry, so that the entries add up."""
        found = answer(session(*(evolve(AGENT, agent=f"a-{number}") for number in range(MAX_AGENTS + 4))))
        assert (found["agents"][-1]["type"], found["agents"][-1]["requests"]) == ("others", 4)
        assert found["cost_usd"] == sum(each["cost_usd"] for each in found["agents"]) == 51

    @pytest.mark.parametrize(
        ("unit", "spent", "limit", "left", "route"),
        [("usd", DOLLAR, 4 * DOLLAR, 0.75, ""), ("tokens", 5_000, 4_000, 0.0, "saving"), ("tokens", 0, 0, 0.0, "")],
    )
    def test_budgets(self, unit: Any, spent: int, limit: int, left: float, route: str) -> None:
        """A budget is shown in its own unit, with the share that is left and the route that it leads to."""
        state = BudgetState(
            name="day",
            scope="key anna",
            unit=unit,
            spent=spent,
            limit=limit,
            resets_at=1.7e9,
            is_warning=True,
            route=route,
        )
        scale = DOLLAR if unit == "usd" else 1
        assert answer(session(MAIN), budgets=[state])["budgets"] == [
            {
                "name": "day",
                "scope": "key anna",
                "unit": unit,
                "spent": spent / scale,
                "limit": limit / scale,
                "left": left,
                "resets_at": 1.7e9,
                "warn": True,
                "route": route,
            }
        ]
