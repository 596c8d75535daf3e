"""Promises of the server below the routes: heads before bodies, limits, deadlines, draining."""

from __future__ import annotations

import gzip
import json

import pytest
from twisted.logger import LogEvent
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from claude_bridge.core.errors import BridgeError
from claude_bridge.edge import site
from claude_bridge.edge.site import BridgeRequest
from tests.edge.stage import Answered, Edge
from tests.services.dispatch.stage import HELLO, ONE, asking, configured

BODY = json.dumps(asking(stream=False)).encode()
SMALL = ONE + "[limits]\nmax_body = 2000\nheader_timeout = 30\nkeep_alive = 75\n"


class TwistedTests:
    """What of Twisted's own is relied on without being promised."""

    def test_head_is_known_when_its_length_is(self) -> None:
        """Method, target and version stand in the channel when a request learns its length, as they do later."""
        seen: list[tuple[bytes, bytes, bytes]] = []

        class Noting(BridgeRequest):
            def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
                channel: HTTPChannel = self.channel
                seen.append((channel._command, channel._path, channel._version))
                super().gotLength(length)

            def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802 - Twisted's name
                seen.append((command, path, version))
                super().requestReceived(command, path, version)

        line = Edge().line()
        line.channel.requestFactory = Noting
        line.ask("GET", "/health?x=1")
        assert seen == [(b"GET", b"/health?x=1", b"HTTP/1.1")] * 2


class HeadFirstTests:
    """A refusal does not wait for a body."""

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({"host": "evil.example"}, 403),
            ({"origin": "https://evil.example"}, 403),
            ({"content_encoding": "br"}, 400),
            ({}, 413),
        ],
    )
    def test_refused_by_its_head(self, headers: dict[str, str], status: int) -> None:
        """Foreign names, an unknown packing and a declared size are answered before a byte of the body came."""
        edge = Edge(configured(SMALL))
        line = edge.line()
        line.ask("POST", "/v1/messages", b"", **({"content_length": "2001"} | headers))
        answer = line.answer()
        assert answer.status == status
        assert answer.error
        assert answer.headers["connection"] == "close"
        assert len(edge.refusals) == 1

    @pytest.mark.parametrize(
        "kind", ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded"]
    )
    @pytest.mark.parametrize("origin", ["https://evil.example", "null"])
    def test_form_of_a_page(self, kind: str, origin: str) -> None:
        """A form of some page, which a browser sends without asking first, is known by its origin."""
        edge = Edge()
        answer = edge.post(BODY, content_type=kind, origin=origin)
        assert (answer.status, edge.client.calls) == (403, [])

    @pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/json"])
    def test_any_content_type_of_a_program(self, kind: str) -> None:
        """Without an origin it is no browser: what curl says of its data does not matter."""
        edge = Edge()
        edge.line().post(content_type=kind)
        assert len(edge.client.calls) == 1

    def test_rest_of_a_refused_body_is_thrown_away(self) -> None:
        """A client that is still sending can finish, then the connection is closed."""
        line = Edge(configured(SMALL)).line()
        line.ask("POST", "/v1/messages", content_length="3000")
        assert line.answer().status == 413
        line.say(b"x" * 2999)
        assert line.how == ""
        line.say(b"x")
        assert (line.how, line.value()) == ("closed", b"")

    def test_refused_client_cannot_send_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is thrown away has an end too."""
        monkeypatch.setattr(site, "MAX_DISCARDED", 100_000)
        line = Edge(configured(SMALL)).line()
        line.ask("POST", "/v1/messages", transfer_encoding="chunked")
        for _ in range(6):
            line.say(b"7530\r\n" + b"x" * 30_000 + b"\r\n")
        assert line.how == "aborted"

    def test_expect_is_not_answered_with_continue(self) -> None:
        """Who asks before sending is told at once, and not waited for long."""
        edge = Edge(configured(SMALL))
        line = edge.line()
        line.ask("POST", "/v1/messages", content_length="9000", expect="100-continue")
        assert line.value().startswith(b"HTTP/1.1 413 ")
        edge.advance(site.LINGER + 1)
        assert line.how

    def test_expect_of_a_welcome_request(self) -> None:
        """Everybody else may send."""
        line = Edge(configured(SMALL)).line()
        line.ask("POST", "/v1/messages", content_length="9", expect="100-continue")
        assert line.value() == b"HTTP/1.1 100 Continue\r\n\r\n"

    def test_limit_of_an_undeclared_body(self) -> None:
        """A chunked body is refused as soon as it is too large, with nothing of it kept."""
        edge = Edge(configured(SMALL))
        line = edge.line()
        line.ask("POST", "/v1/messages", transfer_encoding="chunked")
        line.say(b"7d0\r\n" + b"x" * 2000 + b"\r\n")
        assert line.value() == b""
        line.say(b"1\r\nx\r\n")
        assert line.answer().status == 413
        (request,) = line.channel.requests
        assert (request.take_body(), request.content, edge.site.held) == (b"", None, 0)

    def test_unfinished_uploads_are_bounded_together(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """However many connections send, only so much is kept; more is told to come again, and thrown away."""
        monkeypatch.setattr(site, "MAX_UPLOADING", 10_000)
        edge = Edge(configured(ONE + "[limits]\nmax_body = 1024\n"))
        lines = [edge.line() for _ in range(11)]
        for line in lines:
            line.ask("POST", "/v1/messages", content_length="1024")
            line.say(b"x" * 1000)
        answer = lines[10].answer()
        assert (answer.status, answer.error["type"], answer.headers["retry-after"]) == (529, "overloaded_error", "1")
        assert (edge.site.held, [line.value() for line in lines[:10]]) == (10_000, [b""] * 10)
        lines[10].say(b"x" * 24)
        assert lines[10].how == "closed"
        lines[0].leave()
        late = edge.line()
        late.ask("POST", "/v1/messages", content_length="1024")
        late.say(b"x" * 1000)
        assert (late.value(), edge.site.held) == (b"", 10_000)

    def test_bound_grows_with_the_largest_body(self) -> None:
        """Eight bodies of the largest size can come at once, whatever that size is."""
        size = 40 * 1024 * 1024
        edge = Edge(configured(ONE + f"[limits]\nmax_body = {size}\n"))
        edge.site.held = 7 * size
        line = edge.line()
        line.ask("POST", "/v1/messages", content_length=str(size))
        line.say(b"x" * (size - 1))
        assert line.value() == b""
        edge.site.held += 2
        line.say(b"x")
        assert line.answer().status == 529

    @pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/health", "/nonsense"])
    def test_uploads_that_are_complete_do_not_count(self, path: str) -> None:
        """What has been read by its route, or by nobody, makes room at once."""
        edge = Edge()
        for encoding, body in (
            ("", BODY),
            ("gzip", gzip.compress(BODY)),
            ("", b"{"),
            ("gzip", gzip.compress(BODY)[:-9]),
        ):
            line = edge.line()
            line.ask("POST", path, body[:-1], content_length=str(len(body)), content_encoding=encoding)
            assert encoding or edge.site.held == len(body) - 1
            line.say(body[-1:])
            assert edge.site.held == 0

    def test_cut_gzip_is_refused_at_its_end(self) -> None:
        """A body whose packing is not complete is told so when all of it is there."""
        answer = Edge().post(gzip.compress(BODY)[:-9], content_encoding="gzip")
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")

    def test_packed_body_is_read(self) -> None:
        """A gzip body is as good as a plain one."""
        edge = Edge()
        line = edge.line()
        line.post(gzip.compress(BODY), content_encoding="gzip")
        edge.client.last.answer(*HELLO)
        assert line.answer().status == 200

    def test_next_request_on_the_connection(self) -> None:
        """Answers leave the connection open for the next request; every one has an id of its own."""
        edge = Edge()
        line = edge.line()
        ids = set()
        for path in ("/health", "/nonsense", "/v1/models"):
            line.ask("GET", path)
            ids.add(line.answer().headers["request-id"])
        assert (len(ids), line.how) == (3, "")

    @pytest.mark.parametrize("path", ["/%ff", "*"])
    def test_odd_paths_are_booked(self, path: str) -> None:
        """Also what no route is asked for has its line in the log."""
        edge = Edge()
        edge.get(path)
        assert len(edge.refusals) == 1


class DeadlineTests:
    """Connections that are held without purpose."""

    def test_slow_head(self) -> None:
        """A head has its time, however diligently its bytes drip."""
        edge = Edge(configured(SMALL))
        line = edge.line()
        line.say(b"GET /health HTTP/1.1\r\n")
        for _ in range(29):
            edge.advance(1)
            line.say(b"x")
        assert line.how == ""
        edge.advance(1)
        assert line.how == "aborted"

    def test_slow_head_after_a_request(self) -> None:
        """A head that begins in the same bytes as a whole request has its time as well."""
        edge = Edge(configured(SMALL))
        line = edge.line()
        line.say(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\nGET /health HTTP/1.1\r\n")
        assert line.answer().status == 200
        for _ in range(29):
            edge.advance(1)
            line.say(b"x")
        assert line.how == ""
        edge.advance(1)
        assert line.how == "aborted"

    @pytest.mark.parametrize("early", [b"G", b"GET /health HTTP/1.1\r\nhost: local"])
    def test_slow_head_after_a_long_answer(self, early: bytes) -> None:
        """A head that came too early waits for the answer before it, and then has its time."""
        edge = Edge(configured(SMALL))
        line = edge.line()
        line.post()
        line.say(early)
        edge.advance(100)
        assert line.how == ""
        edge.client.last.answer(*HELLO)
        edge.advance(29)
        assert line.how == ""
        edge.advance(1)
        assert line.how == "aborted"

    def test_complete_head_stops_it(self) -> None:
        """The deadline of the head is not one for the body or the answer."""
        edge = Edge(configured(SMALL))
        line = edge.line()
        line.ask("POST", "/v1/messages", content_length=str(len(BODY)))
        edge.advance(31)
        line.say(BODY)
        edge.advance(200)
        edge.client.last.answer(*HELLO)
        assert line.answer().status == 200

    def test_idle_connection(self) -> None:
        """A connection without a request is closed after its time."""
        edge = Edge(configured(SMALL))
        line = edge.line()
        line.ask("GET", "/health")
        edge.advance(74)
        assert line.how == ""
        edge.advance(2)
        assert line.how == "closed"

    @pytest.mark.parametrize("stream", [True, False])
    def test_slow_reader_is_not_idle(self, stream: bool) -> None:
        """A client that is still taking its answer is not cut for being idle; when it has it, its time begins."""
        edge = Edge(configured(SMALL))
        line = edge.line()
        line.post(asking(stream=stream))
        edge.client.last.answer(*HELLO)
        line.faucet.pauseProducing()
        edge.advance(599)
        assert line.how == ""
        line.faucet.resumeProducing()
        edge.advance(150)
        assert line.how == "closed"

    @pytest.mark.parametrize("last", [False, True])
    def test_client_that_takes_nothing(self, last: bool) -> None:
        """Who leaves an answer unread for `stalled_client` is given up, also where the connection was to be closed."""
        edge = Edge(configured(SMALL + "stalled_client = 120\n"))
        line = edge.line()
        line.flushing = True
        line.ask("GET", "/health", connection="close" if last else "keep-alive")
        if not last:
            line.faucet.pauseProducing()
        edge.advance(119)
        assert line.how == ""
        edge.advance(1)
        assert line.how == "aborted"

    def test_nothing_is_left_behind(self) -> None:
        """A closed connection leaves no timer."""
        edge = Edge()
        line = edge.line()
        line.say(b"GET /")
        line.leave()
        assert edge.clock.getDelayedCalls() == []


class DrainTests:
    """Stopping without cutting anybody off."""

    def drained(self, edge: Edge, timeout: float = 60.0) -> list[None]:
        """Start draining; the list is filled when it is done."""
        done: list[None] = []
        edge.site.drain(timeout).addCallback(done.append)
        return done

    def test_nobody_there(self) -> None:
        """Without connections it is done at once."""
        assert self.drained(Edge()) == [None]

    def test_idle_ones_are_closed(self) -> None:
        """A connection without a request need not be waited for."""
        edge = Edge()
        line = edge.line()
        assert (self.drained(edge), line.how) == ([None], "closed")
        assert edge.clock.getDelayedCalls() == []

    def test_answers_under_way_are_finished(self) -> None:
        """A stream goes on to its end; then its connection is closed, and only then all is done."""
        edge = Edge()
        line = edge.line()
        line.post()
        done = self.drained(edge)
        edge.client.last.answer(*HELLO)
        assert line.answer().names[-1] == "message_stop"
        assert (line.how, done) == ("closed", [None])

    def test_request_on_its_way_is_answered(self) -> None:
        """Whose head or body is still coming when the stop begins is answered, and closed after that."""
        edge = Edge()
        line, late = edge.line(), edge.line()
        line.say(b"GET /health HTTP/1.1\r\n")
        late.ask("POST", "/v1/messages/count_tokens", content_length=str(len(BODY)))
        done = self.drained(edge)
        line.say(b"host: localhost\r\n\r\n")
        late.say(BODY)
        assert (line.answer().status, late.answer().status) == (200, 200)
        assert (line.how, late.how, done) == ("closed", "closed", [None])

    def test_limit(self) -> None:
        """After the limit what is left is cut."""
        edge = Edge()
        line = edge.line()
        line.post()
        done = self.drained(edge, 5)
        edge.advance(4)
        assert (done, line.how) == ([], "")
        edge.advance(1)
        assert (done, line.how) == ([None], "aborted")
        assert edge.client.last.cancelled

    def test_connection_made_meanwhile(self) -> None:
        """Who comes in at the last moment is turned away."""
        edge = Edge()
        busy = edge.line()
        busy.post()
        self.drained(edge)
        assert edge.line().how == "closed"


class FaultTests:
    """Faults of our own below the routes."""

    def test_bug_in_processing(self, logged_failures: list[LogEvent]) -> None:
        """A bug below the routes is an envelope too, with its traceback in the log and not in the answer."""

        class Broken(BridgeRequest):
            def render(self, resrc: object) -> None:
                del resrc
                self.processingFailed(Failure(RuntimeError("secret detail")))

        line = Edge().line()
        line.channel.requestFactory = Broken
        line.ask("GET", "/health")
        answer = line.answer()
        assert (answer.status, answer.error["type"]) == (500, "api_error")
        assert b"secret detail" not in answer.body
        assert len(logged_failures) == 1
        logged_failures.clear()

    def test_protocols_offered(self) -> None:
        """HTTP/2 is not offered over TLS: it would swap the channel for another without our limits."""
        assert Edge().site.acceptableProtocols() == [b"http/1.1"]

    def test_refusal_is_an_error_of_ours(self) -> None:
        """A refused request keeps its error for the books."""
        edge = Edge()
        line = edge.line()
        line.ask("POST", "/v1/messages", content_length="5", host="evil.example")
        (request,) = line.channel.requests
        assert isinstance(request.refusal, BridgeError)
        assert Answered.read(line.value()).json["request_id"] == request.request_id
