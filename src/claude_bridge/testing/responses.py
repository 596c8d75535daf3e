"""Builders for what a server of OpenAI's Responses API says: events, streams, whole answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from attrs import define, field

from claude_bridge.testing.answers import Answer
from claude_bridge.testing.chat import CREATED, ToolCall, json_answer

__all__ = ["ResponseEvents", "encoded", "response_json", "response_stream", "response_usage"]


def response_usage(
    prompt: int, output: int, *, cached: int = 0, written: int = 0, reasoning: int = 0
) -> dict[str, Any]:
    """Count tokens as OpenAI does: ``cached`` and ``written`` are in ``prompt``, ``reasoning`` is in ``output``."""
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": prompt + output,
    }


USAGE: Mapping[str, Any] = response_usage(12, 7)


@define
class ResponseEvents:
    """The events of one answer, added one part after the other.

    :ivar events: what was added so far, decoded.
    :ivar output: the items that are complete.
    """

    model: str = "test-model"
    events: list[dict[str, Any]] = field(factory=list, init=False)
    output: list[dict[str, Any]] = field(factory=list, init=False)

    def add(self, kind: str, **fields: Any) -> None:  # noqa: ANN401 - JSON values
        """Add an event of a type, numbered."""
        self.events.append({"type": kind, "sequence_number": len(self.events), **fields})

    def begin(self) -> None:
        """Add the two events with which every stream begins."""
        self.add("response.created", response=self.response("in_progress"))
        self.add("response.in_progress", response=self.response("in_progress"))

    def reason(self, *summaries: Sequence[str], encrypted: str = "", item_id: str = "") -> None:
        """Add an item of reasoning: the deltas of each part of its summary, and what only the server can read."""
        item_id = item_id or f"rs_{len(self.output)}"
        self._add_item({"id": item_id, "type": "reasoning", "summary": [], "encrypted_content": encrypted[:8] or None})
        for number, deltas in enumerate(summaries):
            place = {"item_id": item_id, "output_index": len(self.output), "summary_index": number}
            text = "".join(deltas)
            self.add("response.reasoning_summary_part.added", **place, part={"type": "summary_text", "text": ""})
            for delta in deltas:
                self.add("response.reasoning_summary_text.delta", **place, delta=delta)
            self.add("response.reasoning_summary_text.done", **place, text=text)
            self.add("response.reasoning_summary_part.done", **place, part={"type": "summary_text", "text": text})
        parts = [{"type": "summary_text", "text": "".join(deltas)} for deltas in summaries]
        self._end_item({"id": item_id, "type": "reasoning", "summary": parts, "encrypted_content": encrypted or None})

    def say(self, *deltas: str) -> None:
        """Add a message."""
        self._message("output_text", "text", deltas)

    def refuse(self, *deltas: str) -> None:
        """Add a message in which the model refuses."""
        self._message("refusal", "refusal", deltas)

    def call(self, call: ToolCall, *, pieces: int = 3) -> None:
        """Add a call, with its arguments in so many pieces."""
        item = {"id": f"fc_{call.id}", "type": "function_call", "call_id": call.id, "name": call.name}
        self._add_item({**item, "arguments": "", "status": "in_progress"})
        place = {"item_id": item["id"], "output_index": len(self.output)}
        size = max(1, -(-len(call.arguments) // pieces))
        for at in range(0, len(call.arguments), size):
            delta = call.arguments[at : at + size]
            self.add("response.function_call_arguments.delta", **place, delta=delta)
        self.add("response.function_call_arguments.done", **place, arguments=call.arguments, name=call.name)
        self._end_item({**item, "arguments": call.arguments, "status": "completed"})

    def end(self, status: str = "completed", *, usage: Mapping[str, Any] | None = USAGE, **more: Any) -> None:  # noqa: ANN401
        """Add the event that ends an answer; ``more``: fields of the answer, as ``error``."""
        self.add(f"response.{status}", response=self.response(status, usage=usage, **more))

    def response(self, status: str, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON values
        """Return the answer as it is so far."""
        return {
            "id": "resp_1",
            "object": "response",
            "created_at": CREATED,
            "status": status,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": self.model,
            "output": list(self.output),
            "parallel_tool_calls": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "usage": None,
            **more,
        }

    def _message(self, kind: str, key: str, deltas: Sequence[str]) -> None:
        item = {"id": f"msg_{len(self.output)}", "type": "message", "role": "assistant"}
        place = {"item_id": item["id"], "output_index": len(self.output), "content_index": 0}
        more: dict[str, Any] = {"annotations": []} if kind == "output_text" else {}
        logprobs: dict[str, Any] = {"logprobs": []} if kind == "output_text" else {}
        self._add_item({**item, "status": "in_progress", "content": []})
        self.add("response.content_part.added", **place, part={"type": kind, key: "", **more})
        for delta in deltas:
            self.add(f"response.{kind}.delta", **place, delta=delta, **logprobs)
        whole = {key: "".join(deltas)}
        self.add(f"response.{kind}.done", **place, **whole, **logprobs)
        self.add("response.content_part.done", **place, part={"type": kind, **whole, **more})
        self._end_item({**item, "status": "completed", "content": [{"type": kind, **whole, **more}]})

    def _add_item(self, item: dict[str, Any]) -> None:
        self.add("response.output_item.added", output_index=len(self.output), item=item)

    def _end_item(self, item: dict[str, Any]) -> None:
        self.add("response.output_item.done", output_index=len(self.output), item=item)
        self.output.append(item)


def encoded(events: Iterable[Mapping[str, Any]], *, named: bool = True) -> tuple[bytes, ...]:
    """Return each event as the wire has it, with the name of its type unless it is not ``named``."""
    return tuple(
        (f"event: {event['type']}\n".encode() if named else b"") + b"data: " + msgspec.json.encode(event) + b"\n\n"
        for event in events
    )


def response_stream(
    *,
    text: str = "",
    reasoning: str = "",
    encrypted: str = "",
    calls: Sequence[ToolCall] = (),
    usage: Mapping[str, Any] | None = USAGE,
    model: str = "test-model",
) -> tuple[bytes, ...]:
    """Return the events of a usual answer: reasoning, text word by word, calls, and the end."""
    answer = ResponseEvents(model)
    answer.begin()
    if reasoning or encrypted:
        answer.reason(*([_words(reasoning)] if reasoning else []), encrypted=encrypted)
    if text:
        answer.say(*_words(text))
    for call in calls:
        answer.call(call)
    answer.end(usage=usage)
    return encoded(answer.events)


def response_json(events: Sequence[Mapping[str, Any]]) -> Answer:
    """Return the whole answer that ends a stream, as a server sends it that was not asked to stream."""
    return json_answer(200, events[-1]["response"])


def _words(text: str) -> list[str]:
    """Divide a text into deltas that begin with white space, as tokens do."""
    words = text.split(" ")
    return words[:1] + [f" {word}" for word in words[1:]]
