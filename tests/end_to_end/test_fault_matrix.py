"""Every fault of a first choice of each kind, with a second one of another kind behind it.

The rows are those of docs/fallback.md, which says what was asked how often and what the client got.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field, frozen
from twisted.internet.task import deferLater

from claude_bridge.core.anthropic_backend.headers import UPSTREAM_REQUEST_ID
from claude_bridge.core.anthropic_backend.stream_reader import STOP
from claude_bridge.testing.answers import Answer, Send
from claude_bridge.testing.received import Received
from tests.end_to_end.asking import MESSAGES
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.conftest import check_answer
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.kinds import ANTHROPIC, KINDS, MODEL, OPENAI, RESPONSES, TEXT, Kind
from tests.end_to_end.sse import names

TABLE = Path(__file__).parents[2] / "docs" / "fallback.md"

PREFILLED = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well,"}]

CONFIG = """
[server]
check_backends = no
listen = tcp:0:interface=127.0.0.1

[backend:first]
kind = {first_kind}
url = {first}
first_byte_timeout = 1
idle_timeout = 1

[backend:second]
kind = {second_kind}
url = {second}

[model:small]
backend = first
name = test-model

[model:large]
backend = second
name = test-model

[route:default]
models = small, large
"""

PAIRS = [(OPENAI, ANTHROPIC), (ANTHROPIC, RESPONSES), (RESPONSES, OPENAI)]
"""Each kind as the first choice and as the second, once."""

OTHER_PAIRS = [(first, second) for second, first in PAIRS]
"""The same the other way round: with these, any kind has stood before any other."""


@frozen(kw_only=True)
class Expected:
    """What follows from a fault.

    :ivar asked: how often the first and the second choice are asked.
    :ivar ends: who answers; or the status; or one of `RESULTS`.
    :ivar whole: the same for a client that does not stream, if it differs.
    :ivar asked_whole: likewise.
    """

    asked: tuple[int, int]
    ends: str
    whole: str = ""
    asked_whole: tuple[int, int] | None = None

    def of(self, *, streaming: bool) -> tuple[tuple[int, int], str]:
        """Return how often each is asked, and how it ends."""
        if streaming:
            return self.asked, self.ends
        return self.asked_whole or self.asked, self.whole or self.ends

    @property
    def as_told(self) -> list[tuple[str, str]]:
        """Return the cells of the document: for a client that streams, and for another if that differs."""
        both = [self.of(streaming=streaming) for streaming in (True, False)]
        cells = [(f"{asked[0]} + {asked[1]}", RESULTS.get(ends, ends)) for asked, ends in both]
        return cells if cells[0] != cells[1] else cells[:1]


RESULTS = {
    "first": "the first's answer",
    "second": "the second's answer",
    "broken off": "an `error` event after what had come",
    "as sent": "everything as it was sent",
}


@frozen(kw_only=True)
class Fault:
    """What the first choice does, and what follows.

    :ivar first: what it says in order, see `Kind.sayings`; the last one is repeated.
    :ivar second: what the second choice says.
    :ivar stop: the stop reason of an answer.
    :ivar resent: how often the first choice may be sent a request once more, as a connection that was kept is gone.
    :ivar differs: what follows where the first choice is of another kind than `openai`, if it is not the same.
    """

    first: tuple[str, ...]
    expected: Expected
    second: str = "the answer"
    stop: str = "end_turn"
    resent: int = 0
    messages: list[dict[str, Any]] | None = None
    differs: Mapping[str, Expected] = field(factory=dict)

    def of(self, kind: Kind) -> Expected:
        """Return what follows where the first choice is of this kind."""
        return self.differs.get(kind.name, self.expected)


def fault(*first: str, asked: tuple[int, int], ends: str, **more: Any) -> Fault:
    """Describe one."""
    expected = Expected(asked=asked, ends=ends, whole=more.pop("whole", ""), asked_whole=more.pop("asked_whole", None))
    return Fault(first=first, expected=expected, **more)


FAULTS = {
    "429, Retry-After 1, once": fault("429, Retry-After 1", "the answer", asked=(2, 0), ends="first"),
    "429, Retry-After 1, always": fault("429, Retry-After 1", asked=(3, 1), ends="second"),
    "429, Retry-After 60": fault("429, Retry-After 60", asked=(1, 1), ends="second"),
    "429 without Retry-After": fault("429", asked=(1, 1), ends="second"),
    "500, once": fault("500", "the answer", asked=(2, 0), ends="first"),
    "503, always": fault("503", asked=(2, 1), ends="second"),
    "529, always": fault("529", asked=(2, 1), ends="second"),
    "connection reset before the head, once": fault(
        "reset before the head", "the answer", asked=(2, 0), ends="first", resent=1
    ),
    "connection reset before the head, always": fault("reset before the head", asked=(2, 1), ends="second", resent=1),
    "no head": fault("no head", asked=(1, 1), ends="second"),
    "no data after the head": fault("no data", asked=(1, 1), ends="second"),
    "first token after 0.7 s": fault("late", asked=(1, 0), ends="first"),
    "connection reset in the answer": fault(
        "reset in the answer", asked=(1, 0), ends="broken off", asked_whole=(2, 1), whole="second"
    ),
    "silence in the answer": fault(
        "silence in the answer", asked=(1, 0), ends="broken off", asked_whole=(1, 1), whole="second"
    ),
    "malformed event at the beginning": fault("malformed at the beginning", asked=(1, 1), ends="second"),
    "malformed event in the answer": fault(
        "malformed in the answer",
        asked=(1, 0), ends="broken off", asked_whole=(1, 1), whole="second",
        differs={"anthropic": Expected(asked=(1, 0), ends="as sent", asked_whole=(1, 1), whole="second")},
    ),
    "no end mark after the finish reason": fault(
        "no end mark",
        asked=(1, 0), ends="first",
        differs={"responses": Expected(asked=(1, 0), ends="broken off", asked_whole=(2, 1), whole="second")},
    ),
    "prompt too long": fault("too long", asked=(1, 1), ends="second"),
    "prompt too long for both": fault("too long", second="too long", asked=(1, 1), ends="400"),
    "answer refused for its content": fault("a refusal", asked=(1, 0), ends="first", stop="refusal"),
    "request refused for its content": fault("refused", asked=(1, 0), ends="400"),
    "503, and the second choice refuses prefill": fault(
        "503", second="no prefill", asked=(2, 1), ends="503", messages=PREFILLED
    ),
    "500 and 503, always": fault("500", second="503", asked=(2, 2), ends="503"),
}  # fmt: skip

WAITING, BOTH_WAITING, GOOD = (
    FAULTS["429, Retry-After 60"],
    fault("429, Retry-After 60", second="429, Retry-After 30", asked=(1, 1), ends="429"),
    fault("the answer", asked=(1, 0), ends="first"),
)


HANDED_ON = [
    "429, Retry-After 60",
    "529, always",
    "prompt too long",
    "prompt too long for both",
    "503, and the second choice refuses prefill",
    "500 and 503, always",
]
"""Faults that end with what the second choice says, and soon."""


def pair_name(pair: tuple[Kind, Kind]) -> str:
    """Return the names of two kinds."""
    return ", ".join(kind.name for kind in pair)


def bytes_of(answer: Answer) -> bytes:
    """Return the body of an answer."""
    return b"".join(step.data for step in answer.steps if isinstance(step, Send))


@define(eq=False)
class Choice:
    """A backend of some kind."""

    kind: Kind
    backend: Any

    def says(self, *sayings: str) -> None:
        """Let it say these things in order, and the last of them for ever, in the way in which it is asked."""
        left = list(sayings)

        def answer(received: Received) -> Answer:
            saying = self.kind.sayings[left.pop(0) if len(left) > 1 else left[0]]
            return saying.answer(streaming=bool(received.json.get("stream")))

        self.backend.requests.clear()
        self.backend.script = answer


@define(eq=False)
class Pair:
    """A daemon with two backends behind it."""

    daemon: Daemon
    client: Client
    first: Choice
    second: Choice

    def set(self, fault: Fault) -> None:
        """Prepare what both answer."""
        self.first.says(*fault.first)
        self.second.says(fault.second)

    async def ask(self, key: str, fault: Fault, *, streaming: bool, session: str = "") -> Reply:
        """Ask with a key of its own: what a rate limit leaves behind belongs to the key."""
        messages = fault.messages or [{"role": "user", "content": "Hi"}]
        body = {"model": "claude-opus-5-5", "max_tokens": 100, "stream": streaming, "messages": messages}
        headers = {"x-api-key": f"key-of-{key}", "x-claude-code-session-id": session or None}
        return await self.client.post(MESSAGES, body, headers=headers)

    @property
    def asked(self) -> tuple[int, int]:
        """How often each was asked."""
        return len(self.first.backend.chats), len(self.second.backend.chats)

    async def assert_follows(self, name: str, *, streaming: bool) -> None:
        """Have a fault happen, and check who was asked how often, what the client got, and the line in the log."""
        fault = FAULTS[name]
        self.set(fault)
        before = len(self.daemon.events("request"))
        reply = await self.ask(f"{re.sub('[^a-z0-9]', '-', name.lower())}-{streaming}", fault, streaming=streaming)
        (first, second), ends = fault.of(self.first.kind).of(streaming=streaming)
        self.assert_ends(reply, ends, fault, streaming=streaming)
        assert first <= self.asked[0] <= first + fault.resent
        assert self.asked[1] == second
        await self.daemon.wait_for("request", count=before + 1)
        line = self.daemon.events("request")[-1]
        assert first + second - fault.resent <= line["attempts"] <= first + second
        assert (line["outcome"] == "ok") == (ends in {"first", "second", "as sent"})

    def assert_ends(self, reply: Reply, ends: str, fault: Fault, *, streaming: bool) -> None:
        """Check that the client got the one complete right answer, or one clean error."""
        if ends in {"first", "second"}:
            choice = self.first if ends == "first" else self.second
            assert reply.status == 200
            assert reply.headers["x-claude-bridge-model"] == f"{ends}/{MODEL}"
            if choice.kind.passes_through:
                saying = choice.kind.sayings[fault.first[-1] if ends == "first" else fault.second]
                sent = bytes_of(saying.answer(streaming=streaming))
                assert reply.body == (sent if not streaming or b"message_stop" in sent else sent + STOP)
            else:
                check_answer(MESSAGES, reply)
                assert_translated(reply, "claude-opus-5-5" if ends == "first" else "large", fault.stop, streaming)
        elif ends == "broken off":
            told = names(reply.events)
            assert told[-1] == "error"
            assert "message_stop" not in told
            if self.first.kind.passes_through:
                begun = self.first.kind.sayings[fault.first[-1]].answer(streaming=True)
                assert reply.body.startswith(bytes_of(begun))
            else:
                check_answer(MESSAGES, reply)
        elif ends == "as sent":
            assert reply.body == bytes_of(self.first.kind.sayings[fault.first[-1]].answer(streaming=streaming))
        else:
            assert reply.status == int(ends)
            assert reply.json["type"] == "error"
            if UPSTREAM_REQUEST_ID not in reply.headers:  # else these are the backend's own words
                check_answer(MESSAGES, reply)


@pytest_twisted.async_yield_fixture(scope="module", params=PAIRS, ids=pair_name)
async def pair(
    reactor: Any, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Pair]:
    """Yield a daemon with two backends."""
    first, second = (Choice(kind, kind.backend(reactor)) for kind in request.param)
    first.backend.start()
    second.backend.start()
    daemon = Daemon(reactor=reactor, folder=tmp_path_factory.mktemp("daemon"))
    await daemon.start(
        CONFIG.format(
            first=first.backend.url,
            first_kind=first.kind.name,
            second=second.backend.url,
            second_kind=second.kind.name,
        )
    )
    yield Pair(daemon, Client(reactor, daemon.url, {"anthropic-version": "2023-06-01"}), first, second)
    await daemon.finish()
    await first.backend.stop()
    await second.backend.stop()


def assert_translated(reply: Reply, model: str, stop: str, streaming: bool) -> None:
    """Check an answer that the bridge has written."""
    if streaming:
        told = names(reply.events)
        assert told.count("message_start") == told.count("message_stop") == 1
        assert reply.events[0].data["message"]["model"] == model
        text = "".join(event.data["delta"].get("text", "") for event in reply.events if "delta" in event.name)
        assert reply.events[-2].data["delta"]["stop_reason"] == stop
    else:
        assert reply.json["model"] == model
        text = "".join(block["text"] for block in reply.json["content"])
        assert reply.json["stop_reason"] == stop
    assert text == (TEXT if stop == "end_turn" else "")


class KindTests:
    """The kinds as this matrix knows them."""

    def test_all_say_the_same(self) -> None:
        """Each is the first choice once and the second once, and has its words for everything."""
        assert [first.name for first, _ in PAIRS] == list(KINDS)
        assert {second.name for _, second in PAIRS} == set(KINDS)
        assert [set(kind.sayings) for kind in KINDS.values()] == [set(OPENAI.sayings)] * len(KINDS)


class DocumentTests:
    """The document's tables."""

    def test_are_true(self) -> None:
        """They have every fault, with what is expected here, and every kind with which it ends otherwise."""
        rows: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for line in TABLE.read_text("utf-8").splitlines():
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            if cells and name in FAULTS:
                kind = cells.pop(0).strip("`") if cells[0].strip("`") in KINDS else ""
                read = [cell.split(", ", 2) for cell in cells]
                rows[name, kind] = [(each[0], each[2]) for each in read if len(each) > 1]
        expected = {(name, ""): fault.expected.as_told for name, fault in FAULTS.items()}
        for name, fault in FAULTS.items():
            expected |= {(name, kind): other.as_told for kind, other in fault.differs.items()}
        assert rows == expected


class MatrixTests:
    """The complete right answer or one clean error, and no hammering."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
    @pytest.mark.parametrize("name", FAULTS)
    async def test_fault(self, pair: Pair, name: str, streaming: bool) -> None:
        """Each fault ends as the table says, with as many requests to each as it says, all of them accounted for."""
        await pair.assert_follows(name, streaming=streaming)

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("pair", OTHER_PAIRS, ids=pair_name, indirect=True, scope="module")
    @pytest.mark.parametrize("name", HANDED_ON)
    async def test_handed_on(self, pair: Pair, name: str) -> None:
        """So it is with the kinds the other way round, where the second choice has a say."""
        await pair.assert_follows(name, streaming=True)

    @pytest_twisted.ensureDeferred
    async def test_waits(self, pair: Pair) -> None:
        """A key that has to wait is not used meanwhile, and the answer comes from the second choice at once."""
        pair.set(WAITING)
        for _ in range(5):
            reply = await pair.ask("waiting", WAITING, streaming=True)
            pair.assert_ends(reply, "second", WAITING, streaming=True)
        assert pair.asked == (1, 5)

    @pytest_twisted.ensureDeferred
    async def test_time_that_a_pool_needs(self, pair: Pair) -> None:
        """If both have to wait, the client is told the sooner time, and nobody is asked before it."""
        pair.set(BOTH_WAITING)
        for _ in range(2):
            reply = await pair.ask("both-waiting", BOTH_WAITING, streaming=True)
            assert reply.status == 429
            assert 28 <= int(reply.headers["retry-after"]) <= 30
            assert reply.headers.get("x-should-retry") != "false"
        assert pair.asked == (1, 1)

    @pytest_twisted.ensureDeferred
    async def test_down_for_a_while(self, pair: Pair, reactor: Any) -> None:
        """While the first choice is down the second answers; afterwards new conversations find the first again.

        A conversation that has moved stays where its prefix is cached by now.
        """
        pair.set(GOOD)
        backend = pair.first.backend
        port = backend.port
        pair.assert_ends(await pair.ask("d", GOOD, streaming=True, session="s1"), "first", GOOD, streaming=True)
        await backend.stop()
        for session in ("s1", "s2"):
            reply = await pair.ask("d", GOOD, streaming=True, session=session)
            pair.assert_ends(reply, "second", GOOD, streaming=True)
        backend.start(port)
        await deferLater(reactor, 0.1)
        for session, expected in (("s1", "second"), ("s2", "second"), ("s3", "first"), ("", "first")):
            reply = await pair.ask("d", GOOD, streaming=True, session=session)
            pair.assert_ends(reply, expected, GOOD, streaming=True)
