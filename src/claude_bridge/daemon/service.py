"""The daemon as a service: binds, serves, switches to new configurations, drains."""

from __future__ import annotations

import gc
import linecache
import resource
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from claude_bridge.config.named_models import routed_models
from claude_bridge.config.schema import Backend, Config
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.allocator import give_back_large_blocks
from claude_bridge.daemon.generation import Generation, make_generation
from claude_bridge.daemon.process import Process, make_process
from claude_bridge.doctor.short import Looks, ShortForm
from claude_bridge.edge.resource import Routes
from claude_bridge.edge.site import BridgeSite
from claude_bridge.services.callbacks import do_nothing

GC_THRESHOLDS: Final = (50_000, 20, 100)
"""Rare collections: at 2,000 streams the default ones stopped the reactor for up to half a second."""

SPARE_FILES: Final = 256
"""Descriptors for everything but streams: idle connections to backends and of clients, the log, the reactor's own."""

CLIENTS: Final = "clients"
"""The name of the site that the clients' listeners serve."""

_log = Logger()


class Bridge(Service):
    """The daemon: one process, and the generations that its configurations made.

    :ivar process: what lives as long as the daemon.
    :ivar generation: of the configuration in force.
    """

    def __init__(self, process: Process, config: Config) -> None:
        self.process = process
        self.generation = make_generation(process, config)
        self._retiring: set[Generation] = set()
        self._looks = Looks()
        routes = Routes(lambda: self.generation).resource()
        self._site = BridgeSite(routes, lambda: self.generation, process.clock)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """``(host, port)`` of each TCP listener, once bound."""
        return self.process.listeners.addresses

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Bind, before privileges are dropped; an exception makes twistd exit instead of running without a port."""
        config = self.generation.config
        raise_file_limit(config.limits.max_streams)
        self.process.listeners.bind(CLIENTS, self._site, config.server.listen)

    def startService(self) -> None:  # noqa: N802 - Twisted's name
        """Serve, and say where."""
        super().startService()
        give_back_large_blocks()
        self.process.start()
        _log.info("configuration: {source}", event="configuration", source=self.generation.config.source)
        self.process.listeners.announce()
        self._tell_backends()
        self.process.clock.callWhenRunning(self.generation.keys.prepare)
        if self.generation.config.server.check_backends:
            self.process.clock.callWhenRunning(lambda: self._look_at(self.generation.backends))
        self.process.clock.callWhenRunning(rare_collections)

    def change_over(self, config: Config) -> None:
        """Put ``config`` in force for new requests; requests under way keep the configuration they began with.

        The state of backends that have changed, or of which other models are named, is logged as at the start. If this
        raises, nothing has changed.
        """
        old, new = self.generation, make_generation(self.process, config, self.generation)
        self.process.follow(config, new.profiles)
        if config.limits.max_streams > old.limits.max_streams:
            raise_file_limit(config.limits.max_streams)
        self.generation = new
        new.keys.prepare()
        self._retiring.add(old)
        retired = old.retire().addCallback(lambda _: self._retired(old))
        retired.addErrback(lambda failure: _log.failure("an old configuration stays", failure, event="fault"))
        if config.server.check_backends:
            self._look_at([each for each in new.backends if _looked_at(config, each) != _looked_at(old.config, each)])

    def stopService(self) -> Deferred[object]:  # noqa: N802 - Twisted's name
        """Stop listening, let running responses finish, then close what is left.

        This waits for connections, not for responses: when a response is written, its last bytes may not be sent yet,
        and stopping the reactor would cut them off.
        """
        super().stopService()
        self.process.ready = False
        self._looks.stop()
        self._tell_stopping(self.process.running.exchanges, self.generation.config.server.drain_timeout)
        closed = self.process.listeners.close()
        drained = closed.addCallback(lambda _: self._site.drain(self.generation.config.server.drain_timeout))
        stopped: Deferred[object] = drained.addCallback(lambda _: self._stop_all())
        return stopped.addErrback(lambda failure: _log.failure("stopping failed", failure, event="fault"))

    def give_up(self) -> None:
        """Close the connections that a stop still waits for."""
        active = self.process.running.exchanges
        _log.warn("stopping at once; answers cut off: {active}", event="stopping-at-once", active=active)
        self._site.abort()

    def _retired(self, old: Generation) -> None:
        """Forget a generation, and the backends that no other generation uses."""
        self._retiring.discard(old)
        living = (self.generation, *self._retiring)
        self.process.keep_only([backend for each in living for backend in each.backends])

    def _stop_all(self) -> Deferred[object]:
        for each in (self.generation, *self._retiring):
            each.stop()
        return self.process.stop()

    def _tell_backends(self) -> None:
        for backend in self.generation.backends:
            decided = self.process.detection.dialect_of(backend)
            _log.info(
                "backend {backend}: {url}, dialect {dialect} ({why})",
                event="backend",
                backend=backend.name,
                url=backend.url,
                dialect=decided.dialect.name,
                why=decided.why,
            )

    def _look_at(self, backends: Sequence[Backend]) -> None:
        """Have the state of backends logged, and their lists fetched, so that the first request finds them."""
        process, generation = self.process, self.generation
        short = ShortForm(
            config=generation.config,
            client=process.upstream,
            clock=process.clock,
            lists=process.lists,
            detection=process.detection,
            keys=generation.keys,
            scrub=process.redactor,
        )
        self._looks.begin(short, backends)

    def _tell_stopping(self, active: int, seconds: float) -> None:
        told = "stopping"
        if active:
            told = "stopping; answers under way: {active}, given {seconds:g} s at most; a second signal cuts them off"
        _log.info(told, event="stopping", active=active, seconds=seconds)


def build(
    config: Config,
    reactor: Any,  # noqa: ANN401 - a reactor is many interfaces
    redactor: Redactor,
    seconds: Callable[[], float] = time.monotonic,
    *,
    state_directory: str | None = None,
    set_log_level: Callable[[str], None] = do_nothing,
) -> Bridge:
    """Return the daemon for ``config``; starts nothing and opens nothing. See `make_process`."""
    process = make_process(
        config, reactor, redactor, seconds, state_directory=state_directory, set_log_level=set_log_level
    )
    return Bridge(process, config)


def _looked_at(config: Config, backend: Backend) -> object:
    """Return what a configuration has that decides the result of a look at a backend."""
    models = [each for each in config.models.values() if each.backend == backend.name]
    return config.backends.get(backend.name), models, routed_models(config, backend.name)


def raise_file_limit(streams: int) -> None:
    """Raise the limit of file descriptors to what ``streams`` need, two each and some more, if the system allows."""
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
    """Set the limit to ``most`` and return it, or ``soft`` if the system does not allow setting limits."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError) as error:  # EPERM, of a filter of system calls, is Python's ValueError
        _log.info(
            "the limit of open files stays at {files}: {reason}", event="file-limit", files=soft, reason=str(error)
        )
        return soft
    return most


def rare_collections() -> None:
    """Exclude imported objects from garbage collection, and make collections rare."""
    linecache.clearcache()  # the text of methods that attrs generated: half a MB that nobody reads
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
