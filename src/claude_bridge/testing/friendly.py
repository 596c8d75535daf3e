"""A backend without a model that behaves like one: it echoes, thinks aloud when asked, and calls tools on request.

``call NAME {"argument": 1}`` in the last user text makes it call a tool; with a forced tool choice it makes up
arguments that fit the tool's schema.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Literal

import msgspec
from attrs import define, field, frozen

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import ToolCall, chat_json, chat_stream, sse, token_usage
from claude_bridge.testing.received import Received

__all__ = ["Friendly"]

CALL = re.compile(r"call\s+([A-Za-z0-9_-]{1,64})\s*(\{.*\})", re.DOTALL)
CHARACTERS_PER_TOKEN = 4
REASONING = "The user said something, so I shall say it back."
SAMPLES: Mapping[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "array": [], "null": None}


@frozen(kw_only=True)
class _Words:
    """What an answer says before it is cut to length and framed."""

    text: str = ""
    calls: tuple[ToolCall, ...] = ()


@define(kw_only=True)
class Friendly:
    """Answers any valid chat completion request.

    :ivar reasoning: think aloud when asked (``reasoning_effort``, ``thinking``, ``enable_thinking``), always or never.
    :ivar pause: seconds between two deltas of a stream.
    """

    reasoning: Literal["auto", "always", "never"] = "auto"
    pause: float = 0.0
    _ids: Iterator[int] = field(factory=count, init=False)

    def __call__(self, received: Received) -> Answer:
        """Answer one request."""
        request = received.json
        words = self._words(request)
        text, finish = _limited(words, request)
        reasoning = REASONING if self._thinks(request) else ""
        completion = _tokens(reasoning + text) + sum(_tokens(call.arguments) for call in words.calls)
        usage = token_usage(_tokens(received.body), completion, cached=0, reasoning=_tokens(reasoning))
        if not request.get("stream"):
            return chat_json(
                text=text or None, reasoning=reasoning, tool_calls=words.calls, finish=finish, usage=usage,
                model=request["model"],
            )  # fmt: skip
        wanted = (request.get("stream_options") or {}).get("include_usage")
        parts = chat_stream(
            text=text, reasoning=reasoning, tool_calls=words.calls, finish=finish, usage=usage if wanted else None,
            model=request["model"],
        )  # fmt: skip
        return sse(parts, pause=self.pause)

    def _thinks(self, request: Mapping[str, Any]) -> bool:
        asked = (
            request.get("reasoning_effort") not in (None, "none")
            or (request.get("thinking") or {}).get("type") in ("enabled", "adaptive")
            or (request.get("chat_template_kwargs") or {}).get("enable_thinking") is True
        )
        return self.reasoning == "always" or (self.reasoning == "auto" and asked)

    def _words(self, request: Mapping[str, Any]) -> _Words:
        last = request["messages"][-1]
        said = _text(last.get("content"))
        if last["role"] == "tool":
            return _Words(text=f"The tool said: {said}")
        functions = {tool["function"]["name"]: tool["function"] for tool in request.get("tools") or ()}
        call = self._call(said, functions, request.get("tool_choice", "auto"))
        return _Words(calls=(call,)) if call else _Words(text=f"You said: {said}")

    def _call(self, said: str, functions: Mapping[str, Any], choice: Any) -> ToolCall | None:  # noqa: ANN401 - JSON
        if not functions or choice == "none":
            return None
        asked = CALL.search(said)
        if asked and asked[1] in functions and _is_json(asked[2]):
            return self._made(asked[1], asked[2])
        if choice == "auto":
            return None
        name = choice["function"]["name"] if isinstance(choice, Mapping) else next(iter(functions))
        sample = _sample(functions[name].get("parameters") or {})
        return self._made(name, msgspec.json.encode(sample).decode())

    def _made(self, name: str, arguments: str) -> ToolCall:
        return ToolCall(id=f"call_{next(self._ids)}", name=name, arguments=arguments)


def _text(content: str | Sequence[Mapping[str, Any]] | None) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    return "\n".join(part["text"] if part["type"] == "text" else f"[{part['type']}]" for part in content)


def _limited(words: _Words, request: Mapping[str, Any]) -> tuple[str, str | None]:
    """Cut the text where the request says, and return the finish reason if that is not the usual one."""
    text = words.text
    stops = request.get("stop") or ()
    for stop in (stops,) if isinstance(stops, str) else stops:
        text = text.partition(stop)[0]
    most = request.get("max_completion_tokens") or request.get("max_tokens")
    if most is not None and len(text) > most * CHARACTERS_PER_TOKEN:
        return text[: most * CHARACTERS_PER_TOKEN], "length"
    return text, None


def _tokens(text: str | bytes) -> int:
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _is_json(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except msgspec.DecodeError:
        return False


def _sample(schema: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """Make up a value that fits the plain parts of a JSON schema."""
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0]
    if kind != "object":
        return SAMPLES[kind]
    properties = schema.get("properties") or {}
    return {name: _sample(properties.get(name, {"type": "string"})) for name in schema.get("required") or ()}
