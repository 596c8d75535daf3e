"""The listening sockets of the daemon: each belongs to a named site, and lives until the daemon stops.

They are bound before privileges are dropped and before anything else starts, so that a port in use ends the start.
A reload does not open or close any.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.config.listeners import Listener, http_url, listener
from claude_bridge.daemon.taken_ports import explained

_log = Logger()


@frozen(kw_only=True)
class ListenerSnapshot:
    """One listening socket: whose it is, and its URL, or what it is bound to where it has none."""

    site: str
    address: str


@frozen(eq=False, kw_only=True)
class OpenPort:
    """One listening socket.

    :ivar site: the name of the site that is served there.
    :ivar address: host and port that it really has; None for one that is not of TCP.
    :ivar url: what a client would connect to; what it is bound to where there is no URL.
    """

    site: str
    address: tuple[str, int] | None
    url: str
    port: IListeningPort

    @classmethod
    def bound(cls, site: str, where: Listener, port: IListeningPort) -> OpenPort:
        """Return what came of ``where``."""
        bound = port.getHost()
        host, number = getattr(bound, "host", None), getattr(bound, "port", None)
        if host is None or number is None:
            return cls(site=site, address=None, url=str(bound), port=port)
        return cls(site=site, address=(host, number), url=http_url(where.scheme, host, number), port=port)


@define(eq=False)
class Listeners:
    """All listening sockets of one process."""

    _reactor: Any
    _ports: list[OpenPort] = field(factory=list, init=False)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each socket of TCP."""
        return [each.address for each in self._ports if each.address is not None]

    def bind(self, site: str, factory: IProtocolFactory, descriptions: Sequence[str]) -> None:
        """Serve ``factory`` at each endpoint; an exception makes twistd exit instead of running without a port."""
        for description in descriptions:
            where = listener(description)
            failed: list[Failure] = []
            bound: list[IListeningPort] = []
            serverFromString(self._reactor, description).listen(factory).addCallbacks(bound.append, failed.append)
            if failed:
                raise explained(cast(BaseException, failed[0].value), where)
            self._ports += [OpenPort.bound(site, where, port) for port in bound]

    def announce(self) -> None:
        """Log which site listens where."""
        for each in self._ports:
            if each.address is None:
                _log.info("listening on {address}", event="listening", address=each.url)
            else:
                host, port = each.address
                _log.info("listening on {url}", event="listening", host=host, port=port, url=each.url)

    def close(self) -> Deferred[Any]:
        """Close all sockets; the Deferred fires when they are closed. Open connections stay."""
        return DeferredList([maybeDeferred(each.port.stopListening) for each in self._ports])

    def snapshot(self) -> tuple[ListenerSnapshot, ...]:
        """Return what there is to be seen."""
        return tuple(ListenerSnapshot(site=each.site, address=each.url) for each in self._ports)
