"""The real Claude Code client in front of two models, the first of which fails after a tool has run."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing.answers import Answer, Cut, Pause, Send
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.behaviours import BEHAVIOURS
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream, error
from claude_bridge.testing.received import Received
from tests.end_to_end.conftest import StartDaemon
from tests.end_to_end.daemon import ini
from tests.end_to_end.users import ALLOWED, CLIENT, NewUser, calls, new_user, program, requests, says

__all__ = ["new_user", "program"]  # fixtures

pytestmark = CLIENT

RUN = calls("Bash", command="echo ran >> runs.txt", description="Note that it ran")
HALF = tuple(map(Send, chat_stream(text="Half of an answer that")[:2]))

FAULTS = {
    "rate limited": error(429, {"message": "slow down", "code": "rate_limit_exceeded"}, [("retry-after", "60")]),
    "unavailable": BEHAVIOURS["loading"],
    "reset": BEHAVIOURS["cut before the head"],
    "silent": BEHAVIOURS["no answer at all"],
    "cut in the answer": Answer(200, STREAM_HEADERS, (*HALF, Pause(0.05), Cut())),
}


@pytest_twisted.async_yield_fixture()
async def spare(reactor: Any) -> AsyncIterator[ScriptedBackend]:
    """Yield the second backend."""
    backend = ScriptedBackend(reactor)
    backend.start()
    yield backend
    await backend.stop()


class FallbackTests:
    """A session goes on with the second model, and no tool runs twice."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("fault", FAULTS)
    async def test_goes_on(
        self, backend: ScriptedBackend, spare: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser, fault: str
    ) -> None:
        """The first model asks for a tool and then fails; the answer comes from the second, which has seen the result.

        So does the answer to the next question of the same session, without asking the first again.
        """
        sections = {
            "backend:scripted": {"first_byte_timeout": "1"},
            "backend:spare": {"url": spare.url},
            "route:default": {"models": "scripted/test-model, spare/test-model"},
        }
        daemon = await start_daemon(config=ini(backend.url, sections))
        user = new_user(daemon)

        def fail_after_the_tool(received: Received) -> Answer:
            has_run = any(message["role"] == "tool" for message in received.json["messages"])
            return FAULTS[fault] if has_run else RUN

        backend.script = fail_after_the_tool
        spare.script = lambda _: says("Done, once.")
        turn = await user.turn("Run it", *ALLOWED)
        assert turn.answer == "Done, once."
        assert not turn.result["is_error"]
        assert (user.project / "runs.txt").read_text() == "ran\n"
        assert [message["content"] for message in spare.chats[0].json["messages"] if message["role"] == "tool"]
        assert len(backend.chats) <= 1 + 3
        asked = len(backend.chats)
        again = await user.turn("And now?", "--continue", *ALLOWED)
        assert again.answer == "Done, once."
        assert len(backend.chats) == asked
        assert requests(daemon)[-1]["backend"] == "spare"
        assert [one.problems for one in spare.chats] == [()] * len(spare.chats)
