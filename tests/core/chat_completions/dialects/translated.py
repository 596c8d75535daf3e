"""What a hosted server gets for a request of Claude Code's kind."""

from __future__ import annotations

from typing import Any

from claude_bridge.core import opaque_state
from claude_bridge.core.chat_completions.dialect import Dialect, Target, as_fields
from tests.core.asking import assistant, result, sent, text, tool, use, user

LEVELS: dict[str, dict[str, object]] = {
    "nothing": {},
    "none": {"thinking": {"type": "disabled"}},
    **{
        level: {"thinking": {"type": "adaptive"}, "output_config": {"effort": level}}
        for level in ("low", "medium", "high", "xhigh", "max")
    },
}
"""What a client says to get a level of thinking."""

ANY = {"tools": [tool("Read"), tool("Write")], "tool_choice": {"type": "any"}}
NAMED = {"tools": [tool("Read"), tool("Write")], "tool_choice": {"type": "tool", "name": "Read"}}
AUTO = {"tools": [tool("Read")], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
SHAPED = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {}}}}}

_PLAIN = {"model", "messages", "stream", "tools"}


def target(dialect: Dialect, model: str) -> Target:
    """Build the target as a plan does."""
    return Target(**as_fields(dialect.traits(model)), model=model, dialect=dialect)


def request(dialect: Dialect, model: str, *messages: object, **fields: Any) -> dict[str, Any]:
    """Return the whole request."""
    whole: dict[str, Any] = sent(*(messages or (user("hi"),)), target=target(dialect, model), **fields)
    return whole


def fields(dialect: Dialect, model: str, **said: object) -> dict[str, Any]:
    """Return the request's fields without what all servers get."""
    whole = request(dialect, model, **said)
    return {name: value for name, value in whole.items() if name not in _PLAIN}


def control(dialect: Dialect, model: str, level: str) -> dict[str, Any]:
    """Return what asks for a level of thinking."""
    ordinary = {"max_tokens", "max_completion_tokens", "stream_options"}
    return {name: value for name, value in fields(dialect, model, **LEVELS[level]).items() if name not in ordinary}


def thinking(said: str, signature: str = "") -> dict[str, object]:
    """Build a thinking block."""
    return {"type": "thinking", "thinking": said, "signature": signature}


def carried(dialect: Dialect, model: str, state: object) -> str:
    """Pack state as the answer that it came with did."""
    return opaque_state.pack_state(opaque_state.OpaqueState(dialect.name, model, state))


def loop(*thoughts: str) -> list[dict[str, object]]:
    """Build a conversation of a call, a text and a call; the person speaks before the first and the last."""
    said = [[thinking(thought)] if thought else [] for thought in thoughts or ("t1", "t2", "t3")]
    return [
        user("first"),
        assistant(*said[0], use("toolu_1")),
        user(result("toolu_1")),
        assistant(*said[1], text("Done.")),
        user("second"),
        assistant(*said[2], use("toolu_3")),
        user(result("toolu_3")),
    ]


def answers(dialect: Dialect, model: str, *messages: object) -> list[dict[str, Any]]:
    """Return the assistant messages of the request."""
    whole = request(dialect, model, *messages, tools=[tool("Read")])
    return [message for message in whole["messages"] if message["role"] == "assistant"]


def echoed(dialect: Dialect, model: str, *thoughts: str, key: str = "reasoning_content") -> list[object]:
    """Return the thinking that goes back, answer by answer; None where there is none."""
    return [message.get(key) for message in answers(dialect, model, *loop(*thoughts))]
