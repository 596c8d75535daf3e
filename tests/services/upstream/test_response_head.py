"""Promises of the bounds on an answer's head, on loopback sockets."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.logger import capturedLogs
from twisted.web import _newclient
from twisted.web._newclient import HTTPClientParser

from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.services.upstream.response_head import (
    MAX_HEAD_BYTES,
    MAX_HEAD_LINES,
    MAX_INTERIM_RESPONSES,
    BoundedParser,
)
from tests.services.upstream.loopback import SHORT, Bench, Conversation, Notes
from tests.services.upstream.test_agent import self_signed

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


class TwistedTests:
    """What is Twisted's own and private is as it was."""

    @pytest.mark.parametrize("name", ["lineReceived", "lineLengthExceeded", "allHeadersReceived", "connectionMade"])
    def test_overridden(self, name: str) -> None:
        """The parser still has what is overridden here, under the same name."""
        assert callable(getattr(HTTPClientParser, name))
        assert issubclass(BoundedParser, HTTPClientParser)

    def test_made_by_the_protocol(self) -> None:
        """The protocol still makes a parser for each request and keeps it where it is looked for."""
        protocol: Any = _newclient.HTTP11ClientProtocol
        assert protocol._parser is None
        assert callable(protocol._giveUp)
