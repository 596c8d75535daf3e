"""What the ledger has of a session, for a process that goes on with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.services.accounting.store.entries import Entry, LastAnswer
from claude_bridge.services.accounting.store.past_sessions import MOST_AGENTS, past_agents
from claude_bridge.services.accounting.store.sql import SUMS
from claude_bridge.services.accounting.store.sqlite import connect
from tests.services.accounting.store.books import NOON, attempt, entry, write

OWNER = "key:alice"
ANSWER = LastAnswer("chutes", "GLM", 95, 80, 7)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Yield an empty ledger."""
    made = connect(str(tmp_path / "ledger.sqlite"))
    yield made
    made.close()


def owned(**more: Any) -> Entry:
    """Make a request of the owner's session."""
    return entry(owner=OWNER, **more)


def found(ledger: sqlite3.Connection, owner: str = OWNER, session: str = "s-1") -> dict[str | None, dict[str, int]]:
    """Return the sums of each agent, but those that are 0."""
    return {
        each.agent: {name: number for name, number in zip(SUMS, each.sums, strict=True) if number}
        for each in past_agents(ledger.cursor(), owner, session)
    }


def last(ledger: sqlite3.Connection, agent: str = "") -> LastAnswer | None:
    """Return what answered an agent last."""
    return {each.agent: each.last for each in past_agents(ledger.cursor(), OWNER, "s-1")}[agent]


class OwnerTests:
    """To whom it is shown."""

    def test_owner_alone(self, ledger: sqlite3.Connection) -> None:
        """Another owner, and one who is nobody, find nothing; neither does the owner under another id."""
        write(ledger, [owned()])
        assert list(found(ledger)) == [""]
        for owner, session in (("key:bob", "s-1"), ("", "s-1"), ("*", "s-1"), (OWNER, "s-2"), (OWNER, "")):
            assert found(ledger, owner, session) == {}

    def test_fingerprints(self, ledger: sqlite3.Connection) -> None:
        """Of clients whose credentials are forwarded, whose key has one name, each finds its own session."""
        write(ledger, [entry(key="client", owner="f1", session="s-1"), entry(key="client", owner="f2", session="s-2")])
        assert found(ledger, "f1", "s-1")[""]["requests"] == 1
        assert found(ledger, "f2", "s-1") == {}

    @pytest.mark.parametrize("batches", [1, 2])
    def test_one_id_of_two_clients(self, ledger: sqlite3.Connection, batches: int) -> None:
        """If two use one id, and the ledger cannot tell their requests apart, it tells neither of them anything."""
        entries = [entry(key="client", owner="f1"), entry(key="client", owner="f2"), entry(key="client", owner="f1")]
        write(ledger, *([entries] if batches == 1 else [entries[:1], entries[1:]]))
        for owner in ("f1", "f2", ""):
            assert found(ledger, owner) == {}
        assert found(ledger, "*")[""]["requests"] == 3  # which is nobody's name

    def test_two_keys(self, ledger: sqlite3.Connection) -> None:
        """Clients with keys of their own may use one id: each has its own figures."""
        write(ledger, [owned(), entry(key="bob", owner="key:bob"), owned()])
        assert (found(ledger)[""]["requests"], found(ledger, "key:bob")[""]["requests"]) == (2, 1)


class FiguresTests:
    """What is shown."""

    def test_agents(self, ledger: sqlite3.Connection) -> None:
        """Main conversation and agents, each with its sums, what it is, and what answered it."""
        write(ledger, [owned(agent="a-1", agent_type="Explore", parent="a-0"), owned(), owned(outcome="upstream_cut")])
        agents = {each.agent: each for each in past_agents(ledger.cursor(), OWNER, "s-1")}
        assert (agents["a-1"].type, agents["a-1"].parent, agents["a-1"].last) == ("Explore", "a-0", ANSWER)
        assert found(ledger)[""] == {
            "requests": 2,
            "failed": 1,
            "attempts": 2,
            "input": 20,
            "cache_read": 160,
            "cache_write": 10,
            "output": 14,
            "thinking": 6,
            "cost": 3_000_000,
            "priced": 2,
        }

    def test_backends_with_and_without_the_clients_credential(self, ledger: sqlite3.Connection) -> None:
        """A session that went to backends of both kinds has two rows, and is one all the same."""
        own = entry(owner="f1", key="", started=NOON + 5000, attempts=(attempt(backend="box"),))
        write(ledger, [entry(owner="f1", key="client"), own, entry(owner="f1", key="client", agent="a-1")])
        assert {agent: sums["requests"] for agent, sums in found(ledger, "f1").items()} == {"": 2, "a-1": 1}
        agents = {each.agent: each.last for each in past_agents(ledger.cursor(), "f1", "s-1")}
        assert agents[""] == ANSWER._replace(backend="box")

    def test_last_used_at_the_end(self, ledger: sqlite3.Connection) -> None:
        """The order is that of the last use, so that of too many agents the first can go."""
        write(
            ledger, [owned(agent=name, started=NOON + when) for name, when in (("a", 9000), ("b", 5000), ("c", 7000))]
        )
        assert list(found(ledger)) == ["b", "c", "a"]

    def test_too_many_agents(self, ledger: sqlite3.Connection) -> None:
        """A session that has had thousands of agents is told of in few words, with nothing missing."""
        agents = [owned(agent=f"a-{number}", started=NOON + number) for number in range(MOST_AGENTS + 50)]
        write(ledger, [owned(), *agents])
        past = past_agents(ledger.cursor(), OWNER, "s-1")
        assert (len(past), past[-1].agent) == (MOST_AGENTS + 2, f"a-{MOST_AGENTS + 49}")
        assert {each.agent: each.sums[0] for each in past if each.agent in {None, ""}} == {None: 50, "": 1}


class LastAnswerTests:
    """What answered last."""

    @pytest.mark.parametrize(
        "more",
        [
            {"kind": "auxiliary"},
            {"attempts": ()},
            {"attempts": (attempt(backend="box", outcome="upstream_cut"),)},
            {"attempts": (attempt(backend="box", input=None),)},
            {"agent": "a-1"},
        ],
        ids=["auxiliary", "not asked", "failed", "uncounted", "subagent"],
    )
    def test_what_is_no_answer(self, ledger: sqlite3.Connection, more: dict[str, Any]) -> None:
        """The same requests count as answers as in the running process."""
        given = {"attempts": (attempt(backend="box"),)} | more
        write(ledger, [owned(), owned(**given)])
        assert last(ledger) == ANSWER

    def test_of_several_attempts(self, ledger: sqlite3.Connection) -> None:
        """Of the attempts of one request the last one that answered."""
        tried = (attempt(outcome="upstream_cut"), attempt(backend="box"), attempt(backend="cloud", input=1))
        write(ledger, [owned(attempts=tried)])
        assert last(ledger) == LastAnswer("cloud", "GLM", 86, 80, 7)

    def test_broken_off(self, ledger: sqlite3.Connection) -> None:
        """An answer that the person has stopped was one."""
        write(
            ledger, [owned(), owned(outcome="client_left", attempts=(attempt(backend="box", outcome="client_left"),))]
        )
        assert last(ledger) == ANSWER._replace(backend="box")

    def test_never(self, ledger: sqlite3.Connection) -> None:
        """Where nothing has answered there is none."""
        write(ledger, [owned(attempts=())])
        assert last(ledger) is None
