"""Admits requests within the limit, counts those under way, and tells when the last one has ended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field
from twisted.internet.defer import Deferred, succeed

from claude_bridge.core.errors import BridgeOverloaded
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.services.exchange.catalogue import Catalogue
from claude_bridge.services.exchange.count_tokens import TokenCounting
from claude_bridge.services.exchange.exchange import Exchange
from claude_bridge.services.exchange.recorder import RequestRecorder
from claude_bridge.services.exchange.services import Services
from claude_bridge.services.interfaces import ClientResponse, Requester, Sweep
from claude_bridge.services.keys.client_limits import ClientLimits


@define(eq=False)
class RunningTotal:
    """The number of exchanges of all configurations that still have some."""

    exchanges: int = 0


@define(eq=False)
class AdmissionControl:
    """Makes the exchanges of one configuration within the limit.

    :ivar catalogue: the models that clients may ask for.
    :ivar counts: counts the tokens of prompts.
    :ivar running: the number of exchanges, also of other configurations.
    :ivar limits: what the clients of each key use, also under other configurations.
    :ivar needs_originals: whether some backend is passed the requests as they were received.
    :ivar sweep: checks once a second, while there are exchanges, which of them have long been without an answer.
    """

    services: Services
    catalogue: Catalogue
    counts: TokenCounting
    running: RunningTotal = field(factory=RunningTotal)
    limits: ClientLimits = field(kw_only=True)
    sweep: Sweep = field(kw_only=True)
    needs_originals: bool = field(default=False, kw_only=True)
    _active: set[Exchange] = field(factory=set, init=False)
    _held: int = field(default=0, init=False)
    _waiting: list[Deferred[None]] = field(factory=list, init=False)

    @property
    def active(self) -> int:
        """The number of exchanges under way."""
        return len(self._active)

    def open_exchange(
        self,
        asked: AskedRequest,
        info: RequestInfo,
        downstream: ClientResponse,
        *,
        client: Requester,
        request_id: str,
    ) -> Exchange:
        """Return the exchange for a request; the caller starts it, and cancels it if the client leaves.

        ``asked`` has the request as it was received if `needs_originals`.

        Raises `BridgeOverloaded` if there are too many already.
        """
        limit = self.services.config.limits.max_streams
        if self.running.exchanges >= limit:
            raise BridgeOverloaded(f"the bridge already serves {limit} requests; try again shortly", retry_after=1.0)
        services = self.services
        allowance = self.limits.allowance(services.config.keys.get(client.name))
        recorder = RequestRecorder(
            records=services.records,
            request_id=request_id,
            seconds=services.seconds,
            unix_time=services.unix_time,
            started=services.seconds(),
            client=client.name,
            peer=client.peer,
            owner=client.owner,
            prices=services.prices,
        )
        exchange = Exchange(
            services=services,
            asked=asked,
            info=info,
            credential=client.credential,
            downstream=downstream,
            recorder=recorder,
            allowance=allowance,
            on_end=self._ended,
        )
        if not self._active:
            self.sweep.add(self)
        self._active.add(exchange)
        self.running.exchanges += 1
        return exchange

    def check(self, now: float) -> None:
        """Log what those exchanges wait for that have long been without an answer."""
        for exchange in tuple(self._active):
            exchange.check(now)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay `drained` while something is awaited for a request that is not an exchange, or not yet."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._check_drained()

    def drained(self) -> Deferred[None]:
        """Return a Deferred that fires when the last request has ended; at once if there is none."""
        if not self._active and not self._held:
            return succeed(None)
        waiting: Deferred[None] = Deferred()
        self._waiting.append(waiting)
        return waiting

    def _ended(self, exchange: Exchange) -> None:
        if exchange in self._active:
            self._active.remove(exchange)
            self.running.exchanges -= 1
            if not self._active:
                self.sweep.discard(self)
            if self._waiting:
                self._check_drained()

    def _check_drained(self) -> None:
        if self._active or self._held:
            return
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter.callback(None)
