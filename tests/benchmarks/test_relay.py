"""The yardstick has to do its little right, or multiples of it mean nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError, ConnectionDone
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from benchmarks import children
from benchmarks.load import Address
from benchmarks.relay import Downstream, Upstream, Upstreams

REQUEST = b"POST /v1/messages HTTP/1.1\r\nHost: here\r\nContent-Length: 6\r\n\r\n\r\n\r\nhi"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
STREAMED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n1a\r\n0\r\n\r\nabcdefghijklmnopqrstu\r\n0\r\n\r\n"
)
CUTS = st.sets(st.integers(1, len(STREAMED) - 1))
GONE = Failure(ConnectionDone())
SECONDS = 60.0


class Wire(StringTransport):
    """A TCP connection in memory."""

    no_delay = False
    aborted = False

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.no_delay = enabled

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Note it."""
        self.aborted = True


@implementer(IStreamClientEndpoint)
@define(eq=False)
class Endpoint:
    """A backend that accepts connections when the test says so.

    :ivar asked: connections that were asked for, with what each is to become.
    """

    asked: list[tuple[IProtocolFactory, Deferred[IProtocol]]] = field(factory=list)

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803 - Twisted's name
        """Note it."""
        connecting: Deferred[IProtocol] = Deferred()
        self.asked.append((protocolFactory, connecting))
        return connecting

    def accept(self) -> tuple[Upstream, Wire]:
        """Accept the connection that was asked for last."""
        factory, connecting = self.asked[-1]
        upstream, wire = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1)), Wire()
        assert isinstance(upstream, Upstream)
        upstream.makeConnection(wire)
        connecting.callback(upstream)
        return upstream, wire


@define(eq=False)
class Stage:
    """The relay in memory."""

    endpoint: Endpoint = field(factory=Endpoint)
    upstreams: Upstreams = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Set up."""
        self.upstreams = Upstreams(self.endpoint)

    def client(self) -> tuple[Downstream, Wire]:
        """Let a client in."""
        downstream, wire = Downstream(self.upstreams), Wire()
        downstream.makeConnection(wire)
        return downstream, wire

    def asking(self) -> tuple[Downstream, Wire, Upstream, Wire]:
        """Let a client in whose request has reached the backend."""
        downstream, front = self.client()
        downstream.dataReceived(REQUEST)
        upstream, back = self.endpoint.accept()
        return downstream, front, upstream, back


def pieces(data: bytes, cuts: set[int]) -> Iterator[bytes]:
    """Cut bytes at these places."""
    for start, end in pairwise(sorted({0, *cuts, len(data)})):
        yield data[start:end]


class RelayTests:
    """Requests and answers pass."""

    @given(cuts=st.sets(st.integers(1, len(REQUEST) - 1)))
    def test_a_request_passes_at_any_cut(self, cuts: set[int]) -> None:
        """It goes on unchanged, and not before it is whole."""
        stage = Stage()
        downstream, front = stage.client()
        for piece in pieces(REQUEST, cuts):
            assert stage.endpoint.asked == []
            downstream.dataReceived(piece)
        _, back = stage.endpoint.accept()

        assert back.value() == REQUEST
        assert (front.no_delay, back.no_delay) == (True, True)

    @given(answers=st.lists(st.sampled_from([WHOLE, STREAMED]), min_size=1, max_size=3), cuts=CUTS)
    def test_answers_pass_at_any_cut(self, answers: list[bytes], cuts: set[int]) -> None:
        """Each piece goes on at once and unchanged; after the last one the next request has the same connection."""
        stage = Stage()
        downstream, front, upstream, back = stage.asking()
        for answer in answers:
            passed = 0
            for piece in pieces(answer, {cut for cut in cuts if cut < len(answer)}):
                assert stage.upstreams.idle == []
                upstream.dataReceived(piece)
                passed += len(piece)
                assert front.value() == answer[:passed]
            assert stage.upstreams.idle == [upstream]
            front.clear()
            downstream.dataReceived(REQUEST)

        assert back.value() == REQUEST * (1 + len(answers))
        assert len(stage.endpoint.asked) == 1

    def test_clients_at_once_have_connections_of_their_own(self) -> None:
        """Answers are never mixed up; the connection used last is used again first."""
        stage = Stage()
        one, two = stage.asking(), stage.asking()
        one[2].dataReceived(WHOLE)
        two[2].dataReceived(STREAMED)

        assert (one[1].value(), two[1].value()) == (WHOLE, STREAMED)
        one[0].dataReceived(REQUEST)
        assert two[3].value() == REQUEST * 2
        assert one[3].value() == REQUEST

    @pytest.mark.parametrize("answered", [0, 50, len(STREAMED) - 1])
    def test_a_client_that_leaves_ends_the_backends_work(self, answered: int) -> None:
        """However far the answer was, its connection is aborted and never used again."""
        stage = Stage()
        downstream, _, upstream, back = stage.asking()
        if answered:
            upstream.dataReceived(STREAMED[:answered])
        downstream.connectionLost(GONE)
        upstream.connectionLost(GONE)

        assert back.aborted
        assert stage.upstreams.idle == []

    def test_a_client_that_leaves_early_costs_no_connection(self) -> None:
        """A connection that is being made is given up."""
        stage = Stage()
        downstream, front = stage.client()
        downstream.dataReceived(REQUEST)
        downstream.connectionLost(GONE)

        _, connecting = stage.endpoint.asked[0]
        assert connecting.called
        assert front.value() == b""

    def test_a_client_that_leaves_after_its_answer_disturbs_nobody(self) -> None:
        """The connection stays for others."""
        stage = Stage()
        downstream, _, upstream, back = stage.asking()
        upstream.dataReceived(WHOLE)
        downstream.connectionLost(GONE)

        assert not back.aborted
        assert stage.upstreams.idle == [upstream]

    def test_a_cut_answer_is_cut_for_the_client(self) -> None:
        """A backend that ends in the middle is never taken for one that has finished."""
        _, front, upstream, _ = Stage().asking()
        upstream.dataReceived(STREAMED[:-1])
        upstream.connectionLost(GONE)

        assert front.disconnecting

    def test_an_idle_connection_that_ends_is_forgotten(self) -> None:
        """The next request gets a new one."""
        stage = Stage()
        downstream, front, upstream, _ = stage.asking()
        upstream.dataReceived(WHOLE)
        upstream.connectionLost(GONE)
        downstream.dataReceived(REQUEST)

        assert len(stage.endpoint.asked) == 2
        assert not front.disconnecting

    def test_bytes_that_nobody_asked_for_end_the_connection(self) -> None:
        """They would be the beginning of somebody's answer."""
        _, _, upstream, back = Stage().asking()
        upstream.dataReceived(WHOLE)
        upstream.dataReceived(b"HTTP")

        assert back.aborted

    def test_no_backend_is_no_answer(self) -> None:
        """The client's connection ends, as the load generator tells."""
        stage = Stage()
        downstream, front = stage.client()
        downstream.dataReceived(REQUEST)
        stage.endpoint.asked[0][1].errback(ConnectError())

        assert front.disconnecting


class ProcessTests:
    """The program, on sockets."""

    def test_a_client_that_leaves_is_noticed_by_the_backend(self) -> None:
        """The request arrives as it was sent, the answer's beginning too, and the client's end at once."""
        received = asyncio.run(asyncio.wait_for(_left(), SECONDS))

        assert received == REQUEST


async def _left() -> bytes:
    """Ask through the relay, leave in the middle of the answer, and return what the backend received until then."""
    received: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def backend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readexactly(len(REQUEST))
        writer.write(STREAMED[:60])
        try:
            received.set_result(request + await reader.read())
        except ConnectionResetError:
            received.set_result(request)
        writer.close()

    async with await asyncio.start_server(backend, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with children.relay(port) as relay:
            await _ask_and_leave(relay.address)
            return await received


async def _ask_and_leave(address: Address) -> None:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(REQUEST)
    assert await reader.readexactly(60) == STREAMED[:60]
    writer.close()
