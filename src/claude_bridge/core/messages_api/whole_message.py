"""The accumulator: neutral events -> one whole message, for clients that do not stream."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from io import StringIO
from typing import Final

from attrs import define, field

from claude_bridge.core import sse, strict_json
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    Finished,
    ReasoningState,
    SearchResulted,
    ServerToolCalled,
    TextDelta,
    ToolCallStarted,
    Usage,
    Verbatim,
)
from claude_bridge.core.messages_api import rendering
from claude_bridge.core.messages_api.block_assembler import TEXT, BlockAssembler, BlockState
from claude_bridge.core.messages_api.held_blocks import CompleteBlockEvent
from claude_bridge.core.sizes import BLOCK, size

_UNBOUNDED: Final = sys.maxsize


@define
class _Block:
    """One block of the message so far.

    :ivar opened_by: the call that it holds, or the event that is the whole block; None for text and thinking.
    """

    state: BlockState
    opened_by: ToolCallStarted | CompleteBlockEvent | None
    text: StringIO = field(factory=StringIO)
    signature: str = ""


@define(kw_only=True)
class Accumulator:
    """One whole message under construction. Implements `BlockSink` for its own assembler.

    :ivar max_size: bytes that the answer may take in memory.
    :ivar finished: the end of the answer; `body` may be called once it is set.
    """

    message_id: str
    model: str
    input_tokens: int = 0
    show_reasoning: bool = True
    max_size: int = 4 * sse.DEFAULT_LIMIT
    finished: Finished | None = field(default=None, init=False)
    _assembler: BlockAssembler = field(init=False)
    _blocks: list[_Block] = field(factory=list, init=False)
    _size: int = field(default=0, init=False)
    _passed: Verbatim | None = field(default=None, init=False)

    @_assembler.default
    def _new_assembler(self) -> BlockAssembler:
        # The bound here covers waiting blocks together with the rest of the answer.
        return BlockAssembler(input_tokens=self.input_tokens, show_reasoning=self.show_reasoning, max_held=_UNBOUNDED)

    @property
    def usage(self) -> Usage | None:
        """Return the counts of the answer, estimated until it is finished; None while it is empty."""
        if self._passed is not None:
            return self._passed.usage
        return self._assembler.usage

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Return the headers of a response that is passed on."""
        return self._passed.headers if self._passed is not None else ()

    def add(self, events: Iterable[Event]) -> None:
        """Add events; raises `UpstreamProtocolError` if the answer outgrows ``max_size`` bytes."""
        assembler, held = self._assembler, self._assembler.held
        for event in events:
            if type(event) is Verbatim:
                self._passed = event
            elif type(event) is TextDelta and assembler.state is TEXT:
                # Text for the open text block does not change the assembler's state.
                assembler.characters += len(event.text)
                self.block_delta(event.text)
            else:
                assembler.add(event, self)
            if self._size + held.size_bytes > self.max_size:
                raise UpstreamProtocolError(f"the answer is larger than {self.max_size} bytes")

    def body(self) -> bytes:
        """Return the message as JSON; raises `ValueError` before `finished` is set."""
        if self._passed is not None:
            return self._passed.data
        if self.finished is None or self.usage is None:
            raise ValueError("the answer is not finished")
        assembler = self._assembler
        message = rendering.envelope(self.message_id, self.model, rendering.usage_fields(self.usage))
        message["content"] = self.content()
        message |= rendering.stop_fields(self.finished, called=assembler.tool_called, hidden_only=assembler.hidden_only)
        return strict_json.encode(message)

    def content(self) -> list[dict[str, object]]:
        """Return the blocks so far."""
        return [_rendered(block) for block in self._blocks]

    # Calls of the assembler (`BlockSink`).

    def block_opened(self, state: BlockState, call: ToolCallStarted | None) -> None:
        """Begin a block."""
        self._append(_Block(state, call))

    def block_delta(self, text: str) -> None:
        """Append to the last block."""
        self._size += size(text)
        self._blocks[-1].text.write(text)

    def block_closed(self, state: BlockState, signature: str) -> None:
        """Keep the signature of a thinking block."""
        del state
        self._size += size(signature)
        self._blocks[-1].signature = signature

    def complete_block(self, event: CompleteBlockEvent) -> None:
        """Add a block that came in one piece; the bridge's own results are few and small, and count as one block."""
        self._append(_Block(BlockState.COMPLETE_BLOCK, event))
        match event:
            case ServerToolCalled():
                self._size += size(event.input_json)
            case ReasoningState():
                self._size += size(event.carrier)
            case SearchResulted():
                pass

    def reasoning_withheld(self, text: str) -> None:
        """Count it towards the bound, so that an answer that never ends fails whatever it consists of."""
        self._size += size(text)

    def prompt_size_reported(self) -> None:
        """Do nothing: there is no stream to keep alive."""

    def answer_finished(self, finished: Finished) -> None:
        """Store the end of the answer."""
        self.finished = finished

    def _append(self, block: _Block) -> None:
        self._size += BLOCK
        self._blocks.append(block)


def _rendered(block: _Block) -> dict[str, object]:
    text = block.text.getvalue()
    match block.opened_by:
        case ToolCallStarted() as call:
            return rendering.tool_call(call, _input(text))
        case ServerToolCalled() as call:
            return rendering.server_call(call, _input(call.input_json))
        case SearchResulted() as result:
            return rendering.search_result(result)
        case ReasoningState() as state:
            return rendering.redacted(state)
    return rendering.text_block(text) if block.state is TEXT else rendering.thinking_block(text, block.signature)


def _input(text: str) -> object:
    """Return tool input as JSON where it is an object, else wrapped as Claude Code wraps input that is not."""
    if strict_json.is_object(text or "{}"):
        return strict_json.Raw((text or "{}").encode())
    return {"__unparsedToolInput": {"raw": text, "len": len(text)}}
