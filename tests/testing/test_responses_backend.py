"""Tests for `claude_bridge.testing.responses_backend`."""

from __future__ import annotations

from claude_bridge.testing.chat import sse
from claude_bridge.testing.received import Received
from claude_bridge.testing.responses import response_stream
from claude_bridge.testing.responses_backend import ResponsesBackend


def received(path: str, json: object) -> Received:
    """Build a request."""
    return Received(method="POST", path=path, headers={}, body=b"", json=json, arrived=0.0)


class AnswerTests:
    """What it answers."""

    def test_responses_alone(self) -> None:
        """It answers valid requests of the Responses API as told, refuses others, and has no chat completions."""
        backend = ResponsesBackend(reactor=None)
        answer = sse(response_stream(text="hi"))
        backend.enqueue(answer)
        good = {"model": "test-model", "input": [{"type": "message", "role": "user", "content": "hi"}]}

        assert backend.answer(received("/v1/responses", {**good, "stop": "x"})).status == 400
        assert backend.answer(received("/v1/chat/completions", good)).status == 404
        assert backend.answer(received("/v1/responses", good)) is answer
        assert len(backend.chats) == 2
