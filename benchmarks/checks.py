"""Checks answers: everything that the backend sent, in order, with the mark of its own request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from attrs import define, field

from benchmarks import answers, mark
from benchmarks.http1 import MessageReader
from benchmarks.scenarios import Scenario

_DELTAS = {"text_delta": "text", "input_json_delta": "tool_use"}
_SHOWN = 200
"""Characters shown of an answer that is no answer."""


class WrongAnswer(Exception):
    """What is wrong with an answer, short enough to be counted by."""


@define
class Heard:
    """What an answer says, streamed or not.

    :ivar calls: names and JSON arguments.
    """

    text: str = ""
    calls: list[tuple[str, str]] = field(factory=list)
    stop_reason: str | None = None
    usage: dict[str, Any] = field(factory=dict)


def check(scenario: Scenario, marked: str, status: int, body: bytes) -> None:
    """Raise `WrongAnswer` unless this is the answer to the request with this mark."""
    _need_ok(status, body)
    try:
        _compare(scenario, marked, _Stream().read(body) if scenario.asks_stream else _message(json.loads(body)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise WrongAnswer(f"not in the API's shape: {error!r}") from error


def check_relayed(scenario: Scenario, marked: str, status: int, body: bytes) -> None:
    """Raise `WrongAnswer` unless this is, byte for byte, what the backend sends to the request with this mark."""
    _need_ok(status, body)
    _need(body == _sent(scenario).replace(mark.blank(scenario.name).encode(), marked.encode()), "the bytes differ")


@lru_cache(maxsize=2)
def _sent(scenario: Scenario) -> bytes:
    """Return the body of the backend's answer, its mark left blank."""
    script = answers.script(scenario)
    (answer,) = MessageReader().feed(b"".join(script.writes) if scenario.asks_stream else script.whole)
    return answer.body


def _compare(scenario: Scenario, marked: str, heard: Heard) -> None:
    text = mark.STAMP.sub(mark.NO_STAMP, heard.text.encode()).decode()
    _need(text.startswith(marked), "the mark of another request, or none")
    _need(text == marked + answers.text(scenario), "the text differs")
    calls = [(name, json.loads(arguments)) for name, arguments in heard.calls]
    size = scenario.argument_bytes
    _need(calls == ([(answers.CALLED, json.loads(answers.arguments(size)))] if size else []), "the tool call differs")
    stop = "tool_use" if size else "end_turn"
    _need(heard.stop_reason == stop, f"stop reason {heard.stop_reason}, not {stop}")
    counts = (heard.usage.get("input_tokens"), heard.usage.get("output_tokens"))
    _need(counts == (answers.INPUT_TOKENS, answers.OUTPUT_TOKENS), f"token counts {counts}")


def _need_ok(status: int, body: bytes) -> None:
    if status != 200:  # noqa: PLR2004 - HTTP's OK
        raise WrongAnswer(f"HTTP {status}: {body[:_SHOWN].decode(errors='replace')}")


def _need(right: bool, otherwise: str) -> None:
    if not right:
        raise WrongAnswer(otherwise)


def _message(message: dict[str, Any]) -> Heard:
    _need((message["type"], message["role"]) == ("message", "assistant"), "not an assistant's message")
    blocks = message["content"]
    return Heard(
        text="".join(block["text"] for block in blocks if block["type"] == "text"),
        calls=[(block["name"], json.dumps(block["input"])) for block in blocks if block["type"] == "tool_use"],
        stop_reason=message["stop_reason"],
        usage=message["usage"],
    )


@define
class _Stream:
    """Reads a stream of events and notices one that is out of order."""

    _heard: Heard = field(factory=Heard)
    _text: list[str] = field(factory=list)
    _arguments: list[str] = field(factory=list)
    _next: int = 0
    _open: str | None = None
    _started: bool = False
    _stopped: bool = False

    def read(self, body: bytes) -> Heard:
        """Return what the whole stream says."""
        for name, data in _events(body):
            _need(name == data["type"], f"an event named {name} of type {data['type']}")
            _need(not self._stopped, "an event after message_stop")
            self._take(name, data)
        _need(self._stopped, "no message_stop")
        self._heard.text = "".join(self._text)
        return self._heard

    def _take(self, name: str, data: dict[str, Any]) -> None:
        _need(self._started == (name != "message_start"), f"{name} out of order")
        match name:
            case "message_start":
                self._started = True
                self._count(data["message"]["usage"])
            case "content_block_start":
                self._begin(data["index"], data["content_block"])
            case "content_block_delta":
                self._add(data["index"], data["delta"])
            case "content_block_stop":
                self._end(data["index"])
            case "message_delta":
                _need(self._open is None, "message_delta inside a block")
                self._heard.stop_reason = data["delta"]["stop_reason"]
                self._count(data["usage"])
            case "message_stop":
                _need(self._open is None, "message_stop inside a block")
                self._stopped = True
            case "ping":
                pass
            case _:
                raise WrongAnswer(f"{name}: {str(data)[:_SHOWN]}")

    def _begin(self, index: int, block: dict[str, Any]) -> None:
        _need(self._open is None, "a block inside a block")
        _need(self._heard.stop_reason is None, "a block after message_delta")
        _need(index == self._next, f"block {index} where {self._next} comes next")
        self._open = block["type"]
        if self._open == "tool_use":
            self._heard.calls.append((block["name"], ""))

    def _add(self, index: int, delta: dict[str, Any]) -> None:
        kind = _DELTAS.get(delta["type"])
        _need(self._open is not None and kind == self._open, f"{delta['type']} in a block of {self._open}")
        _need(index == self._next, f"a delta for block {index} inside block {self._next}")
        if kind == "text":
            self._text.append(delta["text"])
        else:
            self._arguments.append(delta["partial_json"])

    def _end(self, index: int) -> None:
        _need(self._open is not None and index == self._next, f"the end of block {index}, which is not open")
        if self._open == "tool_use":
            self._heard.calls[-1] = (self._heard.calls[-1][0], "".join(self._arguments))
            self._arguments.clear()
        self._open = None
        self._next += 1

    def _count(self, usage: dict[str, Any]) -> None:
        self._heard.usage.update({name: count for name, count in usage.items() if count is not None})


def _events(body: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    for block in body.replace(b"\r\n", b"\n").split(b"\n\n"):
        fields = dict(line.split(b":", 1) for line in block.split(b"\n") if b":" in line and not line.startswith(b":"))
        if b"data" in fields:
            yield fields.get(b"event", b"").strip().decode(), json.loads(fields[b"data"])
