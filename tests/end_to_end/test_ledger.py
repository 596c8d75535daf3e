"""The accounts of a real daemon: what `claude-bridge usage` says beside it, and that no request waits for them."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue

from claude_bridge.services.accounting.store.errors import NoLedger
from claude_bridge.services.accounting.store.sqlite import open_to_read
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chat_stream, error, sse, token_usage
from tests.end_to_end.asking import HI, MESSAGES, ONE_ATTEMPT, STREAMED
from tests.end_to_end.client import Client
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon, ini
from tests.services.accounting.store.books import assert_periods_add_up, assert_sessions_add_up, rows

SESSION = "3f2a91c0-7d51-4a5e-9f27-6a1c3a0e6f10"
MAIN = {"x-claude-code-session-id": SESSION}
AGENT = {**MAIN, "x-claude-code-agent-id": "agent-7", "x-claude-code-agent-type": "Explore"}
ANSWER = sse(chat_stream(text="Hello.", usage=token_usage(1200, 34)))

MARK = "zebrafish-4711"
"""A word of a conversation that is nowhere else."""


def file_of(daemon: Daemon) -> Path:
    """Return where a daemon's accounts are by default."""
    return daemon.folder / ".local/state/claude-bridge/ledger.sqlite"


async def usage(reactor: Any, daemon: Daemon, *words: str) -> bytes:
    """Return what `claude-bridge usage` prints, run as the daemon's user at any time."""
    command = ["-m", "claude_bridge.cli", "usage", *words, "--config", str(daemon.folder / "claude-bridge.ini")]
    environ = {"HOME": str(daemon.folder)}
    out, err, status = await getProcessOutputAndValue(sys.executable, command, env=environ, reactor=reactor)
    assert (status, err) == (0, b"")
    return bytes(out)


async def requests_in(reactor: Any, path: Path, count: int, seconds: float = 20.0) -> list[tuple[Any, ...]]:
    """Wait until so many requests are in the accounts; return their sessions and outcomes."""
    limit = reactor.seconds() + seconds
    found: list[tuple[Any, ...]] = []
    while len(found) < count:
        assert reactor.seconds() < limit, f"only {len(found)} requests are in {path}"
        await deferLater(reactor, 0.1)
        with suppress(NoLedger):  # not yet
            connection = open_to_read(str(path))
            found = rows(connection, "SELECT session, outcome FROM requests ORDER BY id")
            connection.close()
    return found


async def ask(client: Client, headers: dict[str, str | None] | None = None, body: Any = STREAMED) -> int:
    """Ask once; return the status."""
    return (await client.post(MESSAGES, body, headers=headers)).status


class UsageTests:
    """What was used."""

    @pytest_twisted.ensureDeferred
    async def test_session_with_a_subagent(
        self, reactor: Any, backend: ScriptedBackend, daemon: Daemon, client: Client
    ) -> None:
        """Three requests of a session are shown beside the running daemon: by model, and as the session's tree."""
        backend.enqueue(ANSWER, ANSWER, ANSWER)
        for headers in (MAIN, AGENT, MAIN):
            assert await ask(client, dict(headers)) == 200
        await requests_in(reactor, file_of(daemon), 3)

        document = json.loads(await usage(reactor, daemon, "--json"))
        (row,) = document["rows"]
        assert (row["backend"], row["model"], row["requests"], row["failed"]) == ("scripted", "test-model", 3, 0)
        assert (row["input_tokens"], row["output_tokens"]) == (3600, 102)
        assert (row["cost_usd"], row["unpriced_attempts"]) == (None, 3)

        (key,) = json.loads(await usage(reactor, daemon, "--json", "--by", "key"))["rows"]
        assert key["key"] == "client"

        tree = json.loads(await usage(reactor, daemon, "session", SESSION[:8], "--json"))
        assert [(each["agent"], each["type"], each["requests"]) for each in tree["agents"]] == [
            ("", "", 2),
            ("agent-7", "Explore", 1),
        ]
        told = (await usage(reactor, daemon, "session", SESSION)).decode()
        assert f"{SESSION}, key client, " in told
        assert "\n  Explore agent-7" in told

    @pytest_twisted.ensureDeferred
    async def test_what_the_last_second_brought(
        self, reactor: Any, backend: ScriptedBackend, daemon: Daemon, client: Client
    ) -> None:
        """A stop writes what is not written yet, and leaves one file."""
        backend.enqueue(ANSWER)
        assert await ask(client) == 200
        await daemon.stop()
        assert sorted(path.name for path in file_of(daemon).parent.glob("ledger*")) == ["ledger.sqlite"]
        assert len(await requests_in(reactor, file_of(daemon), 1)) == 1

    @pytest_twisted.ensureDeferred
    async def test_nothing_of_a_conversation(
        self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon
    ) -> None:
        """No word of a prompt, an answer or an error is in the files, and no address."""
        daemon = await start_daemon(ONE_ATTEMPT)
        client = client_of(reactor, daemon)
        marked = {**STREAMED, "system": f"Be {MARK}.", "messages": [{"role": "user", "content": f"Who is {MARK}?"}]}
        backend.enqueue(
            sse(chat_stream(text=f"{MARK} is a fish.", reasoning=f"{MARK}?")),
            error(400, {"message": f"the word {MARK} is not allowed"}),
        )
        assert [await ask(client, dict(MAIN), marked) for _ in range(2)] == [200, 400]
        assert [outcome for _, outcome in await requests_in(reactor, file_of(daemon), 2)] == ["ok", "upstream_refused"]
        kept = b"".join(path.read_bytes() for path in file_of(daemon).parent.iterdir() if path.is_file())
        assert SESSION.encode() in kept
        assert MARK.encode() not in kept
        ledger = b"".join(path.read_bytes() for path in file_of(daemon).parent.glob("ledger*"))
        assert b"127.0.0.1" not in ledger

    @pytest_twisted.ensureDeferred
    async def test_not_wanted(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """With `enabled = no` nothing is written."""
        daemon = await start_daemon({"ledger": {"enabled": "no"}})
        backend.enqueue(ANSWER)
        assert await ask(client_of(reactor, daemon)) == 200
        await daemon.stop()
        assert not file_of(daemon).exists()

    @pytest_twisted.ensureDeferred
    async def test_reload(self, reactor: Any, backend: ScriptedBackend, daemon: Daemon, client: Client) -> None:
        """A reload keeps the file: requests before and after it are in one."""
        backend.enqueue(ANSWER, ANSWER)
        await ask(client)
        (daemon.folder / "claude-bridge.ini").write_text(ini(backend.url, {"ledger": {"keep": "30d"}}))
        daemon.process.signal("HUP")
        assert (await daemon.wait_for("reloaded"))["changed"] == "[ledger] keep"
        await ask(client)
        await requests_in(reactor, file_of(daemon), 2)


class TroubleTests:
    """A database that cannot be used costs no request."""

    @pytest_twisted.ensureDeferred
    async def test_locked_by_somebody_else(
        self, reactor: Any, backend: ScriptedBackend, daemon: Daemon, client: Client
    ) -> None:
        """While another program holds the file requests are answered at once; they are written after that."""
        backend.enqueue(*[ANSWER] * 4)
        await ask(client)
        await requests_in(reactor, file_of(daemon), 1)
        other = sqlite3.connect(file_of(daemon), isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        for _ in range(3):
            began = reactor.seconds()
            assert await ask(client) == 200
            assert reactor.seconds() - began < 2
            await deferLater(reactor, 0.5)
        other.execute("ROLLBACK")
        other.close()
        await requests_in(reactor, file_of(daemon), 4)

    @pytest_twisted.ensureDeferred
    async def test_stop_while_locked(
        self, reactor: Any, backend: ScriptedBackend, daemon: Daemon, client: Client
    ) -> None:
        """A stop does not wait for another program, and the log says how many requests are not in the accounts."""
        backend.enqueue(ANSWER, ANSWER)
        await ask(client)
        await requests_in(reactor, file_of(daemon), 1)
        other = sqlite3.connect(file_of(daemon), isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        assert await ask(client) == 200
        began = reactor.seconds()
        await daemon.stop()
        assert reactor.seconds() - began < 5
        other.close()
        assert daemon.events("ledger")[-1]["message"].startswith("1 requests are not in the accounts")

    @pytest.mark.parametrize("place", ["/proc/nowhere/ledger.sqlite", "/dev/null"])
    @pytest_twisted.ensureDeferred
    async def test_nowhere_to_write(
        self, place: str, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon
    ) -> None:
        """Where nothing can be written requests are answered, and one line says what is wrong."""
        daemon = await start_daemon({"ledger": {"database": place}})
        client = client_of(reactor, daemon)
        backend.enqueue(ANSWER, ANSWER)
        assert await ask(client) == 200
        line = await daemon.wait_for("ledger")
        assert line["level"] == "warn"
        assert f"accounts cannot be written to {place}: " in line["message"]
        assert await ask(client) == 200

    @pytest_twisted.ensureDeferred
    async def test_full(self, reactor: Any, backend: ScriptedBackend, tmp_path: Path) -> None:
        """Where files must not grow any more requests are answered, and the log says that their accounts wait."""
        folder = tmp_path / "full"
        folder.mkdir()
        daemon = Daemon(reactor=reactor, folder=folder)
        path = folder / "claude-bridge.ini"
        path.write_text(ini(backend.url))
        command = f"ulimit -f 60; exec {daemon.program} --nodaemon --pidfile= claude-bridge --config {path}"
        await daemon.run(Path("/bin/bash"), ["-c", command])
        client = client_of(reactor, daemon)
        backend.enqueue(ANSWER, ANSWER)
        assert await ask(client) == 200
        assert "1 wait in memory to be written, 0 are lost" in (await daemon.wait_for("ledger"))["message"]
        assert await ask(client, body=HI) == 200
        await daemon.finish()

    @pytest_twisted.ensureDeferred
    async def test_damaged(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """A damaged file is put aside with its date, and the request is in a new one."""
        daemon = await start_daemon()
        file_of(daemon).parent.mkdir(parents=True, exist_ok=True)
        file_of(daemon).write_bytes(b"something else entirely, " * 1000)
        backend.enqueue(ANSWER)
        assert await ask(client_of(reactor, daemon), dict(MAIN)) == 200
        assert "was renamed to ledger.sqlite.broken-" in (await daemon.wait_for("ledger"))["message"]
        await deferLater(reactor, 0.2)
        await daemon.stop()
        assert await requests_in(reactor, file_of(daemon), 1) == [(SESSION, "ok")]

    @pytest_twisted.ensureDeferred
    async def test_removed(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon) -> None:
        """A file that is removed while the daemon runs is told as a warning, and the accounts go on in a new one."""
        daemon = await start_daemon()
        client = client_of(reactor, daemon)
        backend.enqueue(ANSWER, ANSWER)
        assert await ask(client, dict(MAIN)) == 200
        await requests_in(reactor, file_of(daemon), 1)
        for path in file_of(daemon).parent.glob("ledger.sqlite*"):
            path.unlink()
        assert await ask(client, dict(MAIN)) == 200
        told = await daemon.wait_for("ledger")
        assert (told["level"], "was removed or replaced while it was in use" in told["message"]) == ("warn", True)
        assert await requests_in(reactor, file_of(daemon), 1) == [(SESSION, "ok")]
        await daemon.stop()

    @pytest_twisted.ensureDeferred
    async def test_sums(self, reactor: Any, backend: ScriptedBackend, daemon: Daemon, client: Client) -> None:
        """Sums are those of the attempts, failed ones and repeated ones among them."""
        backend.enqueue(error(500, {"message": "no"}), ANSWER, ANSWER, error(400, {"message": "no"}), ANSWER)
        for headers in (MAIN, AGENT, MAIN):
            await ask(client, dict(headers))
        await requests_in(reactor, file_of(daemon), 3)
        connection = open_to_read(str(file_of(daemon)))
        assert_sessions_add_up(connection)
        assert_periods_add_up(connection)
        assert rows(connection, "SELECT count(*) > 3 FROM attempts") == [(1,)]
        connection.close()
