"""Neutral events -> the Anthropic event stream. The one owner of block order and indices.

What may live here: everything that decides which bytes follow which. Blocks are strictly
sequential and their indices dense from 0. While a tool call is open, whatever belongs to another
block is held and flushed in order once the call ends::

    none --text--> text --reasoning--> thinking --call--> tool --other--> tool (held) --end--> none
    any --finished--> done        any --error--> done

Text deltas are formatted by byte templates: they are nearly all of a stream.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from io import StringIO
from typing import Final

from attrs import define, evolve, field

from claude_bridge.core import sizes, sse, strict_json
from claude_bridge.core.errors import BridgeError, UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    Finished,
    PromptSizeReported,
    ReasoningDelta,
    ReasoningState,
    SearchResulted,
    ServerToolCalled,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)
from claude_bridge.core.messages_api import rendering
from claude_bridge.core.tokens.estimator import rough

PING: Final = sse.encode(b"ping", b'{"type":"ping"}')

_TEXT: Final = -1
_THINKING: Final = -2
_NONE: Final = -3
_WHOLE: Final = -4

Whole = ServerToolCalled | SearchResulted | ReasoningState
"""What comes as a block in one piece."""

_DELTA: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":%b:'
_DELTA_KINDS: Final = {_TEXT: b'"text_delta","text"', _THINKING: b'"thinking_delta","thinking"'}
_TOOL_DELTA: Final = b'"input_json_delta","partial_json"'
_DELTA_END: Final = b"}}\n\n"


@define
class _Held:
    """A block that waits for the open tool call to end. ``call`` is its number, or _TEXT, _THINKING or _WHOLE."""

    call: int
    start: ToolCallStarted | None
    whole: Whole | None = None
    text: StringIO = field(factory=StringIO)
    ended: bool = False


@define(kw_only=True)
class StreamWriter:
    """One client's event stream, as bytes.

    :ivar input_tokens: the estimate that ``message_start`` carries; the true count follows at the end.
    :ivar show_reasoning: whether the client gets thinking blocks.
    :ivar content_started: a block has been started, so the answer belongs to the attempt that started it.
    :ivar ended: ``message_stop`` or an error is out; nothing may follow.
    """

    message_id: str
    model: str
    input_tokens: int = 0
    show_reasoning: bool = True
    max_held: int = sse.DEFAULT_LIMIT
    started: bool = field(default=False, init=False)
    content_started: bool = field(default=False, init=False)
    ended: bool = field(default=False, init=False)
    _usage: Usage | None = field(default=None, init=False)
    _index: int = field(default=-1, init=False)
    _open: int = field(default=_NONE, init=False)
    _prefix: bytes = field(default=b"", init=False)
    _blank: dict[int, str] = field(factory=dict, init=False)
    _waiting: deque[_Held] = field(factory=deque, init=False)
    _calls: dict[int, _Held] = field(factory=dict, init=False)
    _held: int = field(default=0, init=False)
    _called: bool = field(default=False, init=False)
    _reasoned: bool = field(default=False, init=False)
    _size: int = field(default=0, init=False)
    _signature: str = field(default="", init=False)
    _unsent: deque[ReasoningState] = field(factory=deque, init=False)
    _counted: Usage | None = field(default=None, init=False)

    @property
    def usage(self) -> Usage | None:
        """Return the counts of the answer, estimated while it is not finished; None while it has said nothing."""
        return self._usage or (self._so_far() if self._size else None)

    def open(self) -> bytes:
        """Return ``message_start`` and a ping, once."""
        if self.started:
            return b""
        self.started = True
        start = rendering.envelope(self.message_id, self.model, rendering.usage_fields(self._prompt(0)))
        return sse.encode(b"message_start", strict_json.encode({"type": "message_start", "message": start})) + PING

    def forget(self) -> None:
        """Drop what an attempt without content left: the next one takes over the open stream and nothing else."""
        self._blank.clear()
        self._size = 0
        self._reasoned = False
        self._counted = None
        self._unsent.clear()

    def ping(self) -> bytes:
        """Return a keep-alive, or nothing where none may stand."""
        return PING if self.started and not self.ended else b""

    def error(self, error: BridgeError, request_id: str) -> bytes:
        """End the stream with an error event; no ``message_stop`` follows it."""
        if self.ended:
            return b""
        self.ended = True
        self._open = _NONE
        return sse.encode(b"error", strict_json.encode(rendering.error_fields(error, request_id)))

    def write(self, events: Iterable[Event]) -> bytes:
        """Return the bytes for what one upstream read yielded, to go out in one write.

        Raises `UpstreamProtocolError` if more than ``max_held`` bytes would have to wait.
        """
        out: list[bytes] = []
        for event in events:
            if type(event) is TextDelta:
                text = event.text
                if self._open == _TEXT:
                    self._size += len(text)
                    out += (self._prefix, strict_json.encode(text), _DELTA_END)
                else:
                    self._prose(_TEXT, text, out)
            elif not self.ended:
                self._other(event, out)
        return b"".join(out)

    def _other(self, event: Event, out: list[bytes]) -> None:
        match event:
            case ToolArgumentsDelta():
                self._arguments(event.call, event.json, out)
            case ReasoningDelta():
                self._reasoning(event.text, out)
            case ToolCallStarted():
                self._call(event, out)
            case ToolCallEnded():
                self._end_call(event.call, out)
            case ServerToolCalled() | SearchResulted():
                self._whole(event, out)
            case ReasoningState():
                self._state(event, out)
            case PromptSizeReported():
                self._counted = event.usage
                out.append(self.ping())  # a long prompt is being read: that is life
            case Finished():
                self._finish(event, out)
            case _:
                pass

    def _reasoning(self, text: str, out: list[bytes]) -> None:
        if self.show_reasoning:
            self._prose(_THINKING, text, out)
        else:
            self._reasoned = self._reasoned or bool(text.strip())
            self._size += len(text)

    def _prose(self, kind: int, text: str, out: list[bytes]) -> None:
        """Write text or thinking; blank text waits until something shows that it is not a block of its own."""
        if self.ended:
            return
        if self._open >= 0:
            self._hold(kind, text)
            return
        if self._open != kind:
            text = self._blank.get(kind, "") + text
            if len(text) <= rendering.MAX_BLANK_CHARACTERS and not text.strip():
                self._blank[kind] = text
                return
            self._start(kind, None, out)
        self._delta(text, out)

    def _call(self, event: ToolCallStarted, out: list[bytes]) -> None:
        if self._open >= 0:
            self._wait(_Held(event.call, event))
        else:
            self._start(event.call, event, out)

    def _state(self, event: ReasoningState, out: list[bytes]) -> None:
        """Let state travel as the signature of the thinking that it belongs to, else in a block of its own.

        Such a block must not end an answer: what ``claude -p`` prints is the last block (seen in 2.1.330). So behind
        text it waits for something to stand in front of, and is given up without: servers insist on state in turns with
        calls. Where the client did not ask for thinking, it always waits for a call: without one a simple client
        expects text and nothing else.
        """
        if self._open == _THINKING and not self._signature:
            self._signature = event.carrier
        elif self._called or (self.show_reasoning and self._open != _TEXT):
            self._whole(event, out)
        else:
            self._unsent.append(event)
            self._charge(sizes.BLOCK + len(event.carrier))

    def _whole(self, event: Whole, out: list[bytes]) -> None:
        """Write a block that came in one piece: a call of a tool that the bridge runs, its result, or state."""
        if self._open >= 0:
            self._wait(_Held(_WHOLE, None, event))
            return
        match event:
            case ServerToolCalled():
                if self.show_reasoning:
                    self._release(out)
                self._begin(_WHOLE, rendering.server_call(event, {}), out)
                self._delta(event.input_json, out)
            case SearchResulted():
                self._begin(_WHOLE, rendering.search_result(event), out)
            case _:
                self._begin(_WHOLE, rendering.redacted(event), out)
        self._stop(out)

    def _release(self, out: list[bytes]) -> None:
        """Write the state that waited for what follows."""
        while self._unsent:
            self._whole(self._unsent.popleft(), out)

    def _arguments(self, call: int, text: str, out: list[bytes]) -> None:
        if call == self._open:
            self._delta(text, out)
        else:
            self._hold(call, text)

    def _end_call(self, call: int, out: list[bytes]) -> None:
        if call != self._open:
            held = self._calls.get(call)
            if held is not None:
                held.ended = True
            return
        self._stop(out)
        self._flush(out)

    def _flush(self, out: list[bytes]) -> None:
        """Write what waited, in order, up to the first call that is itself unfinished."""
        while self._waiting and self._open < 0:
            held = self._waiting.popleft()
            self._calls.pop(held.call, None)
            text = held.text.getvalue()
            self._held -= sizes.size(text) + _weight(held)
            if held.whole is not None:
                self._other(held.whole, out)
                continue
            if held.start is None:
                self._prose(held.call, text, out)
                continue
            self._start(held.call, held.start, out)
            if text:
                self._delta(text, out)
            if held.ended:
                self._stop(out)

    def _charge(self, cost: int) -> None:
        self._held += cost
        if self._held > self.max_held:
            raise UpstreamProtocolError(f"more than {self.max_held} bytes had to wait for an unfinished tool call")

    def _wait(self, held: _Held) -> None:
        self._charge(_weight(held))
        self._waiting.append(held)
        if held.start is not None:
            self._calls[held.call] = held

    def _hold(self, call: int, text: str) -> None:
        self._charge(sizes.size(text))
        last = self._waiting[-1] if self._waiting else None
        if call < 0:
            if last is None or last.call != call:
                last = _Held(call, None)
                self._wait(last)
            last.text.write(text)
            return
        held = self._calls.get(call)
        if held is not None:
            held.text.write(text)

    def _start(self, call: int, event: ToolCallStarted | None, out: list[bytes]) -> None:
        if event is not None:
            self._called = True
            self._release(out)
            block = rendering.tool_call(event, {})
        elif call == _TEXT:
            block = rendering.text_block("")
        else:
            self._release(out)
            block = {"type": "thinking", "thinking": "", "signature": ""}
        self._begin(call, block, out)

    def _begin(self, kind: int, block: dict[str, object], out: list[bytes]) -> None:
        """Begin the next block, after the one before it."""
        self._stop(out)
        self._blank.clear()
        if not self.started:
            out.append(self.open())
        self.content_started = True
        self._index += 1
        self._open = kind
        start = {"type": "content_block_start", "index": self._index, "content_block": block}
        out.append(sse.encode(b"content_block_start", strict_json.encode(start)))
        self._prefix = _DELTA % (self._index, _DELTA_KINDS.get(kind, _TOOL_DELTA))

    def _delta(self, text: str, out: list[bytes]) -> None:
        self._size += len(text)
        out += (self._prefix, strict_json.encode(text), _DELTA_END)

    def _stop(self, out: list[bytes]) -> None:
        if self._open == _NONE:
            return
        if self._open == _THINKING:
            signature = {"type": "signature_delta", "signature": self._signature}
            self._signature = ""
            delta = {"type": "content_block_delta", "index": self._index, "delta": signature}
            out.append(sse.encode(b"content_block_delta", strict_json.encode(delta)))
        stop = {"type": "content_block_stop", "index": self._index}
        out.append(sse.encode(b"content_block_stop", strict_json.encode(stop)))
        self._open = _NONE

    def _finish(self, finished: Finished, out: list[bytes]) -> None:
        for held in self._waiting:
            held.ended = True
        if self._open >= 0:
            self._stop(out)
        self._flush(out)
        self._stop(out)
        out.append(self.open())
        hidden_only = self._reasoned and not self.content_started
        self._usage = finished.usage or self._so_far()
        end = {
            "type": "message_delta",
            "delta": rendering.stop_fields(finished, called=self._called, hidden_only=hidden_only),
            "usage": rendering.delta_usage_fields(self._usage),
        }
        out.append(sse.encode(b"message_delta", strict_json.encode(end)))
        out.append(sse.encode(b"message_stop", b'{"type":"message_stop"}'))
        self.ended = True

    def _so_far(self) -> Usage:
        return evolve(self._prompt(rough(self._size)), estimated=True)

    def _prompt(self, output: int) -> Usage:
        """Return the prompt's counts, the backend's own if it has told them already."""
        if self._counted is None:
            return Usage(self.input_tokens, output)
        counted = self._counted
        return Usage(counted.input_tokens, output, counted.cache_read_tokens, counted.cache_write_tokens)


def _weight(held: _Held) -> int:
    """Return what a held block costs besides its text; those of the bridge's own are few and small."""
    return sizes.BLOCK + (len(held.whole.carrier) if isinstance(held.whole, ReasoningState) else 0)
