"""A daemon on a machine whose clock is set back by an hour while requests are under way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest_twisted
from twisted.internet.task import deferLater

from claude_bridge.testing.answers import Answer, Send, Stall
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream, sse, token_usage
from tests.end_to_end.asking import ANSWER, MESSAGES, STREAMED
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.sse import names
from tests.end_to_end.test_ledger import file_of, requests_in

SITE = """
import time

def clock(real=time.time):
    try:
        with open({path!r}) as file:
            return real() + float(file.read())
    except FileNotFoundError:
        return real()

time.time = clock
"""
"""Runs before anything else in a Python: its clock is ahead by the number in a file."""

AN_HOUR_BACK = "-3600"


async def until_pings(client: Client, count: int) -> Any:
    """Ask, wait for so many pings, and return the answer, which is still being read."""
    reading = await client.send("POST", MESSAGES, STREAMED)
    await more_pings(client, reading, count)
    return reading


async def more_pings(client: Client, reading: Any, count: int, seconds: float = 10.0) -> None:
    """Wait for so many more pings."""
    wanted, limit = reading.raw.count(b"event: ping") + count, client._reactor.seconds() + seconds
    while reading.raw.count(b"event: ping") < wanted:
        assert client._reactor.seconds() < limit, f"no ping: {bytes(reading.raw)!r}"
        await deferLater(client._reactor, 0.1)


class ClockSetBackTests:
    """Nothing waits for the hour to come again."""

    @pytest_twisted.ensureDeferred
    async def test_pings_limits_accounts(
        self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon, tmp_path: Path
    ) -> None:
        """Pings keep coming, the silence limit ends what is silent, and requests are written within a second."""
        ahead, site = tmp_path / "ahead", tmp_path / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SITE.format(path=str(ahead)))
        limits = {"server": {"ping_interval": "1", "commit_after": "1"}, "backend:scripted": {"idle_timeout": "6"}}
        daemon = await start_daemon(limits, environment={"PYTHONPATH": str(site)})
        client = client_of(reactor, daemon)
        backend.enqueue(Answer(200, STREAM_HEADERS, (*map(Send, ANSWER[:5]), Stall())))
        reading = await until_pings(client, 1)
        ahead.write_text(AN_HOUR_BACK)
        await more_pings(client, reading, 2)
        reply = await reading.whole()
        assert names(reply.events)[-1] == "error"
        assert "idle_timeout" in reply.events[-1].data["error"]["message"]
        backend.enqueue(sse(chat_stream(text="Hello.", usage=token_usage(12, 3))))
        assert (await client.post(MESSAGES, STREAMED)).status == 200
        await requests_in(reactor, file_of(daemon), 2, 5.0)
