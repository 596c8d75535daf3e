"""Promises of a connection and the response on it, in memory and on loopback sockets."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.abstract import FileDescriptor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse
from zope.interface.verify import verifyObject

from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.http1 import MAX_HEAD_BYTES, MAX_HEAD_LINES, MAX_INTERIM_RESPONSES, FramingError
from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.upstream.connection import (
    Connection,
    ConnectionCut,
    HeadCut,
    NoResponse,
    forget_unsent,
)
from tests.core.strategies import in_steps
from tests.services.upstream.loopback import CHUNKED, SHORT, Bench, Conversation, Notes, answer, chunk
from tests.services.upstream.test_endpoints import self_signed

STATUS = b"HTTP/1.1 200 OK\r\n"
INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"

FLOODS = {
    "headers": (STATUS, b"X-A: " + b"a" * 1000 + b"\r\n", "a head of more than 256 KiB"),
    "short headers": (STATUS, b"a:\r\n", "or 2000 lines"),
    "continued": (STATUS + b"a: b\r\n", b" c\r\n", "or 2000 lines"),
    "one line": (STATUS + b"X: ", b"a" * 1000, "a line of more than 16384 bytes"),
    "interim answers": (b"", INTERIM, "more than 100 interim answers"),
    "long interim answers": (b"", INTERIM[:-2] + b"Link: " + b"a" * 9000 + b"\r\n\r\n", "a head of more than 256 KiB"),
}


def without_end(start: bytes, more: bytes, size: int) -> Callable[[Conversation, int], object]:
    """Send the start of a head and then more of it for ever, in pieces of a size, as fast as it is taken."""

    class Endless:
        """A producer that never has enough."""

        def __init__(self, conversation: Conversation) -> None:
            self.conversation = conversation
            self.rest = start

        def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
            """Write the next piece."""
            while len(self.rest) < size:
                self.rest += more
            piece, self.rest = self.rest[:size], self.rest[size:]
            self.conversation.transport.write(piece)

        def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
            """Stop."""

    def script(conversation: Conversation, _: int) -> None:
        conversation.transport.registerProducer(Endless(conversation), False)

    return script


class FloodTests:
    """A head that does not end costs a moment and is told as such."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("size", [65_536, 4099, 13])
    @pytest.mark.parametrize(("start", "more", "words"), FLOODS.values(), ids=FLOODS)
    async def test_flood(self, bench: Bench, start: bytes, more: bytes, words: str, size: int) -> None:
        """The connection is closed, no second one is made, and the client learns what the backend did."""
        raw, backend = bench.serve(without_end(start, more, size))
        notes = Notes()
        begun = time.thread_time()
        with capturedLogs() as seen:
            bench.client.send(bench.request(backend), notes)
            await bench.until(lambda: notes.ends, 20)
        (error,) = notes.ends
        assert isinstance(error, UpstreamProtocolError)
        assert error.message.startswith("backend b sent ")
        assert words in error.message
        await bench.until(lambda: raw.conversations[0].lost)
        assert len(raw.conversations) == 1
        assert not [event for event in seen if "Ignoring" in str(event.get("log_format"))]
        assert time.thread_time() - begun < 10

    # Twisted hands pyOpenSSL objects of its own older kind.
    @pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")
    @pytest_twisted.ensureDeferred
    async def test_flood_over_tls(self, bench: Bench, tmp_path: Path) -> None:
        """Over TLS too the connection is gone at once: the backend is not asked to agree."""
        made = self_signed("127.0.0.1")
        ca_file = tmp_path / "ca.pem"
        ca_file.write_bytes(made.pem)
        script = without_end(STATUS, b"a: b\r\n", 4096)
        raw, backend = bench.serve_tls(script, made.options, "127.0.0.1", ca_file=str(ca_file))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamProtocolError)
        await bench.until(lambda: raw.conversations[0].lost, 1)


class OrdinaryTests:
    """Real heads pass."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("size", [1, 7, 65_536])
    async def test_large_head(self, bench: Bench, size: int) -> None:
        """Two hundred headers and some interim answers are no flood, wherever they are cut, and nobody logs them."""
        head = b"".join(b"X-%d: %b\r\n" % (number, b"v" * 40) for number in range(20 if size == 1 else 200))
        answer = INTERIM * 3 + STATUS + head + b"Content-Length: 2\r\n\r\nok"
        pieces = [answer[start : start + size] for start in range(0, len(answer), size)]

        def script(conversation: Conversation, _: int) -> None:
            def write() -> None:
                if pieces:
                    conversation.transport.write(pieces.pop(0))
                    bench.reactor.callLater(0, write)

            write()

        _, backend = bench.serve(script)
        notes = Notes()
        with capturedLogs() as seen:
            bench.client.send(bench.request(backend), notes)
            await bench.end_of(notes)
        assert (notes.body, notes.ends) == (b"ok", [None])
        assert notes.head is not None
        assert notes.head.headers["x-7"] == "v" * 40
        assert not [event for event in seen if "Ignoring" in str(event.get("log_format"))]

    @pytest_twisted.ensureDeferred
    async def test_counted_for_each_answer(self, bench: Bench) -> None:
        """A connection that is used again begins with nothing."""

        def script(conversation: Conversation, _: int) -> None:
            conversation.transport.write(INTERIM * (MAX_INTERIM_RESPONSES - 1) + SHORT)

        raw, backend = bench.serve(script)
        for _ in range(3):
            notes = Notes()
            bench.client.send(bench.request(backend), notes)
            await bench.end_of(notes)
            assert (notes.body, notes.ends) == (b"ok", [None])
        assert len(raw.conversations) == 1

    @pytest_twisted.ensureDeferred
    async def test_body_is_no_head(self, bench: Bench) -> None:
        """A body of many lines counts nothing."""
        body = b"a\n" * (MAX_HEAD_LINES + MAX_HEAD_BYTES)
        head = STATUS + b"Content-Length: %d\r\n\r\n" % len(body)
        _, backend = bench.serve(lambda c, _: c.transport.write(head + body))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert (len(notes.body), notes.ends) == (len(body), [None])


class BackPressureTests:
    """A slow client slows the backend down."""

    @pytest_twisted.ensureDeferred
    async def test_pause_reaches_the_socket(self, bench: Bench) -> None:
        """While the client does not read, the backend cannot get rid of its answer; afterwards all of it comes."""
        total = 48 * 1024 * 1024

        def script(conversation: Conversation, _: int) -> None:
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total
            conversation.transport.write(head + bytes(total))

        raw, backend = bench.serve(script)
        sizes: list[int] = []
        notes = Notes(on_head=lambda producer: producer.pauseProducing(), on_data=lambda data: sizes.append(len(data)))
        bench.client.send(bench.request(backend), notes)
        await bench.until(lambda: notes.head)
        await bench.pause(0.2)
        assert sum(sizes) <= 64 * 1024
        assert not raw.conversations[0].lost
        assert notes.producer is not None
        notes.producer.resumeProducing()
        await bench.until(lambda: notes.ends, 20)
        assert (sum(sizes), notes.ends) == (total, [None])

    @pytest_twisted.ensureDeferred
    async def test_connection_paused_at_its_end_is_of_use_again(self, bench: Bench) -> None:
        """An answer that ends while its client stalls does not leave a deaf connection behind."""
        raw, backend = bench.serve(answer)
        first, second = Notes(on_data=lambda _: first.producer.pauseProducing()), Notes()  # type: ignore[union-attr]
        bench.client.send(bench.request(backend), first)
        await bench.until(lambda: first.ends)
        bench.client.send(bench.request(backend), second)
        await bench.until(lambda: second.ends)
        assert (second.body, len(raw.conversations)) == (b"ok", 1)


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


class Way:
    """A connection on an in-memory transport, and what is heard on it."""

    def __init__(self) -> None:
        self.transport = StringTransport()
        self.pool = NotedPool()
        self.connection = Connection(self.pool, "origin")
        self.connection.makeConnection(self.transport)
        self.responses: list[Any] = []
        self.failures: list[Any] = []

    def ask(self) -> Deferred[Any]:
        """Send a request."""
        asked: Deferred[Any] = self.connection.ask(b"POST", [b"head", b"body"])
        return asked.addCallbacks(self.responses.append, self.failures.append)

    def bring(self, data: bytes) -> None:
        """Bring the bytes of one read."""
        self.connection.dataReceived(data)

    def lose(self) -> None:
        """End the connection."""
        self.connection.connectionLost(Failure(ConnectionDone()))


class NotedPool:
    """Notes what becomes of its connections."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def put(self, connection: Connection) -> None:  # noqa: ARG002 - the pool's signature
        """Note it."""
        self.notes.append("idle")

    def retire(self, connection: Connection) -> None:  # noqa: ARG002 - the pool's signature
        """Note it."""
        self.notes.append("retired")

    def lost(self, connection: Connection) -> None:  # noqa: ARG002 - the pool's signature
        """Note it."""
        self.notes.append("lost")


class Reader(Protocol):
    """Keeps what it is given, and may do something with its producer."""

    def __init__(self, on_connect: Callable[[Any], object] = do_nothing) -> None:
        self.pieces: list[bytes] = []
        self.reasons: list[Any] = []
        self.on_connect = on_connect

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Do what is wanted."""
        self.on_connect(self.transport)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep it."""
        self.pieces.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Keep the reason."""
        self.reasons.append(reason.type)


class ConnectionTests:
    """One connection."""

    def test_request(self) -> None:
        """Head and body are written at once."""
        way = Way()
        way.ask()
        assert way.transport.value() == b"headbody"

    def test_response(self) -> None:
        """The protocol of the body gets one piece for each read, and its end; then the connection is idle."""
        way, reader = Way(), Reader()
        way.ask().addCallback(lambda _: way.responses[0].deliverBody(reader))
        way.bring(CHUNKED + chunk(b"a") + chunk(b"b"))
        way.bring(chunk(b"c") + chunk(b"d")[:4])
        way.bring(chunk(b"d")[4:] + chunk(b""))
        assert (reader.pieces, reader.reasons) == ([b"ab", b"cd"], [ResponseDone])
        assert way.pool.notes == ["idle"]

    @given(st.lists(st.binary(min_size=1, max_size=20), max_size=4), st.integers(1, 30), st.booleans())
    def test_any_cut(self, contents: list[bytes], size: int, cut_off: bool) -> None:
        """However it arrives: all that was sent, and one end, which says whether the response was complete."""
        way, reader = Way(), Reader()
        way.ask().addCallback(lambda _: way.responses[0].deliverBody(reader))
        sent = CHUNKED + b"".join(map(chunk, contents)) + chunk(b"")
        for piece in in_steps(sent[:-1] if cut_off else sent, size):
            way.bring(piece)
        way.lose()
        assert b"".join(reader.pieces) == b"".join(contents)
        assert reader.reasons == [ConnectionCut if cut_off else ResponseDone]
        assert way.pool.notes == (["lost"] if cut_off else ["idle", "lost"])

    @pytest.mark.parametrize(
        ("sent", "error"),
        [
            (b"", NoResponse),
            (b"H", HeadCut),
            (STATUS, HeadCut),
            (b"220 mail\r\n", FramingError),
            (STATUS + b"X Foo: 1\r\nContent-Length: 2\r\n\r\nok", FramingError),
            (STATUS + b"X-\xff: 1\r\n\r\n", FramingError),
        ],
    )
    def test_no_response(self, sent: bytes, error: type[Exception]) -> None:
        """What ended the wait says how far the response had come."""
        way = Way()
        way.ask()
        if sent:
            way.bring(sent)
        way.lose()
        assert [failure.type for failure in way.failures] == [error]

    @given(st.binary(max_size=8), st.binary(max_size=8))
    def test_one_outcome(self, name: bytes, value: bytes) -> None:
        """Whatever a header is, whoever asked is told once, and nothing is raised."""
        way = Way()
        way.ask()
        way.bring(STATUS + name + b":" + value + b"\r\nContent-Length: 2\r\n\r\nok")
        way.lose()
        assert len(way.responses) + len(way.failures) == 1

    def test_mistake_after_content(self) -> None:
        """What came before a mistake is passed on; the connection is closed at once."""
        way, reader = Way(), Reader()
        way.ask().addCallback(lambda _: way.responses[0].deliverBody(reader))
        way.bring(CHUNKED + chunk(b"a") + b"zz\r\n")
        assert (reader.pieces, reader.reasons) == ([b"a"], [FramingError])
        assert way.transport.disconnected
        way.lose()
        assert (reader.reasons, way.pool.notes) == ([FramingError], ["lost"])

    def test_body_until_the_end(self) -> None:
        """Without framing the end of the connection is the end, and said to be one that nobody can vouch for."""
        way, reader = Way(), Reader()
        way.ask().addCallback(lambda _: way.responses[0].deliverBody(reader))
        way.bring(STATUS + b"\r\nabc")
        way.lose()
        assert (reader.pieces, reader.reasons) == ([b"abc"], [PotentialDataLoss])

    @pytest.mark.parametrize("data", [SHORT, b"x"])
    def test_idle_connection_that_speaks(self, data: bytes) -> None:
        """What nobody asked for closes the connection, and is no part of the next response."""
        way = Way()
        way.ask()
        way.bring(SHORT)
        way.bring(data)
        assert way.transport.disconnected

    def test_cannot_be_reused(self) -> None:
        """A connection that the server wants closed is not kept."""
        way = Way()
        way.ask()
        way.bring(SHORT.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        assert way.pool.notes == ["retired"]
        way.connection.close()
        assert way.transport.disconnecting

    def test_cancelled(self) -> None:
        """A request that is cancelled closes the connection, and whatever still comes is not heard."""
        way = Way()
        asked = way.ask()
        asked.cancel()
        assert way.transport.disconnected
        way.bring(SHORT)
        way.lose()
        assert [failure.type for failure in way.failures] == [CancelledError]
        assert (way.responses, way.pool.notes) == ([], ["lost"])

    def test_stopped(self) -> None:
        """A reader that stops hears nothing more, also not of the same read."""
        way, reader = Way(), Reader(on_connect=lambda producer: producer.stopProducing())
        way.ask().addCallback(lambda _: way.responses[0].deliverBody(reader))
        way.bring(CHUNKED + chunk(b"a") + chunk(b""))
        way.lose()
        assert (reader.pieces, reader.reasons) == ([], [])
        assert (way.transport.disconnected, way.pool.notes) == (True, ["lost"])

    def test_body_wanted_later(self) -> None:
        """Until somebody wants the body, reading is paused, and nothing is lost."""
        way, reader = Way(), Reader()
        way.ask()
        way.bring(CHUNKED + chunk(b"a"))
        assert way.transport.producerState == "paused"
        way.responses[0].deliverBody(reader)
        assert way.transport.producerState == "producing"
        way.bring(chunk(b"b") + chunk(b""))
        assert (reader.pieces, reader.reasons) == ([b"a", b"b"], [ResponseDone])

    def test_body_wanted_after_its_end(self) -> None:
        """The same after the end."""
        way, reader = Way(), Reader()
        way.ask()
        way.bring(SHORT)
        way.responses[0].deliverBody(reader)
        assert (reader.pieces, reader.reasons) == ([b"ok"], [ResponseDone])

    def test_pause_asked_with_the_head_holds(self) -> None:
        """A client that is slow from the first moment on is respected."""
        way, reader = Way(), Reader(on_connect=lambda producer: producer.pauseProducing())
        way.ask().addCallback(lambda _: way.responses[0].deliverBody(reader))
        way.bring(CHUNKED + chunk(b"a"))
        assert (way.transport.producerState, reader.pieces) == ("paused", [b"a"])
        way.responses[0].resumeProducing()
        assert way.transport.producerState == "producing"

    def test_late_flow_control(self) -> None:
        """After its end a response leaves the connection, which is another's by then, alone."""
        way, reader = Way(), Reader()
        way.ask().addCallback(lambda _: way.responses[0].deliverBody(reader))
        way.bring(SHORT)
        way.ask()
        for late in (way.responses[0].pauseProducing, way.responses[0].stopProducing):
            late()
        assert (way.transport.producerState, way.transport.disconnecting) == ("producing", False)

    def test_treqs_view(self) -> None:
        """The response is what treq and Twisted expect of one."""
        way = Way()
        way.ask()
        way.bring(b"HTTP/1.1 503 Busy\r\nX-Two: a\r\nX-Two: b\r\nContent-Length: 0\r\n\r\n")
        (response,) = way.responses
        assert verifyObject(IResponse, response)
        assert verifyObject(IPushProducer, response)
        assert (response.version, response.code, response.phrase) == ((b"HTTP", 1, 1), 503, b"Busy")
        assert response.headers.getRawHeaders(b"x-two") == [b"a", b"b"]
        response.setPreviousResponse(response)
        assert response.previousResponse is response

    def test_headers_are_not_kept_during_the_body(self) -> None:
        """Whoever takes the body has read the head: an answer of minutes keeps it nowhere in the connection."""
        way = Way()
        way.ask()
        way.bring(b"HTTP/1.1 200 OK\r\nX-Two: a\r\nContent-Length: 4\r\n\r\nab")
        (response,) = way.responses
        response.deliverBody(Protocol())
        parser = way.connection._parser
        assert parser is not None
        assert parser.head is not None
        assert (parser.head.headers, list(response.headers.getAllRawHeaders())) == ((), [])
