"""Promises of the small questions to backends."""

from __future__ import annotations

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import UpstreamUnreachable
from claude_bridge.services.fetch import Fetcher, Response, address, shown
from claude_bridge.testing.fakes import FakeUpstreamClient

BACKEND = Backend(name="b", url="http://backend.test/v1")


def cancelled(failure: Failure) -> None:
    """Take the end of a wait that was cancelled; any other failure stays one."""
    failure.trap(CancelledError)


class FetchTests:
    """One question."""

    def setup_method(self) -> None:
        """Make a fetcher of a clock and a backend of our own."""
        self.clock = Clock()
        self.client = FakeUpstreamClient()
        self.fetcher = Fetcher(client=self.client, clock=self.clock, seconds=3.0, max_bytes=10)
        self.replies: list[Response | None] = []

    def ask(
        self, backend: Backend = BACKEND, key: Secret | None = None, body: bytes = b""
    ) -> Deferred[Response | None]:
        """Ask; the response is noted, None for a wait that is cancelled."""
        return self.fetcher.fetch(backend, key, "things", body).addErrback(cancelled).addCallback(self.replies.append)

    def test_get(self) -> None:
        """A question without a body is a GET, with the credential that is given."""
        self.ask(key=Secret("sk"))
        request = self.client.last.request
        assert (request.method, request.url, request.body) == ("GET", "http://backend.test/v1/things", b"")
        assert request.headers == (("Accept", "application/json"), ("Authorization", "Bearer sk"))

    def test_post(self) -> None:
        """A question with a body is a POST that says what the body is."""
        self.ask(body=b"{}")
        request = self.client.last.request
        assert (request.method, request.body) == ("POST", b"{}")
        assert ("Content-Type", "application/json") in request.headers

    def test_headers(self) -> None:
        """Configured headers replace ours of the same name."""
        self.ask(evolve(BACKEND, headers=(("accept", "x"), ("X-Y", "z"))), Secret("key"))
        assert self.client.last.request.headers == (("accept", "x"), ("Authorization", "Bearer key"), ("X-Y", "z"))

    def test_answered(self) -> None:
        """A good answer comes whole, with its headers; no timer is left."""
        self.ask()
        self.client.last.answer(b"ab", b"c", headers={"server": "x"})
        assert self.replies == [Response(200, {"server": "x"}, b"abc")]
        assert self.replies[0] is not None
        assert self.replies[0].good
        assert self.clock.getDelayedCalls() == []

    @pytest.mark.parametrize("status", [204, 301, 404, 500])
    def test_refused(self, status: int) -> None:
        """Of any other answer the status is enough: its body is not waited for."""
        self.ask()
        self.client.last.head(status)
        assert self.replies == [Response(status)]
        assert self.replies[0] is not None
        assert not self.replies[0].good
        assert self.client.last.cancelled
        assert self.clock.getDelayedCalls() == []

    def test_failed(self) -> None:
        """Without an answer, or with half of one, there is none."""
        self.ask()
        self.client.last.end(UpstreamUnreachable("refused"))
        self.ask()
        self.client.last.head()
        self.client.last.data(b"ab")
        self.client.last.end(UpstreamUnreachable("reset"))
        assert self.replies == [Response(), Response()]

    def test_late(self) -> None:
        """It ends when its time is up, whatever has come by then."""
        self.ask()
        self.client.last.head()
        self.client.last.data(b"ab")
        self.clock.advance(3)
        assert self.replies == [Response()]
        assert self.client.last.cancelled

    def test_too_long(self) -> None:
        """It ends when more comes than is read."""
        self.ask()
        self.client.last.head()
        self.client.last.data(b"0123456789")
        assert not self.client.last.cancelled
        self.client.last.data(b"0")
        assert self.client.last.cancelled
        assert self.replies == [Response()]
        assert self.clock.getDelayedCalls() == []

    def test_abandoned(self) -> None:
        """Who does not want to know any more hears no more than that."""
        self.ask().cancel()
        assert self.client.last.cancelled
        assert self.replies == [None]
        assert self.clock.getDelayedCalls() == []


class ShownTests:
    """What of an address may be told."""

    @pytest.mark.parametrize("url", ["http://u:p@h:1/v1", "http://h:1/v1?key=k", "http://u:p%40x@h:1/v1#f"])
    def test_secrets(self, url: str) -> None:
        """Neither user nor password nor query is."""
        assert shown(url) == "http://h:1/v1"


class AddressTests:
    """Where things are at a backend."""

    @pytest.mark.parametrize(
        ("url", "beside"),
        [
            ("http://h/v1", "http://h/v1/models"),
            ("http://h/v1/", "http://h/v1/models"),
            ("http://h", "http://h/models"),
            ("http://h/v1/chat/completions", "http://h/v1/models"),
            ("http://h/v1/chat/completions?api-version=3", "http://h/v1/models?api-version=3"),
        ],
    )
    def test_behind_the_base(self, url: str, beside: str) -> None:
        """Both ways to write a backend's url lead there."""
        assert address(url, "models") == beside

    @pytest.mark.parametrize(
        ("url", "root"),
        [
            ("http://h:8000/v1", "http://h:8000/tokenize"),
            ("http://h:8000", "http://h:8000/tokenize"),
            ("http://h/v1/chat/completions", "http://h/tokenize"),
            ("https://h/llm/v1/", "https://h/llm/tokenize"),
            ("https://h/v1/llm", "https://h/v1/llm/tokenize"),
            ("https://h/llm/v1?a=b", "https://h/llm/tokenize?a=b"),
        ],
    )
    def test_at_the_root(self, url: str, root: str) -> None:
        """A path with a slash stands in place of the version, behind the prefix of a proxy."""
        assert address(url, "/tokenize") == root
