"""The real Claude Code client over budget: it asks once, the person reads why, and a runaway subagent ends alone."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.testing.answers import Answer, Pause, Send
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, ToolCall, chat_stream, sse, token_usage
from tests.end_to_end.asking import MESSAGES, STREAMED
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon, Sections
from tests.end_to_end.users import ALLOWED, CLIENT, NewUser, calls, messages, new_user, program, said, says

__all__ = ["new_user", "program"]  # fixtures

pytestmark = CLIENT

PRICED: Sections = {
    "model:main": {"backend": "scripted", "name": "test-model", "context_window": "200000"},
    "price:main": {"input": "1", "output": "1"},
    "route:default": {"models": "main"},
}
USED = token_usage(900, 100)
"""A thousandth of a dollar, as it is priced."""


def sections(**budget: str) -> Sections:
    """Return a configuration with one budget."""
    return {**PRICED, "budget:mine": budget}


LOOK = ToolCall(id="call_in_agent", name="Bash", arguments='{"command": "echo seen", "description": "Look"}')


def outcomes(daemon: Daemon) -> list[str]:
    """Return how all requests ended, in order."""
    return [line["outcome"] for line in daemon.events("request")]


class BudgetTests:
    """What a person sees of a budget."""

    @pytest_twisted.ensureDeferred
    async def test_over_budget(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """A question too many is one request, and the text says which budget is spent, and until when."""
        daemon = await start_daemon(sections(amount="0.001", per="day"))
        user = new_user(daemon)
        backend.enqueue(says("Hello.", usage=USED))
        assert (await user.turn("Hello?")).answer == "Hello."
        turn = await user.turn("And again?")
        assert turn.result["is_error"]
        told = str(turn.result["result"])
        assert "402" in told
        assert "the budget mine (for all) is spent: $0.0010 of $0.0010 a day. It starts again on" in told
        assert turn.system("api_retry") == []
        assert outcomes(daemon) == ["ok", "budget_spent"]
        assert len(backend.chats) == 1

    @pytest_twisted.ensureDeferred
    async def test_session(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """A session that is over its budget gets no more, a new one is untouched."""
        daemon = await start_daemon(sections(**{"for": "session", "tokens": "1000"}))
        user = new_user(daemon)
        backend.enqueue(says("Hello.", usage=USED), says("Hello to you too.", usage=USED))
        first = await user.turn("Hello?")
        again = await user.turn("And again?", "--resume", first.session)
        assert again.result["is_error"]
        assert "1,000 of 1,000 tokens. This session gets no more" in str(again.result["result"])
        assert (await user.turn("Hello from a new session?")).answer == "Hello to you too."
        assert outcomes(daemon) == ["ok", "budget_spent", "ok"]

    @pytest_twisted.ensureDeferred
    async def test_reserved(
        self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser
    ) -> None:
        """Where the rest is reserved for another request, the client waits, and is answered when that has ended."""
        daemon = await start_daemon(sections(amount="0.0005", per="day"))
        cheap = chat_stream(text="Hello.", usage=token_usage(9, 1))
        backend.enqueue(Answer(200, STREAM_HEADERS, (*map(Send, cheap[:1]), Pause(20.0), *map(Send, cheap[1:]))))
        reading = await client_of(reactor, daemon).send("POST", MESSAGES, STREAMED)
        await reading.event()
        backend.enqueue(says("Hello.", usage=USED))
        turn = await new_user(daemon).turn("Hello?")
        assert (turn.answer, turn.result["is_error"]) == ("Hello.", False)
        await reading.whole()
        waited = [line for line in daemon.events("request") if line["outcome"] == "budget_reserved"]
        assert 1 <= len(waited) <= 5
        assert {line["status"] for line in waited} == {429}
        assert outcomes(daemon)[-1] == "ok"

    @pytest_twisted.ensureDeferred
    async def test_subagent(self, backend: ScriptedBackend, start_daemon: StartDaemon, new_user: NewUser) -> None:
        """A subagent over its budget ends at its next request; the main conversation reads why, and finishes."""
        daemon = await start_daemon(sections(**{"for": "agent", "amount": "0.001"}))
        user = new_user(daemon)
        task = {"description": "Look", "prompt": "Look around.", "subagent_type": "general-purpose"}
        backend.enqueue(
            calls("Agent", **task, run_in_background=False),
            sse(chat_stream(tool_calls=[LOOK], usage=USED)),
            says("It was too dear; I went on without it."),
        )
        turn = await user.turn("Have somebody look around", *ALLOWED)
        assert turn.answer == "It was too dear; I went on without it."
        assert sorted(outcomes(daemon)) == ["budget_spent", "ok", "ok", "ok"]
        assert len(backend.chats) == 3
        told = said(messages(backend.chats[2], "tool")[-1])
        assert "do not start it again; go on without it" in told
