"""A model for recordings, without a model: it has the client count files, and then says how many there are.

``python -m tools.scripted_model`` serves it on a free port of loopback, and prints its address.
"""

from __future__ import annotations

import json
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
COUNT: Final = "find src -name '*.py' | wc -l"
ANNOUNCEMENT: Final = "listening on "

_PAUSE: Final = 0.05


def answer(received: Received) -> Answer:
    """Return a call of Bash, or what follows from its result; without that tool, as in side jobs, a title."""
    request = received.json
    if "messages" not in request:
        return error(400, {"message": "messages is missing", "type": "invalid_request_error"})
    last, offered = request["messages"][-1], {tool["function"]["name"] for tool in request.get("tools", ())}
    text = "Counting files"
    called: tuple[ToolCall, ...] = ()
    if last["role"] == "tool":
        text = f"There are {_text(last['content']).strip()} Python files in src."
    elif "Bash" in offered:
        arguments = json.dumps({"command": COUNT, "description": "Count Python files"})
        text, called = "", (ToolCall(id="call_1", name="Bash", arguments=arguments),)
    if not request.get("stream"):
        return chat_json(text=text or None, tool_calls=called, model=MODEL)
    return sse(chat_stream(text=text, tool_calls=called, model=MODEL), pause=_PAUSE)


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
