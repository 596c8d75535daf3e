"""The reader of the answer to a request that the bridge made itself: the same stream, in neutral events."""

from __future__ import annotations

from typing import Final

from attrs import define, field

from claude_bridge.core import sse, strict_json
from claude_bridge.core.anthropic_backend.stream_reader import StreamReader
from claude_bridge.core.anthropic_backend.wire_events import decoded_object
from claude_bridge.core.events import (
    Event,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Verbatim,
)

_TEXTS: Final = ("text", "thinking", "partial_json")


@define(kw_only=True)
class NeutralReader(StreamReader):
    """Implements `claude_bridge.core.backend_api.AnswerReader`; nothing of what it reads is passed on."""

    _events: sse.Decoder = field(factory=sse.Decoder, init=False)
    _calls: int = field(default=0, init=False)
    _open_call: int | None = field(default=None, init=False)

    def feed(self, data: bytes) -> list[Event]:
        """Read body bytes and return the events they complete; check `failure` and `error` afterwards."""
        return self._neutral(super().feed(data))

    def close(self) -> list[Event]:
        """Return the last events, at the end of the body; sets `error` to `UpstreamCut` if the answer is unfinished."""
        return self._neutral(super().close())

    def _neutral(self, parts: list[Event]) -> list[Event]:
        events: list[Event] = []
        for part in parts:
            if isinstance(part, Verbatim):
                for _name, data in self._events.feed(part.opening + part.data):
                    self._translate(decoded_object(data), events)
            else:
                events.append(part)
        return events

    def _translate(self, wire_event: dict[str, object], events: list[Event]) -> None:
        match wire_event:
            case {"type": "message_start", "message": {"model": str(model)}}:
                events.append(Started(model))
            case {"type": "content_block_start", "content_block": dict(block)}:
                self._begin_block(block, events)
            case {"type": "content_block_delta", "delta": dict(delta)}:
                for name in _TEXTS:
                    self._add_text(name, delta.get(name), events)
            case {"type": "content_block_stop"} if self._open_call is not None:
                events.append(ToolCallEnded(self._open_call))
                self._open_call = None

    def _begin_block(self, block: dict[str, object], events: list[Event]) -> None:
        match block:
            case {"type": "tool_use", "id": str(identifier), "name": str(name)}:
                self._open_call, self._calls = self._calls, self._calls + 1
                events.append(ToolCallStarted(self._open_call, identifier, name))
                if block.get("input"):  # whole at once, as some servers send it
                    self._add_text("partial_json", strict_json.encode(block["input"]).decode(), events)
            case {"type": "text" | "thinking"}:
                for name in _TEXTS[:2]:
                    self._add_text(name, block.get(name), events)

    def _add_text(self, name: str, text: object, events: list[Event]) -> None:
        if not isinstance(text, str) or not text:
            return
        if name == "text":
            events.append(TextDelta(text))
        elif name == "thinking":
            events.append(ReasoningDelta(text))
        elif self._open_call is not None:
            events.append(ToolArgumentsDelta(self._open_call, text))
