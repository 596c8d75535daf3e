"""What other people's clients are put through, and the model that plays the other side of it.

Each scenario is a model of its own name, so that clients may ask in any order, more than once, and whatever else
they like besides. How a client is driven through a scenario is in ``drivers``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.chat import ToolCall, chat_stream, error, sse, token_usage
from claude_bridge.testing.received import Received
from tests.end_to_end.users import said

KEY: Final = "test-key"
"""The only one that the backend takes."""

PLAIN: Final = "plain"
STREAMED: Final = "streamed"
TOOL_LOOP: Final = "tool-loop"
THINKING: Final = "thinking"
STREAMED_TOOL_LOOP: Final = "streamed-tool-loop"
IMAGE: Final = "image"
STRUCTURED: Final = "structured"
STRUCTURED_TOOL: Final = "structured-tool"
RATE_LIMITED: Final = "rate-limited"
UNAUTHORIZED: Final = "unauthorized"
OVERFLOW: Final = "overflow"

SIDE: Final = "side"
"""The model that answers what a client asks besides under a name of its own: a title for the session, say."""

ANSWER: Final = "Paris, d'accord. \N{CAT FACE} It has been the capital of France for a thousand years."
REASONING: Final = "France, they ask. That is easy: it must be Paris."
WEATHER: Final = "get_weather"
"""How the name of the tool ends: clients put something before it."""

SEARCH: Final = "ToolSearch"
"""The tool with which Claude Code lets a model look for tools that it keeps back."""

CITIES: Final = ("K\u00f6ln", "Orl\u00e9ans")
PERSON: Final = {"name": 'Zo\u00eb "Z" Brown', "age": 42}

USAGE: Final = token_usage(1200, 34, cached=1000)
"""Of every answer."""

RETRY_AFTER: Final = 1
"""Seconds that the backend asks a client to wait."""

WINDOW: Final = 8192
PROMPT: Final = 9000
"""Tokens that there are and that are needed where the conversation is too long."""


def play(backend: ScriptedBackend) -> None:
    """Let a backend play all of it."""
    backend.models = [*SCENES, SIDE]
    backend.api_key = KEY
    backend.script = _answer


def _answer(received: Received) -> Answer:
    return SCENES.get(received.json["model"], _side)(received)


def _says(text: str, **more: Any) -> Answer:
    return sse(chat_stream(text=text, usage=USAGE, split=4, **more))


def _side(_: Received) -> Answer:
    return _says("Something short")


def _plain(_: Received) -> Answer:
    return _says(ANSWER)


def _thinking(_: Received) -> Answer:
    return _says(ANSWER, reasoning=REASONING)


def _tool_loop(received: Received, reasoning: str = "") -> Answer:
    """Ask for the weather of all cities at once, then repeat what the tool said.

    A client that keeps a tool back until the model looks for it only mentions its name, so the model looks for it.
    """
    results = tool_results(received, WEATHER)
    if results:
        return _says(" and ".join(results), reasoning=reasoning)
    tools = _tools(received)
    found = [name for name in tools if name.endswith(WEATHER)]
    if found:
        return _says("I look.", tool_calls=_weather_calls(found[0]), reasoning=reasoning)
    if tool_results(received, SEARCH):
        return _says("I found no such tool.")
    texts = "\n".join(said(message) for message in received.json["messages"])
    (mentioned,) = set(re.findall(rf"\w+{WEATHER}\b", texts))
    search = ToolCall(id="call_search", name=SEARCH, arguments=json.dumps({"query": f"select:{mentioned}"}))
    return sse(chat_stream(tool_calls=[search], usage=USAGE))


def _weather_calls(name: str) -> list[ToolCall]:
    return [
        ToolCall(id=f"call_{at}", name=name, arguments=json.dumps({"city": city}, ensure_ascii=False))
        for at, city in enumerate(CITIES)
    ]


def _thinking_tool_loop(received: Received) -> Answer:
    return _tool_loop(received, REASONING)


def _image(received: Received) -> Answer:
    return _says(f"I see {len(images(received))} picture.")


def _structured(received: Received) -> Answer:
    """Return the wanted shape in the way that is asked for: as the answer, or as the call of a tool made for it."""
    told = json.dumps(PERSON)
    shape = [name for name in _tools(received) if name in SHAPE_TOOLS]
    if tool_results(received):
        return _says("Done.")
    if shape:
        return sse(chat_stream(tool_calls=[ToolCall(id="call_1", name=shape[0], arguments=told)], usage=USAGE))
    return _says(told)


SHAPE_TOOLS: Final = frozenset({"StructuredOutput", "final_result", "json", "Person"})
"""Names of tools whose input is the answer: of the agent SDKs, pydantic-ai, the AI SDK and LangChain."""


def _rate_limited(_: Received) -> Answer:
    return error(429, {"message": "slow down", "code": "rate_limit_exceeded"}, [("retry-after", str(RETRY_AFTER))])


def _overflow(_: Received) -> Answer:
    told = f"This model's maximum context length is {WINDOW} tokens. However, your prompt contains {PROMPT} tokens."
    return error(400, {"message": told, "type": "invalid_request_error", "code": "context_length_exceeded"})


SCENES: Final[Mapping[str, Callable[[Received], Answer]]] = {
    PLAIN: _plain,
    STREAMED: _plain,
    TOOL_LOOP: _tool_loop,
    THINKING: _thinking,
    STREAMED_TOOL_LOOP: _thinking_tool_loop,
    IMAGE: _image,
    STRUCTURED: _structured,
    STRUCTURED_TOOL: _structured,
    RATE_LIMITED: _rate_limited,
    UNAUTHORIZED: _plain,
    OVERFLOW: _overflow,
}
"""The scenarios; the key of `UNAUTHORIZED` is refused before its model is asked."""


def tool_results(received: Received, ending: str = "") -> list[str]:
    """Return the texts of tools' results that the model gets to see, in order, of tools whose names end so."""
    messages = received.json["messages"]
    calls = {call["id"]: call["function"]["name"] for message in messages for call in message.get("tool_calls") or ()}
    return [
        said(message)
        for message in messages
        if message["role"] == "tool" and calls[message["tool_call_id"]].endswith(ending)
    ]


def images(received: Received) -> list[str]:
    """Return the addresses of the pictures that the model gets to see."""
    return [part["image_url"]["url"] for part in _parts(received) if part["type"] == "image_url"]


def _parts(received: Received) -> list[dict[str, Any]]:
    contents = [message["content"] for message in received.json["messages"]]
    return [part for content in contents if isinstance(content, list) for part in content]


def _tools(received: Received) -> list[str]:
    return [tool["function"]["name"] for tool in received.json.get("tools", ())]
