"""Clients with keys of their own: what each may use, how much, and how keys come and go, with the real daemon."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import anthropic
import pytest_twisted
from twisted.internet.threads import deferToThread

from claude_bridge.config.secret import hash_of
from claude_bridge.testing.answers import Answer, Pause, Send
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, sse
from claude_bridge.testing.friendly import Friendly
from tests.end_to_end.asking import ALL_SAID, ANSWER, FULL, HI, MESSAGES, said
from tests.end_to_end.client import Reply
from tests.end_to_end.daemon import Sections
from tests.end_to_end.processes import Ran, run_program
from tests.end_to_end.sse import names
from tests.end_to_end.test_reload import COMMAND, Scene, Start, start

__all__ = ["start"]  # fixture

ALICE, BOB = "alices-own-secret-key", "cb-bobs-key-of-256-random-bits"

TEAM: Sections = {
    "server": {"credentials": "keys", "list_backend_models": "yes"},
    "backend:scripted": {"dialect": "vllm", "api_key": "backend-9f8e7d6c5b4a"},
    "model:small": {"name": "test-model"},
    "model:large": {"name": "large-model"},
    "route:default": {"models": "large, small"},
    "key:alice": {"secret": ALICE, "models": "small", "max_streams": "1"},
    "key:bob": {"hash": hash_of(BOB), "rpm": "3"},
}

HELD = Answer(200, STREAM_HEADERS, (*map(Send, ANSWER[:5]), Pause(2.5), *map(Send, ANSWER[5:])))


def refusal(reply: Reply, status: int, kind: str) -> str:
    """Return the text of an error, which must be of this kind."""
    assert (reply.status, reply.json["error"]["type"]) == (status, kind)
    return str(reply.json["error"]["message"])


def asked_models(backend: ScriptedBackend) -> set[str]:
    """Return the models that the backend was asked for."""
    return {chat.json["model"] for chat in backend.chats}


async def new_key(scene: Scene, reactor: Any, name: str) -> Ran:
    """Run `claude-bridge key new` for the daemon's file."""
    file = str(scene.daemon.folder / "claude-bridge.ini")
    arguments = [COMMAND, "key", "new", name, "--config", file]
    return await run_program(reactor, arguments, environment={"PATH": "/usr/bin:/bin", "HOME": "/"})


class TeamTests:
    """Two keys in one file."""

    @pytest_twisted.ensureDeferred
    async def test_models(self, start: Start, backend: ScriptedBackend) -> None:
        """One reaches one model, whatever it asks for, and is shown no other; the other one reaches both."""
        backend.script = Friendly()
        scene = await start(TEAM)
        alice, bob = scene.client(ALICE), scene.client(BOB)
        for model in ("large", "scripted/large-model"):
            for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
                text = refusal(await alice.post(path, {**HI, "model": model}), 404, "not_found_error")
                assert text.endswith("the key alice may use, which is limited to the models small")
        assert asked_models(backend) == set()
        for model in ("small", "claude-opus-5-5"):
            assert (await alice.post(MESSAGES, {**HI, "model": model})).status == 200
        assert asked_models(backend) == {"test-model"}
        listed = [(await client.get("/v1/models")).json["data"] for client in (alice, bob)]
        shown = [[model["display_name"] for model in models] for models in listed]
        assert shown[0] == ["auto", "small", "test-model"]  # the last two are one
        assert {"auto", "small", "large"} <= set(shown[1])
        assert (await alice.get("/v1/models/large")).status == 404
        assert (await bob.post(MESSAGES, {**HI, "model": "claude-opus-5-5"})).status == 200
        assert asked_models(backend) == {"test-model", "large-model"}

    @pytest_twisted.ensureDeferred
    async def test_limits(self, start: Start, backend: ScriptedBackend) -> None:
        """Each gets a 429 for its own limit, which says when to come back; a reload forgets nothing of it."""
        scene = await start(TEAM)
        alice, bob = scene.client(ALICE), scene.client(BOB)
        backend.enqueue(HELD)
        reading = await alice.send("POST", MESSAGES, {**FULL, "model": "small"})
        await reading.event()
        backend.script = Friendly()
        reply = await alice.post(MESSAGES, {**HI, "model": "small"})
        assert "1 request at the same time (max_streams)" in refusal(reply, 429, "rate_limit_error")
        assert reply.headers["retry-after"] == "2"
        for _ in range(3):
            assert (await bob.post(MESSAGES, {**HI, "model": "small"})).status == 200
        await scene.reloaded({**TEAM, "log": {"level": "debug"}})
        for client, limit in ((bob, "3 requests a minute (rpm)"), (alice, "(max_streams)")):
            reply = await client.post(MESSAGES, {**HI, "model": "small"})
            assert limit in refusal(reply, 429, "rate_limit_error")
            assert 1 <= int(reply.headers["retry-after"]) <= 60
        assert said((await reading.whole()).events) == ALL_SAID
        assert (await alice.post(MESSAGES, {**HI, "model": "small"})).status == 200
        outcomes = [line["outcome"] for line in scene.daemon.lines if line.get("event") == "request"]
        assert outcomes.count("key_limited") == 3
        for secret in (ALICE, BOB):
            assert secret.encode() not in scene.daemon.process.err

    @pytest_twisted.ensureDeferred
    async def test_official_sdk_waits(self, start: Start, backend: ScriptedBackend) -> None:
        """Anthropic's SDK waits as it is told, and is answered then."""
        scene = await start(TEAM)
        backend.enqueue(HELD)
        reading = await scene.client(ALICE).send("POST", MESSAGES, {**FULL, "model": "small"})
        await reading.event()
        backend.script = Friendly()

        def ask() -> tuple[str, float]:
            with anthropic.Anthropic(base_url=scene.daemon.url, api_key=ALICE) as client:
                began = time.monotonic()
                answered = client.messages.create(**{**HI, "model": "small"})
                return str(answered.type), time.monotonic() - began

        kind, seconds = await deferToThread(ask)
        assert kind == "message"
        assert seconds >= 2
        assert said((await reading.whole()).events) == ALL_SAID


class ComingAndGoingTests:
    """`claude-bridge key new`, and its end."""

    @pytest_twisted.ensureDeferred
    async def test_new_key_and_revocation(self, start: Start, backend: ScriptedBackend, reactor: Any) -> None:
        """A new key works after a reload until its section is gone; a running answer ends as it began."""
        scene = await start(TEAM)
        file = scene.daemon.folder / "claude-bridge.ini"
        before = file.read_text()
        made = await new_key(scene, reactor, "carol")
        assert made.code == 0, made.err
        assert re.fullmatch(r"cb-[\w-]{43}\n", made.out)
        key = made.out.strip()
        carol = scene.client(key)
        refusal(await carol.post(MESSAGES, HI), 401, "authentication_error")
        ran = await scene.reload()
        assert "changed: [key:carol] added" in ran.out.splitlines()
        backend.enqueue(HELD)
        reading = await carol.send("POST", MESSAGES, FULL)
        await reading.event()
        scene.write(before)
        ran = await scene.reload()
        assert "changed: [key:carol] removed" in ran.out.splitlines()
        refusal(await carol.post(MESSAGES, HI), 401, "authentication_error")
        reply = await reading.whole()
        assert said(reply.events) == ALL_SAID
        assert names(reply.events)[-1] == "message_stop"
        assert key not in scene.daemon.process.err.decode() + ran.out + ran.err + made.err

    @pytest_twisted.ensureDeferred
    async def test_setup_leaves_no_refusal(self, start: Start, reactor: Any, tmp_path: Path) -> None:
        """Who sets up Claude Code with a valid key appears in the log of the bridge as nobody who was refused."""
        scene = await start(TEAM)
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "ANTHROPIC_AUTH_TOKEN": ALICE}
        ran = await run_program(reactor, [COMMAND, "setup", "--url", scene.daemon.url], environment=environment)
        assert ran.code == 0, ran.err
        assert ALICE in (tmp_path / ".claude" / "settings.json").read_text()
        await scene.client("nobodys-key").get("/v1/models")
        await scene.daemon.wait_for("request", count=2)
        asked = [line["outcome"] for line in scene.daemon.events("request")]
        assert asked == ["ok", "authentication_failed"]  # the list with the key, and the stranger

    @pytest_twisted.ensureDeferred
    async def test_short_secret(self, start: Start, backend: ScriptedBackend) -> None:
        """A secret that can be guessed is warned of at the start, and works."""
        backend.enqueue(sse(ANSWER))
        scene = await start({**TEAM, "key:dave": {"secret": "daves-secret"}})
        text = scene.daemon.process.err.decode()
        assert "[key:dave] secret: has less than 16 characters, which can be guessed" in text
        assert (await scene.client("daves-secret").ask("POST", MESSAGES, FULL)).status == 200
