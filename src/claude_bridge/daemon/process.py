"""What lives from the start of the daemon to its exit, independent of the configuration.

The clocks, connections, what was learned of backends, documents, the request log, the redactor, the listening sockets.
What belongs to one configuration is in `generation`, which uses all this and is replaced by a reload.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger

from claude_bridge.config import hidden
from claude_bridge.config.budgets import limits
from claude_bridge.config.directories import ledger_file
from claude_bridge.config.schema import Backend, Config
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.prices import in_dollars
from claude_bridge.core.redaction import Redactor
from claude_bridge.daemon.listeners import Listeners, ListenerSnapshot
from claude_bridge.release import product
from claude_bridge.services.accounting.budget_counters import BudgetCounters
from claude_bridge.services.accounting.fan_out import FanOut
from claude_bridge.services.accounting.library_prices import LibraryPrices
from claude_bridge.services.accounting.owners import Owners
from claude_bridge.services.accounting.prices import ListedPrices
from claude_bridge.services.accounting.request_log import RequestLog
from claude_bridge.services.accounting.session_history import SessionHistory
from claude_bridge.services.accounting.tally import Tally
from claude_bridge.services.accounting.tally_snapshot import TallySnapshot, snapshot
from claude_bridge.services.accounting.totals import summary
from claude_bridge.services.affinity import Affinity
from claude_bridge.services.backend_slots import BackendSlots
from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.documents.texts import PdfTexts
from claude_bridge.services.exchange.admission import RunningTotal
from claude_bridge.services.interfaces import Ledger, LedgerState, Records
from claude_bridge.services.keys.client_limits import ClientLimits
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.services.knowledge.snapshot import KnowledgeSnapshot
from claude_bridge.services.knowledge.store import StateFile
from claude_bridge.services.model_lists import CachedModelLists
from claude_bridge.services.pace import Pace
from claude_bridge.services.sweep import PeriodicSweep
from claude_bridge.services.upstream.client import TreqUpstream

if TYPE_CHECKING:
    from claude_bridge.services.accounting.ledger import BufferedLedger

_log = Logger()


@frozen(kw_only=True)
class ProcessSnapshot:
    """The visible state of the process at one moment.

    :ivar started: Unix seconds.
    :ivar exchanges: requests under way, of all configurations.
    :ivar profiles: models of which something was learned.
    :ivar state_file: the file in which that is kept; None if it is not.
    :ivar served: what was served since the start.
    :ivar ledger: the state of the accounts; None if none are kept.
    """

    product: str
    pid: int
    ready: bool
    started: float
    uptime_seconds: float
    exchanges: int
    profiles: int
    state_file: str | None
    served: TallySnapshot
    ledger: LedgerState | None
    listeners: tuple[ListenerSnapshot, ...]


@define(eq=False, kw_only=True)
class Process:
    """The services that outlive configurations.

    :ivar clock: the reactor.
    :ivar backends: those of the configuration in force.
    :ivar profiles: what was learned of their models.
    :ivar affinity: where conversations were answered last.
    :ivar slots: limits the streams of each backend, those of all configurations together.
    :ivar listed_prices: what the backends' lists say of prices.
    :ivar library_prices: what the package genai-prices says, if it is installed.
    :ivar running: counts the exchanges of all configurations.
    :ivar client_limits: what the clients of each key use, under all configurations.
    :ivar records: gets the record of each attempt and request, for the log, `tally`, `budgets` and `ledger`.
    :ivar tally: what was served since the start.
    :ivar sessions: finds the figures of sessions.
    :ivar owners: whose sessions are.
    :ivar budgets: counts what is spent of budgets.
    :ivar ledger: keeps the accounts; None if none are kept.
    :ivar set_log_level: sets the least important level that the log writes.
    :ivar ready: whether requests are accepted.
    """

    clock: Any
    seconds: Callable[[], float]
    unix_time: Callable[[], float]
    redactor: Redactor
    sweep: PeriodicSweep
    upstream: TreqUpstream
    detection: DialectDetection
    backends: Mapping[str, Backend]
    profiles: ModelProfiles
    lists: CachedModelLists
    listed_prices: ListedPrices
    library_prices: LibraryPrices
    state: StateFile
    documents: PdfTexts
    slots: BackendSlots
    pace: Pace
    request_log: RequestLog
    tally: Tally
    sessions: SessionHistory
    owners: Owners
    records: Records
    budgets: BudgetCounters
    ledger: Ledger | None
    listeners: Listeners
    set_log_level: Callable[[str], None]
    random_bytes: RandomBytes = os.urandom
    affinity: Affinity = field(init=False)
    running: RunningTotal = field(factory=RunningTotal, init=False)
    client_limits: ClientLimits = field(init=False)
    ready: bool = field(default=False, init=False)
    _started: float = field(default=0.0, init=False)
    _started_unix: float = field(default=0.0, init=False)

    @affinity.default
    def _make_affinity(self) -> Affinity:
        return Affinity(self.seconds)

    @client_limits.default
    def _make_client_limits(self) -> ClientLimits:
        return ClientLimits(self.seconds)

    def start(self) -> None:
        """Start the services, and restore what earlier runs have learned."""
        self._started, self._started_unix = self.seconds(), self.unix_time()
        self.state.start()
        self.budgets.start()
        self.sweep.startService()
        self.ready = True

    def stop(self) -> Deferred[object]:
        """Stop the services, and say what was served; no request may be under way any more."""
        self._tell_totals()
        self.lists.close()
        self.documents.stop()
        closed: Deferred[Any] = self.upstream.close()
        closed.addBoth(lambda _: self.sweep.stopService())
        closed.addBoth(lambda _: self.state.stop())
        ledger = self.ledger
        return closed if ledger is None else closed.addBoth(lambda _: ledger.stop())

    def profiles_for(self, config: Config) -> ModelProfiles:
        """Return what is known of the models of ``config``, whose backends may be at other addresses than before."""
        return self.profiles.shared(
            {name for name, backend in self.backends.items() if _address_in(config, name) == backend.url}
        )

    def follow(self, config: Config, profiles: ModelProfiles) -> None:
        """Apply ``config``, which comes into force now.

        Hidden values, log level, profiles, state file, TLS trust, limits of backends, how long accounts are kept.
        """
        hidden.renew(self.redactor, config)
        self.set_log_level(config.log.level)
        self.request_log.detailed = config.log.level == "debug"
        if self.ledger is not None:
            self.ledger.keep = config.ledger.keep
        self.budgets.follow(limits(config))
        self.backends, self.profiles = config.backends, profiles
        turned = self.state.switch_to(_knowledge(config, profiles, self.detection, self.unix_time))
        turned.addErrback(lambda failure: _log.failure("the state file is not kept", failure, event="fault"))
        for backend in config.backends.values():
            if backend.ca_file is not None:  # the file's content may have changed
                self.upstream.renew(backend)
        self.slots.limits_changed(config.backends.values())

    def keep_only(self, backends: Collection[Backend]) -> None:
        """Drop what belongs to other backends; no configuration with running exchanges has them any more."""
        self.upstream.keep_only(backends)
        self.detection.keep_only(backends)
        self.slots.keep_only(backends)

    def snapshot(self) -> ProcessSnapshot:
        """Return the current state."""
        return ProcessSnapshot(
            product=product(),
            pid=os.getpid(),
            ready=self.ready,
            started=self._started_unix,
            uptime_seconds=self.seconds() - self._started,
            exchanges=self.running.exchanges,
            profiles=sum(1 for _ in self.profiles.profiles()),
            state_file=self.state.file,
            served=snapshot(self.tally),
            ledger=None if self.ledger is None else self.ledger.state,
            listeners=self.listeners.snapshot(),
        )

    def _tell_totals(self) -> None:
        totals, seconds = self.tally.totals, self.seconds() - self._started
        _log.info(
            "{summary}",
            event="served",
            summary=summary(totals, seconds),
            requests=totals.requests,
            failed=totals.failed,
            input_tokens=totals.prompt,
            output_tokens=totals.output,
            cost_usd=in_dollars(totals.known_cost),
            unpriced=totals.unpriced,
            seconds=round(seconds, 3),
        )


def threads_of(reactor: Any) -> Callable[[Callable[[], Any]], Deferred[Any]]:  # noqa: ANN401 - as above
    """Return a function that calls another in the reactor's thread pool; its Deferred fires in the reactor's thread."""
    return lambda call: deferToThreadPool(reactor, reactor.getThreadPool(), call)


def make_process(
    config: Config,
    reactor: Any,  # noqa: ANN401 - a reactor is many interfaces
    redactor: Redactor,
    seconds: Callable[[], float] = time.monotonic,
    *,
    state_directory: str | None = None,
    set_log_level: Callable[[str], None] = do_nothing,
) -> Process:
    """Return the process of a daemon whose first configuration is ``config``; starts nothing and opens nothing.

    ``redactor`` removes credentials from texts, and learns those of clients. ``seconds`` is a monotonic clock.
    ``state_directory`` is where to keep what is learned; None to keep nothing.
    """
    sweep = PeriodicSweep(reactor, seconds=seconds)
    upstream = TreqUpstream(reactor, sweep)
    detection, profiles = DialectDetection(KINDS), ModelProfiles(time.time)
    log = RequestLog(detailed=config.log.level == "debug")
    tally = Tally(seconds=seconds)
    ledger = _ledger(config, reactor, state_directory)
    budgets = BudgetCounters(seconds=seconds, unix_time=time.time, accounts=ledger)
    budgets.follow(limits(config))
    listed_prices = ListedPrices()
    lists = CachedModelLists(upstream, reactor, KINDS, on_clues=detection.observe, more_lists=detection.lists_of)
    lists.on_list = listed_prices.learn
    state = StateFile(
        directory=state_directory,
        knowledge=_knowledge(config, profiles, detection, time.time),
        clock=reactor,
        in_thread=threads_of(reactor),
    )
    return Process(
        clock=reactor,
        seconds=seconds,
        unix_time=time.time,
        redactor=redactor,
        sweep=sweep,
        upstream=upstream,
        detection=detection,
        backends=config.backends,
        profiles=profiles,
        lists=lists,
        listed_prices=listed_prices,
        library_prices=LibraryPrices(threads_of(reactor)),
        state=state,
        documents=PdfTexts(reactor, reactor),
        slots=BackendSlots(reactor, seconds),
        pace=Pace(reactor),
        request_log=log,
        tally=tally,
        sessions=SessionHistory(tally=tally, ledger=ledger, clock=reactor),
        owners=Owners(directory=state_directory),
        records=FanOut((log, tally, budgets) if ledger is None else (log, tally, budgets, ledger)),
        budgets=budgets,
        ledger=ledger,
        listeners=Listeners(reactor),
        set_log_level=set_log_level,
    )


def _ledger(
    config: Config,
    reactor: Any,  # noqa: ANN401 - as above
    state_directory: str | None,
) -> BufferedLedger | None:
    """Return what keeps the accounts, or None if none are kept; opens nothing."""
    settings = config.ledger
    path = ledger_file(enabled=settings.enabled, database=settings.database, state=state_directory)
    if path is None:
        if settings.enabled:
            _log.warn("no accounts are kept: there is no state directory, and no [ledger] database", event="ledger")
        return None
    from claude_bridge.services.accounting.ledger import BufferedLedger  # noqa: PLC0415 - only where it is used
    from claude_bridge.services.accounting.ledger_database import in_file  # noqa: PLC0415 - as above

    return BufferedLedger(
        path=path,
        keep=settings.keep,
        clock=reactor,
        unix_time=time.time,
        open_writer=in_file(path, reactor),
    )


def _knowledge(
    config: Config, profiles: ModelProfiles, detection: DialectDetection, unix_time: Callable[[], float]
) -> KnowledgeSnapshot:
    return KnowledgeSnapshot(backends=config.backends, profiles=profiles, detection=detection, unix_time=unix_time)


def _address_in(config: Config, name: str) -> str | None:
    backend = config.backends.get(name)
    return None if backend is None else backend.url
