"""What a status line learns of its session from the real daemon: its owner alone, and after a restart too."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater

from claude_bridge.testing.backend import ScriptedBackend
from tests.end_to_end.client import Reply
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon, Sections, ini
from tests.end_to_end.test_ledger import AGENT, ANSWER, MAIN, SESSION, ask, file_of, requests_in

ANNA, BOB = "annas-own-key-0123456789", "bobs-own-key-0123456789"
PRICED: Sections = {
    "model:m": {"backend": "scripted", "name": "test-model", "context_window": "200000"},
    "price:m": {"input": "0.30", "output": "1.10"},
    "breaker": {"enabled": "yes"},
}
KEYS: Sections = {
    **PRICED,
    "server": {"credentials": "keys"},
    "key:anna": {"secret": ANNA},
    "key:bob": {"secret": BOB},
}
FORWARDED: Sections = {**PRICED, "server": {"credentials": "forward"}}
COST = (1200 * 300_000 + 34 * 1_100_000) / 1e12


async def figures(reactor: Any, daemon: Daemon, key: str, session: str = SESSION) -> Reply:
    """Ask for a session's figures."""
    client = client_of(reactor, daemon)
    return await client.post("/v1/claude-bridge/session", {"session_id": session}, headers={"x-api-key": key})


async def whole(reactor: Any, daemon: Daemon, key: str, seconds: float = 20.0) -> Any:
    """Return a session's figures when they are whole: the ledger's file may take longer to open than anybody waits."""
    limit = reactor.seconds() + seconds
    while True:
        reply = await figures(reactor, daemon, key)
        if reply.status == 200 and reply.json["cost_usd"] is not None:
            return reply.json
        assert reactor.seconds() < limit, reply
        await deferLater(reactor, 0.1)


async def talk(reactor: Any, backend: ScriptedBackend, daemon: Daemon, key: str, *requests: Mapping[str, str]) -> None:
    """Ask the model with a key, once for each of some headers."""
    for headers in requests:
        backend.enqueue(ANSWER)
        assert await ask(client_of(reactor, daemon), {**headers, "x-api-key": key}) == 200


def without_id(reply: Reply) -> tuple[int, dict[str, str], Any]:
    """Return a reply without what differs from one to the next."""
    unique = {"request-id", "date"}
    headers = {name: value for name, value in reply.headers.items() if name not in unique}
    return reply.status, headers, {**reply.json, "request_id": ""}


class OwnerTests:
    """Who sees what."""

    @pytest.mark.parametrize("sections", [KEYS, FORWARDED], ids=["keys", "forwarded"])
    @pytest_twisted.ensureDeferred
    async def test_own_session_only(
        self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon, sections: Sections
    ) -> None:
        """Each of two clients sees its own session whole; the other's is to it as one that is not there."""
        daemon = await start_daemon(sections)
        other = {**MAIN, "x-claude-code-session-id": "s-bob"}
        await talk(reactor, backend, daemon, ANNA, MAIN, AGENT, MAIN)
        await talk(reactor, backend, daemon, BOB, other)

        mine = await whole(reactor, daemon, ANNA)
        assert (mine["model"], mine["backend"], mine["breaker"]) == ("test-model", "scripted", "closed")
        assert (mine["context"], mine["window"], mine["cached"]) == (1234, 200_000, 0.0)
        assert mine["cost_usd"] == pytest.approx(3 * COST, abs=1e-15)
        (agent,) = mine["agents"]
        assert (agent["id"], agent["type"], agent["requests"]) == ("agent-7", "Explore", 1)
        assert agent["cost_usd"] == pytest.approx(COST, abs=1e-15)
        assert (await figures(reactor, daemon, BOB, "s-bob")).status == 200

        foreign, unknown = await figures(reactor, daemon, BOB), await figures(reactor, daemon, BOB, "s-nobody")
        assert foreign.status == 404
        assert without_id(foreign) == without_id(unknown)
        assert without_id(await figures(reactor, daemon, ANNA, "s-bob")) == without_id(unknown)

        assert {line["kind"] for line in daemon.events("request")} == {"", "subagent"}
        assert len(daemon.events("request")) == 4

    @pytest_twisted.ensureDeferred
    async def test_without_credentials(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """Where nobody is asked who it is, everybody sees every session."""
        daemon = await start_daemon({**PRICED, "server": {"credentials": "none"}})
        await talk(reactor, backend, daemon, ANNA, MAIN)
        assert (await figures(reactor, daemon, BOB)).status == 200


class RestartTests:
    """A session that goes on in another process."""

    @pytest.mark.parametrize("sections", [KEYS, FORWARDED], ids=["keys", "forwarded"])
    @pytest_twisted.ensureDeferred
    async def test_goes_on(self, reactor: Any, backend: ScriptedBackend, tmp_path: Path, sections: Sections) -> None:
        """Its owner sees it at once after a restart, and with what comes then; nobody else ever does.

        Not even somebody who uses its id: he has a session of his own under it.
        """
        first = Daemon(reactor=reactor, folder=tmp_path)
        await first.start(ini(backend.url, sections))
        await talk(reactor, backend, first, ANNA, MAIN, AGENT)
        before = await whole(reactor, first, ANNA)
        await first.finish()
        for file in file_of(first).parent.iterdir():
            assert ANNA.encode() not in file.read_bytes()
            assert stat.S_IMODE(file.stat().st_mode) == 0o600

        second = Daemon(reactor=reactor, folder=tmp_path)
        await second.start(ini(backend.url, sections))
        assert (await figures(reactor, second, BOB)).status == 404
        assert await whole(reactor, second, ANNA) == before
        await talk(reactor, backend, second, ANNA, MAIN)
        assert (await whole(reactor, second, ANNA))["cost_usd"] == pytest.approx(3 * COST, abs=1e-15)
        await talk(reactor, backend, second, BOB, MAIN)
        assert (await whole(reactor, second, BOB))["cost_usd"] == pytest.approx(COST, abs=1e-15)
        assert (await whole(reactor, second, ANNA))["cost_usd"] == pytest.approx(3 * COST, abs=1e-15)
        await second.finish()

    @pytest_twisted.ensureDeferred
    async def test_request_comes_first(self, reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> None:
        """A session whose client goes on without asking for figures has the whole of them before the next write."""
        first = Daemon(reactor=reactor, folder=tmp_path)
        await first.start(ini(backend.url, KEYS))
        await talk(reactor, backend, first, ANNA, MAIN, AGENT)
        await first.finish()
        second = Daemon(reactor=reactor, folder=tmp_path)
        await second.start(ini(backend.url, KEYS))
        await talk(reactor, backend, second, ANNA, MAIN, AGENT)
        found = await whole(reactor, second, ANNA)
        assert found["cost_usd"] == pytest.approx(4 * COST, abs=1e-15)
        assert found["agents"][0]["requests"] == 2
        await requests_in(reactor, file_of(second), 4)
        assert (await figures(reactor, second, ANNA)).json == found
        await second.finish()

    @pytest_twisted.ensureDeferred
    async def test_nothing_is_kept(self, reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> None:
        """Without accounts a session begins anew with each process."""
        sections = {**KEYS, "ledger": {"enabled": "no"}}
        first = Daemon(reactor=reactor, folder=tmp_path)
        await first.start(ini(backend.url, sections))
        await talk(reactor, backend, first, ANNA, MAIN)
        assert (await figures(reactor, first, ANNA)).status == 200
        await first.finish()
        second = Daemon(reactor=reactor, folder=tmp_path)
        await second.start(ini(backend.url, sections))
        assert (await figures(reactor, second, ANNA)).status == 404
        await second.finish()
