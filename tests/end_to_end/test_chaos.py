"""Backends that fail at random under many sessions: every request ends, whole and right or with one clean error.

Five minutes of it: ``python -m tests.end_to_end.chaos --seconds 300 --seed N``.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet.error import ConnectionRefusedError  # noqa: A004 - Twisted's name

from claude_bridge.core.errors import UpstreamCut
from claude_bridge.core.events import Finished, FinishReason, TextDelta, Usage
from claude_bridge.core.messages_api.event_stream import StreamWriter
from claude_bridge.testing.answers import Answer, Send
from claude_bridge.testing.chat import chat_stream
from claude_bridge.testing.received import Received
from tests.end_to_end.chaos.backend import DOWN, ChaosBackend
from tests.end_to_end.chaos.faults import FAULTS, HARMLESS
from tests.end_to_end.chaos.figures import MIB, Findings, shown
from tests.end_to_end.chaos.questions import Question, asked, chance
from tests.end_to_end.chaos.run import Settings, run
from tests.end_to_end.chaos.sessions import HUNG, Result
from tests.end_to_end.chaos.verdicts import OK, Verdict, verdict
from tests.end_to_end.client import Client, Reply

SECONDS = 20.0
SEED = 7

QUESTION = Question("s1-q1-0badcafe", 3)
WHOLE = QUESTION.answer("a")
END = Finished(FinishReason.STOPPED, None, Usage(12, 7))


def streamed(text: str, *, error: bool = False, ended: bool = True) -> Reply:
    """Make a reply as the bridge writes it."""
    writer = StreamWriter(message_id="msg_1", model="claude-opus-5")
    raw = writer.open() + (writer.write([TextDelta(text)]) if text else b"")
    if error:
        raw += writer.error(UpstreamCut("cut"), "req_1")
    elif ended:
        raw += writer.write([END])
    return Reply(status=200, headers={"content-type": "text/event-stream", "request-id": "req_1"}, body=raw)


def refused(status: int, kind: str) -> Reply:
    """Make an error of the bridge."""
    body = {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": "req_1"}
    headers = {"content-type": "application/json", "request-id": "req_1"}
    return Reply(status=status, headers=headers, body=json.dumps(body).encode())


class QuestionTests:
    """What is asked and answered."""

    def test_is_found_again(self) -> None:
        """A backend finds the question in the last message, whatever came before it."""
        messages = [{"role": "user", "content": "chaos s1-q0-00000000 9"}, {"role": "user", "content": QUESTION.text}]
        assert asked({"messages": messages}) == QUESTION

    def test_each_piece_is_another(self) -> None:
        """Every piece of an answer has the question, the backend and its own place."""
        assert WHOLE == "[s1-q1-0badcafe a 1/3][s1-q1-0badcafe a 2/3][s1-q1-0badcafe a 3/3]"


def received(question: Question) -> Received:
    """Make the request of a backend's client."""
    body = {"model": "test-model", "messages": [{"role": "user", "content": question.text}], "stream": True}
    path = "/v1/chat/completions"
    return Received(method="POST", path=path, headers={}, body=b"", json=body, arrived=0.0)


def sent(answer: Answer) -> bytes:
    """Return all that an answer sends."""
    return b"".join(step.data for step in answer.steps if isinstance(step, Send))


class FaultTests:
    """What backends do."""

    @pytest.mark.parametrize("name", FAULTS)
    def test_complete_or_not(self, name: str) -> None:
        """Only with a harmless oddity everything is there up to the finish reason, and nothing wrong before it."""
        good = chat_stream(text=WHOLE)
        for number in range(20):
            raw = sent(FAULTS[name](good, chance(number)))
            before, finish, _ = raw.partition(good[-3])
            assert (name in HARMLESS) == (before == b"".join(good[:-3]) and bool(finish))

    def test_seed(self) -> None:
        """With the same seed a backend does the same to the same questions, in whatever order they come."""
        questions = [Question(f"s1-q{number}-00000000", 3) for number in range(50)]
        one, two, other = (ChaosBackend(None, name="a", seed=seed) for seed in (1, 1, 2))
        for backend in (one, two, other):
            backend.script, backend.health = backend.decide, "moody"
        said = [one.answer(received(each)) for each in questions]
        assert said == [two.answer(received(each)) for each in reversed(questions)][::-1]
        assert said != [other.answer(received(each)) for each in questions]
        assert one.done.keys() & FAULTS
        assert one.done["good"] > 10

    @pytest_twisted.ensureDeferred
    async def test_down(self, reactor: Any) -> None:
        """A backend that is down refuses connections, and comes back at the same address."""
        backend = ChaosBackend(reactor, name="a")
        backend.begin()
        client = Client(reactor, backend.url)
        assert (await client.get("/models")).status == 200
        await backend.become(DOWN)
        with pytest.raises(ConnectionRefusedError):
            await client.get("/models")
        await backend.become("well")
        assert (await client.get("/models")).status == 200
        await backend.finish()


class VerdictTests:
    """A checker that sees nothing wrong would prove nothing."""

    @pytest.mark.parametrize(
        ("reply", "outcome"),
        [
            (streamed(WHOLE), OK),
            (streamed(WHOLE[:40], error=True), "error event api_error"),
            (streamed("", error=True), "error event api_error"),
            (refused(503, "api_error"), "503 api_error"),
            (refused(429, "rate_limit_error"), "429 rate_limit_error"),
        ],
    )
    def test_good(self, reply: Reply, outcome: str) -> None:
        """A whole answer is right, and so is a clean error, before the answer or in it."""
        assert verdict(QUESTION, reply, streamed=True) == Verdict(
            outcome=outcome, backend="a" if b"a 1/3" in reply.body else ""
        )

    @pytest.mark.parametrize(
        ("reply", "problem"),
        [
            (streamed(WHOLE[:-1]), "a false ending: 65 of 66 characters"),
            (streamed(""), "a false ending"),
            (streamed(WHOLE, ended=False), "the stream ends with content_block_delta"),
            (streamed(WHOLE[:22] + WHOLE[44:]), "after 40 characters of the answer of a comes '3/3]'"),
            (streamed(WHOLE + WHOLE[-22:]), "after 66 characters"),
            (streamed(WHOLE[:22] + QUESTION.answer("b")[22:]), "after 38 characters of the answer of a comes 'b 2/3]"),
            (streamed(WHOLE.replace("q1", "q2"), error=True), "after 5 characters of the answer of a comes '2-0bad"),
            (refused(500, "api_error"), "status 500: no"),
            (refused(503, "rate_limit_error"), "does not go with"),
            (evolve(streamed(WHOLE), headers={}), "request-id is missing"),
            (evolve(streamed(WHOLE), body=b"event: x\n\n"), "AssertionError"),
        ],
    )
    def test_wrong(self, reply: Reply, problem: str) -> None:
        """What is missing, doubled, in another order, of another backend, of another question or no answer is told."""
        assert problem in " ".join(verdict(QUESTION, reply, streamed=True).problems)


def result(conversation: str = "1.", backend: str = "a", found: Verdict | None = None) -> Result:
    """Make the result of a request."""
    judged = Verdict(outcome=OK, backend=backend) if found is None else found
    return Result(question=QUESTION, conversation=conversation, began=0.0, seconds=1.0, verdict=judged)


def findings(*results: Result, **more: Any) -> Findings:
    """Make the findings of a run."""
    seen = {"lines": [], "backends": [], "memory": [], "left": "", "growth": MIB}
    return Findings(seconds=10.0, results=results, **{**seen, **more})


class FindingsTests:
    """What is made of a run."""

    def test_affinity(self) -> None:
        """An answer is compared with the one before in the same conversation; failed requests lie between."""
        failed = Verdict(outcome="502 api_error")
        seen = findings(
            result(), result("2.", "b"), result(), result(found=failed), result(backend="b"), result("1.helper", "c")
        )
        assert seen.affinity == (1, 2)
        assert seen.outcomes == {OK: 5, "502 api_error": 1}

    def test_attempts(self) -> None:
        """More than three attempts at one model are told, and requests to a backend that had asked to wait.

        They are counted by the daemon's own log, and by the backends.
        """
        lines = [
            {"event": "attempt", "message": "", "request_id": number, "backend": backend, "outcome": "cut"}
            for number, backends in (("req_1", "aaab"), ("req_2", "bbbb"), ("req_3", "c"))
            for backend in backends
        ]
        backend = ChaosBackend(None, name="c")
        backend.asked.update({QUESTION.token: 5, "s2": 3})
        backend.impatient = 2
        found = Verdict(outcome=OK, backend="c", request_id="req_3")
        seen = findings(result(found=found), lines=lines, backends=[backend])
        assert seen.failovers == 1
        assert seen.broken() == [
            "req_2: 4 attempts at b",
            f"{QUESTION.token}: backend c was asked 5 times; the log has c cut",
            "backend c got 2 requests while it had asked to wait",
        ]

    @pytest.mark.parametrize(("last", "told"), [(64, []), (67, ["the memory grew by 3.0 MiB"])])
    def test_memory(self, last: int, told: list[str]) -> None:
        """Memory that grows after the warm-up is told; what the warm-up takes is not."""
        memory = [size * MIB for size in (*range(24, 64), *[64] * 35, *[last] * 25)]
        assert findings(memory=memory).broken() == told

    def test_hung(self) -> None:
        """A request without an end is told, and what the daemon has not ended."""
        seen = findings(result(found=HUNG), left='{"exchanges": 1}')
        assert seen.broken() == [
            "s1-q1-0badcafe (hung, 1.0 s): no end after 45 s",
            'not all was over at the end: {"exchanges": 1}',
        ]

    def test_report(self) -> None:
        """All figures are there, also of a run in which nothing happened."""
        assert "p50 1.00 s, p99 1.00 s" in findings(result()).report()
        assert "ended as" in findings().report()
        assert shown(["x"] * 25).splitlines()[-1] == "... and 5 more"


class ChaosTests:
    """The real daemon in the middle."""

    @pytest_twisted.ensureDeferred
    async def test_short(self, reactor: Any, tmp_path: Path) -> None:
        """Fifty sessions and three backends for twenty seconds: nothing hangs, nothing is false, nothing is mixed."""
        seen = await run(reactor, tmp_path, Settings(seconds=SECONDS, seed=SEED, growth=3 * MIB))
        print(seen.report())  # noqa: T201 - pytest shows it where the test fails, or with -rP
        assert seen.broken() == [], shown(seen.broken())
        done = sum((backend.done for backend in seen.backends), Counter())
        assert len(FAULTS.keys() - done.keys()) <= 3  # those of the rare ones that did not come
        assert all(backend.done["good"] for backend in seen.backends)
        assert seen.outcomes[OK] > len(seen.results) / 3
        assert min(seen.failovers, seen.circuits.total()) > 0
