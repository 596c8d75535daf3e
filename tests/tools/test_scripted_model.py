"""The model that plays in recordings."""

from __future__ import annotations

from typing import Any

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.received import Received
from tools.scripted_model import COUNT, answer

BASH = {"type": "function", "function": {"name": "Bash", "parameters": {}}}


def asked(**body: Any) -> Answer:
    """Return the answer to a request."""
    return answer(Received(method="POST", path="/v1/chat/completions", headers={}, body=b"", json=body, arrived=0.0))


class AnswerTests:
    """Its answers."""

    def test_calls_bash(self) -> None:
        """It counts files first."""
        told = repr(asked(messages=[{"role": "user", "content": "?"}], tools=[BASH]))
        assert all(word in told for word in ("Bash", *COUNT.replace("'", "").split()))

    def test_says_the_result(self) -> None:
        """Then it says how many there are, streamed or not."""
        messages = [{"role": "tool", "content": "12\n"}]
        assert "There are 12 Python files in src." in repr(asked(messages=messages, tools=[BASH]))
        assert "There are 12" in repr(asked(messages=messages, tools=[BASH], stream=True))

    def test_side_jobs(self) -> None:
        """A request without tools gets a title, and one that is none is refused."""
        assert "Counting files" in repr(asked(messages=[{"role": "user", "content": "?"}]))
        assert "messages is missing" in repr(asked())
