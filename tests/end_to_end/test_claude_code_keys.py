"""The real Claude Code client with a key that is limited."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.testing.answers import Answer, Pause, Send
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS
from tests.end_to_end.asking import ANSWER, MESSAGES, STREAMED
from tests.end_to_end.claude_code import ClaudeCode
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.sse import names
from tests.end_to_end.users import CLIENT, NewUser, new_user, program, requests, says

__all__ = ["new_user", "program"]  # fixtures

pytestmark = CLIENT

HELD = Answer(200, STREAM_HEADERS, (*map(Send, ANSWER[:5]), Pause(8.0), *map(Send, ANSWER[5:])))
KEY = "alices-own-secret-key"


async def started(start_daemon: StartDaemon, **limits: str) -> Daemon:
    """Start a daemon for a client whose key has these limits."""
    sections = {
        "server": {"credentials": "keys"},
        "backend:scripted": {"api_key": "backend-9f8e7d6c5b4a"},
        "model:small": {"name": "test-model"},
        "model:large": {"name": "large-model"},
        "route:default": {"models": "large, small"},
        "key:alice": {"secret": KEY, **limits},
    }
    return await start_daemon(sections)


async def turn(user: ClaudeCode, question: str, *more: str) -> Any:
    """Ask with the key."""
    return await user.turn(question, *more, environment={"ANTHROPIC_AUTH_TOKEN": KEY})


class KeyTests:
    """What a person sees of the limits."""

    @pytest_twisted.ensureDeferred
    async def test_model(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """A model that the key may not use is one to which the person has no access, after two requests at most."""
        daemon = await started(start_daemon, models="small")
        backend.script = lambda _: says("Hello.")
        user = new_user(daemon)
        refused = await turn(user, "Hi", "--model", "large")
        assert refused.result["is_error"]
        assert "may not exist or you may not have access to it" in refused.result["result"]
        outcomes = [line["outcome"] for line in requests(daemon) if line["model"] == "large"]
        assert outcomes in (["not_allowed"], ["not_allowed"] * 2)
        assert (await turn(user, "Hi", "--model", "small")).answer == "Hello."
        assert {chat.json["model"] for chat in backend.chats} == {"test-model"}

    @pytest_twisted.ensureDeferred
    async def test_limit(
        self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser
    ) -> None:
        """A client that is past a limit waits as it is told, and is answered; the person sees nothing of it."""
        daemon = await started(start_daemon, max_streams="1")
        backend.enqueue(HELD)
        other = Client(reactor, daemon.url, {"x-api-key": KEY})
        reading = await other.send("POST", MESSAGES, {**STREAMED, "model": "small"})
        await reading.event()
        backend.script = lambda _: says("Hello.")
        answered = await turn(new_user(daemon), "Hi", "--model", "small")
        assert (answered.answer, answered.result["is_error"]) == ("Hello.", False)
        outcomes = [line["outcome"] for line in daemon.events("request") if line["status"] == 429]
        assert outcomes
        assert set(outcomes) == {"key_limited"}
        assert names((await reading.whole()).events)[-1] == "message_stop"
