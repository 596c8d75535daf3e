"""What is counted of the requests that end, and that it is what the ledger has of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import asdict, evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock

from claude_bridge.core.events import Usage
from claude_bridge.services.accounting import tally as module
from claude_bridge.services.accounting.ledger_entries import entry_of
from claude_bridge.services.accounting.sessions import Session
from claude_bridge.services.accounting.store import figures
from claude_bridge.services.accounting.store.counts import Counts, total
from claude_bridge.services.accounting.store.entries import LastAnswer, PastAgent
from claude_bridge.services.accounting.store.sqlite import connect
from claude_bridge.services.accounting.tally import Tally
from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.interfaces import AttemptRecord, Records, RequestRecord, SessionName
from tests.services.accounting.store.books import write
from tests.services.accounting.test_request_log import ATTEMPT, RECORD

ANNA = SessionName("key:anna", "s-1")
OWNED = evolve(RECORD, owner="key:anna")


def counted(*records: RequestRecord, clock: Clock | None = None) -> Tally:
    """Return a tally that had these requests."""
    tally = Tally(seconds=(clock or Clock()).seconds)
    for each in records:
        tally.request_ended(each)
    return tally


def session(tally: Tally, name: SessionName = ANNA) -> Session:
    """Return a session that must be there."""
    found = tally.session(name)
    assert found is not None
    return found


class CountingTests:
    """What is added where."""

    def test_request_with_a_failed_attempt(self) -> None:
        """Every attempt counts at its model, the request at the one that was asked last."""
        failed = evolve(ATTEMPT, backend="cloud", outcome="upstream_cut", usage=None)
        tally = counted(evolve(OWNED, attempts=(failed, evolve(ATTEMPT, cost=5))))
        assert tally.totals == Counts(1, 0, 2, 12, 3, 2, 7, 4, 5, 1, 0)
        assert dict(tally.keys.named()) == {"anna": tally.totals}
        models = dict(tally.models.named())
        assert models["cloud", "zai/GLM"].counts == Counts(attempts=1)
        assert models["box", "zai/GLM"].counts == Counts(1, 0, 1, 12, 3, 2, 7, 4, 5, 1, 0)
        assert session(tally).counts == tally.totals

    def test_what_is_no_request_for_a_model(self) -> None:
        """Lists of models and paths that are not there are no requests of this kind; an attempt counts at the end."""
        tally = counted(evolve(RECORD, model="", kind="models"), evolve(RECORD, model="", outcome="not_found"))
        tally.attempt_ended("req_1", ATTEMPT)
        assert (tally.totals, len(tally.models), len(tally.keys)) == (Counts(), 0, 0)

    @pytest.mark.parametrize(("outcome", "failed"), [("ok", 0), ("client_left", 0), ("upstream_cut", 1)])
    def test_failures(self, outcome: str, failed: int) -> None:
        """A client that left is no failure."""
        tally = counted(evolve(OWNED, outcome=outcome))
        assert (tally.totals.failed, session(tally).counts.failed) == (failed, failed)
        ((_, model),) = tally.models.named()
        assert model.counts.failed == failed

    def test_last_error(self) -> None:
        """The last error of a model is known in one word, and when it was, also where another one answered."""
        first, last = evolve(ATTEMPT, outcome="upstream_cut"), evolve(ATTEMPT, outcome="upstream_overloaded", seconds=3)
        tally = counted(evolve(OWNED, attempts=(first, last, ATTEMPT)))
        ((_, model),) = tally.models.named()
        assert (model.failed_attempts, model.last_error) == (2, "upstream_overloaded")
        assert model.last_error_at == ATTEMPT.started + 3

    def test_no_backend_was_asked(self) -> None:
        """A request that was refused before is counted all the same, at no model."""
        tally = counted(evolve(OWNED, attempts=(), outcome="unknown_model"))
        ((name, model),) = tally.models.named()
        assert (name, model.counts) == (("", ""), Counts(requests=1, failed=1))

    def test_times(self) -> None:
        """First words and whole answers are counted in buckets; an answer that failed is none."""
        tally = counted(evolve(OWNED, attempts=(evolve(ATTEMPT, outcome="upstream_cut"), ATTEMPT)))
        ((_, model),) = tally.models.named()
        assert (model.first_word.count, model.answer.count) == (2, 1)
        assert model.answer.seconds == ATTEMPT.seconds

    def test_speed(self) -> None:
        """A model's speed is that of its writing, without the time before its first word."""
        clock = Clock()
        quick = evolve(ATTEMPT, seconds=3.0, first_token_seconds=1.0, usage=Usage(5, 600))
        piece = evolve(ATTEMPT, seconds=1.0, first_token_seconds=1.0, usage=Usage(5, 60))
        tally = counted(evolve(OWNED, attempts=(quick, piece)), clock=clock)
        ((_, model),) = tally.models.named()
        assert model.tokens_per_second == 300
        assert tally.tokens_per_second() == 11
        clock.advance(60)
        assert tally.tokens_per_second() == 0

    def test_speed_that_is_not_known(self) -> None:
        """Without an answer there is no speed."""
        assert module.ModelFigures().tokens_per_second is None

    def test_owners(self) -> None:
        """The same id of two owners is two sessions."""
        tally = counted(OWNED, evolve(OWNED, owner="key:bob"), OWNED)
        assert session(tally).counts.requests == 2
        assert session(tally, SessionName("key:bob", "s-1")).counts.requests == 1
        assert tally.session(SessionName("", "s-1")) is None

    def test_no_session(self) -> None:
        """Requests without an id of a session belong to none."""
        assert counted(evolve(OWNED, session="")).session(SessionName("key:anna", "")) is None

    def test_is_a_consumer_of_records(self) -> None:
        """It takes every record."""
        consumer: Records = Tally(seconds=Clock().seconds)
        consumer.request_ended(RECORD)


class BoundsTests:
    """However many names clients make up, little is kept."""

    def test_models(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Models beyond the bound are added up, with all their figures."""
        monkeypatch.setattr(module, "MAX_MODELS", 2)
        broken = evolve(ATTEMPT, model="m0", outcome="upstream_cut")
        others = [evolve(OWNED, attempts=(evolve(ATTEMPT, model=f"m{each}"),)) for each in (1, 2, 3)]
        tally = counted(evolve(OWNED, attempts=(broken,)), *others)
        assert [model for (_, model), _ in tally.models.named()] == ["m3", "m2"]
        other = tally.models.other
        assert other is not None
        assert (other.counts.requests, other.failed_attempts, other.last_error) == (2, 1, "upstream_cut")
        assert (other.first_word.count, other.answer.count) == (2, 1)
        assert other.tokens_per_second == pytest.approx(ATTEMPT.tokens_per_second)
        assert total(each.counts for each in tally.models.parts()) == tally.totals

    def test_sessions(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The session that was used least recently goes; one that somebody asks for was used."""
        monkeypatch.setattr(module, "MAX_SESSIONS", 2)
        tally = counted(OWNED, evolve(OWNED, session="s-2"))
        session(tally)
        tally.request_ended(evolve(OWNED, session="s-3"))
        assert tally.session(SessionName("key:anna", "s-2")) is None
        assert session(tally).counts.requests == 1

    def test_agents(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """All sessions together have a bounded number of agents, those that come from the ledger too."""
        monkeypatch.setattr(module, "MAX_AGENTS", 5)
        tally = counted(*(evolve(OWNED, session="s-2", agent=f"a-{each}") for each in range(3)), OWNED)
        assert tally.session(SessionName("key:anna", "s-2")) is None
        assert session(tally).counts.requests == 1
        tally = counted(evolve(OWNED, session="s-2"), OWNED)
        tally.restore(ANNA, session(tally), [PastAgent("a-9", "", "", (1,) * 11, None)] * 2)
        assert tally.session(SessionName("key:anna", "s-2")) is not None
        tally.adopt(SessionName("key:anna", "s-3"), [])
        assert tally.session(SessionName("key:anna", "s-2")) is not None or tally.session(ANNA) is not None

    def test_agents_of_a_session_that_is_replaced(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Those that come instead count, those that went do not."""
        monkeypatch.setattr(module, "MAX_AGENTS", 5)
        tally = Tally(seconds=Clock().seconds, on_session=do_nothing)
        other = SessionName("key:anna", "s-2")
        for agent in ("", "a-1", "a-2"):
            tally.request_ended(evolve(OWNED, agent=agent))
        tally.request_ended(evolve(OWNED, session="s-2", agent=""))
        tally.replace(ANNA, session(tally), [PastAgent(f"a-{each}", "", "", (1,) * 11, None) for each in range(3)])
        assert (session(tally).counts.requests, tally.session(other) is None) == (3, False)
        tally.request_ended(evolve(OWNED, session="s-2", agent="a-9"))
        assert tally.session(ANNA) is None


class HistoryTests:
    """What the ledger has of a session from before."""

    def test_is_asked_for_once(self) -> None:
        """At a session's first request somebody is told, and until the history is there the figures are not whole."""
        told: list[SessionName] = []
        tally = Tally(seconds=Clock().seconds, on_session=lambda name, _: told.append(name))
        for record in (OWNED, OWNED, evolve(OWNED, session="")):
            tally.request_ended(record)
        assert told == [ANNA]
        assert not session(tally).is_complete
        tally.restore(ANNA, session(tally), [PastAgent("", "", "", (3,) + (0,) * 10, None)])
        assert session(tally).is_complete
        assert session(tally).counts.requests == 5

    def test_without_a_ledger(self) -> None:
        """Where nobody knows more the figures are whole."""
        assert session(counted(OWNED)).is_complete

    def test_session_that_was_dropped_meanwhile(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A history that comes too late goes to the session that it was asked for, and to no other."""
        monkeypatch.setattr(module, "MAX_SESSIONS", 1)
        begun: list[Session] = []
        tally = Tally(seconds=Clock().seconds, on_session=lambda _, found: begun.append(found))
        for name in ("s-1", "s-2", "s-1"):
            tally.request_ended(evolve(OWNED, session=name))
        tally.restore(ANNA, begun[0], [PastAgent("", "", "", (3,) + (0,) * 10, None)])
        assert session(tally).counts.requests == 1
        assert not session(tally).is_complete

    def test_adopted(self) -> None:
        """A session that only the ledger knows is kept as it was there, once."""
        tally = counted()
        answer = LastAnswer("box", "m", 10, 5, 2)
        past = [PastAgent("", "", "", (3,) + (0,) * 10, answer)]
        assert tally.adopt(ANNA, past) is session(tally)
        tally.adopt(ANNA, past)
        assert (session(tally).counts.requests, session(tally).main.last) == (3, answer)
        tally.request_ended(OWNED)
        assert session(tally).counts.requests == 4


TOKENS = st.integers(0, 10**6)
USAGES = st.none() | st.builds(Usage, TOKENS, TOKENS, TOKENS, TOKENS, thinking_tokens=st.none() | TOKENS)


@st.composite
def attempts(draw: st.DrawFn) -> AttemptRecord:
    """Draw the record of an attempt."""
    return evolve(
        ATTEMPT,
        backend=draw(st.sampled_from(["box", "cloud"])),
        model=draw(st.sampled_from(["GLM", "Qwen"])),
        credential=draw(st.sampled_from(["client", "cloud/1"])),
        started=draw(st.floats(1.6e9, 1.7e9)),
        outcome=draw(st.sampled_from(["ok", "client_left", "upstream_cut"])),
        first_token_seconds=draw(st.none() | st.floats(0, 2)),
        usage=draw(USAGES),
        cost=draw(st.none() | st.integers(0, 10**14)),
    )


@st.composite
def requests(draw: st.DrawFn) -> RequestRecord:
    """Draw the record of a request."""
    client = draw(st.sampled_from(["anna", "bob", ""]))
    return evolve(
        RECORD,
        session=draw(st.sampled_from(["s-1", "s-2"])),
        agent=draw(st.sampled_from(["", "a-1", "a-2"])),
        client=client,
        owner=f"key:{client}" if client else "",
        outcome=draw(st.sampled_from(["ok", "client_left", "upstream_cut"])),
        attempts=tuple(draw(st.lists(attempts(), max_size=3))),
    )


def sums(found: Any) -> dict[str, int]:
    """Return sums, whether they are the tally's or the ledger's."""
    return asdict(found)


class IdentityTests:
    """The figures agree with each other, and with the ledger."""

    @given(st.lists(requests(), max_size=12))
    def test_sessions_agents_and_attempts(self, records: list[RequestRecord]) -> None:
        """A session costs what its agents cost, and that is what their attempts cost; all together the totals."""
        tally = counted(*records)
        costs: Counter[SessionName] = Counter()
        for record in records:
            costs[SessionName(record.owner, record.session)] += sum(each.cost or 0 for each in record.attempts)
        for name, cost in costs.items():
            found = session(tally, name)
            assert found.counts.cost == cost
            assert found.main.counts.cost + sum(each.counts.cost for _, each in found.agents()) == cost
        whole = [session(tally, name).counts for name in costs]
        assert total(whole) == tally.totals == total(tally.keys.parts())
        assert total(each.counts for each in tally.models.parts()) == tally.totals

    @given(st.lists(requests(), max_size=12))
    def test_same_as_the_ledger(self, records: list[RequestRecord]) -> None:
        """The tally has of each model, key, session and agent what the ledger's roll-ups have."""
        tally = counted(*records)
        with TemporaryDirectory() as folder:
            connection = connect(str(Path(folder) / "ledger.sqlite"))
            write(connection, [entry_of(each) for each in records])
            by_model = figures.rows(connection, 0, "model")
            by_key = figures.rows(connection, 0, "key")
            by_agent = figures.rows(connection, 0, "agent")
            connection.close()
        assert {(row.what["backend"], row.what["model"]): sums(row.figures) for row in by_model} == {
            name: sums(each.counts) for name, each in tally.models.named()
        }
        assert {row.what["key"]: sums(row.figures) for row in by_key} == {
            name: sums(each) for name, each in tally.keys.named()
        }
        told: dict[tuple[str, str], Counts] = {}
        for row in by_agent:
            key = row.what["key"]
            owner = f"key:{key}" if key in {"anna", "bob"} else ""
            place = f"{owner} {row.what['session']}", row.what["agent"]
            told.setdefault(place, Counts()).add(Counts(**sums(row.figures)))
        kept: dict[tuple[str, str], Counts] = {}
        for name in {SessionName(each.owner, each.session) for each in records}:
            found = session(tally, name)
            if found.main.counts.requests:
                kept[f"{name.owner} {name.session}", ""] = found.main.counts
            kept |= {(f"{name.owner} {name.session}", agent): each.counts for agent, each in found.agents()}
        assert kept == told
