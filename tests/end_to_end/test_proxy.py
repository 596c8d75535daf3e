"""Backends behind a real proxy, proxy.py: the daemon reaches them by CONNECT and in no other way."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from attrs import define
from twisted.internet.task import deferLater

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import sse
from tests.end_to_end.asking import ALL_SAID, ANSWER, FULL, HI, MESSAGES, said
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.end_to_end.daemon import Daemon, ini
from tests.end_to_end.processes import Watched, killed_late, run_program
from tests.end_to_end.sse import names
from tests.environments import PROXY, built

PASSWORD = "p@ss/word-9f8e7d6c5b4a"
ENCODED = "p%40ss%2Fword-9f8e7d6c5b4a"
COMMAND = str(Path(sys.prefix) / "bin" / "claude-bridge")
SECONDS = 30.0

_CONNECT = re.compile(rb" - CONNECT (\S+:\d+) - (\d+) bytes - ")


@define(eq=False)
class RealProxy:
    """A running proxy."""

    _reactor: Any
    process: Watched
    address: str

    @property
    def tunnels(self) -> list[tuple[str, int]]:
        """Return target and bytes sent back of each tunnel that has ended, as the proxy logged it."""
        return [(target.decode(), int(size)) for target, size in _CONNECT.findall(bytes(self.process.err))]

    async def until_tunnels(self, count: int) -> list[tuple[str, int]]:
        """Wait until so many tunnels have ended."""
        limit = self._reactor.seconds() + SECONDS
        while len(self.tunnels) < count:
            assert self._reactor.seconds() < limit, self.process.err.decode()
            await deferLater(self._reactor, 0.02)
        return self.tunnels

    async def stop(self) -> None:
        """End it."""
        self.process.signal("TERM")
        await killed_late(self._reactor, self.process, SECONDS)


StartProxy = Callable[..., Awaitable[RealProxy]]


@pytest_twisted.async_yield_fixture()
async def start_proxy(reactor: Any, tmp_path: Path) -> AsyncIterator[StartProxy]:
    """Yield the means to start proxies, which want ``login`` if one is given; they are stopped after the test."""
    started: list[RealProxy] = []
    program = str(built(PROXY).folder / "bin" / "proxy")

    async def start(login: str = "") -> RealProxy:
        file = tmp_path / f"proxy{len(started)}.port"
        options = ["--hostname", "127.0.0.1", "--port", "0", "--port-file", str(file)]
        options += ["--num-workers", "1", "--num-acceptors", "1", *(["--basic-auth", login] if login else [])]
        proxy = RealProxy(reactor, Watched(), "")
        started.append(proxy)
        environment = {"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "PYTHONUNBUFFERED": "1"}
        reactor.spawnProcess(proxy.process, program, [program, *options], env=environment, path=str(tmp_path))
        limit = reactor.seconds() + SECONDS
        while not (file.exists() and file.read_text()):
            assert reactor.seconds() < limit, proxy.process.err.decode()
            await deferLater(reactor, 0.02)
        proxy.address = f"127.0.0.1:{file.read_text().split()[0]}"
        return proxy

    yield start
    for proxy in started:
        await proxy.stop()


async def ask(reactor: Any, daemon: Daemon, backend: ScriptedBackend) -> None:
    """Ask for a whole stream, and check that it is one."""
    backend.enqueue(sse(ANSWER))
    reply = await client_of(reactor, daemon).post(MESSAGES, FULL)
    assert said(reply.events) == ALL_SAID
    assert names(reply.events)[-1] == "message_stop"
    await deferLater(reactor, 0.1)  # the end of the backend's body comes after its last event


async def refusal(reactor: Any, daemon: Daemon) -> str:
    """Return the message of what is neither a refused model nor a refused credential."""
    reply = await client_of(reactor, daemon).post(MESSAGES, HI)
    assert (reply.status, reply.json["error"]["type"]) == (502, "api_error")
    (line,) = daemon.events("request")[-1:]
    assert line["outcome"] == "upstream_unreachable"
    message: str = reply.json["error"]["message"]
    return message


@pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
class AnswersTests:
    """Answers through the proxy."""

    @pytest_twisted.ensureDeferred
    async def test_tls_with_a_login(
        self,
        reactor: Any,
        backend: ScriptedBackend,
        start_proxy: StartProxy,
        start_daemon: StartDaemon,
        tls_url: str,
        tmp_path: Path,
    ) -> None:
        """Streams over TLS come through one tunnel; the proxy gets its login, the backend and the log get none."""
        proxy = await start_proxy(f"me:{PASSWORD}")
        sections = {
            "backend:scripted": {
                "proxy": f"http://me:{ENCODED}@{proxy.address}",
                "ca_file": str(tmp_path / "ca.pem"),
            },
            "log": {"level": "debug"},
        }
        daemon = await start_daemon(config=ini(tls_url, sections))
        await client_of(reactor, daemon).ask("GET", "/v1/models")  # else the daemon asks beside the first request
        await ask(reactor, daemon, backend)
        await ask(reactor, daemon, backend)
        backend.enqueue(sse(ANSWER, pause=0.1))
        reading = await client_of(reactor, daemon).send("POST", MESSAGES, FULL)
        assert said((await reading.whole()).events) == ALL_SAID
        assert reading.arrivals[-1] - reading.arrivals[0] > 0.3  # not in one piece at the end
        await daemon.stop()
        ((target, size),) = await proxy.until_tunnels(1)
        assert target == tls_url.removeprefix("https://").removesuffix("/v1")
        assert size > 1000
        assert (len(backend.chats), len(backend.requests)) == (3, 4)
        assert not any(name.startswith("proxy") for chat in backend.requests for name in chat.headers)
        assert "9f8e7d6c5b4a" not in daemon.process.err.decode()

    @pytest_twisted.ensureDeferred
    async def test_plain_http(
        self, reactor: Any, backend: ScriptedBackend, start_proxy: StartProxy, start_daemon: StartDaemon
    ) -> None:
        """Requests and the list of models of an http backend share a tunnel; the backend has no other connection."""
        proxy = await start_proxy()
        daemon = await start_daemon({"backend:scripted": {"proxy": f"http://{proxy.address}"}})
        listed = await client_of(reactor, daemon).ask("GET", "/v1/models")
        assert "test-model" in listed.body.decode()
        for _ in range(2):
            await ask(reactor, daemon, backend)
        assert backend.connections == 1
        await daemon.stop()
        tunnels = await proxy.until_tunnels(1)
        assert [target for target, _ in tunnels] == [f"127.0.0.1:{backend.port}"]

    @pytest_twisted.ensureDeferred
    async def test_reload(
        self,
        reactor: Any,
        backend: ScriptedBackend,
        start_proxy: StartProxy,
        start_daemon: StartDaemon,
        tmp_path: Path,
    ) -> None:
        """After a reload a changed proxy is used, an answer under way ends through the old one, and that is left."""
        first, second = await start_proxy(), await start_proxy("me:second-9f8e7d6c5b4a")
        environment = {"XDG_RUNTIME_DIR": str(tmp_path)}
        sections = {"backend:scripted": {"proxy": f"http://{first.address}"}}
        daemon = await start_daemon(sections, environment=environment)
        await ask(reactor, daemon, backend)
        backend.enqueue(sse(ANSWER, pause=0.2))
        reading = await client_of(reactor, daemon).send("POST", MESSAGES, FULL)

        sections = {"backend:scripted": {"proxy": f"http://me:second-9f8e7d6c5b4a@{second.address}"}}
        (daemon.folder / "claude-bridge.ini").write_text(ini(backend.url, sections))
        ran = await run_program(reactor, [COMMAND, "reload"], environment={"PATH": "/usr/bin:/bin", **environment})
        assert "changed: [backend:scripted] proxy" in ran.out
        await ask(reactor, daemon, backend)
        assert not reading.is_complete
        assert said((await reading.whole()).events) == ALL_SAID
        assert len(await first.until_tunnels(1)) == 1
        await ask(reactor, daemon, backend)
        await daemon.stop()
        assert len(await second.until_tunnels(1)) == 1
        assert len(first.tunnels) == 1
        assert "9f8e7d6c5b4a" not in daemon.process.err.decode() + ran.out + ran.err


class RefusalTests:
    """What the client is told when the proxy does not let it through."""

    @pytest_twisted.ensureDeferred
    async def test_login(
        self, reactor: Any, backend: ScriptedBackend, start_proxy: StartProxy, start_daemon: StartDaemon
    ) -> None:
        """A missing and a wrong password are told apart, and neither looks like a refused key of the client's."""
        proxy = await start_proxy(f"me:{PASSWORD}")
        without = await start_daemon({"backend:scripted": {"proxy": f"http://{proxy.address}"}})
        assert await refusal(reactor, without) == (
            "cannot reach backend scripted: its proxy wants a user and password (HTTP 407): "
            "proxy = http://user:password@host:port"
        )
        wrong = await start_daemon({"backend:scripted": {"proxy": f"http://me:wrong-9f8e7d6c@{proxy.address}"}})
        assert await refusal(reactor, wrong) == (
            "cannot reach backend scripted: its proxy does not accept the user and password (HTTP 407)"
        )
        assert "9f8e7d6c" not in wrong.process.err.decode()
        assert backend.requests == []

    @pytest_twisted.ensureDeferred
    async def test_backend_that_does_not_run(
        self, reactor: Any, backend: ScriptedBackend, start_proxy: StartProxy, start_daemon: StartDaemon
    ) -> None:
        """A backend that the proxy does not reach, and a proxy that does not run, are told apart."""
        proxy = await start_proxy()
        daemon = await start_daemon({"backend:scripted": {"proxy": f"http://{proxy.address}"}})
        await backend.stop()
        assert await refusal(reactor, daemon) == (
            "cannot reach backend scripted: its proxy has no connection to this backend (HTTP 502 of the proxy)"
        )
        await proxy.stop()
        assert await refusal(reactor, daemon) == (
            "cannot reach backend scripted: its proxy does not run: connection refused"
        )

    @pytest_twisted.ensureDeferred
    async def test_environment(self, reactor: Any, start_proxy: StartProxy, start_daemon: StartDaemon) -> None:
        """With `env` the proxy of the variable is asked, for a name that only it would know."""
        proxy = await start_proxy()
        daemon = await start_daemon(
            config=ini("https://llm.invalid/v1", {"backend:scripted": {"proxy": "env"}}),
            environment={"HTTPS_PROXY": f"http://{proxy.address}", "http_proxy": "http://127.0.0.1:9"},
        )
        assert await refusal(reactor, daemon) == (
            "cannot reach backend scripted: its proxy (of HTTPS_PROXY) has no connection to this backend "
            "(HTTP 502 of the proxy)"
        )
        assert {target for target, _ in proxy.tunnels} == {"llm.invalid:443"}
