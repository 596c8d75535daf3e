"""Reads what the ledger has of a session, for the process that goes on with it."""

from __future__ import annotations

from typing import Any, Final

from claude_bridge.services.accounting.store import sql
from claude_bridge.services.accounting.store.entries import LastAnswer, PastAgent

MOST_AGENTS: Final = 200
"""Agents that are returned one by one, the last ones that were used."""


def past_agents(cursor: Any, owner: str, session: str) -> tuple[PastAgent, ...]:  # noqa: ANN401 - of whatever database
    """Return the main conversation and the agents of an owner's session, those used last at the end; or nothing.

    An agent that went to backends with a credential of the client and with others is in several rows: it is returned
    once. Who gets them adds them up in one turn, so too many subagents are added up here.
    """
    found: dict[str | None, PastAgent] = {}
    rows = cursor.execute(sql.PAST_AGENTS, (owner, session)).fetchall()
    single = {agent for _, agent, *_ in rows[-MOST_AGENTS:]} | {""}
    for number, agent, kind, parent, *sums in rows:
        if agent in single:
            row = PastAgent(agent, kind, parent, tuple(sums), _last_answer(cursor, number))
        else:
            row = PastAgent(None, "", "", tuple(sums), None)
        before = found.pop(row.agent, None)
        found[row.agent] = row if before is None else _together(before, row)
    return tuple(found.values())


def _together(before: PastAgent, row: PastAgent) -> PastAgent:
    sums = tuple(one + other for one, other in zip(before.sums, row.sums, strict=True))
    return row._replace(sums=sums, last=row.last or before.last)


def _last_answer(cursor: Any, agent: int) -> LastAnswer | None:  # noqa: ANN401 - as above
    row = cursor.execute(sql.LAST_ANSWER, (agent,)).fetchone()
    return None if row is None else LastAnswer(*row)
