"""Promises of the upstream client, on loopback sockets."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.error import CannotListenError

from claude_bridge.core.errors import (
    UpstreamProtocolError,
    UpstreamUnreachable,
)
from claude_bridge.services.interfaces import UpstreamClient
from claude_bridge.services.upstream.call import MAX_JOINED_BYTES
from tests.services.upstream.loopback import CHUNKED, SHORT, Bench, Conversation, Notes, answer, chunk


def headers_of(request: bytes) -> list[bytes]:
    """Return the header lines of ``request``, names in lower case."""
    lines = request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    return [name.lower() + b":" + value for name, _, value in (line.partition(b":") for line in lines)]


def names_of(request: bytes) -> list[bytes]:
    """Return the header names of ``request``."""
    return sorted(line.partition(b":")[0] for line in headers_of(request))


class SendTests:
    """A request goes out as it is and its answer comes back."""

    @pytest_twisted.ensureDeferred
    async def test_request_on_the_wire(self, bench: Bench) -> None:
        """The backend sees what was asked for and nothing else: no coding, no agent, no cookie."""
        raw, backend = bench.serve(answer)
        notes = Notes()
        client: UpstreamClient = bench.client
        headers = (("Authorization", "Bearer k"), ("Content-Type", "application/json"))
        client.send(bench.request(backend, b'{"a":1}', headers=headers), notes)
        await bench.end_of(notes)
        (request,) = raw.requests
        assert request.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n")
        assert request.endswith(b'\r\n\r\n{"a":1}')
        assert names_of(request) == [b"authorization", b"content-length", b"content-type", b"host"]

    @pytest_twisted.ensureDeferred
    async def test_ipv6(self, bench: Bench) -> None:
        """A backend may be an IPv6 address."""
        try:
            raw, backend = bench.serve(answer, "::1")
        except CannotListenError:
            pytest.skip("this machine has no IPv6")
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert notes.body == b"ok"
        assert b"host:[::1]:" in raw.requests[0].lower().replace(b"host: ", b"host:")

    @pytest_twisted.ensureDeferred
    async def test_no_accept_encoding_even_if_configured(self, bench: Bench) -> None:
        """Not even a configured Accept-Encoding lets a stream be compressed."""
        raw, backend = bench.serve(answer)
        notes = Notes()
        bench.client.send(bench.request(backend, headers=(("Accept-Encoding", "gzip"),)), notes)
        await bench.end_of(notes)
        assert b"accept-encoding" not in raw.requests[0].lower()

    @pytest_twisted.ensureDeferred
    async def test_answer(self, bench: Bench) -> None:
        """Status, headers in lower case, several values as one list if they may be one, body, one end without error."""

        def script(conversation: Conversation, _: int) -> None:
            conversation.transport.write(
                b"HTTP/1.1 503 Busy\r\nRetry-After: 3\r\nX-Two: a\r\nX-Two: b\r\nx-two: a\r\nRetry-After: 5\r\n"
                b"Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-Long: %b\r\nX-Long: c\r\nContent-Length: 4\r\n\r\nbusy"
                % (b"l" * MAX_JOINED_BYTES)
            )

        _, backend = bench.serve(script)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert notes.head is not None
        assert notes.head.status == 503
        headers = notes.head.headers
        assert (headers["retry-after"], headers["x-two"], headers["set-cookie"]) == ("3", "a, b", "a=b")
        assert headers["x-long"] == "l" * MAX_JOINED_BYTES
        assert (notes.body, notes.ends) == (b"busy", [None])

    @pytest_twisted.ensureDeferred
    async def test_empty_answer(self, bench: Bench) -> None:
        """An answer without a body is complete."""
        _, backend = bench.serve(lambda c, _: c.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert (notes.body, notes.ends) == (b"", [None])

    @pytest_twisted.ensureDeferred
    async def test_connection_is_reused(self, bench: Bench) -> None:
        """The next request saves itself the connection."""
        raw, backend = bench.serve(answer)
        for _ in range(3):
            notes = Notes()
            bench.client.send(bench.request(backend), notes)
            await bench.end_of(notes)
        assert (len(raw.conversations), len(raw.requests)) == (1, 3)

    @pytest_twisted.ensureDeferred
    async def test_cookies_are_neither_kept_nor_sent(self, bench: Bench) -> None:
        """One client's session at a backend never travels with another client's request."""

        def script(conversation: Conversation, _: int) -> None:
            conversation.transport.write(SHORT.replace(b"\r\n", b"\r\nSet-Cookie: session=1; Path=/\r\n", 1))

        raw, backend = bench.serve(script)
        for _ in range(2):
            notes = Notes()
            bench.client.send(bench.request(backend), notes)
            await bench.end_of(notes)
        assert [b"cookie" in request.lower() for request in raw.requests] == [False, False]

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    async def test_redirect_is_an_error(self, bench: Bench, status: int) -> None:
        """A redirect is not followed with a credential in hand; whoever set the url is told where it leads."""
        elsewhere, other = bench.serve(answer)

        def script(conversation: Conversation, _: int) -> None:
            location = f"{other.url}/chat/completions?token=secret"
            conversation.transport.write(
                f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
            )

        _, backend = bench.serve(script)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        (error,) = notes.ends
        assert isinstance(error, UpstreamProtocolError)
        place = f"{other.url}: if that is the API, use it as the url"
        assert error.message == f"backend {backend.name} redirects (HTTP {status}) to {place}"
        assert "secret" not in error.message
        assert notes.head is None
        await bench.pause(0.02)
        assert elsewhere.requests == []

    @pytest_twisted.ensureDeferred
    async def test_unasked_gzip_is_understood(self, bench: Bench) -> None:
        """A backend that compresses although nobody asked is read all the same."""
        packed = gzip.compress(b"data: x\n\n")

        def script(conversation: Conversation, _: int) -> None:
            head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
            conversation.transport.write(head + packed)

        _, backend = bench.serve(script)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert (notes.body, notes.ends) == (b"data: x\n\n", [None])

    @pytest_twisted.ensureDeferred
    async def test_gzip_bomb(self, bench: Bench) -> None:
        """What a kilobyte of gzip holds is given in pieces of an ordinary read's size, and broken gzip is told."""
        packed = gzip.compress(b"x" * 2_000_000)[:-8]

        def script(conversation: Conversation, _: int) -> None:
            head = b"HTTP/1.1 200 OK\r\nContent-Encoding: x-gzip\r\nContent-Length: %d\r\n\r\n" % (len(packed) + 8)
            conversation.transport.write(head + packed + b"nonsense")

        _, backend = bench.serve(script)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert 2_000_000 - 64 * 1024 <= notes.body.count(b"x") == len(notes.body) <= 2_000_000
        assert max(map(len, notes.pieces)) <= 64 * 1024
        assert isinstance(notes.ends[0], UpstreamProtocolError)
        assert "gzip" in notes.ends[0].message

    @pytest.mark.parametrize("coding", [b"br", b"gzip, gzip", b"identity, gzip"])
    @pytest_twisted.ensureDeferred
    async def test_other_coding_is_an_error(self, bench: Bench, coding: bytes) -> None:
        """Compressed bytes are never taken for an answer, nor is gzip in gzip unpacked."""
        _, backend = bench.serve(
            lambda c, _: c.transport.write(SHORT.replace(b"\r\n", b"\r\nContent-Encoding: %b\r\n" % coding, 1))
        )
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamProtocolError)
        assert notes.head is None

    @pytest_twisted.ensureDeferred
    async def test_nothing_is_heard_before_send_returns(self, bench: Bench) -> None:
        """Even a request that fails at once is heard of only after the caller has its call."""
        _, backend = bench.serve(answer)
        notes = Notes()
        request = bench.request(backend, method="BAD METHOD")
        bench.client.send(request, notes)
        assert not notes.heard
        await bench.end_of(notes)
        assert isinstance(notes.ends[0], UpstreamUnreachable)

    @pytest_twisted.ensureDeferred
    async def test_cancel_at_once_is_silent(self, bench: Bench) -> None:
        """A request that failed at once and was cancelled at once is not heard of."""
        _, backend = bench.serve(answer)
        notes = Notes()
        bench.client.send(bench.request(backend, method="BAD METHOD"), notes).cancel()
        await bench.pause(0.02)
        assert not notes.heard

    @pytest_twisted.ensureDeferred
    async def test_one_read_is_one_piece(self, bench: Bench) -> None:
        """Events that arrive together are given together, however many chunks they are."""

        def script(conversation: Conversation, _: int) -> None:
            conversation.transport.write(CHUNKED)
            chunks = b"".join(chunk(b"data: %d\n\n" % number) for number in range(50))
            bench.reactor.callLater(0.02, conversation.transport.write, chunks + chunk(b""))

        _, backend = bench.serve(script)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        assert len(notes.pieces) == 1
        assert notes.body == b"".join(b"data: %d\n\n" % number for number in range(50))
        assert notes.ends == [None]

    @pytest_twisted.ensureDeferred
    async def test_receiver_that_breaks_is_not_the_backends_fault(
        self, bench: Bench, logged_failures: list[Any]
    ) -> None:
        """A fault of our own in reading an answer is logged and told as such, and the backend's connection closed."""

        def broken(_: object) -> None:
            raise RuntimeError("bug")

        raw, backend = bench.serve(lambda c, _: c.transport.write(CHUNKED + chunk(b"x")))
        for notes in (Notes(on_data=broken), Notes(on_head=broken)):
            bench.client.send(bench.request(backend), notes)
            await bench.end_of(notes)
            (error,) = notes.ends
            assert error is not None
            assert error.kind == "api_error"
            assert error.status == 500
        await bench.until(lambda: all(conversation.lost for conversation in raw.conversations))
        assert {str(event["log_failure"].value) for event in logged_failures} == {"bug"}
        logged_failures.clear()

    @pytest_twisted.ensureDeferred
    async def test_close_ends_idle_connections(self, bench: Bench) -> None:
        """After the daemon's stop no connection is left open."""
        raw, backend = bench.serve(answer)
        notes = Notes()
        bench.client.send(bench.request(backend), notes)
        await bench.end_of(notes)
        await bench.client.close()
        await bench.until(lambda: raw.conversations[0].lost)


class ReloadTests:
    """Backends that come and go."""

    @pytest_twisted.ensureDeferred
    async def test_keep_only(self, bench: Bench) -> None:
        """Idle connections to backends that are not to be kept are closed, to the others they stay."""
        kept_raw, kept = bench.serve(answer)
        gone_raw, gone = bench.serve(answer)
        for backend in (kept, gone):
            notes = Notes()
            bench.client.send(bench.request(backend), notes)
            await bench.end_of(notes)
        bench.client.keep_only([kept])
        await bench.until(lambda: gone_raw.conversations[0].lost)
        assert not kept_raw.conversations[0].lost

    @pytest_twisted.ensureDeferred
    async def test_under_way(self, bench: Bench) -> None:
        """An answer under way is finished, and its connection not kept; who asks next gets a new one."""

        def script(conversation: Conversation, number: int) -> None:
            if number:
                answer(conversation, number)
            else:
                bench.reactor.callLater(0.1, answer, conversation, number)

        raw, backend = bench.serve(script)
        first, second = Notes(), Notes()
        bench.client.send(bench.request(backend), first)
        await bench.until(lambda: raw.requests)
        bench.client.renew(backend)
        bench.client.send(bench.request(backend), second)
        await bench.end_of(second)
        await bench.end_of(first)
        assert (first.body, second.body, len(raw.conversations)) == (b"ok", b"ok", 2)
        await bench.until(lambda: raw.conversations[0].lost)
        assert not raw.conversations[1].lost
