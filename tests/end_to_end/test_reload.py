"""The real daemon reads its configuration again while it serves."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from claude_bridge.client.running_bridge import ask
from claude_bridge.testing.answers import Answer, Pause, Send
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import STREAM_HEADERS, error, sse
from tests.end_to_end.asking import ALL_SAID, ANSWER, FULL, HI, MESSAGES, said
from tests.end_to_end.client import Client, Reading
from tests.end_to_end.conftest import StartDaemon, check_answer
from tests.end_to_end.daemon import Daemon, Sections, ini
from tests.end_to_end.processes import Ran, run_program
from tests.end_to_end.sse import names

COMMAND = str(Path(sys.prefix) / "bin" / "claude-bridge")
ALICE = {"server": {"credentials": "keys"}, "key:alice": {"secret": "alices-own-secret-key"}}
BOB = {"server": {"credentials": "keys"}, "key:bob": {"secret": "bobs-own-secret-key"}}
FIRST, SECOND = "first-9f8e7d6c5b4a", "second-9f8e7d6c5b4a"
STREAMS = 200
RELOADS = 20
SETTLED = 5
"""After so many reloads everything that a first one needs is there."""

COLLECTED = 80
"""After so many the garbage collector, which looks rarely, has been there: reading a configuration leaves cycles."""

HELD = Answer(200, STREAM_HEADERS, (*map(Send, ANSWER[:5]), Pause(15.0), *map(Send, ANSWER[5:])))
MEGABYTE = 1024 * 1024


@define
class Scene:
    """A daemon, its configuration file, and where its control socket is."""

    reactor: Any
    backend: ScriptedBackend
    daemon: Daemon
    environment: Mapping[str, str]

    def write(self, text: str) -> None:
        """Write another configuration."""
        file = self.daemon.folder / "claude-bridge.ini"
        file.write_text(text)
        file.chmod(0o600)

    def change(self, sections: Sections) -> None:
        """Write another configuration, in front of the same backend."""
        self.write(ini(self.backend.url, sections))

    async def reload(self) -> Ran:
        """Run `claude-bridge reload`."""
        environment = {"PATH": "/usr/bin:/bin", "HOME": "/", **self.environment}
        return await run_program(self.reactor, [COMMAND, "reload"], environment=environment)

    async def reloaded(self, sections: Sections) -> Ran:
        """Have another configuration in force."""
        self.change(sections)
        ran = await self.reload()
        assert (ran.code, ran.err) == (0, "")
        return ran

    async def reloaded_fast(self, sections: Sections) -> None:
        """Do so without a process for it, whose start takes longer than the reload."""
        self.change(sections)
        path = (await self.daemon.wait_for("control"))["path"]
        answer = await deferToThread(ask, path, "POST", "/reload")
        assert answer.status == 200, answer

    def client(self, key: str = "test-key") -> Client:
        """Make a client with a key."""
        headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
        return Client(self.reactor, self.daemon.url, headers, check_answer)

    @property
    def descriptors(self) -> int:
        """Count the daemon's open files."""
        process: Any = self.daemon.process.transport
        return sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir())


class Start:
    """Starts daemons that have their control socket where a person who is logged in has it."""

    def __init__(self, reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon, runtime: str) -> None:
        self._reactor = reactor
        self._backend = backend
        self._start = start_daemon
        self._environment = {"XDG_RUNTIME_DIR": runtime}

    async def __call__(self, sections: Sections | None = None) -> Scene:
        """Start one."""
        daemon = await self._start(sections, environment=self._environment)
        return Scene(self._reactor, self._backend, daemon, self._environment)


@pytest.fixture
def start(reactor: Any, backend: ScriptedBackend, start_daemon: StartDaemon, tmp_path: Path) -> Start:
    """Return the means to start daemons."""
    runtime = tmp_path / "runtime"
    runtime.mkdir()
    return Start(reactor, backend, start_daemon, str(runtime))


class EffectTests:
    """What takes effect, and when."""

    @pytest_twisted.ensureDeferred
    async def test_key_is_taken_away(self, start: Start, backend: ScriptedBackend) -> None:
        """A key that is no more is refused from then on; an answer that was under way with it is finished."""
        scene = await start(ALICE)
        alice, bob = scene.client("alices-own-secret-key"), scene.client("bobs-own-secret-key")
        backend.enqueue(sse(ANSWER, pause=0.3))
        reading = await alice.send("POST", MESSAGES, FULL)
        ran = await scene.reloaded(BOB)
        assert {"changed: [key:alice] removed", "changed: [key:bob] added"} <= set(ran.out.splitlines())
        assert (await alice.ask("POST", MESSAGES, HI)).status == 401
        backend.enqueue(sse(ANSWER))
        assert (await bob.ask("POST", MESSAGES, FULL)).status == 200
        assert not reading.is_complete
        reply = await reading.whole()
        assert said(reply.events) == ALL_SAID
        assert names(reply.events)[-1] == "message_stop"
        assert "secret-key" not in scene.daemon.process.err.decode()
        assert "secret-key" not in ran.out

    @pytest_twisted.ensureDeferred
    async def test_file_of_a_key(self, start: Start, backend: ScriptedBackend, tmp_path: Path) -> None:
        """A key in a file of its own is read again too; neither the old nor the new one is ever in the log."""
        file = tmp_path / "key"
        file.write_text(FIRST)
        sections = {"backend:scripted": {"api_key": f"file:{file}"}, "log": {"level": "debug"}}
        scene = await start(sections)
        backend.enqueue(sse(ANSWER))
        await scene.client().ask("POST", MESSAGES, FULL)
        file.write_text(SECOND)
        ran = await scene.reloaded(sections)
        assert "changed: [backend:scripted] api_key" in ran.out
        quoted = f"not {FIRST} but {SECOND}"
        backend.enqueue(error(400, {"message": quoted, "type": "invalid_request_error"}))
        refused = await scene.client().ask("POST", MESSAGES, FULL)
        assert [chat.headers["authorization"] for chat in backend.chats[:2]] == [f"Bearer {FIRST}", f"Bearer {SECOND}"]
        assert b"9f8e7d6c5b4a" not in refused.body
        assert "9f8e7d6c5b4a" not in scene.daemon.process.err.decode()

    @pytest_twisted.ensureDeferred
    async def test_level_of_the_log(self, start: Start, backend: ScriptedBackend) -> None:
        """Lines of attempts are there from a reload with `level = debug` on, and no more after the next one."""
        scene = await start()
        for level, attempts in (("debug", 1), ("info", 1)):
            await scene.reloaded({"log": {"level": level}})
            backend.enqueue(sse(ANSWER))
            await scene.client().ask("POST", MESSAGES, FULL)
            assert len(scene.daemon.events("attempt")) == attempts

    @pytest_twisted.ensureDeferred
    async def test_signal(self, start: Start, reactor: Any) -> None:
        """SIGHUP does the same; those that come while one is read are one more together."""
        scene = await start()
        scene.change({"limits": {"max_body": "1000"}})
        for _ in range(5):
            scene.daemon.process.signal("HUP")
        reloaded = await scene.daemon.wait_for("reloaded")
        assert reloaded["changed"] == "[limits] max_body"
        assert (await scene.client().ask("POST", MESSAGES, {**HI, "system": "x" * 1000})).status == 413
        await deferLater(reactor, 0.5)
        assert len(scene.daemon.events("reloaded")) <= 5

    @pytest_twisted.ensureDeferred
    async def test_needs_a_restart(self, start: Start) -> None:
        """Another address is named as what only a restart brings; the old one goes on."""
        scene = await start()
        ran = await scene.reloaded({"server": {"listen": "tcp:1:interface=127.0.0.1"}, "limits": {"max_body": "1000"}})
        assert ran.out.splitlines()[1:] == ["changed: [limits] max_body", "needs a restart: [server] listen"]
        (line,) = scene.daemon.events("reloaded")
        assert (line["level"], line["needs_restart"]) == ("warn", "[server] listen")
        assert (await scene.client().get("/health")).status == 200

    @pytest_twisted.ensureDeferred
    async def test_nobody_gets_in_by_the_old_address(self, start: Start) -> None:
        """A file that is right for another address only is refused while the daemon is still at the old one."""
        scene = await start({**ALICE, "server": {"credentials": "keys", "listen": "tcp:0"}})
        scene.change({"backend:scripted": {"api_key": "a-key-of-the-owners"}})
        ran = await scene.reload()
        assert ran.code == 78
        assert "tcp:0 can be reached from other machines" in ran.err
        scene.daemon.host = "127.0.0.1"
        assert (await scene.client().ask("POST", MESSAGES, HI)).status == 401


class MistakesTests:
    """A wrong file."""

    WRONG = (
        "[server]\nlisten = tcp:0:interface=127.0.0.1\ncredentials = nobody\n[backend:scripted]\nurl = ftp://x\n"
        "[model:m]\nbackend = unknown\n[limits]\nmax_body = much\n[nonsense]\nx = 1\n[log]\nlevel = loud\n"
    )
    TOLD = (
        "[server] credentials",
        "[backend:scripted] url",
        "[model:m] backend",
        "[limits] max_body",
        "[nonsense]",
        "[log] level",
    )

    @pytest_twisted.ensureDeferred
    async def test_six(self, start: Start, backend: ScriptedBackend) -> None:
        """All six mistakes are in the log and printed; the configuration in force goes on, also for a next reload."""
        scene = await start()
        backend.enqueue(sse(ANSWER), sse(ANSWER))
        scene.write(self.WRONG)
        ran = await scene.reload()
        assert (ran.code, ran.out) == (78, "")
        *printed, last = ran.err.splitlines()
        logged = [line["message"] for line in scene.daemon.events("config-error")]
        for lines in (printed, logged):
            assert len(lines) == 6
            assert all(line.startswith(told) for line, told in zip(lines, self.TOLD, strict=True)), lines
        assert "stays" in last
        assert scene.daemon.events("reload-failed")[0]["mistakes"] == "6 mistakes"
        assert (await scene.client().post(MESSAGES, FULL)).status == 200
        scene.daemon.process.signal("HUP")
        await scene.daemon.wait_for("reload-failed", count=2)
        await scene.reloaded({"limits": {"max_images": "7"}})
        assert (await scene.client().post(MESSAGES, FULL)).status == 200

    @pytest_twisted.ensureDeferred
    async def test_no_file(self, start: Start) -> None:
        """A file that is gone is a mistake too, not a configuration of nothing."""
        scene = await start()
        (scene.daemon.folder / "claude-bridge.ini").unlink()
        ran = await scene.reload()
        assert ran.code == 78
        assert "No such file" in ran.err


class LoadTests:
    """Many streams, many reloads."""

    @pytest_twisted.ensureDeferred
    async def test_under_load(self, start: Start, backend: ScriptedBackend) -> None:
        """With 200 streams open 20 reloads drop none, each takes effect, and neither files nor memory pile up."""
        scene = await start()
        client = scene.client()
        backend.enqueue(*[HELD] * STREAMS)
        readings: list[Reading] = await gatherResults([client.send("POST", MESSAGES, FULL) for _ in range(STREAMS)])
        files, memory = 0, 0
        for number in range(1, RELOADS + 1):
            await scene.reloaded_fast({"limits": {"max_streams": str(number)}, **other_backend(number)})
            refused = await client.ask("POST", MESSAGES, HI)
            assert (refused.status, f"serves {number} requests" in refused.body.decode()) == (529, True)
            if number == SETTLED:
                files, memory = scene.descriptors, scene.daemon.resident_bytes
        assert scene.descriptors <= files + 2
        assert scene.daemon.resident_bytes - memory < 6 * MEGABYTE
        assert not any(reading.reason for reading in readings)
        await scene.reloaded_fast(other_backend(0))
        backend.enqueue(sse(ANSWER))
        assert (await client.post(MESSAGES, FULL)).status == 200
        replies = [await reading.whole(60) for reading in readings]
        assert {said(reply.events) for reply in replies} == {ALL_SAID}
        assert {names(reply.events)[-1] for reply in replies} == {"message_stop"}
        assert {chat.headers["x-number"] for chat in backend.chats[STREAMS:]} == {"0"}

    @pytest_twisted.ensureDeferred
    async def test_routes(self, start: Start, backend: ScriptedBackend) -> None:
        """With streams open the default route gets other models, back and forth: each request gets the one in force.

        Conversations that were at a model which has left the route go to its new one.
        """
        backend.models = ["first", "second"]
        scene = await start(routed("first"))
        client, auto = scene.client(), {**FULL, "model": "auto"}
        backend.enqueue(*[HELD] * 20)
        open_streams = await gatherResults([client.send("POST", MESSAGES, auto) for _ in range(20)])
        backend.script = lambda _: sse(ANSWER)
        session = {"x-claude-code-session-id": "s1"}
        for number in range(RELOADS):
            model = ("second", "first")[number % 2]
            await scene.reloaded_fast(routed(model))
            reply = await client.post(MESSAGES, auto, headers=session)
            assert reply.headers["x-claude-bridge-model"] == f"scripted/{model}"
        assert [chat.json["model"] for chat in backend.chats] == ["first"] * 20 + ["second", "first"] * (RELOADS // 2)
        assert {said((await reading.whole(60)).events) for reading in open_streams} == {ALL_SAID}

    @pytest_twisted.ensureDeferred
    async def test_idle(self, start: Start, backend: ScriptedBackend) -> None:
        """Reloads of a daemon that answers between them leave no connections, files or memory behind."""
        scene = await start()
        files, memory = 0, 0
        for number in range(140):
            await scene.reloaded_fast(other_backend(number))
            backend.enqueue(sse(ANSWER))
            assert (await scene.client().post(MESSAGES, FULL)).status == 200
            if number == COLLECTED:
                files, memory = scene.descriptors, scene.daemon.resident_bytes
        assert backend.connections <= 2
        assert scene.descriptors <= files + 2
        assert scene.daemon.resident_bytes - memory < 4 * MEGABYTE


def routed(model: str) -> Sections:
    """Return a default route to one model."""
    return {"route:default": {"models": f"scripted/{model}"}}


def other_backend(number: int) -> Sections:
    """Return settings that make the backend another one, with connections of its own."""
    return {"backend:scripted": {"headers": f"X-Number: {number}"}}
