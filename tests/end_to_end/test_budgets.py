"""Budgets of a real daemon: who is refused, in which words, and what stays spent."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet.defer import Deferred, gatherResults

from claude_bridge.testing.answers import Answer, Pause, Send
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream, sse, token_usage
from tests.end_to_end.asking import MESSAGES, STREAMED
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import STOP_SECONDS, Daemon, Sections, ini
from tests.end_to_end.processes import killed_late
from tests.end_to_end.test_ledger import AGENT, MAIN, file_of, requests_in

PRICED: Sections = {
    "model:test-model": {"backend": "scripted"},
    "price:test-model": {"input": "1", "output": "1"},
}
DAY = {"amount": "0.001", "per": "day"}
ANSWERED = chat_stream(text="Hello.", usage=token_usage(900, 100))
ANSWER = sse(ANSWERED)
"""A thousandth of a dollar, as it is priced."""


def sections(name: str = "team", **budget: str) -> Sections:
    """Return a configuration with one budget."""
    return {**PRICED, f"budget:{name}": budget}


async def ask(client: Client, headers: dict[str, str] | None = None, **more: Any) -> Reply:
    """Ask once."""
    return await client.post(MESSAGES, {**STREAMED, **more}, headers=dict(headers or {}))


def message(reply: Reply) -> str:
    """Return the text of an error."""
    return str(json.loads(reply.body)["error"]["message"])


class RefusalTests:
    """Over budget."""

    @pytest_twisted.ensureDeferred
    async def test_words(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """The request after the one that used it up gets a 402 that says what, how much and until when; no backend."""
        daemon = await start_daemon(sections(**DAY, timezone="Asia/Kolkata"))
        client = client_of(reactor, daemon)
        backend.enqueue(ANSWER)
        assert (await ask(client)).status == 200
        reply = await ask(client)
        assert (reply.status, json.loads(reply.body)["error"]["type"]) == (402, "billing_error")
        assert reply.headers["x-should-retry"] == "false"
        told = message(reply)
        assert told.startswith("claude-bridge: the budget team (for all) is spent: $0.0010 of $0.0010 a day. It starts")
        assert told.endswith(" at 00:00 (Asia/Kolkata).")
        assert len(backend.chats) == 1
        line = await daemon.wait_for("request", count=2)
        assert (line["outcome"], line["status"], line["attempts"]) == ("budget_spent", 402, 0)
        (warning,) = daemon.events("budget")
        assert warning["message"] == "the budget team (for all) is spent: $0.0010 of $0.0010 a day"

    @pytest_twisted.ensureDeferred
    async def test_counting_is_free(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """Counting tokens and asking for models costs nothing, and goes on."""
        client = client_of(reactor, await start_daemon(sections(**DAY)))
        backend.enqueue(ANSWER)
        await ask(client)
        counted = {key: value for key, value in STREAMED.items() if key not in {"stream", "max_tokens"}}
        assert (await client.post(f"{MESSAGES}/count_tokens", counted)).status == 200
        assert (await client.get("/v1/models")).status == 200
        assert (await ask(client)).status == 402

    @pytest_twisted.ensureDeferred
    async def test_agent_alone(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """A subagent over its budget is told to stop; the main conversation and another subagent go on."""
        client = client_of(reactor, await start_daemon(sections("runaway", **{"for": "agent", "tokens": "1000"})))
        backend.enqueue(*[ANSWER] * 5)
        statuses = [(await ask(client, headers)).status for headers in (MAIN, AGENT, MAIN, AGENT, MAIN)]
        assert statuses == [200, 200, 200, 402, 200]
        assert "1,000 of 1,000 tokens. This agent gets no more: do not start it again; go on without it." in message(
            await ask(client, AGENT)
        )
        assert (await ask(client, {**AGENT, "x-claude-code-agent-id": "another"})).status == 200

    @pytest_twisted.ensureDeferred
    async def test_fifty_at_once(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """Of fifty requests at once as many are asked as probably fit; no more is spent than those that ran then cost.

        Each holds some 520 tokens, half of what it will cost, so ten fit; while they run, nobody else is asked, but may
        try again; afterwards all is spent.
        """
        daemon = await start_daemon(sections(**{**DAY, "amount": "0.005"}))
        client = client_of(reactor, daemon)
        backend.enqueue(*[Answer(200, STREAM_HEADERS, (Pause(1.0), *map(Send, ANSWERED)))] * 50)
        replies = await gatherResults([Deferred.fromCoroutine(ask(client)) for _ in range(50)])
        statuses = [each.status for each in replies]
        assert (statuses.count(200), statuses.count(429), len(backend.chats)) == (10, 40, 10)
        refused = [each for each in replies if each.status == 429]
        assert {(each.headers["retry-after"], each.headers.get("x-should-retry")) for each in refused} == {("5", None)}
        assert json.loads(refused[0].body)["error"]["type"] == "rate_limit_error"
        told = message(refused[0])
        assert "the rest of the budget team (for all) is reserved for requests under way: $0 of $0.0050 a day" in told
        assert told.endswith(" are reserved. Try again when they have ended.")
        assert await spent_in(reactor, file_of(daemon), 50) == 10 * 10**9
        assert (await ask(client)).status == 402


async def spent_in(reactor: Any, file: Path, requests: int) -> int:
    """Return what all attempts in the accounts cost, in pico-dollars, once so many requests are in them."""
    await requests_in(reactor, file, requests)
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
    (cost,) = connection.execute("SELECT sum(cost) FROM attempt").fetchone()
    connection.close()
    return int(cost)


class LastingTests:
    """What is spent stays spent."""

    @pytest_twisted.ensureDeferred
    async def test_restart(
        self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon, tmp_path: Path
    ) -> None:
        """After a kill, and after a stop, the budgets of the day, the session and the agent are still spent."""
        path = tmp_path / "accounts" / "ledger.sqlite"
        told: Sections = {
            **PRICED,
            "budget:day": {"amount": "0.004", "per": "day"},
            "budget:session": {"for": "session", "tokens": "2000"},
            "budget:agent": {"for": "agent", "tokens": "1000"},
            "ledger": {"database": str(path)},
        }
        backend.enqueue(*[ANSWER] * 9)
        folder = tmp_path / "killed"
        folder.mkdir()
        killed = Daemon(reactor=reactor, folder=folder)  # its end is none that the fixture would take
        await killed.start(ini(backend.url, told))
        client = client_of(reactor, killed)
        assert [(await ask(client, headers)).status for headers in (MAIN, AGENT, MAIN, AGENT)] == [200, 200, 402, 402]
        await requests_in(reactor, path, 4)
        killed.process.signal("KILL")
        await killed_late(reactor, killed.process, STOP_SECONDS)

        daemon = await start_daemon(told)
        await daemon.wait_for("budgets-read")
        client = client_of(reactor, daemon)
        assert [(await ask(client, headers)).status for headers in (MAIN, AGENT)] == [402, 402]
        assert "2,000 of 2,000 tokens" in message(await ask(client, MAIN))
        other = {"x-claude-code-session-id": "another"}
        assert [(await ask(client, other)).status for _ in range(2)] == [200, 200]
        await daemon.stop()

        daemon = await start_daemon(told)
        await daemon.wait_for("budgets-read")
        reply = await ask(client_of(reactor, daemon), {"x-claude-code-session-id": "a third"})
        assert (reply.status, "the budget day (for all)" in message(reply)) == (402, True)
        assert len(backend.chats) == 4

    @pytest_twisted.ensureDeferred
    async def test_reload(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """A reload keeps what is spent, also of budgets that it adds; a larger amount counts from then on."""
        daemon = await start_daemon(PRICED)
        client = client_of(reactor, daemon)
        backend.enqueue(*[ANSWER] * 9)
        await ask(client, MAIN)
        await reload(daemon, backend, sections(**DAY))
        await daemon.wait_for("budgets-read")
        assert (await ask(client, MAIN)).status == 402
        await reload(daemon, backend, sections(**{**DAY, "amount": "0.002"}))
        assert [(await ask(client, MAIN)).status for _ in range(2)] == [200, 402]

    @pytest_twisted.ensureDeferred
    async def test_no_database(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """Where the accounts cannot be opened requests are served, and what this process has counted decides."""
        daemon = await start_daemon({**sections(**DAY), "ledger": {"database": "/proc/no/ledger.sqlite"}})
        await daemon.wait_for("budgets")
        client = client_of(reactor, daemon)
        backend.enqueue(ANSWER)
        assert [(await ask(client)).status for _ in range(2)] == [200, 402]


async def reload(daemon: Daemon, backend: ScriptedBackend, told: Sections) -> None:
    """Have the daemon read another file."""
    before = len(daemon.events("reloaded"))
    (daemon.folder / "claude-bridge.ini").write_text(ini(backend.url, told))
    daemon.process.signal("HUP")
    await daemon.wait_for("reloaded", count=before + 1)


class RouteTests:
    """A cheaper route instead."""

    @pytest_twisted.ensureDeferred
    async def test_cheaper_route(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """When the budget is spent the cheaper model answers under its own name, until its own budget is spent too."""
        backend.models = ["test-model", "small"]
        daemon = await start_daemon(
            {
                **sections(**DAY, then="route cheap"),
                "model:small": {"backend": "scripted"},
                "route:cheap": {"models": "small"},
                "budget:small": {"for": "model small", "tokens": "1000", "per": "day"},
            }
        )
        client = client_of(reactor, daemon)
        backend.enqueue(ANSWER, ANSWER)
        assert (await ask(client)).headers["x-claude-bridge-model"] == "scripted/test-model"
        assert (await ask(client)).headers["x-claude-bridge-model"] == "scripted/small"
        reply = await ask(client)
        assert (reply.status, "the budget small (for model small) is spent" in message(reply)) == (402, True)
        assert [chat.json["model"] for chat in backend.chats] == ["test-model", "small"]
        await daemon.wait_for("request", count=3)
        (line,) = {each["message"] for each in daemon.events("budget-route")}
        assert line.startswith("route cheap is taken: claude-bridge: the budget team (for all) is spent")
        assert [each["route"] for each in daemon.events("request")] == ["", "cheap", "cheap"]
