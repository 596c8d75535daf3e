"""Several keys of a backend, and keys that a command prints, in front of a real backend."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import deferLater

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import error, sse
from claude_bridge.testing.received import Received
from tests.end_to_end.asking import ALL_SAID, ANSWER, FULL, MESSAGES, said
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Sections, ini
from tests.end_to_end.shared import backend, running

__all__ = ["backend", "running"]  # fixtures

REVOKED, LIMITED, GOOD = "revoked-9f8e7d6c5b4a", "limited-9f8e7d6c5b4a", "good-9f8e7d6c5b4a"
AT_A_TIME = 10
REQUESTS = 200
PACED = 100
PACE = 0.05
LIFETIME = 2.0
LATE = 0.5


def bearer(received: Received) -> str:
    """Return the key of a request."""
    return received.headers["authorization"].removeprefix("Bearer ")


def of_three(received: Received) -> Answer:
    """Answer as a service does to which one key is unknown, and which has limited another."""
    match bearer(received):
        case key if key == REVOKED:
            return error(401, {"message": "Incorrect API key provided.", "code": "invalid_api_key"})
        case key if key == LIMITED:
            return error(429, {"message": "slow down", "code": "rate_limit_exceeded"}, [("retry-after", "60")])
    return sse(ANSWER)


def unless_expired(received: Received) -> Answer:
    """Answer as a service does whose tokens, which tell when they were made, have a lifetime."""
    made = int(bearer(received).removeprefix("token-")) / 1e9
    if time.time() - made > LIFETIME:
        return error(401, {"message": "Token expired.", "code": "invalid_api_key"})
    return sse(ANSWER)


async def answered(client: Client) -> tuple[Reply, float]:
    """Ask, and return the answer and how long it took."""
    began = time.monotonic()
    reply = await client.post(MESSAGES, FULL)
    return reply, time.monotonic() - began


def assert_whole(replies: list[Reply]) -> None:
    """Check that nothing of any answer is missing."""
    assert Counter(reply.status for reply in replies) == {200: len(replies)}
    assert {said(reply.events) for reply in replies} == {ALL_SAID}


class PoolTests:
    """A pool of three."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("strategy", ["fill_first", "round_robin", "least_used"])
    async def test_one_revoked_and_one_limited(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, strategy: str
    ) -> None:
        """Two hundred requests, ten at a time, are answered whole; the others are asked only by those under way."""
        keys = "".join(f"\n    {key}" for key in (REVOKED, LIMITED, GOOD))
        daemon = await start_daemon({"backend:scripted": {"api_key": keys, "key_strategy": strategy}})
        backend.script = of_three
        client, places = client_of(reactor, daemon), DeferredSemaphore(AT_A_TIME)
        asked = [places.run(lambda: Deferred.fromCoroutine(answered(client))) for _ in range(REQUESTS)]
        assert_whole([reply for reply, _ in await gatherResults(asked)])
        used = Counter(bearer(chat) for chat in backend.chats)
        assert used[GOOD] == REQUESTS
        assert 1 <= used[REVOKED] <= AT_A_TIME
        assert 1 <= used[LIMITED] <= AT_A_TIME
        (retired,) = daemon.events("key_retired")
        assert (retired["level"], retired["key"], retired["number"]) == ("warn", "scripted/1", 1)
        (cooling,) = daemon.events("key_cooling")
        assert (cooling["key"], cooling["model"], cooling["seconds"]) == ("scripted/2", "test-model", 60)
        assert not [key for key in (REVOKED, LIMITED, GOOD) if key in daemon.process.err.decode()]


class CommandTests:
    """A key that a command prints and that expires."""

    @pytest_twisted.ensureDeferred
    async def test_renewed_without_a_late_request(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, tmp_path: Path
    ) -> None:
        """A hundred requests over two lifetimes and a half: no error, none that waits, and no expired token is sent."""
        program = tmp_path / "token"
        program.write_text("#!/bin/sh\necho 'about to log in' >&2\nsleep 0.2\ndate +token-%s%N\n")
        program.chmod(0o700)
        sections = {"backend:scripted": {"api_key": f"command:{program} --quiet", "api_key_lifetime": f"{LIFETIME:g}"}}
        daemon = await start_daemon(sections)
        backend.script = unless_expired
        client = client_of(reactor, daemon)
        asked = []
        for _ in range(PACED):
            asked.append(Deferred.fromCoroutine(answered(client)))
            await deferLater(reactor, PACE)
        results = await gatherResults(asked)
        assert_whole([reply for reply, _ in results])
        assert max(seconds for _, seconds in results) < LATE
        tokens = {bearer(chat) for chat in backend.chats}
        assert 2 <= len(tokens) <= PACED * PACE / (LIFETIME * 0.8) + 2
        assert not [token for token in tokens if token in daemon.process.err.decode()]

    @pytest_twisted.ensureDeferred
    async def test_failing(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, tmp_path: Path
    ) -> None:
        """A command that fails is a 502 that names the backend, and a line in the log that says why."""
        program = tmp_path / "token"
        program.write_text("#!/bin/sh\necho 'no network' >&2\nexit 7\n")
        program.chmod(0o700)
        daemon = await start_daemon({"backend:scripted": {"api_key": f"command:{program}"}})
        failed = await daemon.wait_for("key_command_failed")
        assert (failed["level"], failed["reason"]) == ("warn", "it ended with exit code 7: no network")
        reply = await client_of(reactor, daemon).post(MESSAGES, FULL)
        assert (reply.status, reply.json["error"]["type"]) == (502, "api_error")
        assert "backend scripted cannot be asked" in reply.json["error"]["message"]
        assert backend.chats == []


class ReloadTests:
    """Another configuration while requests run."""

    @pytest_twisted.ensureDeferred
    async def test_pool_under_load(
        self, start_daemon: StartDaemon, backend: ScriptedBackend, reactor: Any, tmp_path: Path
    ) -> None:
        """A reload brings retired keys back and keeps the wait of limited ones; a new pool is used at once."""
        file = tmp_path / "key"
        file.write_text(REVOKED)
        lines = (f"file:{file}", LIMITED, GOOD)

        def sections(*keys: str) -> Sections:
            return {"backend:scripted": {"api_key": "".join(f"\n    {key}" for key in keys)}}

        daemon = await start_daemon(sections(*lines))
        backend.script = of_three
        client = client_of(reactor, daemon)

        places = DeferredSemaphore(AT_A_TIME)

        def begin(times: int) -> list[Deferred[tuple[Reply, float]]]:
            return [places.run(lambda: Deferred.fromCoroutine(answered(client))) for _ in range(times)]

        async def load(reload: Sections | None = None) -> Counter[str]:
            """Ask forty times, ten at a time, with a reload in the middle; count the keys that were used."""
            backend.requests.clear()
            asked = begin(20)
            if reload is not None:
                count = len(daemon.events("reloaded"))
                (daemon.folder / "claude-bridge.ini").write_text(ini(backend.url, reload))
                daemon.process.signal("HUP")
                await daemon.wait_for("reloaded", count=count + 1)
            assert_whole([reply for reply, _ in await gatherResults([*asked, *begin(20)])])
            return Counter(bearer(chat) for chat in backend.chats)

        first, again = await load(), await load(sections(*lines))
        assert [1 <= used[REVOKED] <= AT_A_TIME for used in (first, again)] == [True, True]
        assert (1 <= first[LIMITED] <= AT_A_TIME, again[LIMITED]) == (True, 0)
        assert (len(daemon.events("key_retired")), len(daemon.events("key_cooling"))) == (2, 1)
        assert await load(sections(GOOD, "another-9f8e7d6c5b4a")) == {GOOD: 40}
        file.write_text("mended-9f8e7d6c5b4a")
        await load(sections(*lines))
        assert await load() == {"mended-9f8e7d6c5b4a": 40}
