"""Tests for `claude_bridge.services.exchange.candidates`: the models that one request may still ask."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from claude_bridge.core.backend_api import Adjustment
from claude_bridge.core.errors import UpstreamCut, UpstreamServerError, UpstreamTimeout
from claude_bridge.core.messages_api.parsing import decode
from claude_bridge.core.messages_api.request_info import RequestInfo, request_info
from claude_bridge.core.retry import Failed, Move, Situation
from claude_bridge.services.affinity import NOWHERE, Affinity
from claude_bridge.services.exchange.candidates import Candidates
from claude_bridge.services.exchange.plan import Candidate, Plan
from tests.services.exchange.stage import HELLO, ONE, ROUTED, Stage, configured, resolving

TWO = f"""{ONE.replace("models = glm", "models = glm, second")}
max_attempts = 2
[model:second]
backend = box
"""
SESSION: dict[str, Any] = {"metadata": {"user_id": '{"session_id": "s1"}'}, "model": "claude-opus-5-5"}
POOL = ROUTED.replace(
    "url = http://box", "api_key =\n  key-number-one\n  key-number-two\nkey_strategy = round_robin\nurl = http://box"
)
BODY = b'{"model": "auto", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}'


def info(session: str = "s1") -> RequestInfo:
    """Make what is known of a request of a session."""
    return request_info(decode(BODY), {"x-claude-code-session-id": session}, len(BODY))


def planned(text: str = TWO) -> Plan:
    """Make the plan of the default route."""
    plan = resolving(configured(text)).plan_of_route("default", None)
    assert plan is not None
    return plan


def current(candidates: Candidates) -> str:
    """Return the label of the candidate whose turn it is."""

    async def wait() -> Candidate:
        return await candidates.current()

    found: list[Candidate] = []
    Deferred.fromCoroutine(wait()).addCallback(found.append)
    return found[0].label


def situation(attempts: int, others: int = 1) -> Situation:
    """Make the circumstances of a failure."""
    return Situation(now=0.0, attempts=attempts, others=others, begun=False, told=None, key_ready_in=0.0)


def cut() -> Failed:
    """Make a failure after which the same model is asked once more."""
    return Failed(error=UpstreamCut("gone"), label="box/zai/GLM")


@pytest.fixture
def affinity() -> Affinity:
    """Return the places of no conversation."""
    return Affinity(Clock().seconds)


class OrderTests:
    """Whose turn it is."""

    def test_one_after_the_other(self, affinity: Affinity) -> None:
        """The models are asked in the plan's order; what was tried with the first says nothing about the next."""
        candidates = Candidates.of(planned(), affinity, "me", info())
        assert (current(candidates), candidates.others) == ("box/zai/GLM", 1)
        candidates.retries.apply(Adjustment(why="limit", max_tokens=5))
        candidates.next()
        assert (current(candidates), candidates.others, candidates.retries.max_tokens) == ("box/second", 0, None)


class PlaceTests:
    """Where a conversation was answered last."""

    def test_stays(self, affinity: Affinity) -> None:
        """The conversation's next request begins where this one was answered, with the same key."""
        before = Candidates.of(planned(), affinity, "me", info())
        before.next()
        before.answered(affinity, "box/2")
        candidates = Candidates.of(planned(), affinity, "me", info())
        assert (current(candidates), candidates.place.key, candidates.others) == ("box/second", "box/2", 1)
        candidates.next()
        assert current(candidates) == "box/zai/GLM"

    @pytest.mark.parametrize(("requester", "session"), [("you", "s1"), ("me", "s2")])
    def test_others_do_not(self, affinity: Affinity, requester: str, session: str) -> None:
        """Another client's conversation of that name, and another conversation, begin with the first model."""
        before = Candidates.of(planned(), affinity, "me", info())
        before.next()
        before.answered(affinity, "box/2")
        candidates = Candidates.of(planned(), affinity, requester, info(session))
        assert (current(candidates), candidates.place) == ("box/zai/GLM", NOWHERE)

    @pytest.mark.parametrize(("text", "session"), [(ONE, "s1"), (TWO, "")])
    def test_nothing_to_remember(self, affinity: Affinity, text: str, session: str) -> None:
        """Without a choice, or without a session, no place is kept."""
        candidates = Candidates.of(planned(text), affinity, "me", info(session))
        candidates.answered(affinity, "box/2")
        assert Candidates.of(planned(text), affinity, "me", info(session)).place is NOWHERE


class FailureTests:
    """What follows a failure."""

    def test_limits_of_the_route(self, affinity: Affinity) -> None:
        """They are those of the plan's route."""
        candidates = Candidates.of(planned(), affinity, "me", info())
        assert not candidates.has_failed
        assert candidates.judge(cut(), situation(attempts=1), started=0.0).move is Move.AGAIN
        assert candidates.has_failed
        assert candidates.judge(cut(), situation(attempts=2), started=0.0).move is Move.END

    def test_ending(self, affinity: Affinity) -> None:
        """Of all failures the client is told of the one that helps it most."""
        candidates = Candidates.of(planned(), affinity, "me", info())
        candidates.judge(cut(), situation(attempts=1), started=0.0)
        candidates.judge(
            Failed(error=UpstreamServerError("broken"), label="box/second"), situation(attempts=2), started=0.0
        )
        assert candidates.ending().error.message == "broken (also failed: box/zai/GLM)"

    def test_another_plan_begins_anew(self, affinity: Affinity) -> None:
        """Failures of one plan's models do not count in another's."""
        first = Candidates.of(planned(), affinity, "me", info())
        first.judge(cut(), situation(attempts=1), started=0.0)
        again = Candidates.of(planned(), affinity, "me", info())
        assert not again.has_failed
        assert again.judge(cut(), situation(attempts=1), started=0.0).move is Move.AGAIN


class AffinityTests:
    """Conversations that stay where their prefix is cached."""

    def test_stays_with_the_second(self) -> None:
        """After a failure of the first model a conversation stays with the second, for some minutes; others do not."""
        stage = Stage(configured(ROUTED))
        stage.run(**SESSION)
        stage.call.end(UpstreamTimeout("silent"))
        stage.call.answer(*HELLO)
        stage.run(**SESSION)
        assert stage.sent["model"] == "Second"
        assert stage.downstream.started[0]["model"] == "second"
        stage.call.answer(*HELLO)
        stage.run(model="claude-opus-5-5")
        assert stage.sent["model"] == "zai/GLM"
        stage.call.answer(*HELLO)
        stage.clock.advance(301)
        stage.run(**SESSION)
        assert stage.sent["model"] == "zai/GLM"

    def test_falls_back_to_the_first(self) -> None:
        """If the model that a conversation stays with fails, the first choice is asked."""
        stage = Stage(configured(ROUTED))
        stage.run(**SESSION)
        stage.call.end(UpstreamTimeout("silent"))
        stage.call.answer(*HELLO)
        stage.run(**SESSION)
        stage.call.end(UpstreamTimeout("silent"))
        assert stage.sent["model"] == "zai/GLM"
        stage.call.answer(*HELLO)
        assert stage.downstream.text == "Hello there"

    def test_side_jobs(self) -> None:
        """A side job of the client, which another route takes, does not move the conversation that it is for."""
        stage = Stage(configured(f"{ROUTED}\n[route:side]\nwhen = background\nmodels = box/small, second"))
        asked = SESSION | {"tools": [{"name": "Bash", "input_schema": {}}]}
        stage.run(**asked)
        stage.call.end(UpstreamTimeout("silent"))
        stage.call.answer(*HELLO)
        for model, sent in (
            ("claude-opus-5-5", "Second"),
            ("claude-haiku-4-5", "small"),
            ("claude-opus-5-5", "Second"),
        ):
            stage.run(**(asked | {"model": model}))
            assert stage.sent["model"] == sent
            stage.call.answer(*HELLO)

    def test_key(self) -> None:
        """A conversation keeps its key while others take turns."""
        stage = Stage(configured(POOL))
        used = []
        for asked in (SESSION, {}, SESSION, {}, SESSION):
            stage.run(**asked)
            used.append(dict(stage.call.request.headers)["Authorization"])
            stage.call.answer(*HELLO)
        assert used[0] == used[2] == used[4]
        assert len(set(used)) == 2

    def test_next_key(self) -> None:
        """A key that is refused or limited is followed by the next one, at once, and rests meanwhile."""
        for status in (429, 401, 402):
            stage = Stage(configured(POOL))
            stage.run()
            first = dict(stage.call.request.headers)["Authorization"]
            stage.call.answer(status=status)
            assert dict(stage.call.request.headers)["Authorization"] != first
            stage.call.answer(*HELLO)
            assert stage.downstream.text == "Hello there"
            for _ in range(3):
                stage.run()
                assert dict(stage.call.request.headers)["Authorization"] != first
                stage.call.answer(*HELLO)
            assert [one.credential for one in stage.records.attempts[:2]] == ["box/1", "box/2"]
