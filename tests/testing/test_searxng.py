"""Tests for `claude_bridge.testing.searxng`, on real loopback sockets."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted

from claude_bridge.testing import searxng as module
from claude_bridge.testing.searxng import BEHAVIOURS, FakeSearXNG, found, page
from tests.end_to_end.client import Client
from tests.end_to_end.processes import run_program

ASK = "/search?q=rain%20in%20May&format=json"


@pytest_twisted.async_yield_fixture()
async def searxng(reactor: Any) -> AsyncIterator[FakeSearXNG]:
    """Yield a fake SearXNG that listens."""
    server = FakeSearXNG(reactor)
    server.start()
    yield server
    await server.stop()


@pytest.fixture
def client(reactor: Any, searxng: FakeSearXNG) -> Client:
    """Return a client of it."""
    return Client(reactor, searxng.url)


class FakeSearXNGTests:
    """A search server for tests."""

    @pytest_twisted.ensureDeferred
    async def test_finds(self, searxng: FakeSearXNG, client: Client) -> None:
        """It finds something for every question, remembers the question, and says what the real one says."""
        reply = await client.get(ASK)
        assert reply.status == 200
        assert reply.json["query"] == "rain in May"
        assert [one["url"] for one in reply.json["results"]] == [f"https://page-{n}.example/" for n in (1, 2, 3)]
        assert searxng.questions == ["rain in May"]

    @pytest_twisted.ensureDeferred
    async def test_programmed(self, searxng: FakeSearXNG, client: Client) -> None:
        """A test decides what is found, by the question or one answer after the other."""
        searxng.finds = lambda question: [page(question.upper(), "https://e.org/", "x", "2026-05-03")]
        searxng.enqueue(found(), BEHAVIOURS["too many requests"])
        first, second, third = [await client.get(ASK) for _ in range(3)]
        assert (first.json["results"], second.status) == ([], 429)
        assert (third.json["results"][0]["title"], third.json["results"][0]["publishedDate"]) == (
            "RAIN IN MAY",
            "2026-05-03",
        )

    @pytest.mark.parametrize(
        ("path", "status"), [("/search?format=json", 400), ("/search?q=a&format=csv", 403), ("/other?q=a", 404)]
    )
    @pytest_twisted.ensureDeferred
    async def test_strict(self, client: Client, path: str, status: int) -> None:
        """What the real one refuses is refused."""
        assert (await client.get(path)).status == status

    @pytest_twisted.ensureDeferred
    async def test_html(self, client: Client) -> None:
        """A browser's question gets a page, as without ``format=json`` from the real one."""
        reply = await client.get("/search?q=a")
        assert reply.headers["content-type"].startswith("text/html")

    def test_unresponsive(self) -> None:
        """Engines that did not answer are listed as the real one lists them."""
        (body,) = BEHAVIOURS["no engine answers"].steps
        assert json.loads(body.data)["unresponsive_engines"] == [["google", "CAPTCHA"], ["bing", "timeout"]]  # type: ignore[union-attr]

    @pytest_twisted.ensureDeferred
    async def test_program(self, reactor: Any) -> None:
        """It can be started by hand."""
        ran = await run_program(reactor, [sys.executable, "-m", module.__name__, "--help"])
        assert ran.code == 0
        assert "--port" in ran.out
