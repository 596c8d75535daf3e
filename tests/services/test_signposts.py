"""Promises of the look around a server whose url is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.errors import UpstreamUnreachable
from claude_bridge.core.kinds import KINDS
from claude_bridge.services.interfaces import Signposts as Seam
from claude_bridge.services.interfaces import UpstreamRequest
from claude_bridge.services.signposts import MEMORY_SECONDS, WAIT_SECONDS, Signposts
from claude_bridge.testing.fakes import FakeUpstreamClient

BACKEND = Backend(name="ui", url="http://h:3000")
LIST = json.dumps({"data": [{"id": "a"}, {"id": "b"}]}).encode()
ONE_MODEL = json.dumps({"data": [{"id": "a"}]}).encode()
ANTHROPICS = "Anthropic's Messages API"
CHAT = "http://h/v1/chat/completions"
NOTHING: Mapping[str, int] = {}
PAGE = b"<!doctype html><title>Open WebUI</title>"


class SignpostsTests:
    """Lists are looked for at the usual places, and nothing else is ever sent there."""

    def setup_method(self) -> None:
        """Make a look with a clock and a server of our own."""
        self.clock = Clock()
        self.client = FakeUpstreamClient()
        self.signposts = Signposts(self.client, self.clock, KINDS)

    def look(self, backend: Backend = BACKEND, key: str | None = None) -> list[str]:
        """Look; the sentence is noted once it is there."""
        told: list[str] = []
        seam: Seam = self.signposts
        seam.look(backend, None if key is None else Secret(key)).addCallback(told.append)
        return told

    def answer(self, bodies: Mapping[str, bytes], status: int = 404, apis: Mapping[str, int] = NOTHING) -> None:
        """Let the server have lists at some places, and answer everywhere else with a status.

        ``apis``: its answers to requests without content, by URL.
        """
        while open_calls := [call for call in self.client.calls if not call.over]:
            for call in open_calls:
                if call.request.method == "POST":
                    call.answer(b"", status=apis.get(call.request.url, status))
                else:
                    body = bodies.get(call.request.url.partition("?")[0])
                    call.answer(body or b"", status=status if body is None else 200)

    def posts(self) -> list[UpstreamRequest]:
        """Return the requests without content."""
        return [call.request for call in self.client.calls if call.request.method == "POST"]

    def test_places(self) -> None:
        """The places are on the configured server, each is asked once with a GET, with the credential as always."""
        self.look(key="k")
        asked = [call.request for call in self.client.calls]
        assert [request.url for request in asked] == [
            "http://h:3000/models",
            "http://h:3000/v1/models",
            "http://h:3000/api/models",
            "http://h:3000/api/v1/models",
            "http://h:3000/openai/v1/models",
        ]
        assert {(request.method, request.body) for request in asked} == {("GET", b"")}
        assert all(("Authorization", "Bearer k") in request.headers for request in asked)

    @pytest.mark.parametrize(
        ("url", "lists", "sentence"),
        [
            (
                "http://h:3000",
                {"http://h:3000/v1/models": LIST},
                "GET http://h:3000/v1/models lists 2 models: set `url = http://h:3000/v1`",
            ),
            (
                "http://h:3000/v1",
                {"http://h:3000/api/models": ONE_MODEL, "http://h:3000/v1/models": PAGE},
                "GET http://h:3000/api/models lists 1 model: set `url = http://h:3000/api`",
            ),
            (
                "http://h:3000/v1",
                {"http://h:3000/v1/models": LIST, "http://h:3000/api/models": LIST},
                "GET http://h:3000/v1/models lists 2 models, so this server may not have chat completions",
            ),
            ("http://h:3000/v1", {}, "GET http://h:3000/api/models answers 404: is it the right server?"),
            (
                "http://h:3000",
                {"http://h:3000/v1/models": PAGE},
                "GET http://h:3000/v1/models gives no list of models either: is it the right server?",
            ),
        ],
    )
    def test_sentence(self, url: str, lists: dict[str, bytes], sentence: str) -> None:
        """Where a list is found the right url is told, else what is there."""
        told = self.look(evolve(BACKEND, url=url))
        assert told == []
        self.answer(lists)
        assert told == [sentence]
        assert self.clock.getDelayedCalls() == []

    def test_credential_wanted(self) -> None:
        """A place that wants a credential is probably an API."""
        told = self.look()
        self.answer({}, status=401)
        (sentence,) = told
        url = "http://h:3000/v1"
        assert sentence == f"{url}/chat/completions answers 401, as an API does: perhaps `url = {url}`"

    def test_credential_wanted_for_the_list(self) -> None:
        """A list that wants a credential is probably that of an API."""
        told = self.look()
        for call in list(self.client.calls):
            call.answer(b"", status=401)
        self.answer({})
        assert told == ["GET http://h:3000/v1/models answers 401, as an API does: perhaps `url = http://h:3000/v1`"]

    @pytest.mark.parametrize(
        ("kind", "url", "lists", "api", "sentence"),
        [
            (
                *("openai", "http://h/v1", [], "http://h/v1/messages"),
                "http://h/v1/messages answers as Anthropic's Messages API does: set `kind = anthropic`",
            ),
            (
                *("openai", "http://h/v1", ["http://h/v1/models"], "http://h/v1/messages"),
                "http://h/v1/messages answers as Anthropic's Messages API does: set `kind = anthropic`",
            ),
            (
                *("openai", "http://h/anthropic", [], "http://h/anthropic/v1/messages"),
                "http://h/anthropic/v1/messages answers as Anthropic's Messages API does: set `kind = anthropic`",
            ),
            (
                *("anthropic", "http://h", ["http://h/v1/models"], "http://h/v1/chat/completions"),
                f"{CHAT} answers as chat completions does: set `kind = openai` and `url = http://h/v1`",
            ),
            (
                *("anthropic", "http://h", ["http://h/api/v1/models"], "http://h/api/v1/messages"),
                "GET http://h/api/v1/models lists 2 models: set `url = http://h/api`",
            ),
            (
                *("anthropic", "http://h", ["http://h/v1/models"], "http://h/anthropic/v1/messages"),
                "http://h/anthropic/v1/messages answers as Anthropic's Messages API does: set `url = http://h/anthropic`",
            ),
            (
                *("anthropic", "http://h/anthropic", ["http://h/v1/models"], "http://h/v1/messages"),
                "GET http://h/v1/models lists 2 models: set `url = http://h`",
            ),
            (
                *("openai", "http://h/api", [], "http://h/v1/messages"),
                f"http://h/v1/messages answers as {ANTHROPICS} does: set `kind = anthropic` and `url = http://h`",
            ),
            (
                *("anthropic", "http://h", ["http://h/v1/models"], ""),
                "GET http://h/v1/models lists 2 models, so this server may not have Anthropic's Messages API",
            ),
        ],
    )
    def test_kinds(self, kind: Any, url: str, lists: list[str], api: str, sentence: str) -> None:
        """The API of each kind is looked for, and the url is one of the kind's own notion."""
        told = self.look(evolve(BACKEND, kind=kind, url=url))
        self.answer(dict.fromkeys(lists, LIST), apis={api: 400})
        assert told == [sentence]

    def test_requests_for_an_api(self) -> None:
        """A request for an API has no content, and the headers that the kind demands."""
        self.look(evolve(BACKEND, url="http://h/v1"), key="k")
        self.answer({})
        posts = {request.url: request for request in self.posts()}
        assert {request.body for request in posts.values()} == {b"{}"}
        headers = [(name.lower(), value) for name, value in posts["http://h/v1/messages"].headers]
        assert ("anthropic-version", "2023-06-01") in headers
        assert ("authorization", "Bearer k") in headers
        assert "http://h/v1/chat/completions" not in posts  # which is known to be wrong
        assert len(posts) == len(self.posts())

    def test_secrets_of_a_url(self) -> None:
        """What is secret in a url is sent and not told."""
        told = self.look(evolve(BACKEND, url="http://user:pass@h:3000/v1?key=hidden"))
        assert self.client.calls[0].request.url == "http://user:pass@h:3000/v1/models?key=hidden"
        self.answer({}, status=500)
        assert "h:3000" in told[0]
        assert "pass" not in told[0]
        assert "hidden" not in told[0]

    def test_server_that_hangs(self) -> None:
        """Nobody waits for longer than two seconds for each of the two rounds."""
        told = self.look()
        self.client.calls[0].end(UpstreamUnreachable("refused"))
        self.clock.advance(WAIT_SECONDS)
        self.clock.advance(WAIT_SECONDS)
        assert told == ["GET http://h:3000/v1/models does not answer: is it the right server?"]
        assert all(call.over for call in self.client.calls)

    def test_once_a_minute(self) -> None:
        """Requests that fail in a row ask once a minute, and all are told the same."""
        first, second = self.look(), self.look(key="other")
        assert len(self.client.calls) == 5
        self.answer({})
        asked = len(self.client.calls)
        self.clock.advance(MEMORY_SECONDS - 1)
        assert first == second == self.look()
        assert len(self.client.calls) == asked
        self.clock.advance(1)
        self.look()
        assert len(self.client.calls) == asked + 5

    def test_backends_are_apart(self) -> None:
        """What is said of one backend is not said of another."""
        self.look()
        self.look(evolve(BACKEND, name="other", url="http://other/v1"))
        assert {call.request.backend.name for call in self.client.calls} == {"ui", "other"}

    def test_who_asked_may_leave(self) -> None:
        """A client that leaves disturbs nobody else."""
        failed: list[Any] = []
        leaving = self.signposts.look(BACKEND, None).addErrback(failed.append)
        staying = self.look()
        leaving.cancel()
        self.answer({})
        assert failed[0].check(CancelledError)
        assert len(staying) == 1
