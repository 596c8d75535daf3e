"""Promises of the object graph and of the daemon's life: bind, serve, drain."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
import treq
from attrs import define, evolve, field
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from twisted.web.client import Agent
from zope.interface import provider

from claude_bridge.config.schema import Config
from claude_bridge.core.errors import NotFound
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.service import GC_THRESHOLDS, Bridge, Runtime, build
from claude_bridge.services.breaker import CircuitBreakers, NoBreaker
from claude_bridge.testing.answers import Pause
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chat_stream, sse
from claude_bridge.testing.fakes import KeptRecords
from tests.edge.stage import Edge
from tests.services.exchange.stage import ONE, asking, configured

PLAIN = "[server]\nlisten = tcp:0:interface=127.0.0.1\ncredentials = none\n{more}\n[backend:default]\nurl = {url}\n"


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Yield the test process its garbage collector back."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.fixture
def told() -> Iterator[list[LogEvent]]:
    """Yield what is logged."""
    events: list[LogEvent] = []

    @provider(ILogObserver)
    def observe(event: LogEvent) -> None:
        events.append(event)

    globalLogPublisher.addObserver(observe)
    yield events
    globalLogPublisher.removeObserver(observe)


@define(eq=False)
class Daemon:
    """A bridge on loopback, in this process."""

    reactor: Any
    bridge: Bridge
    stopped: Deferred[object] | None = field(default=None)

    @classmethod
    def started(cls, reactor: Any, config: Config) -> Daemon:
        """Start one as twistd does."""
        bridge = Bridge(build(config, reactor, Redactor(())), reactor)
        bridge.privilegedStartService()
        bridge.startService()
        return cls(reactor, bridge)

    def url(self, path: str) -> str:
        """Return an address of it."""
        host, port = self.bridge.addresses[0]
        return f"http://{host}:{port}{path}"

    async def ask(self, path: str, body: dict[str, Any] | None = None) -> tuple[int, bytes]:
        """Ask on a connection of its own and give status and body."""
        agent = Agent(self.reactor)
        if body is None:
            response = await treq.get(self.url(path), agent=agent)
        else:
            response = await treq.post(self.url(path), json.dumps(body).encode(), agent=agent)
        return response.code, await treq.content(response)

    def stop(self) -> Deferred[object]:
        """Stop it, once."""
        if self.stopped is None:
            self.stopped = self.bridge.stopService()
        return self.stopped

    async def until(self, condition: Callable[[], object]) -> None:
        """Turn the reactor until ``condition`` holds."""
        for _ in range(500):
            if condition():
                return
            await deferLater(self.reactor, 0.01, lambda: None)
        raise AssertionError("it did not happen in time")


@pytest_twisted.async_yield_fixture()
async def daemon(reactor: Any, backend: ScriptedBackend) -> AsyncIterator[Daemon]:
    """Yield a bridge in front of the scripted backend."""
    started = Daemon.started(reactor, configured(PLAIN.format(url=backend.url, more="drain_timeout = 5")))
    yield started
    await started.stop()


class BuildTests:
    """The object graph."""

    def test_starts_nothing(self) -> None:
        """Building opens no port and starts no timer, so that a configuration can be tried out."""
        reactor = MemoryReactorClock()
        runtime = build(configured(ONE), reactor, Redactor(()))
        assert (reactor.tcpServers, reactor.tcpClients, reactor.getDelayedCalls()) == ([], [], [])
        assert not runtime.ready

    def test_breaker_is_optional(self) -> None:
        """Without `enabled = yes` no circuit breaker stands between."""
        assert isinstance(build(configured(ONE), MemoryReactorClock(), Redactor(())).breaker, NoBreaker)
        text = ONE + "[breaker]\nenabled = yes\n"
        assert isinstance(build(configured(text), MemoryReactorClock(), Redactor(())).breaker, CircuitBreakers)

    @pytest.mark.parametrize("more", ["", "[breaker]\nenabled = yes\n"])
    def test_start_and_stop(self, more: str) -> None:
        """What was started is stopped, with nothing left that ticks."""
        reactor = MemoryReactorClock()
        runtime = build(configured(ONE + more), reactor, Redactor(()))
        runtime.start()
        assert runtime.ready
        done: list[object] = []
        runtime.stop().addCallback(done.append)
        reactor.advance(10)
        assert len(done) == 1
        assert reactor.getDelayedCalls() == []


class BooksTests:
    """Requests that dispatch never saw."""

    def booked(self, act: Callable[[Runtime, Any], None]) -> Any:
        """Return the record of a request."""
        records = KeptRecords()
        runtime = build(configured(ONE), MemoryReactorClock(), Redactor(()))
        runtime.records = records
        line = Edge().line()
        line.ask("POST", "/v1/messages?secret=1", b"", content_length="9", x_api_key="k")
        line.say(b"12345")
        (request,) = line.channel.requests
        request.arrived = runtime.sweep.seconds() - 2
        runtime.unix_time = lambda: 1002.0
        act(runtime, request)
        (record,) = records.requests
        assert (round(record.started), round(record.seconds), record.body_bytes) == (1000, 2, 5)
        assert record.request_id == request.request_id
        assert "secret" not in record.kind
        return record

    def test_refused(self) -> None:
        """A refused request is booked by its path, without the query, under its status."""
        record = self.booked(lambda runtime, request: runtime.refused(request, NotFound("no")))
        assert (record.kind, record.status, record.outcome, record.attempts) == ("/v1/messages", 404, "not_found", ())

    def test_answered(self) -> None:
        """One that was answered without a backend is booked by its kind."""
        record = self.booked(lambda runtime, request: runtime.answered(request, "models"))
        assert (record.kind, record.status, record.outcome) == ("models", 200, "ok")

    def test_left(self) -> None:
        """One whose client left has no status."""

        def leave(runtime: Runtime, request: Any) -> None:
            request.channel.transport.leave()
            runtime.left(request, "models")

        record = self.booked(leave)
        assert (record.kind, record.status, record.outcome) == ("models", 0, "client_left")


class StartTests:
    """From nothing to serving."""

    @pytest_twisted.ensureDeferred
    async def test_serves(self, daemon: Daemon, backend: ScriptedBackend) -> None:
        """A started daemon is ready and carries a request to its backend and back."""
        assert (await daemon.ask("/health"))[0] == 200
        backend.enqueue(sse(chat_stream(text="Hello")))
        status, body = await daemon.ask("/v1/messages", asking(model="test-model"))
        assert status == 200
        assert body.rstrip().endswith(b'data: {"type":"message_stop"}')
        (chat,) = backend.chats
        assert chat.headers["user-agent"].startswith("claude-bridge/")

    @pytest_twisted.ensureDeferred
    async def test_says_where(self, reactor: Any, told: list[LogEvent]) -> None:
        """Every listener is told with the port that it really has, and every backend with its address."""
        text = PLAIN.format(url="http://box/v1", more="").replace(
            "listen = tcp:0:interface=127.0.0.1", "listen =\n  tcp:0:interface=127.0.0.1\n  tcp:0:interface=127.0.0.1"
        )
        daemon = Daemon.started(reactor, configured(text))
        await daemon.stop()
        listening = [event for event in told if event.get("event") == "listening"]
        assert [(event["host"], event["port"]) for event in listening] == daemon.bridge.addresses
        assert len({port for _, port in daemon.bridge.addresses} - {0}) == 2
        assert [event["url"] for event in listening] == [
            f"http://{host}:{port}" for host, port in daemon.bridge.addresses
        ]
        (backend,) = [event for event in told if event.get("event") == "backend"]
        assert (backend["backend"], backend["url"], backend["dialect"]) == ("default", "http://box/v1", "generic")

    @pytest_twisted.ensureDeferred
    async def test_not_ready_before_the_start(self, reactor: Any) -> None:
        """Between binding and starting nobody is told that the daemon is ready."""
        bridge = Bridge(build(configured(PLAIN.format(url="http://box/v1", more="")), reactor, Redactor(())), reactor)
        bridge.privilegedStartService()
        assert not bridge.runtime.ready
        await bridge.stopService()

    @pytest_twisted.ensureDeferred
    async def test_taken_port(self, reactor: Any, daemon: Daemon) -> None:
        """A port that somebody has ends the start with an exception, instead of a daemon that serves nobody."""
        host, port = daemon.bridge.addresses[0]
        config = daemon.bridge.runtime.config
        taken = evolve(config, server=evolve(config.server, listen=(f"tcp:{port}:interface={host}",)))
        with pytest.raises(error.CannotListenError):
            Bridge(build(taken, reactor, Redactor(())), reactor).privilegedStartService()

    def test_rare_collections(self) -> None:
        """Once the reactor runs, the garbage collector looks rarely."""
        reactor = MemoryReactorClock()
        bridge = Bridge(build(configured(ONE), reactor, Redactor(())), reactor)
        bridge.startService()
        assert gc.get_threshold() != GC_THRESHOLDS
        reactor.run()
        assert gc.get_threshold() == GC_THRESHOLDS
        bridge.stopService()
        reactor.advance(10)


class StopTests:
    """From serving to nothing."""

    @pytest_twisted.ensureDeferred
    async def test_answers_are_finished(self, daemon: Daemon, backend: ScriptedBackend, told: list[LogEvent]) -> None:
        """An answer under way is finished; nobody new is let in meanwhile; then everything is closed."""
        answer = sse(chat_stream(text="Hello"))
        backend.enqueue(evolve(answer, steps=(answer.steps[0], answer.steps[1], Pause(0.3), *answer.steps[2:])))
        asking_still = Deferred.fromCoroutine(daemon.ask("/v1/messages", asking(model="test-model")))
        await daemon.until(lambda: backend.chats)
        done: list[object] = []
        stopped = daemon.stop().addCallback(done.append)
        assert not daemon.bridge.runtime.ready
        with pytest.raises(error.ConnectionRefusedError):
            await TCP4ClientEndpoint(daemon.reactor, *daemon.bridge.addresses[0]).connect(Factory.forProtocol(Protocol))
        assert done == []
        status, body = await asking_still
        assert (status, b"message_stop" in body) == (200, True)
        await stopped
        assert daemon.bridge.runtime.dispatcher.active == 0
        await daemon.until(lambda: not backend.connections)
        (stopping,) = [event for event in told if event.get("event") == "stopping"]
        assert stopping["active"] == 1

    @pytest_twisted.ensureDeferred
    async def test_drain_has_a_limit(self, reactor: Any, backend: ScriptedBackend) -> None:
        """After `drain_timeout` what is left is cut, on both sides."""
        daemon = Daemon.started(reactor, configured(PLAIN.format(url=backend.url, more="drain_timeout = 0.1")))
        backend.enqueue(evolve(sse(()), steps=(Pause(60),)))
        failures: list[Any] = []
        Deferred.fromCoroutine(daemon.ask("/v1/messages", asking(model="test-model"))).addErrback(failures.append)
        await daemon.until(lambda: backend.chats)
        await daemon.stop()
        await daemon.until(lambda: failures and not backend.connections)
        assert daemon.bridge.runtime.dispatcher.active == 0


class FileLimitTests:
    """Each stream needs two descriptors, and shells give a thousand."""

    @pytest.mark.parametrize(("hard", "streams", "given"), [(4000, 500, 1256), (700, 500, 700), (4000, 1, 300)])
    def test_is_raised_as_far_as_needed_and_allowed(self, hard: int, streams: int, given: int) -> None:
        """The limit grows to what the streams need, never beyond what the system allows, and never shrinks."""
        program = (
            "import resource as r; from claude_bridge.daemon.service import raise_file_limit as f;"
            f"r.setrlimit(r.RLIMIT_NOFILE, (300, {hard})); f({streams}); print(r.getrlimit(r.RLIMIT_NOFILE)[0])"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        assert int(ran.stdout) == given

    @pytest.mark.parametrize("refusal", ["ValueError('not allowed to raise maximum limit')", "OSError(1, 'No')"])
    def test_may_not_be_raised(self, refusal: str) -> None:
        """Where a filter of system calls lets nobody change limits, the daemon starts and says how far it gets."""
        program = (
            "import resource as r, claude_bridge.daemon.service as a; from twisted.logger import capturedLogs;"
            "r.setrlimit(r.RLIMIT_NOFILE, (300, 4000))\n"
            f"def refuse(*_): raise {refusal}\n"
            "r.setrlimit = refuse\n"
            "with capturedLogs() as told: a.raise_file_limit(500)\n"
            "print([(e['log_level'].name, e['files'], e.get('streams')) for e in told])"
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        assert ran.stdout == "[('info', 300, None), ('warn', 300, 22)]\n"
