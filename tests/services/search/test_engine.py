"""Tests for `claude_bridge.services.search.engine`, on real loopback sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from attrs import define
from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss

from claude_bridge.config.schema import WebSearch
from claude_bridge.config.secret import Secret
from claude_bridge.core.events import SearchHit
from claude_bridge.core.web_search.engines import ENGINES
from claude_bridge.core.web_search.tool import SearchQuestion
from claude_bridge.services.interfaces import SearchFailed
from claude_bridge.services.search.engine import ConfiguredSearch, TooLarge, collected, configured_search, dropped
from claude_bridge.testing.answers import Answer
from claude_bridge.testing.searxng import BEHAVIOURS, FakeSearXNG, found, page


@define(eq=False)
class FakeResponse:
    """A response whose body the test delivers."""

    body: Any = None
    transport: Any = None

    def deliverBody(self, protocol: Protocol) -> None:  # noqa: N802 - Twisted's name
        """Connect the body."""
        self.body, self.transport = protocol, StringTransport()
        protocol.makeConnection(self.transport)

    def end(self, reason: Exception) -> None:
        """End the body."""
        self.body.connectionLost(Failure(reason))


def collecting(most: int = 10) -> tuple[FakeResponse, Any, list[Any]]:
    """Collect a body; return what becomes of it."""
    response: Any = FakeResponse()
    results: list[Any] = []
    done = collected(response, most)
    done.addBoth(results.append)
    return response, done, results


class CollectedTests:
    """A body in one piece."""

    @pytest.mark.parametrize("reason", [ResponseDone(), PotentialDataLoss()])
    def test_whole(self, reason: Exception) -> None:
        """All that came, whether the server said how much or not."""
        response, _, results = collecting()
        response.body.dataReceived(b"01234")
        response.body.dataReceived(b"56789")
        response.end(reason)
        assert results == [b"0123456789"]

    def test_too_large(self) -> None:
        """More than the bound is not held: the connection is closed."""
        response, _, results = collecting()
        response.body.dataReceived(b"01234567890")
        assert results[0].check(TooLarge)
        assert response.transport.producerState == "stopped"
        response.body.dataReceived(b"more")
        response.end(ConnectionLost())
        assert len(results) == 1

    def test_broken(self) -> None:
        """A body that breaks off says so."""
        response, _, results = collecting()
        response.end(ResponseFailed([]))
        assert results[0].check(ResponseFailed)

    def test_cancelled(self) -> None:
        """Cancelling closes the connection."""
        response, done, results = collecting()
        done.cancel()
        assert response.transport.producerState == "stopped"
        assert len(results) == 1

    def test_dropped(self) -> None:
        """A body that is not needed is not read."""
        response: Any = FakeResponse()
        dropped(response)
        assert response.transport.producerState == "stopped"
        response.end(ConnectionLost())


QUESTION = SearchQuestion("rain in May")


@pytest_twisted.async_yield_fixture()
async def searxng(reactor: Any) -> AsyncIterator[FakeSearXNG]:
    """Yield a fake SearXNG that listens."""
    server = FakeSearXNG(reactor)
    server.start()
    yield server
    await server.stop()


def searching(reactor: Any, url: str, **settings: Any) -> ConfiguredSearch:
    """Make the service for a SearXNG server."""
    return ConfiguredSearch(reactor, WebSearch(engine="searxng", url=url, **settings), "claude-bridge/test")


async def failed(search: ConfiguredSearch, question: SearchQuestion = QUESTION) -> SearchFailed:
    """Search in vain; return what was said."""
    with pytest.raises(SearchFailed) as raised:
        await search.search(question)
    return raised.value


async def closed(reactor: Any, server: FakeSearXNG) -> None:
    """Wait until nobody is connected."""
    for _ in range(200):
        if not server.connections:
            return
        await deferLater(reactor, 0.01)
    raise AssertionError("a connection was left open")


class SearchTests:
    """A search."""

    @pytest_twisted.ensureDeferred
    async def test_found(self, reactor: Any, searxng: FakeSearXNG) -> None:
        """The engine's results come back as text, and no more is sent than what it needs."""
        hits = await searching(reactor, searxng.url).search(QUESTION)
        assert hits[0] == SearchHit("rain in May (1)", "https://page-1.example/", "What page 1 says of rain in May.")
        assert len(hits) == 3
        (asked,) = searxng.requests
        assert searxng.questions == ["rain in May"]
        assert set(asked.headers) == {"host", "connection", "user-agent", "accept"}
        assert asked.headers["user-agent"] == "claude-bridge/test"
        await closed(reactor, searxng)

    @pytest_twisted.ensureDeferred
    async def test_quiet(self, reactor: Any, searxng: FakeSearXNG) -> None:
        """A search does not tell the log of Twisted's own doings."""
        with capturedLogs() as logged:
            await searching(reactor, searxng.url).search(QUESTION)
            await closed(reactor, searxng)
        assert [event for event in logged if "factory" in str(event["log_format"])] == []

    @pytest_twisted.ensureDeferred
    async def test_any_text(self, reactor: Any, searxng: FakeSearXNG) -> None:
        """A question arrives as it was put, whatever is in it."""
        for text in ("a&b=c#d?e/f%20 +é", "日本 \U0001f600", "'\"<>\\"):
            await searching(reactor, searxng.url).search(SearchQuestion(text))
            assert searxng.questions[-1] == text

    @pytest_twisted.ensureDeferred
    async def test_few(self, reactor: Any, searxng: FakeSearXNG) -> None:
        """No more results than configured, and none that may not be shown or that the client does not want."""
        searxng.enqueue(
            found(
                page("file", "file:///etc/passwd", ""),
                page("blocked", "https://www.blocked.example/", ""),
                page("one", "https://one.example/", ""),
                page("two", "https://two.example/", ""),
                page("three", "https://three.example/", ""),
            )
        )
        search = searching(reactor, searxng.url, max_results=2)
        hits = await search.search(SearchQuestion("q", (), ("blocked.example",)))
        assert [hit.title for hit in hits] == ["one", "two"]

    @pytest_twisted.ensureDeferred
    async def test_nothing_found(self, reactor: Any, searxng: FakeSearXNG) -> None:
        """Nothing found is no failure."""
        searxng.enqueue(BEHAVIOURS["nothing found"])
        assert await searching(reactor, searxng.url).search(QUESTION) == ()

    @pytest_twisted.ensureDeferred
    async def test_slow(self, reactor: Any, searxng: FakeSearXNG) -> None:
        """A slow answer within the limit is one."""
        searxng.enqueue(BEHAVIOURS["slow"])
        assert len(await searching(reactor, searxng.url).search(QUESTION)) == 1


class FailureTests:
    """Engines that do not answer as they should."""

    @pytest.mark.parametrize(
        ("behaviour", "code", "reason"),
        [
            ("no engine answers", "unavailable", "none of its engines answered"),
            ("too many requests", "too_many_requests", "HTTP 429"),
            ("broken", "unavailable", "HTTP 500"),
            ("redirects", "unavailable", "HTTP 302, a redirect, which is not followed"),
            ("garbage", "unavailable", "its answer is not JSON"),
            ("no results in it", "unavailable", "its answer has no results"),
            ("cut in the middle", "unavailable", "Connection"),
            ("cut before the head", "unavailable", "Connection"),
            ("huge", "unavailable", "its answer is larger than 2,097,152 bytes"),
        ],
    )
    @pytest_twisted.ensureDeferred
    async def test_told(self, reactor: Any, searxng: FakeSearXNG, behaviour: str, code: str, reason: str) -> None:
        """What went wrong is told by a code for the client and a sentence for the log, and nothing is left open."""
        searxng.enqueue(BEHAVIOURS[behaviour])
        with capturedLogs() as logged:
            error = await failed(searching(reactor, searxng.url))
        assert error.error_code == code
        assert reason in error.reason
        assert [event["reason"] for event in logged if event.get("event") == "web_search"] == [error.reason]
        assert len(searxng.requests) == 1
        await closed(reactor, searxng)

    @pytest.mark.parametrize(
        ("status", "code"),
        [(401, "unavailable"), (403, "unavailable"), (413, "request_too_large"), (432, "too_many_requests")],
    )
    @pytest_twisted.ensureDeferred
    async def test_statuses(self, reactor: Any, searxng: FakeSearXNG, status: int, code: str) -> None:
        """Refusals by status are told apart as far as the API has words for them."""
        searxng.enqueue(Answer(status))
        assert (await failed(searching(reactor, searxng.url))).error_code == code

    @pytest_twisted.ensureDeferred
    async def test_json_not_allowed(self, reactor: Any, searxng: FakeSearXNG) -> None:
        """The usual mistake in a SearXNG server's settings is named."""
        searxng.formats = ("html",)
        assert "search.formats" in (await failed(searching(reactor, searxng.url))).reason

    @pytest.mark.parametrize("behaviour", ["never answers", "stops in the middle"])
    @pytest_twisted.ensureDeferred
    async def test_too_late(self, reactor: Any, searxng: FakeSearXNG, behaviour: str) -> None:
        """The whole search has one limit; then the connection is closed."""
        searxng.enqueue(BEHAVIOURS[behaviour])
        error = await failed(searching(reactor, searxng.url, timeout=0.2))
        assert (error.error_code, error.reason) == ("unavailable", "no answer within 0.2 s")
        await closed(reactor, searxng)

    @pytest_twisted.ensureDeferred
    async def test_cancelled(self, reactor: Any, searxng: FakeSearXNG) -> None:
        """A client that leaves ends its search; that is nobody's failure and not logged as one."""
        searxng.enqueue(BEHAVIOURS["never answers"])
        with capturedLogs() as logged:
            under_way = searching(reactor, searxng.url).search(QUESTION)
            while not searxng.requests:
                await deferLater(reactor, 0.01)
            under_way.cancel()
            with pytest.raises(CancelledError):
                await under_way
        await closed(reactor, searxng)
        assert [event for event in logged if event.get("event") == "web_search"] == []

    @pytest_twisted.ensureDeferred
    async def test_nobody_there(self, reactor: Any, searxng: FakeSearXNG) -> None:
        """A server that is down is unavailable."""
        url = searxng.url
        await searxng.stop()
        error = await failed(searching(reactor, url))
        assert error.error_code == "unavailable"
        assert "refused" in error.reason

    @pytest.mark.parametrize(
        "url", ["http://a..b.example", "http://nobody.invalid", "http://n\u00f6.invalid", "http://\u00f6..x"]
    )
    @pytest_twisted.ensureDeferred
    async def test_no_such_host(self, reactor: Any, url: str) -> None:
        """An address that cannot be asked is told, and no fault of ours is logged."""
        assert (await failed(searching(reactor, url))).error_code == "unavailable"


class AddressTests:
    """Whom a search may ask."""

    @pytest.mark.parametrize("engine", ["brave", "tavily"])
    @pytest_twisted.ensureDeferred
    async def test_hosted_engine_inside(self, reactor: Any, searxng: FakeSearXNG, engine: Any) -> None:
        """A hosted engine whose name leads into this network gets neither the question nor the key."""
        settings = WebSearch(engine=engine, url=f"http://localhost:{searxng.port}", api_key=Secret("k"))
        error = await failed(ConfiguredSearch(reactor, settings, "x"))
        assert error.error_code == "unavailable"
        assert "is not a public address" in error.reason
        assert searxng.requests == []

    @pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"])
    @pytest_twisted.ensureDeferred
    async def test_metadata(self, reactor: Any, host: str) -> None:
        """Where clouds keep credentials nobody searches, not even on the owner's word."""
        error = await failed(searching(reactor, f"http://{host}"))
        assert error.error_code == "unavailable"
        assert "is a link-local address" in error.reason

    def test_all_engines(self) -> None:
        """Every engine that can be configured is there, by its name."""
        assert sorted(ENGINES) == ["brave", "searxng", "tavily"]
        assert all(engine.name == name for name, engine in ENGINES.items())


class ConfiguredTests:
    """What the configuration asks for."""

    def test_none(self) -> None:
        """Without an engine nobody is asked anything."""
        assert configured_search(MemoryReactorClock(), WebSearch(), "x") is None

    @pytest.mark.parametrize("engine", sorted(ENGINES))
    def test_engines(self, engine: Any) -> None:
        """Every engine can be configured."""
        settings = WebSearch(engine=engine, url="https://x", api_key=Secret("k"))
        assert isinstance(configured_search(MemoryReactorClock(), settings, "x"), ConfiguredSearch)
