"""Promises of errors: whatever fails, the client reads the envelope and nothing of ours leaks."""

from __future__ import annotations

import json

import pytest
from twisted.internet.defer import Deferred
from twisted.logger import LogEvent

from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.model_list import ModelInfo
from tests.edge.stage import Edge
from tests.services.exchange.stage import BrokenLists, HangingLists, asking, configured

BARE = "[backend:default]\nurl = http://box/v1\n"


def edge_with(lists: HangingLists) -> Edge:
    """Make an edge that asks ``lists``."""
    edge = Edge(configured(BARE))
    edge.stage.lists = lists
    edge.stage.__attrs_post_init__()
    return edge


class UnknownPathTests:
    """Paths and methods that there are not."""

    @pytest.mark.parametrize(
        "path",
        ["/nonsense", "/v1", "/v1/messages/", "/v1/messages/batches", "/v1/models/",
         "/favicon.ico", "/../etc/passwd", "/v1/messages;x", "*", "localhost:8080", "http://evil.example/v1/models"],
    )  # fmt: skip
    def test_404(self, path: str) -> None:
        """Anything else is a 404 in the envelope."""
        edge = Edge()
        answer = edge.get(path)
        assert (answer.status, answer.error["type"]) == (404, "not_found_error")

    def test_v1_twice(self) -> None:
        """Clients add /v1 to the address that they are given; who has given one with it is told what to remove."""
        answer = Edge().get("/v1/v1/models")
        assert answer.error["message"] == "unknown path /v1/v1/models: remove /v1 from ANTHROPIC_BASE_URL"
        assert Edge().get("/v2/models").error["message"] == "unknown path /v2/models"

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("GET", "/v1/messages", "POST"),
            ("DELETE", "/v1/messages", "POST"),
            ("OPTIONS", "/v1/messages", "POST"),
            ("GET", "/v1/messages/count_tokens", "POST"),
            ("POST", "/v1/models", "GET, HEAD"),
            ("PUT", "/health", "GET, HEAD, OPTIONS"),
            ("POST", "/", "GET, HEAD, OPTIONS"),
            ("BREW", "/v1/messages", "POST"),
        ],
    )
    def test_405(self, method: str, path: str, allowed: str) -> None:
        """A wrong method is a 405 in the envelope that names the right ones; no CORS header invites anybody."""
        edge = Edge()
        answer = edge.get(path, method)
        assert (answer.status, answer.error["type"]) == (405, "invalid_request_error")
        assert answer.headers["allow"] == allowed
        assert not any(name.startswith("access-control") for name in answer.headers)
        assert edge.refusals == ["method_not_allowed"]

    @pytest.mark.parametrize("path", ["/%ff", "/v1/models/%ff%fe", "/%C3"])
    def test_path_that_is_not_utf8(self, path: str) -> None:
        """A path of broken bytes is a 400 in the envelope, and no page of Klein's."""
        answer = Edge().get(path)
        assert (answer.status, answer.error["type"]) == (400, "invalid_request_error")

    def test_long_path_is_cut(self) -> None:
        """A path is not repeated at any length."""
        assert len(Edge().get("/" + "x" * 10_000).error["message"]) < 300


class FaultTests:
    """Faults of our own."""

    def test_500(self, logged_failures: list[LogEvent]) -> None:
        """A bug is a plain 500 to the client and a traceback in the log."""
        answer = edge_with(BrokenLists()).get("/v1/models")
        assert (answer.status, answer.error["type"]) == (500, "api_error")
        assert "secret detail" not in answer.error["message"]
        assert len(logged_failures) == 1
        assert logged_failures[0]["request_id"] == answer.headers["request-id"]
        logged_failures.clear()

    def test_client_that_leaves_is_no_fault(self) -> None:
        """Whoever hangs up while a list is waited for leaves nothing in the log."""
        edge = edge_with(HangingLists())
        line = edge.line()
        line.ask("GET", "/v1/models")
        line.leave()
        assert (edge.refusals, edge.answers) == ([], ["models left"])

    def test_client_that_leaves_while_its_tokens_are_counted(self) -> None:
        """The same where a backend's list is waited for to count."""
        edge = edge_with(HangingLists())
        line = edge.line()
        line.ask("POST", "/v1/messages/count_tokens", json.dumps(asking(model="no-such")).encode())
        line.leave()
        assert (edge.refusals, edge.answers) == ([], ["count_tokens left"])

    def test_client_that_left_before_a_late_fault(self, logged_failures: list[LogEvent]) -> None:
        """A bug that shows only when the client has gone is logged, and nothing more breaks over it."""
        late: list[Deferred[tuple[ModelInfo, ...]]] = []

        class Stubborn(HangingLists):
            def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:
                del backend, credential
                late.append(Deferred(lambda waiting: waiting.errback(RuntimeError("bug"))))
                return late[-1]

        edge = edge_with(Stubborn())
        line = edge.line()
        line.ask("GET", "/v1/models")
        line.leave()
        assert len(logged_failures) <= 1
        logged_failures.clear()
