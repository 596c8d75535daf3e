"""The stream writer: neutral events -> the Anthropic event stream, as bytes.

Which block follows which is decided by `claude_bridge.core.messages_api.block_assembler`; what is written for each of
its calls is decided here::

    block_opened      content_block_start, and message_start with a ping before the first
    block_delta       content_block_delta
    block_closed      a signature_delta for thinking, then content_block_stop
    complete_block    start, input if it has any, and stop
    answer_finished   message_delta and message_stop

Nearly all of a stream are further deltas of the open block. They do not change the assembler's state, so they bypass
it: those that one read brought are encoded together, and byte templates are put between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import define, evolve, field

from claude_bridge.core import sse, strict_json
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.events import (
    Event,
    Finished,
    ReasoningDelta,
    ReasoningState,
    SearchResulted,
    ServerToolCalled,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
    Verbatim,
)
from claude_bridge.core.messages_api import rendering
from claude_bridge.core.messages_api.block_assembler import (
    COMPLETE_BLOCK,
    TEXT,
    THINKING,
    TOOL_CALL,
    BlockAssembler,
    BlockState,
)
from claude_bridge.core.messages_api.held_blocks import CompleteBlockEvent
from claude_bridge.core.tokens.estimator import rough_tokens

PING: Final = sse.encode(b"ping", b'{"type":"ping"}')

_DELTA_HEAD: Final = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":%b:'
_DELTA_KEYS: Final = {
    TEXT: b'"text_delta","text"',
    THINKING: b'"thinking_delta","thinking"',
    TOOL_CALL: b'"input_json_delta","partial_json"',
}
_DELTA_TAIL: Final = b"}}\n\n"

_DELTA_FRAME_BYTES: Final = 120
"""Bytes of a delta's event without its text."""

_ON_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")
"""A line break in JSON stands between its parts only."""

_encode: Final = strict_json.encode
_encode_lines: Final = strict_json.encode_lines


@define(kw_only=True)
class StreamWriter:
    """The event stream of one answer. Implements `BlockSink` for its own assembler.

    :ivar input_tokens: the estimate that ``message_start`` carries; the true count follows at the end.
    :ivar show_reasoning: whether the client gets thinking blocks.
    :ivar max_held: bytes that may wait for an unfinished tool call.
    :ivar started: whether ``message_start`` was written.
    :ivar content_started: whether a block was started, so that no other attempt can take over the answer.
    :ivar ended: whether ``message_stop`` or an error was written; nothing may follow.
    :ivar headers: those of a response that is passed on.
    """

    message_id: str
    model: str
    input_tokens: int = 0
    show_reasoning: bool = True
    max_held: int = sse.DEFAULT_LIMIT
    started: bool = field(default=False, init=False)
    content_started: bool = field(default=False, init=False)
    ended: bool = field(default=False, init=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), init=False)
    _assembler: BlockAssembler = field(init=False)
    _index: int = field(default=-1, init=False)
    _delta_head: bytes = field(default=b"", init=False)
    _unwritten: list[bytes] = field(factory=list, init=False)
    _passing: bool = field(default=False, init=False)
    _passed_usage: Usage | None = field(default=None, init=False)
    _uncounted_bytes: int = field(default=0, init=False)

    @_assembler.default
    def _new_assembler(self) -> BlockAssembler:
        return BlockAssembler(
            input_tokens=self.input_tokens, show_reasoning=self.show_reasoning, max_held=self.max_held
        )

    @property
    def usage(self) -> Usage | None:
        """Return the counts of the answer, estimated until it is finished; None while it is empty."""
        return self._passed_so_far() if self._passing else self._assembler.usage

    def open(self) -> bytes:
        """Return ``message_start`` and a ping the first time, nothing afterwards."""
        if self.started:
            return b""
        self.started = True
        usage = rendering.usage_fields(self._assembler.prompt_usage(0))
        message = rendering.envelope(self.message_id, self.model, usage)
        return _event(b"message_start", {"type": "message_start", "message": message}) + PING

    def forget(self) -> None:
        """Drop what a failed attempt without content left: the next attempt continues the open stream."""
        self._assembler.forget_attempt()
        self._unwritten.clear()

    def ping(self) -> bytes:
        """Return a keep-alive, or nothing before the start and after the end."""
        return PING if self.started and not self.ended else b""

    def error(self, error: BridgeError, request_id: str) -> bytes:
        """Return an error event that ends the stream, or nothing after the end; no ``message_stop`` follows it."""
        if self.ended:
            return b""
        self.ended = True
        self._assembler.break_off()
        self._unwritten.clear()
        body = rendering.error_body(error, request_id)
        return sse.encode(b"error", body.translate(_ON_ONE_LINE))

    def write(self, events: Iterable[Event]) -> bytes:
        """Return the bytes for the events of one upstream read, to be sent in one write.

        Raises `UpstreamProtocolError` if more than ``max_held`` bytes would have to wait.
        """
        assembler = self._assembler
        state = assembler.state
        texts: list[str] = []
        for event in events:
            if (type(event) is TextDelta and state is TEXT) or (type(event) is ReasoningDelta and state is THINKING):
                texts.append(event.text)
            elif type(event) is ToolArgumentsDelta and event.call == assembler.open_call:
                texts.append(event.json)
            else:
                if texts:
                    self._continue_block(texts)
                    texts = []
                if type(event) is Verbatim or self._passing:
                    self._pass_on(event)
                    continue
                assembler.add(event, self)
                state = assembler.state
        if texts:
            self._continue_block(texts)
        data = b"".join(self._unwritten)
        self._unwritten.clear()
        return data

    def _continue_block(self, texts: list[str]) -> None:
        """Write further deltas of the open block, past the assembler."""
        if len(texts) == 1:
            self._assembler.characters += len(texts[0])
            deltas = _encode(texts[0])
        else:
            self._assembler.characters += sum(map(len, texts))
            # No text contains a line feed once it is encoded.
            deltas = _encode_lines(texts)[:-1].replace(b"\n", _DELTA_TAIL + self._delta_head)
        self._unwritten += (self._delta_head, deltas, _DELTA_TAIL)

    def _pass_on(self, event: Event) -> None:
        """Write a part of an answer in the clients' own API; its last part holds the end of the message."""
        match event:
            case Verbatim():
                if not self._passing and not self.started:
                    self._unwritten.append(event.opening)
                    self.headers = event.headers
                self._unwritten.append(event.data)
                if event.usage is not None and self._passing:
                    self._uncounted_bytes = 0
                else:
                    self._uncounted_bytes += len(event.data) - _DELTA_FRAME_BYTES * max(1, event.data.count(b"\n\n"))
                self._passing = self.started = self.content_started = True
                self._passed_usage = event.usage or self._passed_usage
            case Finished():
                if event.usage is not None:
                    self._passed_usage, self._uncounted_bytes = event.usage, 0
                self.ended = True

    def _passed_so_far(self) -> Usage:
        """Return the counts of an answer that is passed on; what has come since the last one is estimated by its size.

        The API counts at the beginning and at the end, so that an answer that is cut off would count as one token.
        """
        counted = self._passed_usage or self._assembler.prompt_usage(0)
        more = rough_tokens(self._uncounted_bytes)
        if not more and self._passed_usage is not None:
            return counted
        return evolve(counted, output_tokens=counted.output_tokens + more, estimated=True)

    # Calls of the assembler (`BlockSink`).

    def block_opened(self, state: BlockState, call: ToolCallStarted | None) -> None:
        """Write the start of a block without content."""
        if call is not None:
            self._start(state, rendering.tool_call(call, {}))
        elif state is TEXT:
            self._start(state, rendering.text_block(""))
        else:
            self._start(state, rendering.thinking_block("", ""))

    def block_delta(self, text: str) -> None:
        """Write a delta of the open block's kind."""
        self._unwritten += (self._delta_head, _encode(text), _DELTA_TAIL)

    def block_closed(self, state: BlockState, signature: str) -> None:
        """Write the end of the open block; every thinking block has a signature, even an empty one."""
        if state is THINKING:
            delta = {"type": "signature_delta", "signature": signature}
            fields = {"type": "content_block_delta", "index": self._index, "delta": delta}
            self._unwritten.append(_event(b"content_block_delta", fields))
        self._stop()

    def complete_block(self, event: CompleteBlockEvent) -> None:
        """Write a whole block; only a tool's input comes in a delta, as in Anthropic's API."""
        match event:
            case ServerToolCalled():
                self._start(TOOL_CALL, rendering.server_call(event, {}))
                self.block_delta(event.input_json)
            case SearchResulted():
                self._start(COMPLETE_BLOCK, rendering.search_result(event))
            case ReasoningState():
                self._start(COMPLETE_BLOCK, rendering.redacted(event))
        self._stop()

    def reasoning_withheld(self, text: str) -> None:
        """Write nothing."""

    def prompt_size_reported(self) -> None:
        """Write a ping: while a long prompt is processed, this keeps the client from timing out."""
        self._unwritten.append(self.ping())

    def answer_finished(self, finished: Finished) -> None:
        """Write the end of the message, after its start if that is still missing."""
        assembler = self._assembler
        stop = rendering.stop_fields(finished, called=assembler.tool_called, hidden_only=assembler.hidden_only)
        usage = rendering.delta_usage_fields(assembler.usage or Usage())
        self._unwritten += (
            self.open(),
            _event(b"message_delta", {"type": "message_delta", "delta": stop, "usage": usage}),
            sse.encode(b"message_stop", b'{"type":"message_stop"}'),
        )
        self.ended = True

    def _start(self, state: BlockState, block: dict[str, object]) -> None:
        if not self.started:
            self._unwritten.append(self.open())
        self.content_started = True
        self._index += 1
        fields = {"type": "content_block_start", "index": self._index, "content_block": block}
        self._unwritten.append(_event(b"content_block_start", fields))
        if state is not COMPLETE_BLOCK:
            self._delta_head = _DELTA_HEAD % (self._index, _DELTA_KEYS[state])

    def _stop(self) -> None:
        self._unwritten.append(_event(b"content_block_stop", {"type": "content_block_stop", "index": self._index}))


def _event(name: bytes, fields: dict[str, object]) -> bytes:
    return sse.encode(name, _encode(fields))
