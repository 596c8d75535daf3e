"""Users of the real Claude Code client, and backends' answers that play the model for them.

A module imports the fixtures `program`, `new_user` and `user` to have them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import ToolCall, chat_stream, sse
from claude_bridge.testing.received import Received
from tests.end_to_end.claude_code import ClaudeCode, installed
from tests.end_to_end.daemon import Daemon
from tests.npm import npm

__all__ = [
    "ALLOWED",
    "CLIENT",
    "NewUser",
    "calls",
    "messages",
    "new_user",
    "program",
    "requests",
    "said",
    "says",
    "user",
]

CLIENT = [
    pytest.mark.client,
    pytest.mark.skipif(npm() is None, reason="npm is not installed, so Claude Code cannot be"),
]
"""The marks of tests that start the client."""

ALLOWED = ("--allowedTools", "Bash,Read,Edit,Agent,WebSearch,ToolSearch")


PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAIAAAACUFjqAAAAEklEQVR42mNoUDDAgxhGpbEhAFUVUUGnJ1SKAAAAAElFTkSuQmCC"
"""A PNG of 10 by 10 pixels."""


class NewUser(Protocol):
    """Makes users of the client, each with an empty home."""

    def __call__(self, daemon: Daemon) -> ClaudeCode:
        """Make one whose client talks to ``daemon``."""


@pytest.fixture(scope="session")
def program() -> Path:
    """Return the client's program."""
    return installed()


@pytest.fixture
def new_user(reactor: Any, program: Path, backend: ScriptedBackend, tmp_path: Path) -> Iterator[NewUser]:
    """Yield the means to make users, and check in the end that every request was good and no daemon had a fault."""
    served: list[Daemon] = []

    def make(daemon: Daemon) -> ClaudeCode:
        served.append(daemon)
        folder = tmp_path / f"user{len(served)}"
        return ClaudeCode(reactor=reactor, program=program, folder=folder, url=daemon.url)

    yield make
    assert [one.problems for one in backend.chats] == [()] * len(backend.chats)
    assert [line for daemon in served for line in daemon.lines if "traceback" in line] == []


@pytest.fixture
def user(new_user: NewUser, daemon: Daemon) -> ClaudeCode:
    """Return a user of a daemon with default settings."""
    return new_user(daemon)


def says(text: str, **more: Any) -> Answer:
    """Let the model say something."""
    return sse(chat_stream(text=text, **more))


def calls(name: str, call_id: str = "call_1", *, reasoning: str = "", **arguments: Any) -> Answer:
    """Let the model call a tool."""
    call = ToolCall(id=call_id, name=name, arguments=json.dumps(arguments))
    return sse(chat_stream(reasoning=reasoning, tool_calls=[call]))


def messages(received: Received, role: str) -> list[dict[str, Any]]:
    """Return the messages of one role that the backend got."""
    return [message for message in received.json["messages"] if message["role"] == role]


def said(message: dict[str, Any]) -> str:
    """Return a message's text."""
    content = message["content"]
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content or ())


def requests(daemon: Daemon, kind: str = "") -> list[dict[str, Any]]:
    """Return the log lines of one kind of request."""
    return [line for line in daemon.events("request") if line["kind"] == kind]
