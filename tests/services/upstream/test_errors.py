"""Promises of the border to Twisted's errors, most of them on loopback sockets."""

from __future__ import annotations

import zlib
from types import NoneType

import pytest
import pytest_twisted
from attrs import evolve
from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error as network
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from claude_bridge.config.schema import Backend
from claude_bridge.core.errors import (
    BridgeError,
    InternalFault,
    UpstreamCut,
    UpstreamProtocolError,
    UpstreamUnreachable,
)
from claude_bridge.core.http1 import FramingError, HeadTooLong, SpeaksTLS
from claude_bridge.services.upstream import errors
from claude_bridge.services.upstream.connection import ConnectionCut, HeadCut, NoResponse
from claude_bridge.services.upstream.endpoints import ConnectTimedOut, TrustUnusable
from tests.services.upstream.loopback import CHUNKED, Bench, Conversation, Notes, answer, chunk


class EndTests:
    """Every way an upstream connection can end has its own word."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("abort", [False, True], ids=["closed", "reset"])
    async def test_cut_chunked_body(self, bench: Bench, abort: bool) -> None:
        """A chunked answer that breaks off is a cut, and what came before it was given."""

        def script(conversation: Conversation, _: int) -> None:
            conversation.transport.write(CHUNKED + chunk(b"data: x\n\n"))
            end = conversation.transport.abortConnection if abort else conversation.transport.loseConnection
            bench.reactor.callLater(0.05, end)

        _, backend = bench.serve(script)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert notes.body == b"data: x\n\n"
        (error,) = notes.ends
        assert isinstance(error, UpstreamCut)
        assert "backend b" in error.message

    @pytest_twisted.ensureDeferred
    async def test_short_of_its_length(self, bench: Bench) -> None:
        """An answer shorter than it said is a cut."""

        def script(conversation: Conversation, _: int) -> None:
            conversation.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
            conversation.transport.loseConnection()

        _, backend = bench.serve(script)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamCut)

    @pytest_twisted.ensureDeferred
    async def test_unframed_body(self, bench: Bench) -> None:
        """An answer that just ends with its connection may be whole: the stream's own end mark decides."""

        def script(conversation: Conversation, _: int) -> None:
            conversation.transport.write(b"HTTP/1.1 200 OK\r\n\r\ndata: x\n\n")
            conversation.transport.loseConnection()

        _, backend = bench.serve(script)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert (notes.body, notes.ends) == (b"data: x\n\n", [None])

    @pytest_twisted.ensureDeferred
    async def test_broken_chunk(self, bench: Bench) -> None:
        """Framing that is no HTTP is a protocol error."""
        _, backend = bench.serve(lambda c, _: c.transport.write(CHUNKED + b"zz\r\nnonsense"))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamProtocolError)

    @pytest_twisted.ensureDeferred
    async def test_no_answer(self, bench: Bench) -> None:
        """A fresh connection that is closed without a byte is a cut, and the request is not sent again."""
        raw, backend = bench.serve(lambda c, _: c.transport.loseConnection())
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamCut)
        await bench.pause(0.03)
        assert len(raw.requests) == 1

    @pytest_twisted.ensureDeferred
    async def test_half_a_head(self, bench: Bench) -> None:
        """A head that breaks off is a cut."""

        def script(conversation: Conversation, _: int) -> None:
            conversation.transport.write(b"HTTP/1.1 200")
            conversation.transport.loseConnection()

        _, backend = bench.serve(script)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamCut)
        assert "head" in str(notes.ends[0])

    @pytest_twisted.ensureDeferred
    async def test_not_http(self, bench: Bench) -> None:
        """Something else that listens there is told from a backend."""
        _, backend = bench.serve(lambda c, _: c.transport.write(b"220 mail.example ESMTP\r\n\r\n"))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamProtocolError)

    @pytest_twisted.ensureDeferred
    async def test_refused(self, bench: Bench) -> None:
        """A backend that does not run is named, with the reason."""
        _, backend = bench.serve(answer)
        await bench.ports.pop().stopListening()
        notes = Notes()
        bench.client.send(bench.request(backend, headers=(("Authorization", "Bearer sk-secret"),)), notes)
        await bench.end_of(notes)
        (error,) = notes.ends
        assert isinstance(error, UpstreamUnreachable)
        assert error.message == "cannot reach backend b: connection refused"

    @pytest_twisted.ensureDeferred
    async def test_unusable_url(self, bench: Bench) -> None:
        """A url that no request can be sent to is told as such."""
        _, backend = bench.serve(answer)
        for url in ("ftp://127.0.0.1/v1", "http://[::1"):
            notes = Notes()
            request = bench.request(backend)
            bench.client.send(evolve(request, url=url), notes)
            await bench.end_of(notes)
            assert [str(error) for error in notes.ends] == ["cannot reach backend b: its url cannot be used"]
            assert isinstance(notes.ends[0], UpstreamUnreachable)


BACKEND = Backend(name="b", connect_timeout=7)
TLS_ERROR = SSL.Error([("SSL routines", "", "certificate verify failed")])


class BeforeHeadTests:
    """Each way not to get an answer has its sentence."""

    @pytest.mark.parametrize(
        ("error", "kind", "words"),
        [
            (ConnectTimedOut(), UpstreamUnreachable, "cannot reach backend b: no connection within 7 s"),
            (network.TimeoutError(), UpstreamUnreachable, "cannot reach backend b: no connection within 7 s"),
            (network.DNSLookupError("x"), UpstreamUnreachable, "the host name of its url is not known"),
            (network.NoRouteError(113, "No route to host"), UpstreamUnreachable, "No route to host"),
            (TLS_ERROR, UpstreamUnreachable, "TLS failed, certificate verify failed"),
            (SSL.Error(), UpstreamUnreachable, "TLS failed, no reason given"),
            (VerificationError(errors=[]), UpstreamUnreachable, "its certificate is for another name"),
            (NoResponse(), UpstreamCut, "without an answer"),
            (HeadCut(), UpstreamCut, "answer's head"),
            (FramingError(), UpstreamProtocolError, "did not answer in HTTP"),
            (HeadTooLong("a long head"), UpstreamProtocolError, "sent a long head"),
            (SpeaksTLS(), UpstreamUnreachable, "has to begin with https://"),
            (TrustUnusable("it is empty"), UpstreamUnreachable, "its ca_file cannot be used: it is empty"),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
    )
    def test_known(self, error: Exception, kind: type[BridgeError], words: str) -> None:
        """The sentence names the backend and the reason."""
        told = errors.before_head(Failure(error), BACKEND)
        assert type(told) is kind
        assert words in told.message
        assert "backend b" in told.message

    @pytest.mark.parametrize("error", [RuntimeError("bug with sk-secret"), ZeroDivisionError()])
    def test_unknown_is_ours(self, error: Exception, logged_failures: list[dict[str, object]]) -> None:
        """What is no known fault is logged and does not reach the client, nor is the backend blamed."""
        told = errors.before_head(Failure(error), BACKEND)
        assert isinstance(told, InternalFault)
        assert "secret" not in told.message
        assert len(logged_failures) == 1
        logged_failures.clear()


class InBodyTests:
    """Each end of a body is told apart."""

    @pytest.mark.parametrize(
        ("error", "kind"),
        [
            (ResponseDone(), NoneType),
            (PotentialDataLoss(), NoneType),
            (ConnectionCut(), UpstreamCut),
            (zlib.error(), UpstreamProtocolError),
            (FramingError(), UpstreamProtocolError),
        ],
        ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
    )
    def test_known(self, error: Exception, kind: type[object]) -> None:
        """A complete body is no error, nor is one that nobody can vouch for."""
        assert type(errors.in_body(Failure(error), BACKEND)) is kind
