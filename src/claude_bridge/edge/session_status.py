"""The figures of one session, as ``POST /v1/claude-bridge/session`` gives them to the client's status line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from claude_bridge.core import strict_json
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api.request_info import printable_id
from claude_bridge.core.prices import in_dollars
from claude_bridge.services.accounting.sessions import Agent, Session
from claude_bridge.services.accounting.store.counts import Counts
from claude_bridge.services.interfaces import BudgetState

MAX_BODY: Final = 4096
"""Bytes of the largest body that is decoded; one with the id of a session has some 60."""

UNKNOWN: Final = "there is no session of this id, or it is not yours"
"""What is said of both, so that nobody learns which sessions others have."""

OTHERS: Final = "others"
"""The type of the entry that has the sums of the agents without one of their own."""

_DIGITS: Final = 4


def asked_session(body: bytes) -> str:
    """Return the id in a request's body, as it is in records; raise `InvalidRequest` if there is none."""
    if len(body) > MAX_BODY:
        raise InvalidRequest(f"the body may have at most {MAX_BODY:,} bytes: the id of a session, as session_id")
    try:
        asked = strict_json.decode(body)
    except strict_json.JsonError as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from None
    given = asked.get("session_id") if isinstance(asked, dict) else None
    session = printable_id(given) if isinstance(given, str) else ""
    if not session:  # the accounts have the requests without a session under ""
        raise InvalidRequest("session_id: Field required, the id of a session")
    return session


def rendered(
    session: Session, *, window: int | None, breaker: str | None, budgets: Iterable[BudgetState]
) -> dict[str, Any]:
    """Return the answer. Amounts are in dollars, what is not known is None.

    :param window: the context window of the model that answered last.
    :param breaker: the state of its backend's circuit.
    """
    last, counts = session.main.last, session.counts
    others = session.other_agents
    agents = [_agent(name, each, whole=session.is_complete) for name, each in session.agents()]
    if others is not None:
        agents.append(_agent("", others, whole=session.is_complete) | {"type": OTHERS})
    return {
        "model": None if last is None else last.model,
        "backend": None if last is None else last.backend,
        "cost_usd": _cost(counts, whole=session.is_complete),
        "unpriced": counts.unpriced,
        "agents": agents,
        "context": None if last is None else last.prompt + last.answer,
        "window": window,
        "cached": round(last.cached / last.prompt, _DIGITS) if last is not None and last.prompt else None,
        "budgets": [_budget(each) for each in budgets],
        "breaker": breaker,
    }


def _agent(name: str, agent: Agent, *, whole: bool) -> dict[str, Any]:
    counts, last = agent.counts, agent.last
    return {
        "id": name,
        "type": agent.type,
        "parent": agent.parent,
        "model": None if last is None else last.model,
        "backend": None if last is None else last.backend,
        "cost_usd": _cost(counts, whole=whole),
        "unpriced": counts.unpriced,
        "requests": counts.requests,
        "tokens": {
            "input": counts.input,
            "cache_read": counts.cache_read,
            "cache_write": counts.cache_write,
            "output": counts.output,
        },
    }


def _cost(counts: Counts, *, whole: bool) -> float | None:
    """Return a cost as far as it is known; None before the figures are whole, as a part would look like all."""
    if not whole:
        return None
    return in_dollars(counts.known_cost) if counts.attempts else 0.0  # what no backend was asked for costs nothing


def _budget(state: BudgetState) -> dict[str, Any]:
    in_money = state.unit == "usd"
    return {
        "name": state.name,
        "scope": state.scope,
        "unit": state.unit,
        "spent": in_dollars(state.spent) if in_money else state.spent,
        "limit": in_dollars(state.limit) if in_money else state.limit,
        "left": round(max(0.0, 1 - state.spent / state.limit), _DIGITS) if state.limit else 0.0,
        "resets_at": state.resets_at,
        "warn": state.is_warning,
        "route": state.route,
    }
