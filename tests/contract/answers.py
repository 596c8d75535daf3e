"""Answers of servers as they come, streamed and whole, each with the message that it must become."""

from __future__ import annotations

import json
from typing import Any

from attrs import field, frozen

from claude_bridge.core import opaque_state
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.ids import upstream_id
from tests.contract.stream_rules import check_stream
from tests.core.strategies import in_steps
from tests.core.transcripts import Transcript, carried

DONE = "data: [DONE]\n\n"


@frozen(kw_only=True)
class Answer:
    """One answer of a service.

    :ivar source: where its shape comes from.
    :ivar stream: the body of a streamed answer: chunks, and comments as text.
    :ivar whole: the same answer unstreamed.
    :ivar content: what it must become: thinking, text, or name, id and input of a call.
    :ivar usage: input, output, cache read, cache written.
    :ivar states: what the server must get back, in order.
    :ivar options: what else the reader is told.
    """

    dialect: str
    model: str
    source: str
    stream: tuple[dict[str, Any] | str, ...]
    whole: dict[str, Any]
    content: tuple[tuple[Any, ...], ...]
    stop: str = "end_turn"
    usage: tuple[int, int, int, int] = (0, 0, 0, 0)
    states: tuple[object, ...] = ()
    ending: str = DONE
    options: dict[str, Any] = field(factory=dict)

    def __str__(self) -> str:
        """Name it in a test's id."""
        return f"{self.dialect}-{self.model.rpartition('/')[2]}"

    @property
    def body(self) -> bytes:
        """Write the stream down."""
        parts = (part if isinstance(part, str) else f"data: {json.dumps(part)}\n\n" for part in self.stream)
        return ("".join(parts) + self.ending).encode()


def says(finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """Make a chunk."""
    return {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def fragment(index: int | None = 0, **more: Any) -> dict[str, Any]:
    """Make a fragment of a call."""
    function = {key: more.pop(key) for key in ("name", "arguments") if key in more}
    return {**({} if index is None else {"index": index}), **more, "function": function}


def ends(usage: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make the chunk that only has usage."""
    return {"object": "chat.completion.chunk", "choices": [], "usage": usage, **more}


def whole(finish: str, usage: dict[str, Any], **message: Any) -> dict[str, Any]:
    """Make an unstreamed answer."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"object": "chat.completion", "choices": [choice], "usage": usage}


def called(name: str, arguments: str, identifier: str = "call_1", **more: Any) -> dict[str, Any]:
    """Make a call of an unstreamed answer."""
    return {"id": identifier, "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def read(answer: Answer, body: bytes, size: int) -> Transcript:
    """Carry an answer through; its stream keeps the rules and says what the message says."""
    found = carried(in_steps(body, size), dialect=DIALECTS[answer.dialect], model=answer.model, **answer.options)
    assert (found.failure, found.error) == (None, None)
    assert found.message is not None
    assert check_stream(found.stream)["content"] == found.message["content"]
    return found


def plainly(block: dict[str, Any]) -> tuple[Any, ...]:
    """Write a block as `Answer.content` does."""
    match block["type"]:
        case "thinking":
            return ("thinking", block["thinking"])
        case "text":
            return ("text", block["text"])
        case "tool_use":
            return ("tool_use", block["name"], upstream_id(block["id"]), block["input"])
        case _:
            return ("redacted",)


def states(message: dict[str, Any]) -> tuple[object, ...]:
    """Return what a message keeps for its server."""
    kept = (block.get("signature") or block.get("data") or "" for block in message["content"])
    found = [opaque_state.unpack_state(text) for text in kept if text]
    return tuple(each.state for each in found if each is not None)


def counts(message: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return a message's usage as `Answer.usage` has it."""
    usage = message["usage"]
    return (
        usage["input_tokens"],
        usage["output_tokens"],
        usage["cache_read_input_tokens"],
        usage["cache_creation_input_tokens"],
    )


def check(answer: Answer, found: Transcript) -> None:
    """Compare a message with what must have become of the answer."""
    message = found.message
    assert message is not None
    assert tuple(map(plainly, message["content"])) == answer.content
    assert message["stop_reason"] == answer.stop
    assert counts(message) == answer.usage
    assert states(message) == answer.states
