"""What belongs to one configuration: access, admission, candidates, keys, breaker.

A reload makes another generation; this one finishes the exchanges that it has under way, and is then stopped. It refers
to the process, and nothing in the process refers to it, so that nothing keeps it alive after that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred

from claude_bridge.config.budgets import limits
from claude_bridge.config.model_prices import ConfiguredPrices
from claude_bridge.config.schema import Backend, Config, Limits
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.messages_api.limits import RequestLimits
from claude_bridge.daemon.process import Process
from claude_bridge.edge.gate import ClientIdentity, Gatekeeper
from claude_bridge.edge.request import BridgeRequest
from claude_bridge.release import product
from claude_bridge.services.accounting.budgets import ConfiguredBudgets
from claude_bridge.services.accounting.prices import Pricing
from claude_bridge.services.accounting.session_history import SessionHistory
from claude_bridge.services.breaker import CircuitBreakers, NoBreaker
from claude_bridge.services.exchange.admission import AdmissionControl
from claude_bridge.services.exchange.catalogue import Catalogue
from claude_bridge.services.exchange.count_tokens import TokenCounting
from claude_bridge.services.exchange.hints import Hints
from claude_bridge.services.exchange.resolver import CandidateResolver
from claude_bridge.services.exchange.services import Services
from claude_bridge.services.interfaces import BudgetStates, RequestRecord
from claude_bridge.services.keys.key_ring import KeyRing
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.services.knowledge.window_warnings import WindowWarnings
from claude_bridge.services.pace import Pace
from claude_bridge.services.remote_tokenizers import RemoteTokenizers
from claude_bridge.services.search.engine import configured_search
from claude_bridge.services.signposts import Signposts
from claude_bridge.services.sweep import PeriodicSweep


@frozen(kw_only=True)
class BackendSnapshot:
    """One backend at one moment.

    :ivar why: the reason for the dialect.
    :ivar circuit: the breaker's state; None if there is no breaker.
    :ivar profiles: its models of which something was learned.
    :ivar streaming: requests that it answers now; None if it has no ``max_streams``, as they are not counted then.
    :ivar waiting: requests that wait until it answers fewer.
    """

    name: str
    url: str
    dialect: str
    why: str
    circuit: str | None
    profiles: int
    streaming: int | None
    waiting: int


@frozen(kw_only=True)
class GenerationSnapshot:
    """The visible state of one configuration at one moment.

    :ivar number: counts the configurations of this process from 1.
    :ivar since: when it came into force, in Unix seconds.
    :ivar exchanges: its requests under way.
    :ivar models: the configured names.
    :ivar keys: the names of the clients' keys.
    """

    number: int
    since: float
    source: str
    credentials: str
    exchanges: int
    max_streams: int
    backends: tuple[BackendSnapshot, ...]
    models: tuple[str, ...]
    routes: tuple[str, ...]
    keys: tuple[str, ...]


@define(eq=False, kw_only=True)
class Generation:
    """One configuration, in force or retiring; the edge gets the current one for each request.

    :ivar number: counts the configurations of this process from 1.
    :ivar since: when it was made, in Unix seconds.
    :ivar budgets: how much of its budgets is used.
    :ivar bounds: the limits for the content of one request.
    """

    number: int
    since: float
    process: Process
    config: Config
    admission: AdmissionControl
    gatekeeper: Gatekeeper
    breaker: CircuitBreakers | NoBreaker
    keys: KeyRing
    profiles: ModelProfiles
    budgets: BudgetStates
    bounds: RequestLimits = field(init=False)

    @bounds.default
    def _bounds(self) -> RequestLimits:
        return self.config.limits.bounds

    @property
    def limits(self) -> Limits:
        """The limits of this configuration."""
        return self.config.limits

    @property
    def ready(self) -> bool:
        """Whether requests are accepted."""
        return self.process.ready

    @property
    def sweep(self) -> PeriodicSweep:
        """The process's clock."""
        return self.process.sweep

    @property
    def clock(self) -> Any:  # noqa: ANN401 - a reactor is many interfaces
        """The process's reactor."""
        return self.process.clock

    @property
    def pace(self) -> Pace:
        """The process's, which divides long work into turns of the reactor."""
        return self.process.pace

    @property
    def random_bytes(self) -> RandomBytes:
        """The process's source of ids."""
        return self.process.random_bytes

    @property
    def backends(self) -> Sequence[Backend]:
        """The backends that it may ask."""
        return tuple(self.config.backends.values())

    @property
    def sessions(self) -> SessionHistory:
        """The process's sessions."""
        return self.process.sessions

    def owner_of(self, client: ClientIdentity) -> str:
        """Return whose the sessions of a client are: its key's, or its credential's if that is forwarded; else ""."""
        if client.name:
            return self.process.owners.of_key(client.name)
        forwarded = self.config.server.credentials == "forward"
        return self.process.owners.of_credential(client.credential if forwarded else None)

    def circuit(self, backend: str) -> str | None:
        """Return the state of a backend's circuit; None without a breaker, or for a backend that is gone."""
        if backend not in self.config.backends or not isinstance(self.breaker, CircuitBreakers):
            return None
        return self.breaker.state(backend).name.lower()

    def record_refused(self, request: BridgeRequest, error: BridgeError) -> None:
        """Record a request that was refused before it became an exchange."""
        self._record(request, request.path.decode("latin-1")[:200], error.status, error.outcome, error.message)

    def record_answered(self, request: BridgeRequest, kind: str) -> None:
        """Record a request that was answered without an exchange."""
        self._record(request, kind, 200, "ok")

    def record_client_left(self, request: BridgeRequest, kind: str) -> None:
        """Record a request whose client left before it was answered."""
        self._record(request, kind, 0, "client_left")

    def retire(self) -> Deferred[None]:
        """Stop after the last request has ended; the Deferred fires then. No new requests may be made."""
        return self.admission.drained().addCallback(lambda _: self.stop())

    def stop(self) -> None:
        """Stop what it owns."""
        if isinstance(self.breaker, CircuitBreakers):
            self.breaker.stopService()

    def snapshot(self) -> GenerationSnapshot:
        """Return the current state."""
        config = self.config
        return GenerationSnapshot(
            number=self.number,
            since=self.since,
            source=config.source,
            credentials=config.server.credentials,
            exchanges=self.admission.active,
            max_streams=config.limits.max_streams,
            backends=tuple(self._backend(each) for each in self.backends),
            models=tuple(config.models),
            routes=tuple(config.routes),
            keys=tuple(config.keys),
        )

    def _backend(self, backend: Backend) -> BackendSnapshot:
        decided = self.process.detection.dialect_of(backend)
        circuits = self.breaker if isinstance(self.breaker, CircuitBreakers) else None
        streaming, waiting = self.process.slots.figures(backend.name)
        return BackendSnapshot(
            name=backend.name,
            url=backend.url,
            dialect=decided.dialect.name,
            why=decided.why,
            circuit=None if circuits is None else circuits.state(backend.name).value,
            profiles=sum(name == backend.name for name, _, _ in self.profiles.profiles()),
            streaming=None if backend.max_streams is None else streaming,
            waiting=waiting,
        )

    def _record(self, request: BridgeRequest, kind: str, status: int, outcome: str, reason: str = "") -> None:
        seconds = self.sweep.seconds() - request.arrived
        self.process.records.request_ended(
            RequestRecord(
                request_id=request.request_id,
                kind=kind,
                model="",
                session="",
                agent="",
                client=request.client_identity.name,
                streamed=False,
                started=self.process.unix_time() - seconds,
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


def make_generation(process: Process, config: Config, earlier: Generation | None = None) -> Generation:
    """Return the generation for ``config``; starts nothing, and changes nothing of the process.

    ``earlier`` was in force before: for what has not changed of backends, circuits, what is known of keys, and what was
    learned are kept.
    """
    profiles = process.profiles if earlier is None else process.profiles_for(config)
    breaker = _breaker(process, config, earlier)
    keys = KeyRing(config, breaker, seconds=process.seconds, reactor=process.clock, learn=process.redactor.learn)
    if earlier is not None:
        keys.follow(earlier.keys)
    prices = Pricing(ConfiguredPrices(config), process.listed_prices, process.library_prices)
    budgets = ConfiguredBudgets(limits(config), process.budgets, prices)
    services = _services(process, config, profiles, keys, prices, budgets)
    counts = TokenCounting(
        resolver=services.resolver,
        keys=services.keys,
        profiles=profiles,
        tokenizers=RemoteTokenizers(process.upstream, process.clock),
        documents=process.documents,
        pace=process.pace,
    )
    return Generation(
        number=1 if earlier is None else earlier.number + 1,
        since=process.unix_time(),
        process=process,
        config=config,
        admission=AdmissionControl(
            services,
            Catalogue(config, services.resolver, profiles),
            counts,
            process.running,
            limits=process.client_limits,
            sweep=process.sweep,
            needs_originals=any(KINDS[backend.kind].passes_through for backend in config.backends.values()),
        ),
        gatekeeper=Gatekeeper(config, process.redactor.learn),
        breaker=breaker,
        keys=keys,
        profiles=profiles,
        budgets=budgets,
    )


def _services(
    process: Process,
    config: Config,
    profiles: ModelProfiles,
    keys: KeyRing,
    prices: Pricing,
    budgets: ConfiguredBudgets,
) -> Services:
    signposts = Signposts(process.upstream, process.clock, KINDS)
    return Services(
        config=config,
        client=process.upstream,
        resolver=CandidateResolver(config, process.lists, keys, process.detection, KINDS, process.seconds),
        keys=keys,
        affinity=process.affinity,
        profiles=profiles,
        records=process.records,
        detection=process.detection,
        documents=process.documents,
        windows=WindowWarnings(process.seconds),
        hints=Hints(keys=keys, lists=process.lists, signposts=signposts),
        slots=process.slots,
        pace=process.pace,
        search=configured_search(process.clock, config.web_search, product("/")),
        clock=process.clock,
        seconds=process.seconds,
        unix_time=process.unix_time,
        random_bytes=process.random_bytes,
        redactor=process.redactor,
        user_agent=product("/"),
        prices=prices,
        budgets=budgets,
    )


def _breaker(process: Process, config: Config, earlier: Generation | None) -> CircuitBreakers | NoBreaker:
    """Return the breaker; if its settings have not changed, the circuits of unchanged backends are kept."""
    settings = config.breaker
    if not settings.enabled:
        return NoBreaker()
    breaker = CircuitBreakers(process.seconds, failures=settings.failures, open_seconds=settings.open_seconds)
    if earlier is not None and isinstance(earlier.breaker, CircuitBreakers) and earlier.config.breaker == settings:
        for backend in config.backends.values():
            if earlier.config.backends.get(backend.name) == backend:
                breaker.share(backend.name, earlier.breaker)
    return breaker
