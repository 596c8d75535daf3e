"""Backends that fail at every point of an answer: a true status or an error event, and never a false end."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from claude_bridge.testing.answers import Answer, Cut, Pause, Send
from claude_bridge.testing.backend import Script, ScriptedBackend
from claude_bridge.testing.behaviours import BEHAVIOURS, cut_after
from claude_bridge.testing.chat import STREAM_HEADERS, chunk, events, sse
from tests.end_to_end.asking import (
    ALL_SAID,
    ANSWER,
    BLOCKS,
    FINISH,
    FIRST_CONTENT,
    FULL,
    HI,
    MESSAGES,
    ONE_ATTEMPT,
    STREAMED,
    as_user,
    said,
)
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.shared import backend, daemon, running
from tests.end_to_end.sse import names

__all__ = ["backend", "daemon", "running"]  # fixtures

BROKEN_EVENT = b'data: {"choices": [{"index": 0, "delta": {"content": "lost\n\n'
ERROR_EVENT = events([{"error": {"message": "out of memory", "type": "server_error", "code": 500}}], done=False)
WHOLE = {**FULL, "stream": False}


def always(answer: Answer) -> Script:
    """Give the same answer to every request: what passes by itself is tried again."""
    return lambda _: answer


def killed_after(count: int, *, reset: bool) -> Answer:
    """Break the connection after so many events.

    A reset throws away what the sender's kernel has not sent yet, which may be much while it waits for a delayed
    acknowledgement (40 ms). Where the answer has to be complete, that must not happen.
    """
    sent = Pause(0.1 if count >= FINISH else 0.0)
    return Answer(200, STREAM_HEADERS, (Send(b""), *map(Send, ANSWER[:count]), sent, Cut(reset=reset)))


def assert_502(reply: Reply, *words: str) -> None:
    """Check that a reply is the envelope of a failed backend. The client has checked it against the schema already."""
    assert (reply.status, reply.json["error"]["type"]) == (502, "api_error")
    assert [word for word in words if word not in reply.json["error"]["message"]] == []


def assert_broken_off(reply: Reply, *words: str) -> None:
    """Check that a stream ends in an error, without any sign of a good end, and that all before it is true."""
    assert reply.status == 200
    told = names(reply.events)
    assert told[0] == "message_start"
    assert told[-1] == "error"
    assert not {"message_delta", "message_stop"} & set(told)
    failure = reply.events[-1].data
    assert failure["error"]["type"] == "api_error"
    assert [word for word in words if word not in failure["error"]["message"]] == []
    assert failure["request_id"] == reply.headers["request-id"]
    assert ALL_SAID.startswith(said(reply.events))


def assert_complete(reply: Reply) -> None:
    """Check that nothing is missing."""
    assert reply.status == 200
    if reply.headers["content-type"] == "application/json":
        blocks = [{**block, "id": ""} if "id" in block else block for block in reply.json["content"]]
        assert blocks == list(BLOCKS)
        assert reply.json["stop_reason"] == "tool_use"
    else:
        assert names(reply.events)[-2:] == ["message_delta", "message_stop"]
        assert said(reply.events) == ALL_SAID


class KilledUpstreamTests:
    """The connection to the backend breaks after each number of events of an answer."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
    async def test_streaming(self, client: Client, daemon: Daemon, backend: ScriptedBackend, reset: bool) -> None:
        """Before content it is a 502; after it an error event; after the finish reason the answer is complete."""
        before = len(daemon.events("request"))
        for count in range(len(ANSWER) + 1):
            backend.script = always(killed_after(count, reset=reset))
            reply = await client.post(MESSAGES, FULL)
            if count < FIRST_CONTENT:
                assert_502(reply, "scripted", "closed the connection")
            elif count < FINISH:
                assert_broken_off(reply, "closed the connection")
                assert said(reply.events)
            else:
                assert_complete(reply)
        expected = ["upstream_cut"] * FINISH + ["ok"] * (len(ANSWER) + 1 - FINISH)
        await daemon.wait_for("request", count=before + len(expected))
        assert [line["outcome"] for line in daemon.events("request")[before:]] == expected

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
    async def test_whole(self, client: Client, backend: ScriptedBackend, reset: bool) -> None:
        """A client that does not stream gets a 502 wherever it breaks, and after the finish reason the message."""
        for count in range(len(ANSWER) + 1):
            backend.script = always(killed_after(count, reset=reset))
            reply = await client.post(MESSAGES, WHOLE)
            if count < FINISH:
                assert_502(reply, "scripted", "closed the connection")
            else:
                assert_complete(reply)

    @pytest_twisted.ensureDeferred
    async def test_inside_events(self, client: Client, backend: ScriptedBackend) -> None:
        """Half an event is no event: what it would have said is not guessed."""
        for count in range(FINISH):
            half = ANSWER[count][: len(ANSWER[count]) // 2]
            for body in (FULL, WHOLE):
                backend.script = always(cut_after((*ANSWER[:count], half), count + 1))
                reply = await client.post(MESSAGES, body)
                if count < FIRST_CONTENT or not body["stream"]:
                    assert_502(reply)
                else:
                    assert_broken_off(reply)

    @pytest_twisted.ensureDeferred
    async def test_ended_early(self, client: Client, backend: ScriptedBackend) -> None:
        """An answer that ends in good order but without a finish reason is no answer."""
        for count in range(FINISH):
            for body in (FULL, WHOLE):
                backend.script = always(sse(ANSWER[:count]))
                reply = await client.post(MESSAGES, body)
                if count < FIRST_CONTENT or not body["stream"]:
                    assert_502(reply)
                else:
                    assert_broken_off(reply)


class WrongEventTests:
    """A backend that says something wrong after each number of events of an answer, and goes on."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("body", [FULL, WHOLE], ids=["streaming", "whole"])
    async def test_each_boundary(self, client: Client, backend: ScriptedBackend, body: dict[str, Any]) -> None:
        """An error, or JSON that is none, ends the answer there: with its status, or as an error event."""
        for wrong, word in ((ERROR_EVENT, "out of memory"), ((BROKEN_EVENT,), "")):
            for count in range(FINISH):
                backend.script = always(sse((*ANSWER[:count], *wrong, *ANSWER[count:])))
                reply = await client.post(MESSAGES, body)
                if count < FIRST_CONTENT or not body["stream"]:
                    assert_502(reply, word)
                else:
                    assert_broken_off(reply, word)

    @pytest_twisted.ensureDeferred
    async def test_after_the_end(self, client: Client, backend: ScriptedBackend) -> None:
        """What comes after ``[DONE]`` spoils nothing."""
        for wrong in (*ERROR_EVENT, BROKEN_EVENT):
            for body in (FULL, WHOLE):
                backend.enqueue(sse((*ANSWER, wrong)))
                assert_complete(await client.post(MESSAGES, body))


REFUSALS = {
    "cut before the head": 502,
    "closed in the middle of the body": None,
    "HTML with status 200": 502,
    "JSON without choices": 502,
    "empty stream": 502,
    "loading": 503,
    "broken gateway": 502,
    "key refused": 401,
    "too long": 400,
    "rate limited": 429,  # last, as it holds for the key
}


class BehaviourTests:
    """Failures of whole answers."""

    @pytest_twisted.ensureDeferred
    async def test_statuses(self, client: Client, backend: ScriptedBackend, daemon: Daemon) -> None:
        """Each failure has one status, the same for clients that stream and for those that do not."""
        before = len(daemon.events("request"))
        for name, status in REFUSALS.items():
            for body in (HI, STREAMED):
                backend.script = always(BEHAVIOURS[name])
                reply = await client.post(MESSAGES, body, headers=as_user(f"{name} {body is HI}"))
                expected = status or (200 if body is STREAMED else 502)
                assert (name, reply.status) == (name, expected)
                if reply.status == 200:
                    assert_broken_off_text(reply)
        await daemon.wait_for("request", count=before + 2 * len(REFUSALS))

    @pytest_twisted.ensureDeferred
    async def test_headers(self, client: Client, backend: ScriptedBackend) -> None:
        """The wait that a backend asks for reaches the client."""
        backend.script = always(BEHAVIOURS["rate limited"])
        reply = await client.post(MESSAGES, STREAMED, headers=as_user("alone"))
        assert (reply.status, reply.headers["retry-after"]) == (429, "3")

    @pytest_twisted.ensureDeferred
    async def test_nobody_there(self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any) -> None:
        """A backend that is not running is a 502 that says so, and the next request finds it when it is back."""
        daemon = await start_daemon()
        client = client_of(reactor, daemon)
        port = backend.port
        await backend.stop()
        for body in (HI, STREAMED):
            assert_502(await client.post(MESSAGES, body), "connection refused")
        backend.start(port)
        backend.enqueue(sse(ANSWER))
        assert_complete(await client.post(MESSAGES, FULL))

    @pytest_twisted.ensureDeferred
    async def test_breaker(self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any) -> None:
        """With the breaker on, failures in a row are followed by a 503 that asks nobody, refusals are not."""
        sections = {"breaker": {"enabled": "yes", "failures": "3", "open_seconds": "1"}, **ONE_ATTEMPT}
        client = client_of(reactor, await start_daemon(sections))
        refusals = [BEHAVIOURS[name] for name in ("rate limited", "too long", "key refused")]
        backend.enqueue(*refusals * 2)
        for user in range(6):
            assert (await client.post(MESSAGES, STREAMED, headers=as_user(str(user)))).status in {400, 401, 429}
        failures = [cut_after(ANSWER, 0), cut_after(ANSWER, 4), BEHAVIOURS["broken gateway"]]
        backend.enqueue(*failures)
        for _ in range(3):
            await client.post(MESSAGES, FULL)
        asked = len(backend.chats)
        reply = await client.post(MESSAGES, FULL)
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert len(backend.chats) == asked


def assert_broken_off_text(reply: Reply) -> None:
    """Check that a stream of text ends in an error."""
    told = names(reply.events)
    assert told[-1] == "error"
    assert "message_stop" not in told


EMPTY = sse(events([chunk({"role": "assistant", "content": ""}), chunk({}, finish="stop")]))
HALF_OPEN_SOON = {**ONE_ATTEMPT, "breaker": {"enabled": "yes", "failures": "1", "open_seconds": "0.2"}}
UNTRANSLATABLE = {**STREAMED, "messages": [{"role": "user", "content": [{"type": "text"}]}]}


class HalfOpenBreakerTests:
    """The one request that may try a backend whose circuit is open."""

    async def _open(self, client: Client, backend: ScriptedBackend) -> None:
        """Open the circuit, long enough ago that a probe may go."""
        backend.enqueue(BEHAVIOURS["broken gateway"])
        assert (await client.post(MESSAGES, STREAMED)).status == 502
        assert (await client.post(MESSAGES, STREAMED)).status == 503
        await deferLater(client._reactor, 0.25)

    @pytest_twisted.ensureDeferred
    async def test_closes(self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any) -> None:
        """Any answer closes the circuit, also one that had to be asked for twice or that refuses the request."""
        client = client_of(reactor, await start_daemon(HALF_OPEN_SOON))
        probes = {
            200: (sse(ANSWER),),
            400: (BEHAVIOURS["too long"],),
            429: (BEHAVIOURS["rate limited"],),
        }
        for status, probe in (*probes.items(), (200, (EMPTY, sse(ANSWER)))):
            await self._open(client, backend)
            backend.enqueue(*probe, sse(ANSWER))
            assert (await client.post(MESSAGES, FULL, headers=as_user(str(status)))).status == status
            assert_complete(await client.post(MESSAGES, FULL))

    @pytest_twisted.ensureDeferred
    async def test_opens_again(self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any) -> None:
        """A probe that fails opens it again; one whose request is wrong in itself, or whose client leaves, is none."""
        daemon = await start_daemon(HALF_OPEN_SOON)
        client = client_of(reactor, daemon)
        await self._open(client, backend)
        assert (await client.post(MESSAGES, UNTRANSLATABLE)).status == 400
        backend.enqueue(BEHAVIOURS["no answer at all"])
        left = client.send("POST", MESSAGES, FULL)
        left.addErrback(lambda _: None)
        while len(backend.chats) < 2:
            await deferLater(reactor, 0.01)
        assert (await client.post(MESSAGES, FULL)).status == 503  # one probe at a time
        left.cancel()
        await daemon.wait_for("request", count=5)
        backend.enqueue(BEHAVIOURS["broken gateway"], sse(ANSWER))
        assert (await client.post(MESSAGES, FULL)).status == 502
        assert (await client.post(MESSAGES, FULL)).status == 503
        await deferLater(reactor, 0.25)
        assert_complete(await client.post(MESSAGES, FULL))
