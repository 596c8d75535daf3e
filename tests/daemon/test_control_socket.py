"""Promises of the control socket: where it is, whom it lets in, what it answers."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define, field
from twisted.internet.defer import fail, succeed
from twisted.internet.threads import deferToThread
from twisted.logger import capturedLogs
from twisted.web.resource import Resource

from claude_bridge.client.running_bridge import ControlAnswer, ask
from claude_bridge.config.problems import ConfigErrors, Problem
from claude_bridge.core.errors import UpstreamUnreachable
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.control_socket import ControlRoutes, ControlSocket
from claude_bridge.daemon.reload import Reloader
from claude_bridge.daemon.service import Bridge, build
from tests.services.accounting.test_request_log import RECORD
from tests.services.exchange.stage import ONE, configured

BREAKER = ONE + "[breaker]\nenabled = yes\nfailures = 1\n"


@define(eq=False)
class Scene:
    """A bridge that has not started, with a control socket that has.

    :ivar outcomes: of reloads; an error is raised.
    """

    reactor: Any
    folder: Path
    bridge: Bridge = field(init=False)
    control: ControlSocket = field(init=False)
    outcomes: list[Any] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        """Build it."""
        self.bridge = build(configured(BREAKER), self.reactor, Redactor(()))
        self.bridge.running = 1
        reloader = Reloader(self.bridge, lambda: configured(ONE), lambda _: self.outcome())
        resource = ControlRoutes(self.bridge, reloader).app().resource()
        self.control = ControlSocket(self.reactor, resource, [str(self.folder)], lambda: None)

    def outcome(self) -> Any:
        """Return what the next reload reads."""
        found = self.outcomes.pop(0)
        return fail(found) if isinstance(found, Exception) else succeed(found)

    async def ask(self, method: str, target: str) -> ControlAnswer:
        """Ask as the command does."""
        return await deferToThread(ask, str(self.control.path), method, target)


@pytest_twisted.async_yield_fixture()
async def scene(reactor: Any, tmp_path: Path) -> AsyncIterator[Scene]:
    """Yield one, started."""
    made = Scene(reactor, tmp_path)
    made.control.startService()
    yield made
    await made.control.stopService()
    made.bridge.running = 0


class RoutesTests:
    """What can be asked."""

    @pytest_twisted.ensureDeferred
    async def test_status(self, scene: Scene) -> None:
        """Both snapshots, as JSON."""
        answer = await scene.ask("GET", "/status")
        assert answer.status == 200
        assert answer.body["process"]["pid"] == os.getpid()
        (backend,) = answer.body["configuration"]["backends"]
        assert (backend["circuit"], backend["streaming"], backend["waiting"]) == ("closed", None, 0)
        assert answer.body["process"]["ledger"] is None

    @pytest_twisted.ensureDeferred
    async def test_what_was_served(self, scene: Scene) -> None:
        """The totals since the start, and those of each model and key."""
        scene.bridge.process.records.request_ended(RECORD)
        served = (await scene.ask("GET", "/status")).body["process"]["served"]
        assert (served["sums"]["requests"], served["sums"]["cost_usd"], served["sums"]["unpriced"]) == (1, None, 2)
        (model,), (key,) = served["models"], served["keys"]
        assert (model["backend"], model["model"], model["sums"]) == ("box", "zai/GLM", served["sums"])
        assert (model["last_error"], key["key"]) == ("refused", "anna")

    @pytest_twisted.ensureDeferred
    async def test_reload(self, scene: Scene) -> None:
        """A reload tells what changed and what needs a restart."""
        scene.outcomes += [configured(BREAKER + "[log]\nformat = text\nlevel = debug\n")]
        answer = await scene.ask("POST", "/reload")
        assert answer.status == 200
        assert (answer.strings("changed"), answer.strings("needs_restart")) == (["[log] level"], ["[log] format"])
        assert scene.bridge.generation.number == 2

    @pytest_twisted.ensureDeferred
    async def test_mistakes(self, scene: Scene) -> None:
        """A wrong configuration is 422 with all mistakes."""
        scene.outcomes += [ConfigErrors((Problem("a", "b", "one"), Problem("c", "", "two")))]
        answer = await scene.ask("POST", "/reload")
        assert (answer.status, answer.strings("problems")) == (422, ["[a] b: one", "[c]: two"])

    @pytest_twisted.ensureDeferred
    async def test_stopping(self, scene: Scene) -> None:
        """While the daemon stops there is nothing to reload."""
        scene.bridge.running = 0
        scene.outcomes += [configured(BREAKER)]
        assert (await scene.ask("POST", "/reload")).status == 409

    @pytest_twisted.ensureDeferred
    async def test_breaker(self, scene: Scene) -> None:
        """An open circuit is closed; a backend that is not there is 404, and a breaker that is off 409."""
        scene.bridge.generation.breaker.admit("box").failed(UpstreamUnreachable("down"))
        assert (await scene.ask("GET", "/status")).body["configuration"]["backends"][0]["circuit"] == "open"
        answer = await scene.ask("POST", "/breaker/box/reset")
        assert (answer.status, answer.body) == (200, {"backend": "box", "circuit": "closed"})
        assert (await scene.ask("GET", "/status")).body["configuration"]["backends"][0]["circuit"] == "closed"
        assert (await scene.ask("POST", "/breaker/nobody/reset")).status == 404
        scene.bridge.change_over(configured(ONE))
        assert (await scene.ask("POST", "/breaker/box/reset")).status == 409

    @pytest.mark.parametrize(
        ("method", "target", "status"), [("GET", "/reload", 405), ("POST", "/status", 405), ("GET", "/nothing", 404)]
    )
    @pytest_twisted.ensureDeferred
    async def test_anything_else(self, scene: Scene, method: str, target: str, status: int) -> None:
        """Other paths and methods are refused, as JSON too."""
        answer = await scene.ask(method, target)
        assert answer.status == status
        assert "error" in answer.body


def listening(reactor: Any, *folders: Path, port: int | None = None) -> ControlSocket:
    """Start one that serves nothing."""
    control = ControlSocket(reactor, Resource(), [str(folder) for folder in folders], lambda: port)
    control.startService()
    return control


def control_of(folder: Path, more: str = "") -> Path:
    """Return where a socket is."""
    return folder / f"control{more}.sock"


class SocketTests:
    """Where it is, and for whom."""

    @pytest_twisted.ensureDeferred
    async def test_private(self, reactor: Any, tmp_path: Path) -> None:
        """Nobody but the daemon's user gets in, whatever the umask is; a folder that is made is as private."""
        before = os.umask(0)
        try:
            control = listening(reactor, tmp_path / "made")
        finally:
            assert os.umask(before) == 0
        path = tmp_path / "made" / "control.sock"
        assert control.path == path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        await control.stopService()
        assert list(path.parent.iterdir()) == []

    @pytest_twisted.ensureDeferred
    async def test_stale(self, reactor: Any, tmp_path: Path) -> None:
        """What a daemon that was killed has left is replaced."""
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "control.sock"))
        control = listening(reactor, tmp_path)
        assert control.path == tmp_path / "control.sock"
        await control.stopService()

    @pytest_twisted.ensureDeferred
    async def test_somebodys_file(self, reactor: Any, tmp_path: Path) -> None:
        """A file that is no socket is nobody's but the user's: it stays."""
        control_of(tmp_path).touch()
        control = listening(reactor, tmp_path)
        assert control.path is None
        assert control_of(tmp_path).exists()
        await control.stopService()

    @pytest_twisted.ensureDeferred
    async def test_second(self, reactor: Any, tmp_path: Path) -> None:
        """A second bridge takes the name with its port, and leaves the first one alone."""
        first, second = listening(reactor, tmp_path, port=1), listening(reactor, tmp_path, port=8081)
        with capturedLogs() as logged:
            third = listening(reactor, tmp_path, port=8081)
        assert [each.path and each.path.name for each in (first, second, third)] == [
            "control.sock",
            "control-8081.sock",
            None,
        ]
        (told,) = [each for each in logged if each.get("event") == "control"]
        assert "other bridges" in told["reason"]
        await second.stopService()
        assert not control_of(tmp_path, "-8081").exists()
        assert control_of(tmp_path).exists()
        await first.stopService()
        await third.stopService()

    @pytest_twisted.ensureDeferred
    async def test_first_that_can_be_used(self, reactor: Any, tmp_path: Path) -> None:
        """A place that is not there, or cannot be written to, is passed over."""
        file = tmp_path / "file"
        file.touch()
        control = listening(reactor, tmp_path / "not" / "there", file, tmp_path)
        assert control.path == tmp_path / "control.sock"
        await control.stopService()

    @pytest.mark.parametrize(
        ("places", "level"), [((), "info"), ((Path("/dev/null"), Path("/dev/null/below")), "warn")]
    )
    @pytest_twisted.ensureDeferred
    async def test_nowhere(self, reactor: Any, places: tuple[Path, ...], level: str) -> None:
        """Without any place the daemon goes on without; the log says why, and what reloads all the same."""
        with capturedLogs() as logged:
            control = listening(reactor, *places)
        (told,) = [each for each in logged if each.get("event") == "control"]
        assert (control.path, told["log_level"].name) == (None, level)
        assert "SIGHUP" in told["log_format"]
        await control.stopService()

    @pytest_twisted.ensureDeferred
    async def test_removed(self, reactor: Any, tmp_path: Path) -> None:
        """A socket that somebody has removed does not spoil the stop."""
        control = listening(reactor, tmp_path)
        (tmp_path / "control.sock").unlink()
        await control.stopService()
