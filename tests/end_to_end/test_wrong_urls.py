"""A backend's url that leads to something else: told in words on which somebody can act."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted

from tests.end_to_end.asking import HI, MESSAGES, STREAMED
from tests.end_to_end.conftest import StartDaemon, client_of
from tests.services.upstream.loopback import Bench, Conversation

PAGE = b"<!doctype html><html><head><title>Open WebUI</title></head><body>Log in</body></html>"
LIST = json.dumps({"object": "list", "data": [{"id": "glm-4.5-air"}, {"id": "qwen3-coder"}]}).encode()
UNKNOWN = b'{"error":{"message":"The model `nope` does not exist.","type":"NotFoundError","code":404}}'


@pytest_twisted.async_yield_fixture()
async def bench(reactor: Any) -> AsyncIterator[Bench]:
    """Yield servers made of raw sockets."""
    made = Bench(reactor)
    yield made
    await made.stop()


def serving(list_at: str, status: int, body: bytes, kind: str, size: int = 65_536) -> Any:
    """Answer everything with one body in pieces of a size, but for a list of models at one path."""

    def script(conversation: Conversation, _: int) -> None:
        path = conversation.requests[-1].split(b" ", 2)[1].decode()
        found = (200, LIST, "application/json") if path == list_at else (status, body, kind)
        head = f"HTTP/1.1 {found[0]} X\r\nContent-Type: {found[2]}\r\nContent-Length: {len(found[1])}\r\n\r\n"
        answer = head.encode() + found[1]
        for start in range(0, len(answer), size):
            conversation.transport.write(answer[start : start + size])

    return script


class WrongUrlTests:
    """Nobody searches for a model where the url is wrong."""

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize(
        ("status", "body", "kind", "words"),
        [
            (200, PAGE, "text/html", "answered with a web page (Open WebUI), not with JSON"),
            (404, PAGE, "text/html", "answered 404 with a web page (Open WebUI)"),
            (404, b'{"detail":"Not Found"}', "application/json", "answered 404: Not Found"),
            (405, b'{"detail":"Method Not Allowed"}', "application/json", "answered 405: Method Not Allowed"),
        ],
    )
    async def test_page(
        self, start_daemon: StartDaemon, bench: Bench, reactor: Any, status: int, body: bytes, kind: str, words: str
    ) -> None:
        """The client and the log learn which address was asked, what is there, and which url would be right."""
        raw, backend = bench.serve(serving("/v1/models", status, body, kind))
        root = backend.url.removesuffix("/v1")
        daemon = await start_daemon(config=CONFIG.format(url=root))
        client = client_of(reactor, daemon)
        for asked in (HI, STREAMED):
            reply = await client.post(MESSAGES, asked)
            assert (reply.status, reply.json["error"]["type"]) == (502, "api_error")
            message = reply.json["error"]["message"]
            assert message.startswith(f"{root}/chat/completions {words}")
            assert message.endswith(f"GET {root}/v1/models lists 2 models: set `url = {root}/v1`")
            assert reply.headers["x-should-retry"] == "false"
        posted = [request.split(b" ", 2)[1] for request in raw.requests if request.startswith(b"POST")]
        assert posted == [b"/chat/completions"] * 2
        asked_for = [request for request in raw.requests if request.startswith(b"GET /api/models")]
        assert len(asked_for) == 1
        told = await daemon.wait_for("wrong-url", count=2)
        assert (told["level"], told["reason"]) == ("warn", message)

    @pytest_twisted.ensureDeferred
    async def test_unknown_model(self, start_daemon: StartDaemon, bench: Bench, reactor: Any) -> None:
        """A name that is not there is a 404 with those that are."""
        _, backend = bench.serve(serving("/v1/models", 404, UNKNOWN, "application/json"))
        daemon = await start_daemon(config=CONFIG.format(url=backend.url))
        reply = await client_of(reactor, daemon).post(MESSAGES, {**HI, "model": "glm4.5"})
        assert (reply.status, reply.json["error"]["type"]) == (404, "not_found_error")
        assert reply.json["error"]["message"].endswith("It has glm-4.5-air, qwen3-coder")
        told = await daemon.wait_for("unknown-model")
        assert (told["level"], told["known"]) == ("warn", "glm-4.5-air, qwen3-coder")


CONFIG = """
[server]
check_backends = no
listen = tcp:0:interface=127.0.0.1
[backend:up]
url = {url}
"""
