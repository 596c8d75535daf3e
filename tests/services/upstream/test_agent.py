"""Promises of the agent: what is asked of whom, and which requests are repeated."""

from __future__ import annotations

import gc
import itertools
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory
from twisted.internet.task import Clock
from twisted.internet.tcp import Client
from twisted.internet.testing import StringTransport
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface.verify import verifyObject

from claude_bridge.core.errors import BridgeError, UpstreamCut
from claude_bridge.services.upstream.agent import REPEAT_SECONDS, BackendAgent, Target, target_of
from claude_bridge.services.upstream.connection import Connection, NoResponse
from claude_bridge.services.upstream.endpoints import Origin
from claude_bridge.services.upstream.pool import IdleConnections
from tests.services.upstream.loopback import SHORT, Bench, Conversation, Notes, answer


class TargetTests:
    """A URL is taken apart."""

    @pytest.mark.parametrize(
        ("url", "origin", "host", "path"),
        [
            (b"http://h/v1", Origin("http", "h", 80), b"h", b"/v1"),
            (b"https://h:443/a?b=c", Origin("https", "h", 443), b"h", b"/a?b=c"),
            (b"https://H.example:8443", Origin("https", "h.example", 8443), b"h.example:8443", b"/"),
            (b"http://[::1]:11434/v1", Origin("http", "::1", 11434), b"[::1]:11434", b"/v1"),
            (b"http://[::1]/?x", Origin("http", "::1", 80), b"[::1]", b"/?x"),
            (b"http://user:password@h/", Origin("http", "h", 80), b"h", b"/"),
        ],
    )
    def test_parts(self, url: bytes, origin: Origin, host: bytes, path: bytes) -> None:
        """Who is asked, by which name, and for what; never a password."""
        assert target_of(url) == Target(origin, host, path)

    @pytest.mark.parametrize(
        "url", [b"ftp://h/", b"/v1", b"http://", b"http://h:99999/", b"http://h:x/", b"http://[::1"]
    )
    def test_unusable(self, url: bytes) -> None:
        """What no request can be sent to is a mistake."""
        with pytest.raises(ValueError, match=r"."):
            target_of(url)


async def ask(bench: Bench, backend: Any, **settings: Any) -> Notes:
    """Send one request and wait for its end."""
    notes = Notes()
    bench.client.send(bench.request(backend, **settings), notes)
    await bench.end_of(notes)
    return notes


class ReplayTests:
    """A POST on a dead idle connection is repaired, and nothing else is ever sent twice."""

    @pytest_twisted.ensureDeferred
    async def test_stale_connection_is_repaired(self, bench: Bench) -> None:
        """A backend that closes an idle connection just as we send costs nobody an error."""

        def script(conversation: Conversation, number: int) -> None:
            if number == 1:
                conversation.transport.write(SHORT)
            else:
                conversation.transport.abortConnection()

        raw, backend = bench.serve(script)
        await ask(bench, backend)
        notes = await ask(bench, backend, body=b'{"second":1}')
        assert (notes.body, notes.ends) == (b"ok", [None])
        assert [len(conversation.requests) for conversation in raw.conversations] == [2, 1]
        assert raw.conversations[1].requests[0].endswith(b'{"second":1}')

    @pytest_twisted.ensureDeferred
    async def test_repeated_once_only(self, bench: Bench) -> None:
        """If the fresh connection dies as well, the client is told."""

        def script(conversation: Conversation, number: int) -> None:
            if number == 1 and len(raw.conversations) == 1:
                conversation.transport.write(SHORT)
            else:
                conversation.transport.loseConnection()

        raw, backend = bench.serve(script)
        await ask(bench, backend)
        notes = await ask(bench, backend)
        assert isinstance(notes.ends[0], UpstreamCut)
        assert len(raw.requests) == 3

    @pytest_twisted.ensureDeferred
    async def test_one_dead_connection_speaks_for_all(self, bench: Bench) -> None:
        """After a dead connection no other idle one is tried: each would cost a request that is sent twice."""
        waiting: list[Conversation] = []

        def script(conversation: Conversation, number: int) -> None:
            if number == 1 and len(raw.conversations) <= 3:
                waiting.append(conversation)
            else:
                conversation.transport.abortConnection()

        raw, backend = bench.serve(script)
        rush = [Notes() for _ in range(3)]
        for notes in rush:
            bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: len(waiting) == 3)
        for conversation in waiting:
            conversation.transport.write(SHORT)
        for notes in rush:
            await bench.end_of(notes)
        for expected in (5, 6):
            assert isinstance((await ask(bench, backend)).ends[0], UpstreamCut)
            assert len(raw.requests) == expected

    @pytest_twisted.ensureDeferred
    async def test_begun_answer_is_not_repeated(self, bench: Bench) -> None:
        """Once a byte of an answer came, the request was taken and is not sent again."""

        def script(conversation: Conversation, number: int) -> None:
            conversation.transport.write(SHORT if number == 1 else b"HTTP/1.1 ")
            if number > 1:
                conversation.transport.loseConnection()

        raw, backend = bench.serve(script)
        await ask(bench, backend)
        notes = await ask(bench, backend)
        assert isinstance(notes.ends[0], UpstreamCut)
        assert len(raw.requests) == 2

    @pytest_twisted.ensureDeferred
    async def test_cancelled_request_is_not_repeated(self, bench: Bench) -> None:
        """A client that left is not served by a second connection."""
        raw, backend = bench.serve(lambda c, number: c.transport.write(SHORT) if number == 1 else None)
        await ask(bench, backend)
        notes = Notes()
        call = bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: len(raw.requests) == 2)
        call.cancel()
        await bench.until(lambda: raw.conversations[0].lost, 0.1)
        await bench.pause(0.03)
        assert (len(raw.conversations), notes.heard) == (1, False)

    @pytest_twisted.ensureDeferred
    async def test_noticed_close_needs_no_repair(self, bench: Bench) -> None:
        """An idle connection that the backend closed some time ago is simply not used."""
        raw, backend = bench.serve(answer)
        await ask(bench, backend)
        raw.conversations[0].transport.loseConnection()
        await bench.until(lambda: raw.conversations[0].lost)
        await bench.pause(0.02)
        notes = await ask(bench, backend)
        assert notes.ends == [None]
        assert [len(conversation.requests) for conversation in raw.conversations] == [1, 1]

    @pytest_twisted.ensureDeferred
    async def test_connection_that_dies_about_now(self, bench: Bench) -> None:
        """Around the moment in which the backend closes a kept connection all requests are answered, and none twice."""
        closes = itertools.cycle([0, 0, 0.0005, 0.001, 0.002])
        pauses = itertools.cycle([0, 0.0005, 0.001, 0.002, 0.003, 0, 0])

        def script(conversation: Conversation, _: int) -> None:
            conversation.transport.write(SHORT)
            bench.reactor.callLater(next(closes), conversation.close_unread)

        raw, backend = bench.serve(script)
        answered: list[Notes] = []

        class Chain(Notes):
            """Sends the next request when this one is answered, at once or a moment later."""

            def ended(self, error: BridgeError | None) -> None:
                """Send it."""
                super().ended(error)
                answered.append(self)
                if len(answered) < 150:
                    pause = next(pauses)
                    bench.reactor.callLater(pause, send) if pause else send()

        def send() -> None:
            bench.client.send(bench.request(backend, body=b"%d" % len(answered)), Chain())

        send()
        await bench.until(lambda: len(answered) == 150)
        assert [(notes.body, notes.ends) for notes in answered] == [(b"ok", [None])] * 150
        bodies = [request.rpartition(b"\r\n\r\n")[2] for request in raw.requests]
        assert bodies == [b"%d" % number for number in range(150)]

    def test_late_close_is_an_answer(self) -> None:
        """A backend that worked on a request for a while and then hangs up is not given it a second time."""
        clock = Clock()
        endpoint = OneConnection()
        pool = IdleConnections(clock, 3)
        agent = BackendAgent(clock, endpoint, pool)  # type: ignore[arg-type]  # as much of one as is asked
        for seconds, connections in ((REPEAT_SECONDS - 0.1, 2), (REPEAT_SECONDS, 1)):
            kept = Connection(pool, target_of(b"http://h/").origin)
            kept.makeConnection(StringTransport())
            pool.put(kept)
            endpoint.made = 1
            failures: list[Any] = []
            agent.request(b"POST", b"http://h/").addErrback(failures.append)
            clock.advance(seconds)
            kept.connectionLost()
            assert endpoint.made == connections
            assert [failure.type for failure in failures] == ([] if connections == 2 else [NoResponse])


class OneConnection:
    """Endpoints and endpoint at once, whose connections never come about; counts them."""

    made = 1

    def endpoint(self, origin: Origin) -> OneConnection:  # noqa: ARG002 - the endpoints' signature
        """Return the endpoint."""
        return self

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: ARG002 - the endpoint's signature
        """Count."""
        self.made += 1
        return Deferred()


class RequestTests:
    """What is written."""

    @pytest.mark.parametrize(
        ("method", "body", "written"),
        [
            (b"POST", b"{}", b"POST /a HTTP/1.1\r\nHost: h\r\nX: y\r\nContent-Length: 2\r\n\r\n{}"),
            (b"POST", None, b"POST /a HTTP/1.1\r\nHost: h\r\nX: y\r\nContent-Length: 0\r\n\r\n"),
            (b"GET", None, b"GET /a HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n"),
        ],
    )
    def test_written(self, method: bytes, body: Any, written: bytes) -> None:
        """Head and body, with a length where there may be a body; never a coding."""
        pool = IdleConnections(Clock(), 3)
        agent = BackendAgent(Clock(), OneConnection(), pool)  # type: ignore[arg-type]  # as above
        assert verifyObject(IAgent, agent)
        kept = Connection(pool, target_of(b"http://h/").origin)
        transport = StringTransport()
        kept.makeConnection(transport)
        pool.put(kept)
        agent.request(method, b"http://h/a", Headers({"x": ["y"], "accept-encoding": ["gzip"]}), body)
        assert transport.value() == written


class Body(bytes):
    """Bytes that tell when they are gone."""

    gone: list[bytes] = []  # noqa: RUF012 - one for all

    def __del__(self) -> None:
        """Tell it."""
        self.gone.append(self[:1])


class BodyTests:
    """How long a request's body is kept."""

    @pytest_twisted.ensureDeferred
    async def test_first_is_not_kept(self, bench: Bench) -> None:
        """A body is let go of when it is written, unless the connection is an old one: then it may have to go again."""
        gone_when_read: list[list[bytes]] = []

        def script(conversation: Conversation, number: int) -> None:  # noqa: ARG001 - the bench's signature
            gone_when_read.append(Body.gone[:])
            conversation.transport.write(SHORT)

        _, backend = bench.serve(script)
        Body.gone.clear()
        for letter in (b"a", b"b"):
            notes = Notes()
            bench.client.send(bench.request(backend, Body(letter * 100)), notes)
            await bench.end_of(notes)
        assert (gone_when_read, Body.gone) == ([[b"a"], [b"a"]], [b"a", b"b"])

    @pytest_twisted.ensureDeferred
    async def test_unsent_bytes_go_with_the_connection(self, bench: Bench) -> None:
        """What a backend did not take is gone when the client is, without a collection."""
        raw, backend = bench.serve(lambda _conversation, _number: None)
        raw.on_connect = lambda conversation: conversation.transport.pauseProducing()
        call = bench.client.send(bench.request(backend, body=b"x" * 20_000_000), Notes())

        def unsent() -> list[Client]:
            return [each for each in gc.get_objects() if type(each) is Client and len(each.dataBuffer) > 1000]

        await bench.until(unsent)
        (transport,) = unsent()
        call.cancel()
        await bench.until(lambda: transport.disconnected)
        assert (unsent(), transport._tempDataBuffer) == ([], [])
