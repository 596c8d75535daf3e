"""Promises of replies: the one place where an error becomes HTTP."""

from __future__ import annotations

import pytest

from claude_bridge.core.errors import (
    BridgeError,
    BridgeOverloaded,
    InvalidRequest,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from claude_bridge.edge.replies import write_error, write_json
from claude_bridge.edge.request import BridgeRequest
from tests.edge.stage import Answered, Edge


def replied(error: BridgeError | None = None, method: str = "GET") -> Answered:
    """Answer a request by the function itself, in place of any route."""

    class Plain(BridgeRequest):
        def process(self) -> None:
            if error is None:
                write_json(self, b'{"a":1}', 201)
            else:
                write_error(self, error, self.request_id)

    line = Edge().line()
    line.make_requests(Plain)
    line.ask(method, "/")
    return line.answer()


class ReplyTests:
    """JSON and errors."""

    def test_json(self) -> None:
        """A body of known length, of the right type, with the request's id."""
        answer = replied()
        assert (answer.status, answer.json) == (201, {"a": 1})
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["content-length"] == "7"
        assert answer.headers["request-id"].startswith("req_")

    def test_head(self) -> None:
        """HEAD gets the head alone."""
        answer = replied(method="HEAD")
        assert (answer.status, answer.body, answer.headers["content-length"]) == (201, b"", "7")

    def test_error(self) -> None:
        """An error is the envelope under its own status, without headers that say nothing."""
        answer = replied(InvalidRequest("model: Field required"))
        assert answer.status == 400
        assert answer.error == {"type": "invalid_request_error", "message": "model: Field required"}
        assert not {"retry-after", "x-should-retry"} & set(answer.headers)

    @pytest.mark.parametrize(
        ("error", "status", "phrase"),
        [
            (UpstreamRateLimited("slow"), 429, "Too Many Requests"),
            (BridgeOverloaded("busy", retry_after=1.0), 529, "Overloaded"),
            (InvalidRequest("no"), 400, "Bad Request"),
        ],
    )
    def test_phrase(self, error: BridgeError, status: int, phrase: str) -> None:
        """A person who looks at the first line reads what the status means."""
        answer = replied(error)
        assert (answer.status, answer.phrase) == (status, phrase)

    @pytest.mark.parametrize(("seconds", "told"), [(7.0, "7"), (6.2, "7"), (0.0, "1"), (0.3, "1")])
    def test_retry_after(self, seconds: float, told: str) -> None:
        """The wait is in whole seconds, rounded up, and never none."""
        assert replied(UpstreamUnavailable("loading", retry_after=seconds)).headers["retry-after"] == told

    @pytest.mark.parametrize(("should", "told"), [(True, "true"), (False, "false")])
    def test_should_retry(self, should: bool, told: str) -> None:
        """Where it is known whether another try can help, the client is told."""
        assert replied(UpstreamRateLimited("slow", should_retry=should)).headers["x-should-retry"] == told
