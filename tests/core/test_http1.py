"""Promises of HTTP/1.1 framing: what is read, what is refused, and that it does not matter where the bytes were cut."""

from __future__ import annotations

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.http1 import (
    MAX_HEAD_BYTES,
    MAX_HEAD_LINES,
    MAX_INTERIM_RESPONSES,
    MAX_LINE_BYTES,
    MAX_SIZE_LINE_BYTES,
    FramingError,
    HeadTooLong,
    ResponseParser,
    SpeaksTLS,
    request_head,
)
from tests.core.strategies import cut, cuts, in_steps

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"


@frozen
class Outcome:
    """What a parser has made of some bytes."""

    status: int | None
    body: bytes
    complete: bool
    reusable: bool
    until_close: bool
    error: type[FramingError] | None


def parsed(pieces: list[bytes], method: bytes = b"POST") -> Outcome:
    """Feed the pieces one after the other."""
    parser = ResponseParser(method)
    body = b"".join([parser.feed(piece) for piece in pieces if piece and parser.error is None])
    return Outcome(
        parser.head.status if parser.head else None,
        body,
        parser.complete,
        parser.reusable,
        parser.ends_with_connection,
        type(parser.error) if parser.error else None,
    )


def good(status: int, body: bytes, *, reusable: bool = True) -> Outcome:
    """Return the outcome of a complete response."""
    return Outcome(status, body, complete=True, reusable=reusable, until_close=False, error=None)


def bad(error: type[FramingError] = FramingError, status: int | None = None, body: bytes = b"") -> Outcome:
    """Return the outcome of bytes that are no response; ``body`` is what came before the mistake."""
    return Outcome(status, body, complete=False, reusable=False, until_close=False, error=error)


def unfinished(status: int | None = None, body: bytes = b"", *, until_close: bool = False) -> Outcome:
    """Return the outcome of a response that has not ended."""
    return Outcome(status, body, complete=False, reusable=False, until_close=until_close, error=None)


RESPONSES = {
    "length": (OK + b"Content-Length: 2\r\n\r\nok", good(200, b"ok")),
    "no body": (OK + b"content-length: 0\r\n\r\n", good(200, b"")),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", good(204, b"")),
    "not modified": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", good(304, b"")),
    "no phrase": (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", good(200, b"x")),
    "chunks": (CHUNKED + b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n", good(200, b"abcd")),
    "capital sizes": (CHUNKED + b"0A\r\n0123456789\r\n00\r\n\r\n", good(200, b"0123456789")),
    "chunk extensions": (CHUNKED + b'2;a=b;c="d"\r\nok\r\n2 ; x\r\nay\r\n0;last\r\n\r\n', good(200, b"okay")),
    "blanks after the size": (CHUNKED + b"2  \r\nok\r\n0\r\n\r\n", good(200, b"ok")),
    "trailers": (CHUNKED + b"2\r\nok\r\n0\r\nX-Sum: 1\r\nContent-Length: 99\r\n\r\n", good(200, b"ok")),
    "line ends as content": (CHUNKED + b"4\r\n\r\n\r\n\r\n0\r\n\r\n", good(200, b"\r\n\r\n")),
    "closing": (OK + b"Connection: Close\r\nContent-Length: 2\r\n\r\nok", good(200, b"ok", reusable=False)),
    "closing, in a list": (
        OK + b"Connection: x, close\r\nContent-Length: 2\r\n\r\nok",
        good(200, b"ok", reusable=False),
    ),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", good(200, b"ok", reusable=False)),
    "more than asked for": (OK + b"Content-Length: 2\r\n\r\nokHTTP", good(200, b"ok", reusable=False)),
    "more after the chunks": (CHUNKED + b"2\r\nok\r\n0\r\n\r\nx", good(200, b"ok", reusable=False)),
    "more after no body": (b"HTTP/1.1 204 No Content\r\n\r\nx", good(204, b"", reusable=False)),
    "until the end": (OK + b"\r\nanything\r\n\r\n", unfinished(200, b"anything\r\n\r\n", until_close=True)),
    "interim": (INTERIM * 3 + OK + b"Content-Length: 2\r\n\r\nok", good(200, b"ok")),
    "bare line feeds in a head": (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", good(200, b"ok")),
    "folded": (OK + b"X: a\r\n b\r\n\tc\r\nContent-Length: 2\r\n\r\nok", good(200, b"ok")),
    "blanks before a colon": (OK + b"Content-Length : 2\r\n\r\nok", good(200, b"ok")),
    "equal lengths": (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", good(200, b"ok")),
    "length and chunked": (
        OK + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        good(200, b"ok", reusable=False),
    ),
    "two lengths": (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok", bad()),
    "two lengths in a list": (OK + b"Content-Length: 2, 3\r\n\r\nok", bad()),
    "negative length": (OK + b"Content-Length: -2\r\n\r\nok", bad()),
    "length with a sign": (OK + b"Content-Length: +2\r\n\r\nok", bad()),
    "length with an underscore": (OK + b"Content-Length: 1_0\r\n\r\nok", bad()),
    "huge length": (OK + b"Content-Length: 99999999999999999999\r\n\r\nok", bad()),
    "other transfer coding": (OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", bad()),
    "chunked twice": (OK + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", bad()),
    "upgrade": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nx", bad()),
    "mail": (b"220 mail.example ESMTP\r\n", bad()),
    "HTTP/2": (b"HTTP/2 200 OK\r\n", bad()),
    "status of two digits": (b"HTTP/1.1 20 OK\r\n", bad()),
    "no colon": (OK + b"nonsense\r\n\r\n", bad()),
    "blank in a name": (OK + b"X Foo: 1\r\nContent-Length: 2\r\n\r\nok", bad()),
    "sign in a name": (OK + b"X@y: 1\r\n\r\n", bad()),
    "parentheses in a name": (OK + b"a(b): 1\r\n\r\n", bad()),
    "name outside of ASCII": (OK + b"X-\xff: 1\r\n\r\n", bad()),
    "padded size": (CHUNKED + b"0000000000000005\r\nhello\r\n0000000000000000\r\n\r\n", good(200, b"hello")),
    "no name": (OK + b": x\r\n\r\n", bad()),
    "fold at the beginning": (OK + b" x\r\n", bad()),
    "carriage return in a header": (OK + b"A: b\rContent-Length: 2\r\n", bad()),
    "null in a header": (OK + b"A: \0\r\n", bad()),
    "TLS alert": (b"\x15\x03\x03\x00\x02\x02\x32", bad(SpeaksTLS)),
    "size that is no number": (CHUNKED + b"2\r\nok\r\nzz\r\n", bad(status=200, body=b"ok")),
    "size with a prefix": (CHUNKED + b"0x2\r\nok\r\n", bad(status=200)),
    "size with a sign": (CHUNKED + b"-2\r\nok\r\n", bad(status=200)),
    "size with an underscore": (CHUNKED + b"1_0\r\n", bad(status=200)),
    "no size": (CHUNKED + b"\r\nok\r\n", bad(status=200)),
    "huge size": (CHUNKED + b"f" * 16 + b"\r\n", bad(status=200)),
    "bare line feed after a size": (CHUNKED + b"2\nok\r\n", bad(status=200)),
    "bare line feed in an extension": (CHUNKED + b"2;a\nb\r\nok\r\n", bad(status=200)),
    "chunk longer than its size": (CHUNKED + b"2\r\nokay\r\n", bad(status=200, body=b"ok")),
    "line feed after a chunk": (CHUNKED + b"2\r\nok\n0\r\n\r\n", bad(status=200, body=b"ok")),
    "endless size": (CHUNKED + b"1;" + b"x" * MAX_SIZE_LINE_BYTES, bad(status=200)),
    "endless line": (OK + b"X: " + b"a" * MAX_LINE_BYTES, bad(HeadTooLong)),
    "many lines": (OK + b"a:\r\n" * MAX_HEAD_LINES, bad(HeadTooLong)),
    "many bytes": (OK + (b"X: " + b"a" * 9000 + b"\r\n") * (MAX_HEAD_BYTES // 9000 + 1), bad(HeadTooLong)),
    "many interim responses": (INTERIM * (MAX_INTERIM_RESPONSES + 1), bad(HeadTooLong)),
    "many trailers": (CHUNKED + b"0\r\n" + b"a:\r\n" * MAX_HEAD_LINES, bad(HeadTooLong, 200)),
    "endless trailer": (CHUNKED + b"0\r\nX: " + b"a" * MAX_LINE_BYTES, bad(HeadTooLong, 200)),
    "half a head": (OK + b"Content-Le", unfinished()),
    "half a body": (OK + b"Content-Length: 9\r\n\r\nhalf", unfinished(200, b"half")),
    "half a chunk": (CHUNKED + b"9\r\nhalf", unfinished(200, b"half")),
    "no end after a chunk": (CHUNKED + b"2\r\nok\r", unfinished(200, b"ok")),
}


class ResponseParserTests:
    """What each response comes to."""

    @pytest.mark.parametrize(("data", "outcome"), RESPONSES.values(), ids=RESPONSES)
    def test_whole_and_byte_by_byte(self, data: bytes, outcome: Outcome) -> None:
        """In one piece, in single bytes and in pieces of three."""
        assert parsed([data]) == outcome
        assert parsed(in_steps(data, 3)) == outcome
        assert parsed(in_steps(data, 1)) == outcome

    @pytest.mark.parametrize("name", [name for name, (data, _) in RESPONSES.items() if len(data) < 300])
    def test_every_cut(self, name: str) -> None:
        """In two pieces, wherever the cut is."""
        data, outcome = RESPONSES[name]
        for position in range(1, len(data)):
            assert parsed([data[:position], data[position:]]) == outcome

    @given(st.data())
    def test_any_cuts(self, data: st.DataObject) -> None:
        """In several pieces, after a mutation or not: the cuts change nothing."""
        sent = data.draw(st.sampled_from([sent for sent, _ in RESPONSES.values() if len(sent) < 300]))
        for _ in range(data.draw(st.integers(0, 2))):
            at = data.draw(st.integers(0, len(sent)))
            sent = sent[:at] + data.draw(st.sampled_from([b"", b"\r", b"\n", b"0", b";", b"x"])) + sent[at + 1 :]
        assert parsed(cut(sent, data.draw(cuts(len(sent))))) == parsed([sent])

    @given(st.lists(st.binary(min_size=1, max_size=40)), st.integers(1, 50))
    def test_chunks(self, contents: list[bytes], size: int) -> None:
        """Whatever is sent in chunks comes out of them, the chunks of one piece joined."""
        sent = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in contents) + b"0\r\n\r\n"
        assert parsed(in_steps(sent, size)) == good(200, b"".join(contents))

    @given(st.binary(max_size=200))
    def test_anything(self, data: bytes) -> None:
        """Nothing raises, and nothing is made up."""
        assert parsed([data]).body in data
        assert len(parsed([CHUNKED + data]).body) <= len(data)

    def test_large_chunk(self) -> None:
        """A chunk of many reads is passed on as it comes, and not held."""
        parser = ResponseParser(b"POST")
        assert parser.feed(CHUNKED + b"100000\r\n" + b"x" * 1000) == b"x" * 1000
        for _ in range(3):
            assert parser.feed(b"y" * 5000) == b"y" * 5000

    def test_head(self) -> None:
        """Names are in lower case, values without blanks around them, folded lines joined."""
        parser = ResponseParser(b"POST")
        parser.feed(b"HTTP/1.1 503 Try later\r\nRetry-After:  3 \r\nX-Two: a\r\nX-Two: B,c\r\nX-Long: a\r\n  b\r\n\r\n")
        head = parser.head
        assert head is not None
        assert (head.status, head.phrase, head.version) == (503, b"Try later", 1)
        assert head.headers[0] == (b"retry-after", b"3")
        assert head.headers[-1] == (b"x-long", b"a  b")
        assert head.values(b"x-two") == [b"a", b"b", b"c"]
        assert head.values(b"x-none") == []

    def test_headers_are_dropped(self) -> None:
        """Without its headers the head is known as before, and the body is read on."""
        parser = ResponseParser(b"POST")
        parser.drop_headers()
        assert parser.head is None
        parser.feed(OK + b"Content-Length: 2\r\n\r\no")
        parser.drop_headers()
        assert parser.head is not None
        assert (parser.head.status, parser.head.headers) == (200, ())
        assert (parser.feed(b"k"), parser.complete, parser.reusable) == (b"k", True, True)

    @pytest.mark.parametrize("method", [b"HEAD", b"CONNECT"])
    def test_response_that_is_a_head(self, method: bytes) -> None:
        """What answers a HEAD has no body, nor has the agreement to a tunnel, whatever its headers say."""
        assert parsed([OK + b"Content-Length: 9\r\n\r\n"], method) == good(200, b"")

    def test_refused_tunnel(self) -> None:
        """A proxy that refuses says why."""
        assert parsed([b"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno"], b"CONNECT") == good(407, b"no")

    @pytest.mark.parametrize("pieces", [[OK + b"\r\nx"], [OK + b"\r\n", b"x"]])
    def test_more_than_a_response(self, pieces: list[bytes]) -> None:
        """Bytes after the end are noticed."""
        parser = ResponseParser(b"CONNECT")
        parser.feed(OK[:9])
        assert not parser.has_excess
        for piece in (OK[9:] + b"\r\n", b""):
            parser.feed(piece)
            assert (parser.complete, parser.has_excess) == (True, False)
        parser = ResponseParser(b"CONNECT")
        for piece in pieces:
            parser.feed(piece)
        assert parser.has_excess

    def test_ordinary_heads_are_no_flood(self) -> None:
        """Two hundred headers after some interim responses are read, and a body of many lines counts nothing."""
        headers = b"".join(b"X-%d: %b\r\n" % (number, b"v" * 40) for number in range(200))
        body = b"a\n" * (MAX_HEAD_LINES + MAX_HEAD_BYTES)
        sent = INTERIM * 50 + OK + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body
        assert parsed([sent]) == good(200, body)
        assert parsed([CHUNKED + b"%x\r\n%b\r\n" % (len(body), body)]).body == body


class RequestHeadTests:
    """What is sent."""

    def test_with_a_body(self) -> None:
        """Request line, host, headers, length."""
        headers = [(b"Authorization", [b"Bearer k"]), (b"X", [b"1", b"2"])]
        assert request_head(b"POST", b"/v1/a?b", b"h:1", headers, 3) == (
            b"POST /v1/a?b HTTP/1.1\r\nHost: h:1\r\n"
            b"Authorization: Bearer k\r\nX: 1\r\nX: 2\r\nContent-Length: 3\r\n\r\n"
        )

    def test_without(self) -> None:
        """No length where there is no body."""
        assert request_head(b"GET", b"/", b"h", [], None) == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"

    @pytest.mark.parametrize(
        ("method", "target"),
        [(b"BAD METHOD", b"/"), (b"", b"/"), (b"GET\r\n", b"/"), (b"GET", b"/a b"), (b"GET", b"/\r\n"), (b"GET", b"")],
    )
    def test_refused(self, method: bytes, target: bytes) -> None:
        """Nothing that would end the line early is sent."""
        with pytest.raises(ValueError, match="request"):
            request_head(method, target, b"h", [], None)
