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
from twisted.internet.defer import CancelledError
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from claude_bridge.config.proxy import ProxyServer, ProxySetting
from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
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
from claude_bridge.services.upstream.proxy import (
    ProxyClosed,
    ProxyGarbled,
    ProxyRefused,
    ProxySilent,
    ProxyUnreachable,
)
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
            (SpeaksTLS(), UpstreamUnreachable, "must begin with https://"),
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


SERVER = ProxyServer("proxy.internal.example", 3128)
PROXIED = evolve(BACKEND, proxy=ProxySetting(SERVER))
WITH_LOGIN = evolve(BACKEND, proxy=ProxySetting(evolve(SERVER, user="me", password=Secret("pass-9f8e7d6c"))))
BY_VARIABLE = evolve(BACKEND, proxy=ProxySetting(SERVER, by_environment=True, why="HTTPS_PROXY"))


class ProxyTests:
    """What a proxy does is told as the proxy's doing, never as the backend's or the client's."""

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (ProxyUnreachable(network.ConnectionRefusedError()), "its proxy does not run: connection refused"),
            (ProxyUnreachable(network.DNSLookupError("x")), "the host name of its proxy is not known"),
            (ProxyUnreachable(network.NoRouteError(113, "No route")), "no connection to its proxy: No route to host"),
            (ProxyUnreachable(network.TimeoutError()), "no connection to its proxy within 7 s"),
            (ProxyUnreachable(CancelledError()), "no connection to its proxy within 7 s"),
            (ProxySilent(), "its proxy did not answer within 7 s"),
            (ProxyClosed(), "its proxy closed the connection without an answer to CONNECT"),
            (ProxyGarbled(None), "its proxy did not answer in HTTP: is it an HTTP proxy?"),
            (ProxyGarbled(FramingError()), "its proxy did not answer in HTTP: is it an HTTP proxy?"),
            (ProxyGarbled(SpeaksTLS()), "its proxy speaks TLS at that port: the port for plain HTTP is needed"),
            (
                ProxyRefused(407, ("basic",)),
                "its proxy wants a user and password (HTTP 407): proxy = http://user:password@host:port",
            ),
            (
                ProxyRefused(403, ()),
                "does not allow connections to this backend (HTTP 403 of the proxy): many allow only port 443",
            ),
            *(
                (ProxyRefused(status, ()), f"has no connection to this backend (HTTP {status} of the proxy)")
                for status in (502, 503, 504)
            ),
            *(
                (
                    ProxyRefused(status, ()),
                    f"does not make connections (HTTP {status} for CONNECT): is it an HTTP proxy?",
                )
                for status in (302, 400, 401, 404, 405, 429, 500, 501)
            ),
        ],
    )
    def test_known(self, error: Exception, words: str) -> None:
        """Each has its sentence, which says what to do, and names neither the proxy's address nor its login."""
        for backend in (PROXIED, BY_VARIABLE, WITH_LOGIN):
            told = errors.before_head(Failure(error), backend)
            assert type(told) is UpstreamUnreachable
            assert told.message.startswith("cannot reach backend b: ")
            assert "its proxy" in told.message
            assert "internal.example" not in told.message
            assert "9f8e" not in told.message
        assert words in errors.before_head(Failure(error), PROXIED).message

    @pytest.mark.parametrize(
        ("backend", "schemes", "words"),
        [
            (WITH_LOGIN, ("basic",), "its proxy does not accept the user and password (HTTP 407)"),
            (WITH_LOGIN, (), "its proxy does not accept the user and password (HTTP 407)"),
            (PROXIED, (), "its proxy wants a user and password (HTTP 407): proxy = http://user:password@host:port"),
            (PROXIED, ("negotiate", "ntlm"), "but not by user and password (Basic), the only way supported"),
            (
                BY_VARIABLE,
                ("digest", "basic"),
                "(of HTTPS_PROXY) wants a user and password (HTTP 407): HTTPS_PROXY = http://user:password@host:port",
            ),
        ],
    )
    def test_login(self, backend: Backend, schemes: tuple[str, ...], words: str) -> None:
        """A login that is missing, wrong, or of another kind is told apart, and where to write it."""
        assert words in errors.before_head(Failure(ProxyRefused(407, schemes)), backend).message

    @pytest.mark.parametrize("url", ["https://llm.example/v1", "https://llm.example:443", "http://llm.example:443/v1"])
    def test_port(self, url: str) -> None:
        """The port is suspected only where it is not that of https."""
        told = errors.before_head(Failure(ProxyRefused(403, ())), evolve(PROXIED, url=url)).message
        assert told.endswith("does not allow connections to this backend (HTTP 403 of the proxy)")

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (ConnectTimedOut(), "no connection within 7 s"),
            (network.ConnectionDone(), "it closed the connection instead of setting up TLS"),
            (TLS_ERROR, "TLS failed, certificate verify failed; a proxy that intercepts TLS has its own certificate"),
        ],
        ids=["time", "close", "certificate"],
    )
    def test_after_the_tunnel(self, error: Exception, words: str) -> None:
        """What fails behind the proxy is told with it, since either may be the cause."""
        told = errors.before_head(Failure(error), PROXIED).message
        assert told.startswith(f"cannot reach backend b through its proxy: {words}")
        assert "proxy" not in errors.before_head(Failure(error), BACKEND).message


class RedirectTests:
    """A redirect, which is not followed."""

    @pytest.mark.parametrize(
        ("url", "told"),
        [
            ("https://api.box/v1/chat/completions", " to https://api.box/v1: if that is the API, use it as the url"),
            ("https://u:p@api.box/v1/?key=k#f", " to https://api.box/v1: if that is the API, use it as the url"),
            ("", " instead of answering: correct its url"),
            ("ftp://api.box/", " instead of answering: correct its url"),
            ("http://[api/", " instead of answering: correct its url"),
            ("http://api/\x1b[2J", " instead of answering: correct its url"),
            ("http://api/" + "a" * errors.MAX_SHOWN_URL, " instead of answering: correct its url"),
        ],
    )
    def test_says_where(self, url: str, told: str) -> None:
        """It is told where it leads, in the form of the option, without secrets and whatever could forge a line."""
        assert errors.redirected(Backend(name="b"), 307, url).message == f"backend b redirects (HTTP 307){told}"


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
