"""The services of one run of the doctor, as the daemon makes them, without a listener and without anything learned."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred

from claude_bridge.config import hidden
from claude_bridge.config.named_models import routed_models
from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.secret import Secret
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.redaction import Redactor
from claude_bridge.doctor.addresses import find_clash
from claude_bridge.doctor.asking import Asker
from claude_bridge.doctor.examination import Examination
from claude_bridge.doctor.finding import Finding
from claude_bridge.doctor.known_prices import KnownPrices
from claude_bridge.doctor.origin import origin_of
from claude_bridge.doctor.short import ShortForm
from claude_bridge.services.breaker import NoBreaker
from claude_bridge.services.keys.key_ring import KeyRing
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.model_lists import CachedModelLists
from claude_bridge.services.signposts import Signposts
from claude_bridge.services.sweep import PeriodicSweep
from claude_bridge.services.upstream.client import TreqUpstream


@frozen(kw_only=True)
class DoctorServices:
    """What an examination needs.

    :ivar asker: sends the requests.
    :ivar prices: knows prices, those of lists once it has learned them.
    :ivar scrub: removes every known credential from a text.
    """

    config: Config
    upstream: TreqUpstream
    sweep: PeriodicSweep
    asker: Asker
    detection: DialectDetection
    lists: CachedModelLists
    signposts: Signposts
    keys: KeyRing
    prices: KnownPrices
    scrub: Redactor

    def close(self) -> Deferred[Any]:
        """Close what is open; fires within a few seconds."""
        self.lists.close()
        closed: Deferred[Any] = self.upstream.close()
        return closed.addBoth(lambda _: self.sweep.stopService())

    async def credential(self, backend: Backend, client: Secret | None) -> Secret | None:
        """Return what is sent to a backend: its own key, else what the bridge would forward of ``client``."""
        waiting = self.keys.token(backend)
        if waiting is not None:
            await waiting
        return self.keys.for_list(backend, client)

    async def examination(
        self,
        backend: Backend,
        client: Secret | None,
        *,
        model: str = "",
        by_option: bool = False,
        may_bring: bool = True,
        told: Callable[[Finding], None] = lambda _finding: None,
    ) -> Examination:
        """Return the examination of a backend, not yet begun.

        :param model: the one to examine, by alias or name; "" for the first that is configured.
        :param by_option: whether the command line names the backend.
        :param may_bring: whether clients may bring a key.
        """
        configured = [each for each in self.config.models.values() if each.backend == backend.name]
        found = [each for each in configured if model in {"", each.alias, each.name}]
        others = [each.url for each in self.config.backends.values() if each is not backend]
        return Examination(
            backend=backend,
            credential=await self.credential(backend, client),
            kind=KINDS[backend.kind],
            asker=self.asker,
            lists=self.lists,
            detection=self.detection,
            signposts=self.signposts,
            scrub=self.scrub,
            origin=origin_of(self.config, backend, by_option=by_option),
            clash=find_clash(self.config.server.listen, backend.url, others),
            brought=may_bring and not backend.has_key and self.config.server.credentials == "forward",
            models=found,
            routed=() if model else routed_models(self.config, backend.name),
            wanted="" if found else model,
            prices=self.prices,
            told=told,
        )

    def short_form(self) -> ShortForm:
        """Return what looks at the backends without spending a token."""
        return ShortForm(
            config=self.config,
            client=self.upstream,
            clock=self.asker.clock,
            lists=self.lists,
            detection=self.detection,
            keys=self.keys,
            scrub=self.scrub,
        )


def make_services(config: Config, reactor: Any, seconds: Callable[[], float] = time.monotonic) -> DoctorServices:  # noqa: ANN401 - a reactor is many interfaces
    """Return the services for a configuration, ready to use."""
    scrub = hidden.redactor(config)
    sweep = PeriodicSweep(reactor, seconds=seconds)
    sweep.startService()
    upstream = TreqUpstream(reactor, sweep)
    detection = DialectDetection(KINDS)
    lists = CachedModelLists(upstream, reactor, KINDS, on_clues=detection.observe, more_lists=detection.lists_of)
    return DoctorServices(
        config=config,
        upstream=upstream,
        sweep=sweep,
        asker=Asker(client=upstream, clock=reactor, seconds=seconds),
        detection=detection,
        lists=lists,
        signposts=Signposts(upstream, reactor, KINDS),
        keys=KeyRing(config, NoBreaker(), seconds=seconds, reactor=reactor, learn=scrub.learn),
        prices=KnownPrices(config),
        scrub=scrub,
    )
