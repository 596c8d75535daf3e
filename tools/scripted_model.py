"""A model for recordings, without a model: it has the client look up which Python the project needs, and says it.

The answer holds for longer than a recording: it is no number that changes with every commit.

``python -m tools.scripted_model`` serves it on a free port of loopback, and prints its address.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import ToolCall, chat_json, chat_stream, error, sse
from claude_bridge.testing.received import Received

MODEL: Final = "Qwen/Qwen3-Coder-30B-A3B-Instruct"
WINDOW: Final = 131_072
LOOK_UP: Final = "grep requires-python pyproject.toml"
ANNOUNCEMENT: Final = "listening on "

_PAUSE: Final = 0.05
_VERSION: Final = re.compile(r">=(\d[\d.]*\d)")


def answer(received: Received) -> Answer:
    """Return a call of Bash, or what follows from its result; without that tool, as in side jobs, a title."""
    request = received.json
    if "messages" not in request:
        return error(400, {"message": "messages is missing", "type": "invalid_request_error"})
    last, offered = request["messages"][-1], {tool["function"]["name"] for tool in request.get("tools", ())}
    text = "Which Python it needs"
    called: tuple[ToolCall, ...] = ()
    if last["role"] == "tool":
        text = needed(_text(last["content"]))
    elif "Bash" in offered:
        arguments = json.dumps({"command": LOOK_UP, "description": "Look up the Python version"})
        text, called = "", (ToolCall(id="call_1", name="Bash", arguments=arguments),)
    if not request.get("stream"):
        return chat_json(text=text or None, tool_calls=called, model=MODEL)
    return sse(chat_stream(text=text, tool_calls=called, model=MODEL), pause=_PAUSE)


def needed(line: str) -> str:
    """Return a sentence about the oldest Python that a line of pyproject.toml allows."""
    version = _VERSION.search(line)
    return f"This project needs Python {version[1]} or later." if version else "This project does not say."


def _text(content: Any) -> str:  # noqa: ANN401 - JSON
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def _serve(reactor: Any) -> Deferred[None]:  # noqa: ANN401 - any reactor
    keys = {"max_model_len": WINDOW}
    backend = ScriptedBackend(reactor, answer, models=[MODEL], model_keys=keys, strict=False)
    backend.start(0)
    sys.stdout.write(f"{ANNOUNCEMENT}{backend.url}\n")
    sys.stdout.flush()
    return Deferred()  # until it is stopped


if __name__ == "__main__":
    react(_serve)
