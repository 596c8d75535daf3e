"""A scripted HTTP server on a real loopback socket; subclasses decide what it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import maybeDeferred
from twisted.internet.interfaces import IListeningPort
from twisted.protocols.policies import WrappingFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.performance import Performance
from claude_bridge.testing.received import Received, received_from

__all__ = ["LoopbackServer"]


@define(eq=False)
class LoopbackServer:
    """Listens, hands every request to `answer` and performs what that gives.

    :ivar monotonic: tells the time for the records.
    """

    _reactor: Any
    monotonic: Callable[[], float] = field(default=time.monotonic, kw_only=True)
    _port: IListeningPort | None = field(default=None, init=False)
    _factory: WrappingFactory | None = field(default=None, init=False)

    def answer(self, received: Received) -> Answer:
        """Decide what ``received`` is answered."""
        raise NotImplementedError

    def start(self, port: int = 0) -> None:
        """Listen on 127.0.0.1; port 0 takes a free one."""
        site = Site(_Everything(self), parsePOSTFormSubmission=False)
        site.noisy = False
        self._factory = WrappingFactory(site)  # it knows its connections, so that `stop` can break them
        self._factory.noisy = False
        self._port = self._reactor.listenTCP(port, self._factory, interface="127.0.0.1")

    async def stop(self) -> None:
        """Stop listening and break every connection."""
        port, self._port = self._port, None
        if port is None or self._factory is None:
            return
        stopped = maybeDeferred(port.stopListening)
        for protocol in list(self._factory.protocols):
            protocol.transport.abortConnection()
        await stopped

    @property
    def port(self) -> int:
        """Return the TCP port."""
        if self._port is None:
            raise RuntimeError("the server is not started")
        host = self._port.getHost()
        return int(host.port)  # type: ignore[attr-defined] # TCP addresses have one

    @property
    def connections(self) -> int:
        """Count the open connections."""
        return 0 if self._factory is None else len(self._factory.protocols)

    def perform(self, answer: Answer, received: Received, request: Request) -> None:
        """Give ``answer`` to ``request``, step by step."""
        Performance(self._reactor, self.monotonic, request, received, answer.performed()).begin(answer)


class _Everything(Resource):
    """Hands every request to the server, whatever its path and method."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(self, server: LoopbackServer) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Twisted has no types here
        self._server = server

    def render(self, request: Request) -> int:
        """Answer any method."""
        received = received_from(request, self._server.monotonic())
        self._server.perform(self._server.answer(received), received, request)
        return NOT_DONE_YET
