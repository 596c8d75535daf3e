"""The model that plays in recordings."""

from __future__ import annotations

from typing import Any

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.received import Received
from tools.scripted_model import LOOK_UP, answer

BASH = {"type": "function", "function": {"name": "Bash", "parameters": {}}}


def asked(**body: Any) -> Answer:
    """Return the answer to a request."""
    return answer(Received(method="POST", path="/v1/chat/completions", headers={}, body=b"", json=body, arrived=0.0))


class AnswerTests:
    """Its answers."""

    def test_calls_bash(self) -> None:
        """It has something looked up first."""
        told = repr(asked(messages=[{"role": "user", "content": "?"}], tools=[BASH]))
        assert all(word in told for word in ("Bash", *LOOK_UP.split()))

    def test_says_the_result(self) -> None:
        """Then it says what was found, streamed or not."""
        messages = [{"role": "tool", "content": 'requires-python = ">=3.99.1"\n'}]
        assert "This project needs Python 3.99.1 or later." in repr(asked(messages=messages, tools=[BASH]))
        assert "Python 3.99.1" in repr(asked(messages=messages, tools=[BASH], stream=True))
        nothing = [{"role": "tool", "content": "grep: pyproject.toml: No such file or directory"}]
        assert "This project does not say." in repr(asked(messages=nothing, tools=[BASH]))

    def test_side_jobs(self) -> None:
        """A request without tools gets a title, and one that is none is refused."""
        assert "Which Python it needs" in repr(asked(messages=[{"role": "user", "content": "?"}]))
        assert "messages is missing" in repr(asked())
