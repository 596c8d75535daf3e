"""Requests that are wrong in every way that we could think of: each gets its answer, and the daemon stays well."""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_twisted
from attrs import field, frozen
from twisted.internet.task import deferLater

from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.friendly import Friendly
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.conftest import StartDaemon, check_answer, client_of
from tests.end_to_end.daemon import Daemon
from tests.end_to_end.raw import RawConnection, chunked, connect, head, post
from tests.end_to_end.shared import backend, daemon, running

__all__ = ["backend", "daemon", "running"]  # fixtures

MEGABYTE = 1024 * 1024
MESSAGES = "/v1/messages"
HI: dict[str, Any] = {
    "model": "test-model",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hi"}],
}
HI_BYTES = json.dumps(HI).encode()


def nested(depth: int) -> bytes:
    """Nest arrays."""
    return b"[" * depth + b"]" * depth


def holding(field_name: str, value: bytes) -> bytes:
    """Make a request with one field's raw value."""
    others = {name: inner for name, inner in HI.items() if name != field_name}
    return json.dumps(others).encode()[:-1] + b', "' + field_name.encode() + b'": ' + value + b"}"


@frozen
class Wrong:
    """A wrong request and its answer: the status, and words of the message."""

    body: object
    status: int = 400
    words: tuple[str, ...] = ()
    method: str = "POST"
    path: str = MESSAGES
    headers: Mapping[str, str | None] = field(factory=dict)


WRONG_BODIES = {
    "nothing": Wrong(b"", words=("JSON",)),
    "not JSON": Wrong(b"Hello", words=("JSON",)),
    "cut": Wrong(HI_BYTES[:-5], words=("JSON",)),
    "two objects": Wrong(HI_BYTES * 2, words=("JSON",)),
    "not UTF-8": Wrong(HI_BYTES.replace(b"Hi", b"\xff\xfe"), words=("UTF-8",)),
    "UTF-16": Wrong(json.dumps(HI).encode("utf-16"), words=("UTF-8",)),
    "NaN": Wrong(holding("temperature", b"NaN"), words=("JSON",)),
    "an array": Wrong([HI], words=("object",)),
    "a string": Wrong("Hi", words=("object",)),
    "null": Wrong(b"null", words=("object",)),
    "empty object": Wrong({}, words=("model: Field required",)),
    "no max_tokens": Wrong({**HI, "max_tokens": None}, words=("max_tokens",)),
    "max_tokens as text": Wrong({**HI, "max_tokens": "100"}, words=("max_tokens",)),
    "max_tokens below zero": Wrong({**HI, "max_tokens": -1}, words=("max_tokens",)),
    "max_tokens huge": Wrong(holding("max_tokens", b"1e400"), words=()),
    "model as number": Wrong({**HI, "model": 7}, words=("model",)),
    "messages as object": Wrong({**HI, "messages": {}}, words=("messages",)),
    "no messages": Wrong({**HI, "messages": []}, words=("messages",)),
    "message as text": Wrong({**HI, "messages": ["Hi"]}, words=("messages.0",)),
    "unknown role": Wrong({**HI, "messages": [{"role": "robot", "content": "Hi"}]}, words=("messages.0.role",)),
    "no role": Wrong({**HI, "messages": [{"content": "Hi"}]}, words=("messages.0", "role")),
    "content as number": Wrong({**HI, "messages": [{"role": "user", "content": 3}]}, words=("messages.0.content",)),
    "block as text": Wrong({**HI, "messages": [{"role": "user", "content": ["Hi"]}]}, words=("messages.0.content.0",)),
    "text block without text": Wrong(
        {**HI, "messages": [{"role": "user", "content": [{"type": "text"}]}]}, words=("messages.0.content.0", "text")
    ),
    "stream as text": Wrong({**HI, "stream": "yes"}, words=("stream",)),
    "tools as object": Wrong({**HI, "tools": {}}, words=("tools",)),
    "tool without a name": Wrong({**HI, "tools": [{"input_schema": {"type": "object"}}]}, words=("tools.0", "name")),
    "100,000 arrays": Wrong(nested(100_000), words=()),
    "100,000 arrays as messages": Wrong(holding("messages", nested(100_000)), words=("messages.0",)),
    "100,000 arrays as content": Wrong(
        holding("messages", b'[{"role":"user","content":' + nested(100_000) + b"}]"), words=("nested",)
    ),
    "100,000 arrays as a block's input": Wrong(
        holding(
            "messages",
            b'[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":'
            + nested(100_000)
            + b"}]}]",
        ),
        words=("nested",),
    ),
    "100,000 arrays as a tool's schema": Wrong(
        holding("tools", b'[{"name":"a","input_schema":' + nested(100_000) + b"}]"), words=("nested",)
    ),
    "100,000 arrays as something unknown": Wrong(holding("unknown", nested(100_000)), words=("nested",)),
}

WRONG_ADDRESSES = {
    "unknown path": Wrong(None, 404, ("/v2/messages",), "GET", "/v2/messages"),
    "longer path": Wrong(HI, 404, (), "POST", "/v1/messages/batches"),
    "trailing slash": Wrong(HI, 404, (), "POST", "/v1/messages/"),
    "markup in the path": Wrong(None, 404, (), "GET", "/<script>alert(1)</script>"),
    "unknown model": Wrong(None, 404, ("model: nonsense",), "GET", "/v1/models/nonsense"),
    "GET messages": Wrong(None, 405, ("GET",), "GET", MESSAGES),
    "PUT messages": Wrong(HI, 405, ("PUT",), "PUT", MESSAGES),
    "DELETE models": Wrong(None, 405, ("DELETE",), "DELETE", "/v1/models"),
    "POST models": Wrong({}, 405, ("POST",), "POST", "/v1/models"),
    "OPTIONS messages": Wrong(None, 405, ("OPTIONS",), "OPTIONS", MESSAGES),
    "POST health": Wrong({}, 405, ("POST",), "POST", "/health"),
    "limit as text": Wrong(None, 400, ("limit",), "GET", "/v1/models?limit=many"),
    "limit zero": Wrong(None, 400, ("limit",), "GET", "/v1/models?limit=0"),
    "limit of odd digits": Wrong(None, 400, ("limit",), "GET", "/v1/models?limit=%C2%B2"),
    "limit of 5000 digits": Wrong(None, 400, ("limit",), "GET", f"/v1/models?limit={'9' * 5000}"),
    "foreign Host": Wrong(HI, 403, ("allowed_hosts",), headers={"host": "evil.example"}),
    "Host that begins well": Wrong(HI, 403, ("allowed_hosts",), headers={"host": "localhost.evil.example"}),
    "foreign Origin": Wrong(HI, 403, ("allowed_origins",), headers={"origin": "https://evil.example"}),
    "null Origin": Wrong(HI, 403, ("allowed_origins",), headers={"origin": "null"}),
    "foreign Origin of a GET": Wrong(None, 403, (), "GET", "/v1/models", {"origin": "https://evil.example"}),
    "br": Wrong(HI_BYTES, 400, ("content-encoding", "gzip"), headers={"content-encoding": "br"}),
    "two encodings": Wrong(HI_BYTES, 400, ("content-encoding",), headers={"content-encoding": "gzip, gzip"}),
    "gzip that is none": Wrong(HI_BYTES, 400, ("gzip",), headers={"content-encoding": "gzip"}),
    "gzip cut": Wrong(gzip.compress(HI_BYTES)[:-20], 400, ("gzip",), headers={"content-encoding": "gzip"}),
    "gzip unchecked": Wrong(gzip.compress(HI_BYTES)[:-8], 400, ("gzip",), headers={"content-encoding": "gzip"}),
    "gzip damaged": Wrong(
        gzip.compress(HI_BYTES)[:-8] + b"\0" * 8, 400, ("gzip",), headers={"content-encoding": "gzip"}
    ),
    "gzip of nothing": Wrong(gzip.compress(b""), 400, ("JSON",), headers={"content-encoding": "gzip"}),
}  # fmt: skip


def told(reply: Reply) -> str:
    """Return the error's message; the answer must be in the envelope, and valid."""
    check_answer(MESSAGES, reply)
    assert reply.json["type"] == "error"
    message: str = reply.json["error"]["message"]
    return message


async def refused(client: Client, wrong: Wrong) -> list[str]:
    """Send a wrong request and say what is wrong with its answer."""
    reply = await client.ask(wrong.method, wrong.path, wrong.body, wrong.headers)
    if reply.status != wrong.status:
        return [f"{reply.status} instead of {wrong.status}: {reply.body[:200]!r}"]
    message = told(reply)
    return [f"no {word!r} in {message!r}" for word in wrong.words if word not in message]


async def all_refused(client: Client, cases: Mapping[str, Wrong]) -> None:
    """Send all and fail with everything that was wrong."""
    problems = {name: problem for name, wrong in cases.items() if (problem := await refused(client, wrong))}
    assert not problems, "\n".join(f"{name}: {problem}" for name, problem in problems.items())


async def is_well(client: Client) -> None:
    """Check that the daemon still serves."""
    assert (await client.post(MESSAGES, HI)).json["content"][0]["text"] == "You said: Hi"


@pytest.fixture(autouse=True)
def friendly(backend: ScriptedBackend) -> ScriptedBackend:
    """Let the backend answer whatever gets through."""
    backend.script = Friendly()
    return backend


@pytest_twisted.async_yield_fixture()
async def connection(reactor: Any, daemon: Daemon) -> AsyncIterator[RawConnection]:
    """Yield a raw connection to the daemon."""
    opened = await connect(reactor, daemon.port)
    yield opened
    if opened.closed_at is None:
        opened.leave()
        await opened.closed()


class WrongRequestTests:
    """Well-formed HTTP with something wrong in it."""

    @pytest_twisted.ensureDeferred
    async def test_bodies(self, client: Client, backend: ScriptedBackend) -> None:
        """Every wrong body is a 400 that names what is wrong; the backend hears of none of them."""
        await all_refused(client, WRONG_BODIES)
        assert backend.chats == []
        await is_well(client)

    @pytest_twisted.ensureDeferred
    async def test_counting(self, client: Client, backend: ScriptedBackend) -> None:
        """Counting tokens refuses the same bodies, but for ``max_tokens``, which it does not need."""
        cases = {
            name: Wrong(wrong.body, words=wrong.words, path=f"{MESSAGES}/count_tokens")
            for name, wrong in WRONG_BODIES.items()
            if "max_tokens" not in name
        }
        await all_refused(client, cases)
        assert backend.chats == []
        await is_well(client)

    @pytest_twisted.ensureDeferred
    async def test_addresses(self, client: Client, daemon: Daemon, backend: ScriptedBackend) -> None:
        """Wrong paths, methods, hosts, origins and encodings get the status that fits, and a line in the log each."""
        before = len(daemon.events("request"))
        await all_refused(client, WRONG_ADDRESSES)
        assert backend.chats == []
        await is_well(client)
        await daemon.wait_for("request", count=before + len(WRONG_ADDRESSES) + 1)

    @pytest_twisted.ensureDeferred
    async def test_allowed_methods(self, client: Client) -> None:
        """An answer to the wrong method names the right one."""
        assert (await client.get(MESSAGES)).headers["allow"] == "POST"
        assert (await client.ask("HEAD", MESSAGES)).status == 405
        assert (await client.ask("HEAD", "/")).status == 200


class EncodedBodyTests:
    """Bodies that are packed or sent in pieces."""

    @pytest_twisted.ensureDeferred
    async def test_good_ones(self, client: Client, connection: RawConnection) -> None:
        """Gzip, several gzip members, chunks and gzip in chunks are all read."""
        packed = gzip.compress(HI_BYTES)
        halves = gzip.compress(HI_BYTES[:20]) + gzip.compress(HI_BYTES[20:])
        for body, encoding in ((packed, "gzip"), (packed, "x-gzip"), (halves, "GZIP"), (HI_BYTES, "identity")):
            reply = await client.post(MESSAGES, body, headers={"content-encoding": encoding})
            assert reply.json["content"][0]["text"] == "You said: Hi"
        for body, lines in ((HI_BYTES, ()), (packed, ("content-encoding: gzip",))):
            connection.send(head("POST", MESSAGES, "transfer-encoding: chunked", *lines) + chunked(body, 7))
            assert (await connection.reply()).json["content"][0]["text"] == "You said: Hi"


class LargeBodyTests:
    """Bodies beyond the limit of 32 MiB."""

    @pytest_twisted.ensureDeferred
    async def test_declared(self, client: Client, connection: RawConnection) -> None:
        """A length above the limit is refused before a byte of the body is sent."""
        connection.send(head("POST", MESSAGES, f"content-length: {40 * MEGABYTE}"))
        reply = await connection.reply(seconds=5)
        assert (reply.status, reply.headers["connection"]) == (413, "close")
        assert "33554432" in told(reply)
        await is_well(client)

    @pytest_twisted.ensureDeferred
    async def test_sent(
        self, client: Client, daemon: Daemon, connection: RawConnection, backend: ScriptedBackend
    ) -> None:
        """Whoever sends 40 MiB all the same gets to read the answer, plain or in chunks, and nothing is kept."""
        await is_well(client)
        before = daemon.resident_bytes
        body = b"x" * (40 * MEGABYTE)
        connection.send(post(body))
        assert (await connection.reply()).status == 413
        await connection.closed()
        other = await connect(client._reactor, daemon.port)
        other.send(head("POST", MESSAGES, "transfer-encoding: chunked") + chunked(body))
        reply = await other.reply()
        assert (reply.status, reply.headers["connection"]) == (413, "close")
        await other.closed()
        assert daemon.resident_bytes - before < 40 * MEGABYTE
        assert len(backend.chats) == 1
        await is_well(client)

    @pytest_twisted.ensureDeferred
    async def test_endless(self, client: Client, connection: RawConnection) -> None:
        """Nobody can send for ever: after 64 MiB of a refused body the connection is cut."""
        piece = b"100000\r\n" + b"x" * MEGABYTE + b"\r\n"
        connection.send(head("POST", MESSAGES, "transfer-encoding: chunked") + piece * 33)
        assert (await connection.reply()).status == 413
        connection.send(piece * 70)
        await connection.closed()
        await is_well(client)

    @pytest_twisted.ensureDeferred
    async def test_bomb(self, client: Client, daemon: Daemon, backend: ScriptedBackend) -> None:
        """A small body that unpacks to 2 GiB is refused when it passes the limit."""
        before = daemon.resident_bytes
        bomb = gzip.compress(b" " * (64 * MEGABYTE)) * 32
        reply = await client.post(MESSAGES, bomb, headers={"content-encoding": "gzip"})
        assert reply.status == 413
        assert "33554432" in told(reply)
        assert daemon.resident_bytes - before < 80 * MEGABYTE
        assert backend.chats == []
        await is_well(client)

    @pytest_twisted.ensureDeferred
    async def test_packed_nothing(self, start_daemon: StartDaemon, reactor: Any) -> None:
        """Packed bytes count too: members that unpack to nothing cannot be sent for ever."""
        small = await start_daemon({"limits": {"max_body": "100000"}})
        connection = await connect(reactor, small.port)
        connection.send(head("POST", MESSAGES, "transfer-encoding: chunked", "content-encoding: gzip"))
        connection.send(chunked(gzip.compress(b"") * 6000))
        assert (await connection.reply()).status == 413
        await connection.closed()
        await is_well(client_of(reactor, small))


class RawTests:
    """What no HTTP library would send."""

    @pytest_twisted.ensureDeferred
    async def test_paths(self, client: Client, connection: RawConnection) -> None:
        """Paths that are none get an answer in the envelope."""
        cases = {b"*": 404, b"/\x80": 400, b"/v1/models/%ff%fe": 400, b"/%": 404, b"//x": 404, b"http://[": 404}
        for path, status in cases.items():
            for method in ("GET", "OPTIONS", "X"):
                connection.send(head(method, path))
                reply = await connection.reply()
                assert (path, method, reply.status) == (path, method, status)
                assert told(reply)
        await is_well(client)

    @pytest_twisted.ensureDeferred
    async def test_no_host(self, connection: RawConnection) -> None:
        """A request without Host is refused as one with a foreign Host, but for the probes of balancers."""
        connection.send(b"GET /health HTTP/1.1\r\n\r\n")
        assert (await connection.reply()).json["status"] == "ready"
        connection.send(b"GET /v1/models HTTP/1.1\r\n\r\n")
        reply = await connection.reply()
        assert reply.status == 403
        assert told(reply)

    @pytest_twisted.ensureDeferred
    async def test_framing(self, client: Client, daemon: Daemon, reactor: Any) -> None:
        """Heads that others may read otherwise, and a length of 5,000 digits, are 400; the log has no fault."""
        for lines in (
            ("Host: evil.example",),
            ("Transfer-Encoding: identity",),
            ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
            (f"Content-Length: {'9' * 5000}",),
        ):
            other = await connect(reactor, daemon.port)
            other.send(head("POST", MESSAGES, *lines))
            reply = await other.reply()
            assert (lines, reply.status) == (lines, 400)
            assert told(reply)
            await other.closed()
        await is_well(client)

    @pytest_twisted.ensureDeferred
    async def test_continue(self, client: Client, connection: RawConnection, daemon: Daemon) -> None:
        """A client that asks before it sends is told to go on, or why not, never both."""
        connection.send(head("POST", MESSAGES, f"content-length: {len(HI_BYTES)}", "Expect: 100-continue"))
        assert (await connection.reply()).status == 100
        connection.send(HI_BYTES)
        assert (await connection.reply()).status == 200
        others = []
        for status, size, line in (
            (413, 40 * MEGABYTE, "x: y"),
            (403, 10, "origin: null"),
            (400, 10, "content-encoding: br"),
        ):
            others.append(await connect(client._reactor, daemon.port))
            others[-1].send(head("POST", MESSAGES, f"content-length: {size}", line, "Expect: 100-continue"))
            assert (await others[-1].reply()).status == status
        for other in others:
            await other.closed(seconds=10)
            assert other.received == b""

    @pytest_twisted.ensureDeferred
    async def test_pipelined(self, connection: RawConnection) -> None:
        """Requests sent together are answered in their order, wrong ones among them."""
        connection.send(
            post(HI_BYTES)
            + post(b"nonsense")
            + head("GET", "/v1/models")
            + post(json.dumps({**HI, "stream": True}).encode())
            + head("GET", "/nowhere")
            + post(HI_BYTES)
        )
        replies = [await connection.reply() for _ in range(6)]
        assert [reply.status for reply in replies] == [200, 400, 200, 200, 404, 200]
        assert replies[3].events[-1].name == "message_stop"
        assert len({reply.headers["request-id"] for reply in replies}) == 6

    @pytest_twisted.ensureDeferred
    async def test_refused_then_pipelined(self, connection: RawConnection, backend: ScriptedBackend) -> None:
        """What follows a request that closes the connection is not served."""
        connection.send(post(b"x" * 10, "origin: null") + post(HI_BYTES))
        assert (await connection.reply()).status == 403
        await connection.closed()
        assert connection.received == b""
        assert backend.chats == []

    @pytest_twisted.ensureDeferred
    async def test_slow_head(self, start_daemon: StartDaemon, reactor: Any) -> None:
        """A head that does not come in time closes the connection, however often a byte of it comes."""
        daemon = await start_daemon({"limits": {"header_timeout": "0.5"}})
        half = head("GET", "/health")[:-2]
        fresh, used, pipelined = [await connect(reactor, daemon.port) for _ in range(3)]
        used.send(head("GET", "/health"))
        assert (await used.reply()).status == 200
        pipelined.send(head("GET", "/health") + half[:3])
        assert (await pipelined.reply()).status == 200
        begun = reactor.seconds()
        for at in range(30):
            for connection in (fresh, used, pipelined):
                if connection.closed_at is None:
                    connection.send(half[at + 3 * (connection is pipelined) :][:1])
            await deferLater(reactor, 0.05)
        for connection in (fresh, used, pipelined):
            assert 0.3 < await connection.closed(2) - begun < 1.5
        await is_well(client_of(reactor, daemon))
