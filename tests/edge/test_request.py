"""Promises of a client's request: heads before bodies, limits, the budget, what is sent with every response."""

from __future__ import annotations

import gzip
import json
import sys
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent
from twisted.web.http import HTTPChannel

from claude_bridge.edge import request
from claude_bridge.edge.memory_budget import COPIES_OF_BODY
from claude_bridge.edge.request import TWISTED_NAMES, BridgeRequest
from claude_bridge.edge.site import CHANNEL_NAMES
from tests.edge.stage import Answered, Edge, Line
from tests.services.exchange.stage import HELLO, ONE, asking, configured

BODY = json.dumps(asking(stream=False)).encode()
SMALL = ONE + "[limits]\nmax_body = 2000\nheader_timeout = 30\nkeep_alive = 75\n"


def saying(text: str) -> dict[str, Any]:
    """Make the fields of a request that says ``text``."""
    return asking(messages=[{"role": "user", "content": text}])


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
        line.make_requests(Noting)
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
        monkeypatch.setattr(request, "MAX_DISCARDED_BYTES", 100_000)
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
        edge.advance(request.LINGER_SECONDS + 1)
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
        assert (request.take_body(), request.content, edge.site.budget.held) == (b"", None, 0)

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


class FramingTests:
    """Heads that a proxy in front could read otherwise than we do."""

    @pytest.mark.parametrize(
        "lines",
        [
            "host: localhost\r\nhost: localhost\r\n",
            "host: localhost\r\nHOST: evil.example\r\n",
            "host: localhost\r\ntransfer-encoding: identity\r\n",
            "host: localhost\r\ntransfer-encoding: identity\r\ncontent-length: 3\r\n",
            "host: localhost\r\ntransfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
            "host: localhost\r\ntransfer-encoding: identity\r\ntransfer-encoding: chunked\r\n",
        ],
    )
    @pytest.mark.parametrize("path", ["/v1/messages", "/health"])
    def test_refused(self, lines: str, path: str) -> None:
        """Two hosts, two codings, or another coding than chunked are 400, and the connection is closed after it."""
        edge = Edge()
        line = edge.line()
        line.say(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode())
        answer = line.answer()
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
        assert answer.headers["connection"] == "close"
        assert edge.refusals == ["invalid_request"]

    def test_chunked(self) -> None:
        """An ordinary chunked request, and one with a header twice that may be, are served."""
        edge = Edge()
        line = edge.line()
        line.say(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nTransfer-Encoding: Chunked\r\nx: 1\r\nx: 2\r\n\r\n")
        line.say(b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))
        assert len(edge.client.calls) == 1

    @pytest.mark.parametrize("digits", [5000, 12_000])
    @pytest.mark.parametrize("end", [b"\r\n\r\n", b"\r\nx-api-key: k\r\n\r\n{}"])
    def test_length_of_thousands_of_digits(self, digits: int, end: bytes, logged_failures: list[LogEvent]) -> None:
        """A length that no number holds is 400, and no fault of ours in the log."""
        edge = Edge()
        line = edge.line()
        line.say(b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: " + b"9" * digits + end)
        answer = line.answer()
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")
        assert (answer.headers["connection"], line.how, edge.refusals) == ("close", "closed", ["invalid_request"])
        assert logged_failures == []
        assert edge.clock.getDelayedCalls() == []

    def test_length_of_many_digits(self) -> None:
        """One that is a number is too large."""
        line = Edge().line()
        line.ask("POST", "/v1/messages", content_length="9" * 4000)
        assert line.answer().status == 413

    def test_other_faults_are_told(self) -> None:
        """A fault of ours over a head is not taken for a wrong length."""

        class Broken(BridgeRequest):
            def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
                raise ValueError(length)

        line = Edge().line()
        line.make_requests(Broken)
        with pytest.raises(ValueError, match="3"):
            line.ask("POST", "/", b"abc")


class OpenStreamTests:
    """What a request holds while its answer streams."""

    def test_attributes_fit_into_the_shared_names(self) -> None:
        """However a request goes, it has no more attributes than those whose names CPython keeps once for all."""
        edge = Edge()
        names: set[str] = set()
        ended, left, refused, failed, listed = (edge.line() for _ in range(5))
        requests: list[BridgeRequest] = []

        class Kept(BridgeRequest):
            __slots__ = ()

            def gotLength(self, length: int | None) -> None:  # noqa: N802 - Twisted's name
                requests.append(self)
                super().gotLength(length)

        for line in (ended, left, refused, failed, listed):
            line.make_requests(Kept)
        for line in (ended, left):
            line.post(asking(stream=True))
            edge.client.last.head()
            edge.client.last.data(b"".join(HELLO[:2]))
        names.update(*(vars(request) for request in requests))
        edge.client.calls[0].data(b"".join(HELLO[2:]))
        edge.client.calls[0].end()
        left.leave()
        refused.post(host="evil.example")
        failed.post(b"{")
        listed.ask("GET", "/v1/models")
        names.update(*(vars(request) for request in requests))
        assert len(requests) == 5
        assert names == {*TWISTED_NAMES, "_disconnected"}
        assert len(names) <= 30

    def test_requests_at_the_same_time_share_the_names(self) -> None:
        """However many are open at once, neither a request nor its connection has a table of names of its own."""
        edge = Edge()
        lines = [edge.line() for _ in range(40)]
        for line in lines:
            line.post(asking(stream=True))
        for call in edge.client.calls:
            call.head()
            call.data(b"".join(HELLO[:2]))
        for line in lines:
            (request,) = line.channel.requests
            for attributes in (vars(request), vars(line.channel)):
                assert sys.getsizeof(attributes) < sys.getsizeof(dict(attributes)) / 2, sorted(attributes)
            assert set(vars(line.channel)) <= set(CHANNEL_NAMES)

    def test_heads_are_let_go(self) -> None:
        """Once the first bytes are out neither head is kept, and the answer goes on and ends as ever."""
        edge = Edge()
        line = edge.line()
        line.post(asking(stream=True), x_one="1", authorization="Bearer one")
        (request,) = line.channel.requests
        call = edge.client.last
        call.head()
        assert request.head()["x-one"] == "1"
        call.data(b"".join(HELLO[:2]))
        assert (request.head(), request.args) == ({}, {})
        assert list(request.responseHeaders.getAllRawHeaders()) == []
        call.data(b"".join(HELLO[2:]))
        call.end()
        answer = line.answer()
        assert answer.headers["request-id"] == request.request_id
        assert answer.names[-1] == "message_stop"
        line.post(asking(stream=True))
        edge.client.last.answer(*HELLO)
        assert line.answer().status == 200

    def test_fault_as_the_client_leaves(self) -> None:
        """A bug in ending a route does not leave a connection in the site's books: a drain would wait for it."""

        def broken(_route: object) -> None:
            raise ZeroDivisionError

        edge = Edge()
        line = edge.line()
        line.post(asking(stream=True))
        (request,) = line.channel.requests
        request.cancel_when_client_leaves(Deferred(broken))
        with pytest.raises(ZeroDivisionError):
            line.leave()
        assert edge.site.drain(1).called


class SafeHeadersTests:
    """What no page may take from here."""

    @pytest.mark.parametrize(
        ("method", "path", "headers"),
        [
            ("GET", "/health", {}),
            ("HEAD", "/", {}),
            ("GET", "/nonsense", {}),
            ("GET", "/v1/models", {"sec_fetch_site": "cross-site"}),
            ("POST", "/v1/messages", {"content_length": "999999999"}),
            ("POST", "/v1/messages", {"host": "evil.example", "content_length": "9"}),
        ],
    )
    def test_every_answer(self, method: str, path: str, headers: dict[str, str]) -> None:
        """Answers, errors and early refusals say what they are, and that no other origin may have them."""
        answer = Edge().get(path, method, **headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"

    @pytest.mark.parametrize("stream", [True, False])
    def test_answers_of_models(self, stream: bool) -> None:
        """So do streams and whole answers."""
        edge = Edge()
        line = edge.line()
        line.post(asking(stream=stream))
        edge.client.last.answer(*HELLO)
        answer = line.answer()
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"

    def test_old_balancer(self) -> None:
        """A balancer that speaks HTTP/1.0 and names nobody learns how we are."""
        line = Edge().line()
        line.say(b"GET /health HTTP/1.0\r\n\r\n")
        assert line.value().startswith(b"HTTP/1.0 200 OK\r\n")


class BudgetTests:
    """What requests hold in memory, all connections together."""

    def small(self, text: str = ONE, **limits: int) -> Edge:
        """Make an edge whose requests may have 30,000 bytes together, of up to 10,000 each."""
        values = {"max_body": 10_000, "max_in_progress": COPIES_OF_BODY * 30_000} | limits
        return Edge(configured(text + "[limits]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())))

    def body(self, size: int) -> bytes:
        """Write a request of this size."""
        return json.dumps(saying("x" * (size - len(json.dumps(saying("")))))).encode()

    def test_endless_uploads_lock_nobody_out(self) -> None:
        """Whoever holds most pays, so that an ordinary request is served beside any number of endless ones."""
        edge = self.small()
        hogs = [edge.line() for _ in range(8)]
        for hog in hogs:
            hog.ask("POST", "/v1/messages", content_length="10000")
            hog.say(b" " * 9990)
        told = [hog.answer() for hog in hogs if hog.value()]
        assert [answer.status for answer in told] == [529] * 5
        assert {(answer.error["type"], answer.headers["retry-after"]) for answer in told} == {("overloaded_error", "1")}
        line = edge.line()
        line.post(self.body(1000))
        edge.client.last.answer(*HELLO)
        assert line.answer().status == 200
        assert edge.site.budget.held <= COPIES_OF_BODY * 30_000

    def test_refused_upload_may_end(self) -> None:
        """Who pays gets to read why, and nothing of what it still sends is kept."""
        edge = self.small()
        hogs = [edge.line() for _ in range(4)]
        for hog in hogs:
            hog.ask("POST", "/v1/messages", content_length="10000")
            hog.say(b" " * 9000)
        (loser,) = [hog for hog in hogs if hog.value()]
        assert loser.answer().headers["connection"] == "close"
        loser.say(b" " * 1000)
        assert loser.how == "closed"
        assert edge.site.budget.held == 3 * COPIES_OF_BODY * 9000

    def test_exchanges_fill_it(self) -> None:
        """What waits for its backend counts; a newcomer is told so by its head, and no exchange is ended."""
        edge = self.small()
        lines = [edge.line() for _ in range(3)]
        for line in lines:
            line.post(self.body(9000))
        late = edge.post(self.body(9000))
        assert (late.status, late.error["type"], late.headers["retry-after"]) == (529, "overloaded_error", "5")
        assert "max_in_progress" in late.error["message"]
        assert len(edge.client.calls) == 3
        for call in edge.client.calls:
            call.answer(*HELLO)
        assert [line.answer().status for line in lines] == [200] * 3
        assert edge.site.budget.held == 0

    @pytest.mark.parametrize("stream", [True, False])
    @pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens", "/health", "/nonsense"])
    @pytest.mark.parametrize("packed", [True, False])
    def test_comes_back(self, stream: bool, path: str, packed: bool) -> None:
        """When a request is over, in whatever way, nothing is counted any more."""
        edge = Edge()
        whole = json.dumps(asking(stream=stream)).encode()
        encoding = "gzip" if packed else ""
        for body in (whole, b"{ ", gzip.compress(whole)[:-9], whole):
            data = gzip.compress(body) if packed else body
            line = edge.line()
            line.ask("POST", path, data[:-1], content_length=str(len(data)), content_encoding=encoding)
            assert edge.site.budget.held > 0
            line.say(data[-1:])
            if body is whole and path == "/v1/messages":
                assert edge.site.budget.answering >= COPIES_OF_BODY * len(body)
                edge.client.last.answer(*HELLO)
            assert edge.site.budget.held == 0
        for size in (5, len(whole)):
            line = edge.line()
            line.ask("POST", path, whole[:size], content_length=str(len(whole)))
            line.leave()
            assert edge.site.budget.held == 0

    def test_wide_text(self) -> None:
        """A text that is four times its size when decoded, and is kept as UTF-8 besides, counts so where it matters."""
        edge = self.small()
        wide = json.dumps(saying("x" * 9000 + "\U0001f600")).encode()
        lines = [edge.line() for _ in range(3)]
        for line in lines:
            line.post(wide)
        assert len(edge.client.calls) == 2  # of three that are not wide all are served
        assert lines[2].answer().status == 529
        assert 2 * COPIES_OF_BODY * len(wide) < edge.site.budget.held < 2 * (COPIES_OF_BODY + 5) * len(wide)
        for line in lines[:2]:
            line.leave()
        assert edge.site.budget.held == 0

    def test_large_wide_text(self) -> None:
        """Of a large body as much is set aside before it is decoded, and given back when less is needed."""
        edge = self.small(max_body=2_000_000, max_in_progress=COPIES_OF_BODY * 4_000_000)
        wide = json.dumps(saying("x" * 1_500_000 + "\u4e2d")).encode()  # three times
        harmless = json.dumps(saying("x" * 1_500_000) | {"stop_sequences": ["\u4e2d"]}).encode()
        first, second = edge.line(), edge.line()
        first.post(wide)
        assert edge.site.budget.held == (COPIES_OF_BODY + 2) * len(wide)
        second.post(harmless)
        assert second.answer().status == 529
        first.leave()
        second = edge.line()
        second.post(harmless)
        third = edge.line()
        third.ask("POST", "/v1/messages", b" " * 1000, content_length="2000")
        assert 0 <= edge.site.budget.held - COPIES_OF_BODY * (len(harmless) + 1000) < 5000

    def test_passed_on(self) -> None:
        """What is set aside for the texts of a request that is only passed on is given back while it is answered."""
        passing = ONE.replace("url =", "kind = anthropic\nurl =")
        edge = self.small(passing, max_body=2_000_000, max_in_progress=COPIES_OF_BODY * 4_000_000)
        wide = json.dumps(saying("x" * 1_500_000 + "\u4e2d")).encode()
        edge.line().post(wide)
        assert edge.site.budget.held == (COPIES_OF_BODY + 2) * len(wide)
        edge.clock.pump([0] * 20)
        assert edge.client.calls
        edge.line().ask("POST", "/v1/messages", b" " * 1000, content_length="2000")
        assert edge.site.budget.held == COPIES_OF_BODY * (len(wide) + 1000)

    def test_one_alone_is_always_served(self) -> None:
        """On an idle daemon the largest body is welcome, whatever the bound."""
        edge = self.small(max_in_progress=1)
        line = edge.line()
        line.post(self.body(10_000))
        edge.client.last.answer(*HELLO)
        assert line.answer().status == 200

    def test_slow_body(self) -> None:
        """A body that trickles is told so after its time; who goes on trickling is cut off."""
        edge = self.small(max_body=1_000_000)
        line = edge.line()
        line.ask("POST", "/v1/messages", content_length="1000000")
        for _ in range(29):
            line.say(b" " * 400)
            edge.advance(1)
        assert (line.value(), line.how) == (b"", "")
        line.say(b" ")
        edge.advance(2)
        answer = line.answer()
        assert (answer.status, answer.error["type"], edge.refusals) == (408, "timeout_error", ["request_too_slow"])
        assert edge.site.budget.held == 0
        for _ in range(40):
            line.say(b" ")
            edge.advance(1)
        assert line.how == "aborted"


class PackedTests:
    """PackedBody bodies are unpacked in turns, and everything keeps its order."""

    def bomb(self, size: int = 5 << 20) -> bytes:
        """Pack a request of ``size`` bytes and more."""
        return gzip.compress(json.dumps(saying("x" * size) | {"stream": False}).encode())

    def line(self, edge: Edge) -> Line:
        """Connect with a reactor that waits for us between its turns."""
        self.turns: list[Any] = []
        self.edge = edge
        edge.site.unpacking._call_later = lambda _, call: self.turns.append(call)  # type: ignore[assignment,return-value]
        return edge.line()

    def turn(self) -> bool:
        """Make the next turn; false if there is none."""
        calls, self.turns = self.turns, []
        for call in calls:
            call()
        self.edge.clock.advance(0)  # in which large requests are read
        return bool(calls)

    def test_in_turns(self) -> None:
        """A large one is not unpacked at once; meanwhile nothing is read, and then it is served."""
        edge = Edge()
        line = self.line(edge)
        line.ask("POST", "/v1/messages", self.bomb(), content_encoding="gzip")
        assert (edge.client.calls, line.producerState) == ([], "paused")
        turns = 0
        while not edge.client.calls:
            assert self.turn()
            turns += 1
        assert (turns, line.producerState) == (5, "producing")
        edge.client.last.answer(*HELLO)
        assert line.answer().status == 200
        assert edge.site.budget.held == 0

    def test_in_pieces(self) -> None:
        """However its bytes come, before or after a turn, it is the same body."""
        edge = Edge()
        line = self.line(edge)
        packed = self.bomb()
        line.ask("POST", "/v1/messages", packed[:2000], content_encoding="gzip", content_length=str(len(packed)))
        for at in range(2000, len(packed), 1000):
            line.say(packed[at : at + 1000])
            self.turn()
        while self.turn():
            pass
        sent = json.loads(edge.client.last.request.body)
        assert len(sent["messages"][-1]["content"]) == 5 << 20

    def test_pipelined(self) -> None:
        """Requests behind it on the same connection wait, and are answered after it."""
        edge = Edge()
        line = self.line(edge)
        head = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n"
        packed = self.bomb()
        next_one = gzip.compress(json.dumps(asking(stream=False)).encode())
        line.say(head % len(packed) + packed + head % len(next_one) + next_one)
        line.say(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
        while self.turn():
            pass
        assert (len(edge.client.calls), line.value()) == (1, b"")
        edge.client.last.answer(*HELLO)
        assert len(edge.client.calls) == 2
        edge.client.last.answer(*HELLO)
        answer = line.answer()
        seen = []
        while True:
            seen.append(answer.status)
            if not answer.rest:
                break
            answer = Answered.read(answer.rest)
        assert (seen, answer.json["status"]) == ([200, 200, 200], "ready")

    def test_client_that_leaves(self) -> None:
        """A client that leaves meanwhile leaves nothing behind."""
        edge = Edge()
        line = self.line(edge)
        line.ask("POST", "/v1/messages", self.bomb(), content_encoding="gzip")
        line.leave()
        while self.turn():
            pass
        assert (edge.client.calls, edge.site.budget.held) == ([], 0)

    @pytest.mark.parametrize("whole", [True, False])
    def test_too_large(self, whole: bool) -> None:
        """One that turns out too large is refused as soon as that is seen, complete or not, and read on to its end."""
        edge = Edge(configured(ONE + "[limits]\nmax_body = 3M\n"))
        line = self.line(edge)
        packed = self.bomb()
        sent = packed if whole else packed[:-10]
        line.ask("POST", "/v1/messages", sent, content_encoding="gzip", content_length=str(len(packed)))
        while self.turn():
            pass
        answer = line.answer()
        assert (answer.status, edge.site.budget.held) == (413, 0)
        assert line.how == ("closed" if whole else "")
        assert line.producerState == "producing"
        if not whole:
            line.say(packed[-10:])
            assert line.how == "closed"

    def test_cut_short(self) -> None:
        """One whose end is missing is told so after its turns."""
        edge = Edge()
        line = self.line(edge)
        line.ask("POST", "/v1/messages", self.bomb()[:-4], content_encoding="gzip")
        while self.turn():
            pass
        assert line.answer().status == 400

    def test_pays_while_it_waits(self) -> None:
        """One that is complete and waits to be unpacked may have to pay as well."""
        edge = Edge(configured(ONE + "[limits]\nmax_body = 8M\nmax_in_progress = 32M\n"))
        line = self.line(edge)
        line.ask("POST", "/v1/messages", self.bomb(7 << 20), content_encoding="gzip")
        for _ in range(5):
            self.turn()
        other = edge.line()
        other.ask("POST", "/v1/messages", b" " * (3 << 20), content_length="4000000")
        assert (line.answer().status, line.how, other.value()) == (529, "closed", b"")
        while self.turn():
            pass
        assert edge.site.budget.held == COPIES_OF_BODY * (3 << 20)
