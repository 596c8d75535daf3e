"""Promises of the server below the routes: connections, deadlines, draining."""

from __future__ import annotations

import json
from typing import Any

import pytest
from twisted.logger import LogEvent
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers

from claude_bridge.core.errors import BridgeError
from claude_bridge.edge.gate import Gatekeeper
from claude_bridge.edge.request import BridgeRequest
from tests.edge.stage import Answered, Edge
from tests.services.exchange.stage import HELLO, ONE, asking, configured

BODY = json.dumps(asking(stream=False)).encode()
SMALL = ONE + "[limits]\nmax_body = 2000\nheader_timeout = 30\nkeep_alive = 75\n"


def saying(text: str) -> dict[str, Any]:
    """Make the fields of a request that says ``text``."""
    return asking(messages=[{"role": "user", "content": text}])


class LargeReadTests:
    """A head and much of its body in one read."""

    HEAD = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\nx: 1\r\nx: 2\r\n\r\n"

    def test_lines_come_without_the_body(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """While the lines of the head are read nothing stands behind it that would be copied for each of them."""
        edge = Edge()
        line = edge.line()
        behind: list[int] = []

        def noting(text: bytes) -> None:
            behind.append(len(line.channel._buffer))
            received(text)

        received = line.channel.lineReceived
        monkeypatch.setattr(line.channel, "lineReceived", noting)
        body = json.dumps(saying("x\\r\\n\\r\\n" * 10_000)).encode()
        line.say(self.HEAD % len(body) + body)
        assert len(behind) == 6
        assert max(behind) < 200
        assert len(edge.client.calls) == 1

    @pytest.mark.parametrize("first", ["/health", "/v1/messages"])
    def test_pipelined(self, first: str) -> None:
        """Requests that came in one read are answered in their order."""
        edge = Edge()
        line = edge.line()
        body = json.dumps(asking(stream=False) | {"x": "y" * 10_000}).encode()
        one = self.HEAD.replace(b"/v1/messages", first.encode()) if first == "/v1/messages" else b""
        line.say(
            (one % len(body) + body if one else b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            + self.HEAD % len(body)
            + body
        )
        while edge.client.calls:
            edge.client.calls.pop().answer(*HELLO)
        answer = line.answer()
        assert answer.status == 200
        assert Answered.read(answer.rest).json["type"] == "message"

    @pytest.mark.parametrize("head", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n"])
    @pytest.mark.parametrize("flushing", [False, True])
    def test_nothing_after_a_bad_head(self, head: bytes, flushing: bool) -> None:
        """What follows a head that closes the connection is not read, be it another request."""
        edge = Edge()
        line = edge.line()
        line.flushing = flushing
        line.say(head + b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"x" * 5000 + b"\r\n\r\n")
        assert line.value().count(b"HTTP/1.1 ") == 1
        assert line.answer().status == 400

    def test_length_of_thousands_of_digits(self) -> None:
        """Nor what follows a length that no number holds."""
        edge = Edge()
        line = edge.line()
        head = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n"
        line.say(head + b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert line.value().count(b"HTTP/1.1 ") == 1


class ResponseHeadTests:
    """The head of a response on the wire."""

    @pytest.mark.parametrize("values", [{}, {"one": ["1"]}, {"one": ["1", "", "2"], "x-two": ["a b"]}])
    def test_same_as_twisted_writes(self, values: dict[str, list[str]]) -> None:
        """The bytes are Twisted's own, in one piece."""
        edge = Edge()
        line, twisted = edge.line(), edge.line()
        line.channel.writeHeaders(b"HTTP/1.1", b"200", b"OK", Headers(values))
        HTTPChannel.writeHeaders(twisted.channel, b"HTTP/1.1", b"200", b"OK", Headers(values))
        assert line.value() == twisted.value()


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
        edge = Edge(configured(SMALL.replace("header_timeout = 30", "header_timeout = 10")))
        line = edge.line()
        line.ask("POST", "/v1/messages", content_length=str(len(BODY)))
        edge.advance(11)
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
        line.paced_producer.pauseProducing()
        edge.advance(599)
        assert line.how == ""
        line.paced_producer.resumeProducing()
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
            line.paced_producer.pauseProducing()
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
        line.make_requests(Broken)
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
        """A refused request keeps its error for the records."""
        edge = Edge()
        line = edge.line()
        line.ask("POST", "/v1/messages", content_length="5", host="evil.example")
        (request,) = line.channel.requests
        assert isinstance(request.refusal, BridgeError)
        assert Answered.read(line.value()).json["request_id"] == request.request_id


class ReloadTests:
    """A configuration that comes into force while a body is on its way."""

    def test_key_is_gone(self) -> None:
        """A key that is no more is refused, although it was one when the head came."""
        keyed = ONE.replace("= none", "= keys") + "[key:alice]\nsecret = alices-secret-key\n"
        edge = Edge(configured(keyed))
        line = edge.line()
        line.ask("POST", "/v1/messages", BODY[:-5], x_api_key="alices-secret-key", content_length=str(len(BODY)))
        edge.gatekeeper = Gatekeeper(configured(keyed.replace("alices", "somebodys")))
        line.say(BODY[-5:])
        answer = line.answer()
        assert (answer.status, answer.error["type"]) == (401, "authentication_error")
        assert edge.refusals == ["authentication_failed"]
        assert edge.client.calls == []

    def test_key_stays(self) -> None:
        """One that is still there is known by what it is called now."""
        keyed = ONE.replace("= none", "= keys") + "[key:alice]\nsecret = alices-secret-key\n"
        edge = Edge(configured(keyed))
        line = edge.line()
        line.ask("POST", "/v1/messages", BODY[:-5], x_api_key="alices-secret-key", content_length=str(len(BODY)))
        edge.gatekeeper = Gatekeeper(configured(keyed.replace("[key:alice]", "[key:bob]")))
        line.say(BODY[-5:])
        edge.client.last.answer(*HELLO)
        assert line.answer().status == 200
        assert edge.records.requests[0].client == "bob"

    def test_keep_alive(self) -> None:
        """Connections made from now on are kept for as long as the new configuration says."""
        edge = Edge(configured(ONE + "[limits]\nkeep_alive = 5\n"))
        old = edge.line()
        edge.config = configured(ONE + "[limits]\nkeep_alive = 50\n")
        new = edge.line()
        edge.advance(20)
        assert (old.how, new.how) == ("closed", "")
