"""Every fault of a first choice, with a second one behind it, for clients that stream and for those that do not.

The rows are those of docs/fallback.md, which says what was asked how often and what the client got.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define, frozen
from twisted.internet.task import deferLater

from claude_bridge.testing.answers import Answer, Cut, Pause, Send, Stall
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.behaviours import BEHAVIOURS
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream, chunk, error, events, sse
from tests.end_to_end.asking import MESSAGES
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.conftest import client_of
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.sse import names

TABLE = Path(__file__).parents[2] / "docs" / "fallback.md"

TEXT = "The answer, whole and right, of the model that gave it."
STREAM = chat_stream(text=TEXT)
GOOD = sse(STREAM)
PREFILLED = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Well,"}]

CONFIG = """
[server]
check_backends = no
listen = tcp:0:interface=127.0.0.1

[backend:first]
url = {first}
first_byte_timeout = 1
idle_timeout = 1

[backend:second]
url = {second}

[model:small]
backend = first
name = test-model
{more}
[model:large]
backend = second
name = test-model

[route:default]
models = small, large
"""


def limited(*retry_after: str) -> Answer:
    """Refuse for too many requests."""
    headers = [("retry-after", each) for each in retry_after]
    return error(429, {"message": "slow down", "code": "rate_limit_exceeded"}, headers)


def begun(*steps: Any) -> Answer:
    """Begin a good answer, and go on otherwise."""
    return Answer(200, STREAM_HEADERS, (*map(Send, STREAM[:4]), Pause(0.05), *steps))


WRONG_JSON = b'data: {"choices": [{"index": 0, "delta"\n\n'
REFUSED = sse(events([chunk({"role": "assistant", "content": ""}), chunk({}, finish="content_filter")]))
POLICY = error(400, {"message": "violates our content policy", "type": "invalid_request_error"})
SERVER_ERROR = error(500, {"message": "boom", "type": "server_error"})


@frozen(kw_only=True)
class Fault:
    """What the first choice does, and what follows.

    :ivar answers: of the first choice in order; the last one is repeated.
    :ivar second: what the second choice answers.
    :ivar asked: how often the first and the second choice are asked.
    :ivar ends: who answers; or the status; or ``broken off`` for an error event after content.
    :ivar whole: the same for a client that does not stream, if it differs.
    :ivar asked_whole: likewise.
    :ivar stop: the stop reason of an answer.
    :ivar resent: how often the first choice may be sent a request once more, as a connection that was kept is gone.
    """

    answers: tuple[Answer, ...]
    asked: tuple[int, int]
    ends: str
    whole: str = ""
    second: Answer = GOOD
    asked_whole: tuple[int, int] | None = None
    stop: str = "end_turn"
    resent: int = 0
    messages: list[dict[str, Any]] | None = None


FAULTS = {
    "429, Retry-After 1, once": Fault(answers=(limited("1"), GOOD), asked=(2, 0), ends="first"),
    "429, Retry-After 1, always": Fault(answers=(limited("1"),), asked=(3, 1), ends="second"),
    "429, Retry-After 60": Fault(answers=(limited("60"),), asked=(1, 1), ends="second"),
    "429 without Retry-After": Fault(answers=(limited(),), asked=(1, 1), ends="second"),
    "500, once": Fault(answers=(SERVER_ERROR, GOOD), asked=(2, 0), ends="first"),
    "503, always": Fault(answers=(BEHAVIOURS["loading"],), asked=(2, 1), ends="second"),
    "connection reset before the head, once": Fault(
        answers=(Answer(200, (), (Cut(),)), GOOD), asked=(2, 0), ends="first", resent=1
    ),
    "connection reset before the head, always": Fault(
        answers=(Answer(200, (), (Cut(),)),), asked=(2, 1), ends="second", resent=1
    ),
    "no head": Fault(answers=(BEHAVIOURS["no answer at all"],), asked=(1, 1), ends="second"),
    "no data after the head": Fault(answers=(BEHAVIOURS["head, then silence"],), asked=(1, 1), ends="second"),
    "first token after 0.7 s": Fault(
        answers=(Answer(200, STREAM_HEADERS, (Pause(0.7), *map(Send, STREAM))),), asked=(1, 0), ends="first"
    ),
    "connection reset in the answer": Fault(
        answers=(begun(Cut()),), asked=(1, 0), ends="broken off", asked_whole=(2, 1), whole="second"
    ),
    "silence in the answer": Fault(
        answers=(begun(Stall()),), asked=(1, 0), ends="broken off", asked_whole=(1, 1), whole="second"
    ),
    "malformed chunk at the beginning": Fault(answers=(sse((WRONG_JSON, *STREAM)),), asked=(1, 1), ends="second"),
    "malformed chunk in the answer": Fault(
        answers=(begun(Send(WRONG_JSON)),), asked=(1, 0), ends="broken off", asked_whole=(1, 1), whole="second"
    ),
    "no [DONE] after the finish reason": Fault(answers=(sse(STREAM[:-1]),), asked=(1, 0), ends="first"),
    "prompt too long": Fault(answers=(BEHAVIOURS["too long"],), asked=(1, 1), ends="second"),
    "prompt too long for both": Fault(
        answers=(BEHAVIOURS["too long"],), second=BEHAVIOURS["too long"], asked=(1, 1), ends="400"
    ),
    "answer refused for its content": Fault(answers=(REFUSED,), asked=(1, 0), ends="first", stop="refusal"),
    "request refused for its content": Fault(answers=(POLICY,), asked=(1, 0), ends="400"),
    "503, and the second choice refuses prefill": Fault(
        answers=(BEHAVIOURS["loading"],),
        second=error(400, {"message": "prefill is not supported", "type": "invalid_request_error"}),
        asked=(2, 1),
        ends="503",
        messages=PREFILLED,
    ),
    "500 and 503, always": Fault(answers=(SERVER_ERROR,), second=BEHAVIOURS["loading"], asked=(2, 2), ends="503"),
}


@define(eq=False)
class Pair:
    """A daemon with two backends behind it."""

    daemon: Daemon
    client: Client
    first: ScriptedBackend
    second: ScriptedBackend

    def set(self, fault: Fault) -> None:
        """Prepare what both answer."""
        for backend in (self.first, self.second):
            backend.requests.clear()
        *before, last = fault.answers
        self.first.enqueue(*before)
        self.first.script = lambda _: last
        self.second.script = lambda _: fault.second

    async def ask(self, key: str, fault: Fault, *, streaming: bool, session: str = "") -> Reply:
        """Ask with a key of its own: what a rate limit leaves behind belongs to the key."""
        messages = fault.messages or [{"role": "user", "content": "Hi"}]
        body = {"model": "claude-opus-5-5", "max_tokens": 100, "stream": streaming, "messages": messages}
        headers = {"x-api-key": f"key-of-{key}", "x-claude-code-session-id": session or None}
        return await self.client.post(MESSAGES, body, headers=headers)

    @property
    def asked(self) -> tuple[int, int]:
        """How often each was asked."""
        return len(self.first.chats), len(self.second.chats)


@pytest_twisted.async_yield_fixture(scope="module")
async def pair(reactor: Any, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """Yield a daemon with two backends."""
    first, second = ScriptedBackend(reactor, strict=False), ScriptedBackend(reactor, strict=False)
    first.start()
    second.start()
    daemon = Daemon(reactor=reactor, folder=tmp_path_factory.mktemp("daemon"))
    await daemon.start(CONFIG.format(first=first.url, second=second.url, more=""))
    yield Pair(daemon, client_of(reactor, daemon), first, second)
    await daemon.finish()
    await first.stop()
    await second.stop()


def assert_ends(reply: Reply, ends: str, stop: str, *, streaming: bool) -> None:
    """Check that the client got the one complete right answer, or one clean error."""
    if ends in {"first", "second"}:
        assert reply.status == 200
        assert reply.headers["x-claude-bridge-model"] == f"{ends}/test-model"
        model = "claude-opus-5-5" if ends == "first" else "large"
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
    elif ends == "broken off":
        told = names(reply.events)
        assert told[-1] == "error"
        assert "message_stop" not in told
    else:
        assert reply.status == int(ends)
        assert reply.json["type"] == "error"


RESULTS = {
    "first": "the first's answer",
    "second": "the second's answer",
    "broken off": "an `error` event after what had come",
}


def told(asked: tuple[int, int], ends: str) -> tuple[str, str]:
    """Return how often each was asked, and what the client gets, as the document says it."""
    return f"{asked[0]} + {asked[1]}", RESULTS.get(ends, ends)


class DocumentTests:
    """The document's table."""

    def test_is_true(self) -> None:
        """It has every fault, with what is expected here."""
        rows = {}
        for line in TABLE.read_text("utf-8").splitlines():
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            if cells and name in FAULTS:
                read = [cell.split(", ", 2) for cell in cells]
                rows[name] = [(each[0], each[2]) for each in read if len(each) > 1]
        expected = {}
        for name, fault in FAULTS.items():
            expected[name] = [told(fault.asked, fault.ends)]
            if fault.whole:
                expected[name].append(told(fault.asked_whole or fault.asked, fault.whole))
        assert rows == expected


class MatrixTests:
    """The complete right answer or one clean error, and no hammering."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("streaming", [True, False], ids=["streaming", "whole"])
    @pytest.mark.parametrize("name", FAULTS)
    async def test_fault(self, pair: Pair, name: str, streaming: bool) -> None:
        """Each fault ends as the table says, with as many requests to each as it says, all of them accounted for."""
        fault = FAULTS[name]
        pair.set(fault)
        before = len(pair.daemon.events("request"))
        reply = await pair.ask(f"{re.sub('[^a-z0-9]', '-', name.lower())}-{streaming}", fault, streaming=streaming)
        ends = fault.ends if streaming else fault.whole or fault.ends
        first, second = fault.asked if streaming else fault.asked_whole or fault.asked
        assert_ends(reply, ends, fault.stop, streaming=streaming)
        assert first <= pair.asked[0] <= first + fault.resent
        assert pair.asked[1] == second
        await pair.daemon.wait_for("request", count=before + 1)
        line = pair.daemon.events("request")[-1]
        assert first + second - fault.resent <= line["attempts"] <= first + second
        assert (line["outcome"] == "ok") == (ends in {"first", "second"})

    @pytest_twisted.ensureDeferred
    async def test_waits(self, pair: Pair) -> None:
        """A key that has to wait is not used meanwhile, and the answer comes from the second choice at once."""
        fault = FAULTS["429, Retry-After 60"]
        pair.set(fault)
        for _ in range(5):
            reply = await pair.ask("waiting", fault, streaming=True)
            assert_ends(reply, "second", "end_turn", streaming=True)
        assert pair.asked == (1, 5)

    @pytest_twisted.ensureDeferred
    async def test_time_that_a_pool_needs(self, pair: Pair) -> None:
        """If both have to wait, the client is told the sooner time, and nobody is asked before it."""
        fault = Fault(answers=(limited("60"),), second=limited("30"), asked=(1, 1), ends="429")
        pair.set(fault)
        for _ in range(2):
            reply = await pair.ask("both-waiting", fault, streaming=True)
            assert reply.status == 429
            assert 28 <= int(reply.headers["retry-after"]) <= 30
            assert reply.headers.get("x-should-retry") != "false"
        assert pair.asked == (1, 1)

    @pytest_twisted.ensureDeferred
    async def test_down_for_a_while(self, pair: Pair, reactor: Any) -> None:
        """While the first choice is down the second answers; afterwards new conversations find the first again.

        A conversation that has moved stays where its prefix is cached by now.
        """
        fault = Fault(answers=(GOOD,), asked=(1, 0), ends="first")
        pair.set(fault)
        port = pair.first.port
        assert_ends(await pair.ask("d", fault, streaming=True, session="s1"), "first", "end_turn", streaming=True)
        await pair.first.stop()
        for session in ("s1", "s2"):
            reply = await pair.ask("d", fault, streaming=True, session=session)
            assert_ends(reply, "second", "end_turn", streaming=True)
        pair.first.start(port)
        await deferLater(reactor, 0.1)
        for session, expected in (("s1", "second"), ("s2", "second"), ("s3", "first"), ("", "first")):
            reply = await pair.ask("d", fault, streaming=True, session=session)
            assert_ends(reply, expected, "end_turn", streaming=True)
