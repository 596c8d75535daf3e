"""The object graph, built in one place, and the order in which it starts and stops."""

from __future__ import annotations

import gc
import os
import resource
import time
from collections.abc import Callable
from typing import Any, Final, cast

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.config.listeners import Listener, http_url, listener
from claude_bridge.config.schema import Config, Limits
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.messages_api.limits import RequestLimits
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.allocator import give_back_large_blocks
from claude_bridge.daemon.taken_ports import explained
from claude_bridge.edge.gate import Gatekeeper
from claude_bridge.edge.resource import Routes
from claude_bridge.edge.site import BridgeRequest, BridgeSite
from claude_bridge.release import product
from claude_bridge.services.accounting.request_log import RequestLog
from claude_bridge.services.breaker import CircuitBreakers, NoBreaker
from claude_bridge.services.documents.texts import PdfTexts
from claude_bridge.services.exchange.admission import AdmissionControl
from claude_bridge.services.exchange.catalogue import Catalogue
from claude_bridge.services.exchange.count_tokens import TokenCounting
from claude_bridge.services.exchange.exchange import Services
from claude_bridge.services.exchange.hints import Hints
from claude_bridge.services.exchange.resolver import CandidateResolver
from claude_bridge.services.interfaces import Records, RequestRecord
from claude_bridge.services.keys.key_ring import KeyRing
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.services.knowledge.snapshot import KnowledgeSnapshot
from claude_bridge.services.knowledge.store import StateFile
from claude_bridge.services.knowledge.window_warnings import WindowWarnings
from claude_bridge.services.model_lists import CachedModelLists
from claude_bridge.services.pace import Pace
from claude_bridge.services.remote_tokenizers import RemoteTokenizers
from claude_bridge.services.search.engine import configured_search
from claude_bridge.services.signposts import Signposts
from claude_bridge.services.sweep import PeriodicSweep
from claude_bridge.services.upstream.client import TreqUpstream

GC_THRESHOLDS: Final = (50_000, 20, 100)
"""Rare collections: at 2,000 streams the default ones stopped the reactor for up to half a second."""

SPARE_FILES: Final = 256
"""Descriptors for everything but streams: idle connections to backends and of clients, the log, the reactor's own."""

_log = Logger()


@define(eq=False, kw_only=True)
class Runtime:
    """Everything that runs for one configuration; the edge asks for the current one with each request.

    :ivar bounds: on what is in one request.
    """

    config: Config
    dispatcher: AdmissionControl
    gatekeeper: Gatekeeper
    sweep: PeriodicSweep
    clock: IReactorTime
    pace: Pace
    upstream: TreqUpstream
    lists: CachedModelLists
    detection: DialectDetection
    documents: PdfTexts
    state: StateFile
    breaker: CircuitBreakers | NoBreaker
    records: Records
    random_bytes: RandomBytes = os.urandom
    unix_time: Callable[[], float] = time.time
    ready: bool = field(default=False, init=False)
    bounds: RequestLimits = field(init=False)

    @bounds.default
    def _bounds(self) -> RequestLimits:
        return self.config.limits.bounds

    @property
    def limits(self) -> Limits:
        """Bounds of the configuration in force."""
        return self.config.limits

    def refused(self, request: BridgeRequest, error: BridgeError) -> None:
        """Book a request that was refused before dispatch."""
        self._book(request, request.path.decode("latin-1")[:200], error.status, error.outcome, error.message)

    def answered(self, request: BridgeRequest, kind: str) -> None:
        """Book a request that was answered without dispatch."""
        self._book(request, kind, 200, "ok")

    def left(self, request: BridgeRequest, kind: str) -> None:
        """Book a request whose client left before it was answered."""
        self._book(request, kind, 0, "client_left")

    def start(self) -> None:
        """Start what has a clock, with what earlier runs learned."""
        self.state.start()
        self.sweep.startService()
        if isinstance(self.breaker, CircuitBreakers):
            self.breaker.startService()
        self.ready = True

    def stop(self) -> Deferred[object]:
        """Stop it again, when no request is under way any more."""
        self.lists.close()
        self.documents.stop()
        if isinstance(self.breaker, CircuitBreakers):
            self.breaker.stopService()
        closed: Deferred[Any] = self.upstream.close()
        closed.addBoth(lambda _: self.sweep.stopService())
        return closed.addBoth(lambda _: self.state.stop())

    def _book(self, request: BridgeRequest, kind: str, status: int, outcome: str, reason: str = "") -> None:
        seconds = self.sweep.seconds() - request.arrived
        self.records.request_ended(
            RequestRecord(
                request_id=request.request_id,
                kind=kind,
                model="",
                session="",
                agent="",
                client=request.known_as.name,
                streamed=False,
                started=self.unix_time() - seconds,
                seconds=seconds,
                first_byte_seconds=None,
                status=status,
                outcome=outcome,
                body_bytes=request.body_bytes,
                attempts=(),
                peer=request.peer,
                reason=reason,
            )
        )


def build(
    config: Config,
    reactor: Any,  # noqa: ANN401 - a reactor is many interfaces
    redactor: Redactor,
    seconds: Callable[[], float] = time.monotonic,
    state_directory: str | None = None,
) -> Runtime:
    """Build the object graph for ``config``; starts nothing and opens nothing.

    ``redactor`` takes credentials out of a text, and learns those of clients. ``seconds`` tells the time, which nobody
    may set. ``state_directory``: where to keep what is learned; None: nowhere.
    """
    sweep = PeriodicSweep(reactor, seconds=seconds)
    upstream = TreqUpstream(reactor, sweep)
    detection, learned = DialectDetection(KINDS), ModelProfiles()
    lists = CachedModelLists(
        upstream,
        reactor,
        KINDS,
        revealed=detection.observe,
        more_lists=lambda backend: detection.dialect_of(backend).dialect.lists,
    )
    breaker = _breaker(config, seconds)
    records = RequestLog(detailed=config.log.level == "debug")
    documents = PdfTexts(reactor, reactor)
    keys = KeyRing(config, breaker)
    resolver = CandidateResolver(config, lists, keys, detection, KINDS)
    pace = Pace(reactor)
    services = Services(
        config=config,
        client=upstream,
        resolver=resolver,
        keys=keys,
        profiles=learned,
        records=records,
        detection=detection,
        documents=documents,
        windows=WindowWarnings(),
        hints=Hints(keys=keys, lists=lists, signposts=Signposts(upstream, reactor, KINDS)),
        pace=pace,
        search=configured_search(reactor, config.web_search, product("/")),
        seconds=seconds,
        unix_time=time.time,
        random_bytes=os.urandom,
        redactor=redactor,
        user_agent=product("/"),
    )
    counts = TokenCounting(
        resolver=resolver,
        keys=keys,
        profiles=learned,
        tokenizers=RemoteTokenizers(upstream, reactor),
        documents=documents,
        pace=pace,
    )
    kept = KnowledgeSnapshot(backends=config.backends, learned=learned, detection=detection, unix_time=time.time)
    return Runtime(
        config=config,
        dispatcher=AdmissionControl(services, Catalogue(config, resolver), counts),
        gatekeeper=Gatekeeper(config, redactor.learn),
        sweep=sweep,
        clock=reactor,
        pace=pace,
        upstream=upstream,
        lists=lists,
        detection=detection,
        documents=documents,
        state=_state(state_directory, kept, reactor),
        breaker=breaker,
        records=records,
    )


def _breaker(config: Config, seconds: Callable[[], float]) -> CircuitBreakers | NoBreaker:
    settings = config.breaker
    if not settings.enabled:
        return NoBreaker()
    return CircuitBreakers(seconds, failures=settings.failures, open_seconds=settings.open_seconds)


def _state(directory: str | None, kept: KnowledgeSnapshot, reactor: Any) -> StateFile:  # noqa: ANN401 - as above
    return StateFile(
        directory=directory,
        kept=kept,
        clock=reactor,
        in_thread=lambda call: deferToThreadPool(reactor, reactor.getThreadPool(), call),
    )


class Bridge(Service):
    """The daemon as a service: binds, serves, drains.

    :ivar runtime: the current one.
    :ivar addresses: ``(host, port)`` of each TCP listener, once bound.
    """

    def __init__(self, runtime: Runtime, reactor: Any) -> None:  # noqa: ANN401 - a reactor is many interfaces
        self.runtime = runtime
        self.addresses: list[tuple[str, int]] = []
        self._reactor = reactor
        self._ports: list[tuple[Listener, IListeningPort]] = []
        routes = Routes(lambda: self.runtime).app().resource()
        self._site = BridgeSite(routes, lambda: self.runtime, reactor, runtime.limits.keep_alive)

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Bind, before privileges are dropped; raises what went wrong, so that twistd ends instead of running on."""
        raise_file_limit(self.runtime.limits.max_streams)
        for description in self.runtime.config.server.listen:
            failed: list[Failure] = []
            where = listener(description)
            listening = serverFromString(self._reactor, description).listen(self._site)
            listening.addCallback(lambda port, where=where: self._ports.append((where, port)))
            listening.addErrback(failed.append)
            if failed:
                raise explained(cast(BaseException, failed[0].value), where)

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Serve, and say where."""
        super().startService()
        give_back_large_blocks()
        self.runtime.start()
        _log.info("configuration: {source}", event="configuration", source=self.runtime.config.source)
        for where, port in self._ports:
            self._announce(where.scheme, port.getHost())
        for backend in self.runtime.config.backends.values():
            decided = self.runtime.detection.dialect_of(backend)
            _log.info(
                "backend {backend}: {url}, dialect {dialect} ({why})",
                event="backend",
                backend=backend.name,
                url=backend.url,
                dialect=decided.dialect.name,
                why=decided.why,
            )
        self._reactor.callWhenRunning(rare_collections)

    def stopService(self) -> Deferred[object]:  # noqa: N802 - Twisted's name
        """Stop listening, let answers under way finish, then close what is left.

        Each connection is waited for, not each answer: when an answer is written, its last bytes are still on their
        way, and a reactor that stops then would cut them off.
        """
        super().stopService()
        self.runtime.ready = False
        self._tell_stopping(self.runtime.dispatcher.active, self.runtime.config.server.drain_timeout)
        closed = DeferredList([_closed(port) for _, port in self._ports])
        drained = closed.addCallback(lambda _: self._site.drain(self.runtime.config.server.drain_timeout))
        stopped: Deferred[object] = drained.addCallback(lambda _: self.runtime.stop())
        return stopped.addErrback(lambda failure: _log.failure("stopping failed", failure, event="fault"))

    def give_up(self) -> None:
        """Cut off what a stop still waits for."""
        active = self.runtime.dispatcher.active
        _log.warn("stopping at once; answers cut off: {active}", event="stopping-at-once", active=active)
        self._site.abort()

    def _tell_stopping(self, active: int, seconds: float) -> None:
        told = "stopping"
        if active:
            told = "stopping; answers under way: {active}, given {seconds:g} s at most; a second signal cuts them off"
        _log.info(told, event="stopping", active=active, seconds=seconds)

    def _announce(self, scheme: str, address: Any) -> None:  # noqa: ANN401 - of whatever kind the endpoint is
        host, port = getattr(address, "host", None), getattr(address, "port", None)
        if host is None or port is None:
            _log.info("listening on {address}", event="listening", address=str(address))
            return
        self.addresses.append((host, port))
        url = http_url(scheme, host, port)
        _log.info("listening on {url}", event="listening", host=host, port=port, url=url)


def raise_file_limit(streams: int) -> None:
    """Ask for as many file descriptors as ``streams`` need, two each and some to spare, as far as the system allows."""
    wanted = 2 * streams + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    files = _set_file_limit(soft, most, hard) if soft < most else soft
    if files < wanted:
        _log.warn(
            "only {files} open files are allowed, enough for {streams} streams at a time",
            event="file-limit",
            files=files,
            streams=max(0, (files - SPARE_FILES) // 2),
        )


def _set_file_limit(soft: int, most: int, hard: int) -> int:
    """Set the limit to ``most`` and return it, or ``soft`` where the system does not let anybody set limits."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:  # EPERM, of a filter of system calls, is Python's ValueError
        _log.info(
            "the limit of open files stays at {files}: {reason}", event="file-limit", files=soft, reason=str(error)
        )
        return soft
    return most


def rare_collections() -> None:
    """Keep what was imported out of the garbage collector's sight, and let it look rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def _closed(port: IListeningPort) -> Deferred[object]:
    return maybeDeferred(port.stopListening)
