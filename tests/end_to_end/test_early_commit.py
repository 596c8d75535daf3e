"""What happens before and after the moment at which a streaming client gets its headers without an answer."""

from __future__ import annotations

from typing import Any

import pytest_twisted
from attrs import evolve

from claude_bridge.testing.answers import Answer, Pause
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.behaviours import BEHAVIOURS
from claude_bridge.testing.chat import sse
from tests.end_to_end.asking import ALL_SAID, ANSWER, FULL, MESSAGES, ONE_ATTEMPT, as_user, said
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.sse import names

COMMIT = 0.2
WHOLE = {**FULL, "stream": False}


def late(answer: Answer, seconds: float = 2 * COMMIT) -> Answer:
    """Wait before the head of an answer."""
    return evolve(answer, steps=(Pause(seconds), *answer.steps))


@pytest_twisted.async_fixture()
async def committing(start_daemon: StartDaemon, reactor: Any) -> Client:
    """Return a client of a daemon that commits soon."""
    return client_of(reactor, await start_daemon({"server": {"commit_after": str(COMMIT)}, **ONE_ATTEMPT}))


FAILURES = {
    "loading": (503, "api_error"),
    "broken gateway": (502, "api_error"),
    "key refused": (401, "authentication_error"),
    "too long": (400, "invalid_request_error"),
    "cut before the head": (502, "api_error"),
    "HTML with status 200": (502, "api_error"),
    "rate limited": (429, "rate_limit_error"),  # last, as it holds for the key
}


class CommitTests:
    """The early commit."""

    @pytest_twisted.ensureDeferred
    async def test_before(self, committing: Client, backend: ScriptedBackend) -> None:
        """An error before it has its true status."""
        for name, (status, kind) in FAILURES.items():
            backend.enqueue(late(BEHAVIOURS[name], 0.02))
            reply = await committing.post(MESSAGES, FULL, headers=as_user(name))
            assert (name, reply.status, reply.json["error"]["type"]) == (name, status, kind)

    @pytest_twisted.ensureDeferred
    async def test_after(self, committing: Client, backend: ScriptedBackend) -> None:
        """The same error after it comes as an event of the same type, and nothing follows it."""
        for name, (_, kind) in FAILURES.items():
            backend.enqueue(late(BEHAVIOURS[name]))
            reply = await committing.post(MESSAGES, FULL, headers=as_user(name))
            assert (name, reply.status) == (name, 200)
            assert names(reply.events) == ["message_start", "error"]
            assert (name, reply.events[-1].data["error"]["type"]) == (name, kind)

    @pytest_twisted.ensureDeferred
    async def test_start(self, committing: Client, backend: ScriptedBackend, reactor: Any) -> None:
        """The client gets its headers, the start of the message and a ping; then the answer as if nothing had been."""
        begun = reactor.seconds()
        backend.enqueue(late(sse(ANSWER)))
        reading = await committing.send("POST", MESSAGES, FULL)
        first = await reading.event()
        assert reactor.seconds() - begun > COMMIT - 0.05
        assert backend.chats[0].sent == 0
        assert first.name == "message_start"
        assert first.data["message"]["model"] == "test-model"
        assert (await reading.event()).name == "ping"
        reply = await reading.whole()
        assert reply.headers["x-claude-bridge-model"] == "scripted/test-model"
        assert said(reply.events) == ALL_SAID
        assert names(reply.events)[-1] == "message_stop"

    @pytest_twisted.ensureDeferred
    async def test_overflow(self, committing: Client, backend: ScriptedBackend) -> None:
        """Told too late that a conversation is too long, the client asks again without streaming: a true 400."""
        backend.enqueue(late(BEHAVIOURS["too long"]), late(BEHAVIOURS["too long"]))
        event = (await committing.post(MESSAGES, FULL)).events[-1]
        assert (event.name, event.data["error"]["type"]) == ("error", "invalid_request_error")
        assert event.data["error"]["message"] == "prompt is too long: 9000 tokens > 8192 maximum"
        reply = await committing.post(MESSAGES, WHOLE)
        assert reply.status == 400
        assert reply.json["error"] == event.data["error"]

    @pytest_twisted.ensureDeferred
    async def test_whole(self, committing: Client, backend: ScriptedBackend) -> None:
        """A client that does not stream never gets a status too early."""
        for name, (status, kind) in list(FAILURES.items())[:3]:
            backend.enqueue(late(BEHAVIOURS[name]))
            reply = await committing.post(MESSAGES, WHOLE, headers=as_user(name))
            assert (name, reply.status, reply.json["error"]["type"]) == (name, status, kind)
