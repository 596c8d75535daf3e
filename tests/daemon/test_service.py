"""Promises of the daemon's life: bind, serve, change over, drain."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import weakref
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
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.service import GC_THRESHOLDS, Bridge, build
from claude_bridge.doctor import short
from claude_bridge.testing.answers import Pause
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import chat_stream, sse
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
        bridge = build(config, reactor, Redactor(()))
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
        bridge = build(configured(PLAIN.format(url="http://box/v1", more="")), reactor, Redactor(()))
        bridge.privilegedStartService()
        assert not bridge.process.ready
        await bridge.stopService()

    @pytest_twisted.ensureDeferred
    async def test_taken_port(self, reactor: Any, daemon: Daemon) -> None:
        """A port that somebody has ends the start with an exception, instead of a daemon that serves nobody."""
        host, port = daemon.bridge.addresses[0]
        config = daemon.bridge.generation.config
        taken = evolve(config, server=evolve(config.server, listen=(f"tcp:{port}:interface={host}",)))
        with pytest.raises(error.CannotListenError):
            build(taken, reactor, Redactor(())).privilegedStartService()

    def test_rare_collections(self) -> None:
        """Once the reactor runs, the garbage collector looks rarely."""
        reactor = MemoryReactorClock()
        bridge = build(configured(ONE), reactor, Redactor(()))
        bridge.startService()
        assert gc.get_threshold() != GC_THRESHOLDS
        reactor.run()
        assert gc.get_threshold() == GC_THRESHOLDS
        bridge.stopService()
        reactor.advance(10)

    def test_loads_what_its_backends_need(self) -> None:
        """What only other kinds of backends, refusals, calls in texts or time zones need is not loaded at the start."""
        program = (
            "import sys\n"
            "from twisted.internet import reactor\n"
            "from claude_bridge.config.load import parse, read_file\n"
            "from claude_bridge.core.redaction import Redactor\n"
            "from claude_bridge.daemon.service import build\n"
            "config = parse('[backend:b]\\nurl = http://b.invalid/v1\\n', {}, read_file)\n"
            "build(config, reactor, Redactor(()))\n"
            "print(*sys.modules)\n"
        )
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        loaded = set(told.stdout.split())
        core = "claude_bridge.core"
        assert {f"{core}.chat_completions.translation", f"{core}.responses_api.backend"} <= loaded
        assert not loaded & {
            "zoneinfo",
            f"{core}.responses_api.target",
            f"{core}.responses_api.answer.reader",
            f"{core}.anthropic_backend.target",
            f"{core}.anthropic_backend.message_editing",
            f"{core}.chat_completions.errors.advice",
            f"{core}.chat_completions.tool_parsers.scanner",
            f"{core}.upstream_errors.overflow_detection",
        }


class CheckTests:
    """Each backend is looked at when the daemon has started."""

    @pytest.fixture(autouse=True)
    def patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give a backend longer to answer, as the machine may be busy."""
        monkeypatch.setattr(short, "WAIT_SECONDS", 30.0)

    @staticmethod
    def states(told: list[LogEvent]) -> list[tuple[str, str]]:
        """Return level and state of each line about a backend's state."""
        return [(event["log_level"].name, event["state"]) for event in told if event.get("event") == "backend-state"]

    @pytest_twisted.ensureDeferred
    async def test_up(self, reactor: Any, backend: ScriptedBackend, told: list[LogEvent]) -> None:
        """One line says that it is up; its list is asked for once, and the first request finds it there."""
        daemon = Daemon.started(reactor, configured(PLAIN.format(url=backend.url, more="")))
        await daemon.until(lambda: self.states(told))
        assert self.states(told) == [("info", "up, 1 model")]
        backend.enqueue(sse(chat_stream(text="Hi")))
        assert (await daemon.ask("/v1/messages", asking(model="claude-x")))[0] == 200
        await daemon.stop()
        assert [request.path for request in backend.requests] == ["/v1/models", "/v1/chat/completions"]

    @pytest_twisted.ensureDeferred
    async def test_down(self, reactor: Any, told: list[LogEvent]) -> None:
        """A backend that is down is a warning with what to do, and the daemon serves all the same."""
        daemon = Daemon.started(reactor, configured(PLAIN.format(url="http://127.0.0.1:1/v1", more="")))
        await daemon.until(lambda: self.states(told))
        assert (await daemon.ask("/health"))[0] == 200
        await daemon.stop()
        ((level, state),) = self.states(told)
        assert level == "warn"
        assert state.startswith("down: 127.0.0.1:1: connection refused: start the server, or correct ")

    @pytest_twisted.ensureDeferred
    async def test_changed(self, reactor: Any, backend: ScriptedBackend, told: list[LogEvent]) -> None:
        """After a reload those are looked at whose section or models have changed, and no other."""
        plain = PLAIN.format(url=backend.url, more="")
        daemon = Daemon.started(reactor, configured(plain))
        await daemon.until(lambda: self.states(told))
        daemon.bridge.change_over(configured(plain))
        daemon.bridge.change_over(configured(f"{plain}\n[backend:second]\nurl = http://127.0.0.1:1/v1\n"))
        await daemon.until(lambda: len(self.states(told)) > 1)
        assert [state[:22] for _, state in self.states(told)] == ["up, 1 model", "down: 127.0.0.1:1: con"]
        await daemon.stop()

    @pytest_twisted.ensureDeferred
    async def test_changed_model(self, reactor: Any, backend: ScriptedBackend, told: list[LogEvent]) -> None:
        """A model that is not there is logged when it comes into the configuration."""
        plain = PLAIN.format(url=backend.url, more="")
        daemon = Daemon.started(reactor, configured(plain))
        await daemon.until(lambda: self.states(told))
        daemon.bridge.change_over(configured(f"{plain}\n[model:x]\nname = gone\n"))
        await daemon.until(lambda: len(self.states(told)) > 1)
        assert self.states(told)[1][1].startswith("up, but gone is not in the list; there are test-model")
        await daemon.stop()

    @pytest_twisted.ensureDeferred
    async def test_not_wanted(self, reactor: Any, backend: ScriptedBackend, told: list[LogEvent]) -> None:
        """With check_backends = no nothing is asked."""
        daemon = Daemon.started(reactor, configured(PLAIN.format(url=backend.url, more="check_backends = no")))
        assert (await daemon.ask("/health"))[0] == 200
        await daemon.stop()
        assert backend.requests == []
        assert self.states(told) == []

    @pytest_twisted.ensureDeferred
    async def test_stop(self, reactor: Any, backend: ScriptedBackend, told: list[LogEvent]) -> None:
        """A stop does not wait for a look that is under way, which says nothing any more."""
        daemon = Daemon.started(reactor, configured(PLAIN.format(url=backend.url, more="")))
        await daemon.stop()
        assert self.states(told) == []


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
        assert not daemon.bridge.process.ready
        with pytest.raises(error.ConnectionRefusedError):
            await TCP4ClientEndpoint(daemon.reactor, *daemon.bridge.addresses[0]).connect(Factory.forProtocol(Protocol))
        assert done == []
        status, body = await asking_still
        assert (status, b"message_stop" in body) == (200, True)
        await stopped
        assert daemon.bridge.generation.admission.active == 0
        await daemon.until(lambda: not backend.connections)
        (stopping,) = [event for event in told if event.get("event") == "stopping"]
        assert stopping["active"] == 1
        (served,) = [event for event in told if event.get("event") == "served"]
        assert served["summary"].startswith("served 1 request in ")

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
        assert daemon.bridge.generation.admission.active == 0


class ChangeOverTests:
    """From one configuration to another, with requests under way."""

    def text(self, backend: ScriptedBackend, more: str = "") -> str:
        """Write a configuration of the scripted backend with a client's key."""
        keys = PLAIN.replace("credentials = none", "credentials = keys") + "[key:alice]\nsecret = alices-secret-key\n"
        return keys.format(url=backend.url, more=more)

    @pytest_twisted.ensureDeferred
    async def test_requests_end_as_they_began(self, reactor: Any, backend: ScriptedBackend) -> None:
        """An answer under way is finished by the configuration that it began under, and counted as long as it is."""
        daemon = Daemon.started(reactor, configured(PLAIN.format(url=backend.url, more="")))
        answer = sse(chat_stream(text="Hello"))
        backend.enqueue(evolve(answer, steps=(answer.steps[0], answer.steps[1], Pause(0.3), *answer.steps[2:])))
        asking_still = Deferred.fromCoroutine(daemon.ask("/v1/messages", asking(model="test-model")))
        await daemon.until(lambda: backend.chats)
        old = daemon.bridge.generation
        daemon.bridge.change_over(configured(self.text(backend)))
        assert daemon.bridge.generation is not old
        assert (old.admission.active, daemon.bridge.generation.admission.active) == (1, 0)
        assert json.loads((await daemon.ask("/health"))[1])["active_requests"] == 1
        assert (await daemon.ask("/v1/messages", asking(model="test-model")))[0] == 401
        status, body = await asking_still
        assert (status, b"message_stop" in body) == (200, True)
        assert daemon.bridge._retiring == set()
        gone = weakref.ref(old)
        del old
        await deferLater(reactor, 0, lambda: None)
        gc.collect()
        assert gone() is None
        await daemon.stop()

    @pytest_twisted.ensureDeferred
    async def test_limit_holds_for_all_together(self, reactor: Any, backend: ScriptedBackend) -> None:
        """Exchanges of the configuration before count where the new one limits their number."""
        daemon = Daemon.started(reactor, configured(PLAIN.format(url=backend.url, more="drain_timeout = 0.1")))
        backend.enqueue(evolve(sse(()), steps=(Pause(60),)))
        Deferred.fromCoroutine(daemon.ask("/v1/messages", asking(model="test-model"))).addErrback(lambda _: None)
        await daemon.until(lambda: backend.chats)
        less = PLAIN.format(url=backend.url, more="drain_timeout = 0.1") + "[limits]\nmax_streams = 1\n"
        daemon.bridge.change_over(configured(less))
        assert (await daemon.ask("/v1/messages", asking(model="test-model")))[0] == 529
        await daemon.stop()

    @pytest_twisted.ensureDeferred
    async def test_unused_connections_are_closed(self, reactor: Any, backend: ScriptedBackend) -> None:
        """Connections to a backend that no configuration has any more are closed; to one that stays they stay."""
        daemon = Daemon.started(reactor, configured(PLAIN.format(url=backend.url, more="")))
        backend.enqueue(sse(chat_stream(text="Hello")))
        await daemon.ask("/v1/messages", asking(model="test-model"))
        assert backend.connections == 1
        daemon.bridge.change_over(configured(PLAIN.format(url=backend.url, more="ping_interval = 3")))
        await deferLater(reactor, 0.1, lambda: None)
        assert backend.connections == 1
        daemon.bridge.change_over(configured(PLAIN.format(url="http://127.0.0.1:1/v1", more="")))
        await daemon.until(lambda: not backend.connections)
        await daemon.stop()

    def test_nothing_keeps_the_old_one(self) -> None:
        """What was replaced is gone at once: no cycle waits for the garbage collector, which looks rarely."""
        reactor = MemoryReactorClock()
        bridge = build(configured(ONE + "[breaker]\nenabled = yes\n"), reactor, Redactor(()))
        bridge.process.start()
        gone = weakref.ref(bridge.generation)
        gc.collect()
        gc.disable()
        try:
            bridge.change_over(configured(ONE))
            assert gone() is None
        finally:
            gc.enable()
        bridge.stopService()
        reactor.advance(10)

    def test_failure_changes_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Where the new one cannot be made the old one goes on."""
        bridge = build(configured(ONE), MemoryReactorClock(), Redactor(()))
        old = bridge.generation

        def broken(*_: Any) -> None:
            raise OSError("no")

        monkeypatch.setattr("claude_bridge.daemon.service.make_generation", broken)
        with pytest.raises(OSError, match="no"):
            bridge.change_over(configured(ONE))
        assert bridge.generation is old
        assert bridge._retiring == set()


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
