"""Promises of the connection pool, on loopback sockets, and guards for Twisted's private names."""

from __future__ import annotations

import gc
import inspect
from typing import Any

import pytest_twisted
from twisted.internet.abstract import FileDescriptor
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Client
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.web import _newclient
from twisted.web.client import HTTPConnectionPool
from twisted.web.iweb import IBodyProducer

from claude_bridge.core.errors import UpstreamCut
from claude_bridge.services.upstream.pool import (
    CLOSE_SECONDS,
    IDLE_SECONDS,
    BytesBody,
    Connection,
    Reads,
    ReplayPool,
    forget_unsent,
)
from tests.services.upstream.loopback import SHORT, Bench, Conversation, Notes, answer


class BytesBodyTests:
    """All bytes at once, as often as asked."""

    def test_writes_all_synchronously_and_again(self) -> None:
        """The body needs no reactor turn, and can be sent a second time on another connection."""
        body = BytesBody(b"abc")
        assert IBodyProducer.providedBy(body)
        assert body.length == 3
        for _ in range(2):
            consumer = StringTransport()
            assert body.startProducing(consumer).called
            assert consumer.value() == b"abc"

    def test_flow_control_is_harmless(self) -> None:
        """Whatever the transport asks for, the bytes are already written."""
        body = BytesBody(b"abc")
        consumer = StringTransport()
        body.startProducing(consumer)
        body.pauseProducing()
        body.resumeProducing()
        body.stopProducing()
        assert consumer.value() == b"abc"

    def test_released_bytes_are_gone(self) -> None:
        """A conversation's bytes need not wait for the garbage collector once an answer has begun."""
        body = BytesBody(b"abc")
        body.release()
        consumer = StringTransport()
        body.startProducing(consumer)
        assert consumer.value() == b""


class ForgetUnsentTests:
    """What a lost connection had still to send."""

    def transport(self) -> Any:
        """Make a transport that could not send all of what it was told to."""

        class Deaf(FileDescriptor):
            connected = 1

            def writeSomeData(self, data: bytes) -> int:  # noqa: ARG002, N802 - Twisted's name
                return 1

        transport: Any = Deaf(MemoryReactorClock())
        transport.startWriting = transport.stopWriting = lambda: None
        transport.write(b"x" * 1000)
        transport.doWrite()
        transport.write(b"y" * 1000)
        return transport

    def test_dropped(self) -> None:
        """Nothing of it waits for the garbage collector, under Twisted's names for it."""
        transport = self.transport()
        assert (len(transport.dataBuffer), transport._tempDataBuffer) == (1000, [b"y" * 1000])
        forget_unsent(transport)
        assert (transport.dataBuffer, transport.offset) == (b"", 0)
        assert (transport._tempDataBuffer, transport._tempDataLen) == ([], 0)

    def test_below_tls(self) -> None:
        """The same below a protocol that wraps the connection, as TLS does."""
        transport = self.transport()
        wrapper: Any = ProtocolWrapper(WrappingFactory(None), Protocol())
        wrapper.makeConnection(transport)
        forget_unsent(wrapper)
        assert (transport.dataBuffer, transport._tempDataBuffer) == (b"", [])

    def test_anything_else(self) -> None:
        """Another transport, or none, is left alone."""
        forget_unsent(StringTransport())
        forget_unsent(None)


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


class BodyTests:
    """How long a request's body is kept."""

    @pytest_twisted.ensureDeferred
    async def test_first_is_not_kept(self, bench: Bench) -> None:
        """A body is let go of when it is written, unless the connection is an old one: then it may have to go again."""
        held: list[bytes] = []

        def script(conversation: Conversation, number: int) -> None:  # noqa: ARG001 - the bench's signature
            (body,) = [each for each in gc.get_objects() if type(each) is BytesBody and each.length > 99]
            held.append(body._data)
            conversation.transport.write(SHORT)

        _, backend = bench.serve(script)
        for letter in (b"a", b"b"):
            await ask(bench, backend, body=letter * 100)
            gc.collect()
        assert held == [b"", b"b" * 100]

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


class SizeTests:
    """The number of idle connections is the configured one."""

    @pytest_twisted.ensureDeferred
    async def test_idle_connections_are_bounded(self, bench: Bench) -> None:
        """After a rush only max_connections connections are kept."""
        waiting: list[Conversation] = []
        raw, backend = bench.serve(lambda c, _: waiting.append(c), max_connections=2)
        rush = [Notes() for _ in range(5)]
        for notes in rush:
            bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: len(waiting) == 5)
        for conversation in waiting:
            conversation.transport.write(SHORT)
        await bench.until(lambda: all(notes.ends for notes in rush))
        await bench.until(lambda: sum(conversation.lost for conversation in raw.conversations) == 3)

    def test_idle_limit(self) -> None:
        """Idle connections are given up before a common middle box would drop them silently."""
        pool = ReplayPool(Clock(), 3)
        assert (pool.cachedConnectionTimeout, pool.maxPersistentPerHost) == (IDLE_SECONDS, 3)
        assert IDLE_SECONDS < 60


class CloseTests:
    """Closing the pool ends, whatever the backends do."""

    @pytest_twisted.ensureDeferred
    async def test_answer_under_way_ends_with_its_connection(self, bench: Bench) -> None:
        """A pool closed under a running answer lets it finish and keeps its connection no longer."""
        waiting: list[Conversation] = []
        _, backend = bench.serve(lambda c, _: waiting.append(c))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: waiting)
        await bench.client.close()
        waiting[0].transport.write(SHORT)
        await bench.end_of(notes)
        assert notes.ends == [None]
        await bench.until(lambda: waiting[0].lost)

    def test_close_that_hangs_has_a_limit(self) -> None:
        """A connection that never closes does not hold up the daemon's stop."""
        clock = Clock()
        pool = ReplayPool(clock, 3)

        class Transport:
            """Never reports its loss."""

            def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
                """Do nothing."""

        connection = Connection(lambda _: None, Reads())
        connection.transport = Transport()  # type: ignore[assignment]
        pool._putConnection("key", connection)
        closed = pool.close()
        clock.advance(CLOSE_SECONDS - 0.1)
        assert not closed.called
        clock.advance(0.1)
        assert closed.called
        connection.connectionLost(None)
        assert clock.getDelayedCalls() == []

    def test_empty_pool_closes_at_once(self) -> None:
        """Nothing open, nothing to wait for, no timer left."""
        clock = Clock()
        assert ReplayPool(clock, 3).close().called
        assert clock.getDelayedCalls() == []


class ReadsTests:
    """Bodies hear of the end of the read that fed them."""

    def test_nested_reads_are_apart(self) -> None:
        """A read inside a read flushes its own bodies and not the outer one's."""
        reads = Reads()
        flushed: list[str] = []

        class Body:
            """Notes its flush."""

            def __init__(self, name: str) -> None:
                self.name = name

            def flush(self) -> None:
                """Note it."""
                flushed.append(self.name)

        def inner(_: bytes) -> None:
            assert reads.bodies == []
            reads.bodies.append(Body("inner"))

        def outer(data: bytes) -> None:
            assert reads.bodies is not None
            reads.bodies.append(Body("outer"))
            reads.during(inner, data)
            assert flushed == ["inner"]

        reads.during(outer, b"")
        assert flushed == ["inner", "outer"]
        assert reads.bodies is None


class PrivateNameTests:
    """The private parts of Twisted that the pool leans on are still what they were."""

    def test_factory_is_called_with_callback_and_name(self) -> None:
        """New connections come from ``_factory(quiescent, metadata)`` inside ``_newConnection(key, endpoint)``."""
        source = inspect.getsource(HTTPConnectionPool._newConnection)
        assert "self._factory(quiescentCallback, repr(endpoint))" in source
        assert list(inspect.signature(HTTPConnectionPool._newConnection).parameters) == ["self", "key", "endpoint"]

    def test_idle_connections_are_put_back_by_one_method(self) -> None:
        """Connections come back through ``_putConnection(key, connection)``."""
        assert list(inspect.signature(HTTPConnectionPool._putConnection).parameters) == ["self", "key", "connection"]
        assert "self._putConnection(key, protocol)" in inspect.getsource(HTTPConnectionPool._newConnection)

    def test_connection_class_is_where_it_was(self) -> None:
        """The client protocol takes its quiescent callback first, and reports what was not sent."""
        parameters = list(inspect.signature(_newclient.HTTP11ClientProtocol.__init__).parameters)
        assert parameters == ["self", "quiescentCallback"]
        assert issubclass(_newclient.RequestNotSent, Exception)
