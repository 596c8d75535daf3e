"""Neutral events -> content blocks: the one machine that decides which block follows which.

Blocks follow one another and never overlap. What a block looks like is decided by the `BlockSink`:
`claude_bridge.core.messages_api.event_stream` writes it as server-sent events,
`claude_bridge.core.messages_api.whole_message` collects it. So both kinds of client get the same blocks.

The state is what is open now. ``_FOLLOWERS`` is this diagram as data, and any other step raises `InternalFault`::

                     text
               +-----------------> TEXT ------------+  any other block, or the end
               |     reasoning                      |
               +-----------------> THINKING --------+
               |     call started                   |
      +--> NO_BLOCK -------------> TOOL_CALL -------+  this call ended, or the end
      |        |     search, its result, state      |
      |        +-----------------> COMPLETE_BLOCK --+  at once
      |        |                                    |
      |        | the end                            |
      |        v                                    |
      |      ENDED <--- broken off, from any state  |
      +---------------------------------------------+

What the diagram does not show:

- While TOOL_CALL is open, whatever belongs to another block waits in `HeldBlocks`, and follows in order once the call
  has ended.
- Blank text opens no block; it waits for more text of the same kind, and is dropped when another block begins.
- Opaque state travels as the signature of the open THINKING, else as a COMPLETE_BLOCK, or it is deferred: see
  ``_carry_state``.
- In ENDED everything is ignored: a backend may go on sending.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Protocol

from attrs import define, evolve, field

from claude_bridge.core.errors import InternalFault
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
from claude_bridge.core.messages_api.held_blocks import CompleteBlockEvent, HeldBlock, HeldBlocks, state_weight
from claude_bridge.core.tokens.estimator import rough_tokens

MAX_BLANK_CHARACTERS: Final = 1000
"""Characters of white space that may wait for text before they become a block of their own: what separates two blocks
is shorter, and a model that writes nothing else must not fill the memory."""


class BlockState(Enum):
    """Which kind of block is open."""

    NO_BLOCK = "no block"
    TEXT = "a text block"
    THINKING = "a thinking block"
    TOOL_CALL = "a tool call"
    COMPLETE_BLOCK = "a complete block"
    ENDED = "the end"

    # A state is one object, and Enum's own hash is Python code that every look-up would run.
    __hash__ = object.__hash__


NO_BLOCK: Final = BlockState.NO_BLOCK
TEXT: Final = BlockState.TEXT
THINKING: Final = BlockState.THINKING
TOOL_CALL: Final = BlockState.TOOL_CALL
COMPLETE_BLOCK: Final = BlockState.COMPLETE_BLOCK
ENDED: Final = BlockState.ENDED

_FOLLOWERS: Final = {
    NO_BLOCK: frozenset({TEXT, THINKING, TOOL_CALL, COMPLETE_BLOCK, ENDED}),
    TEXT: frozenset({NO_BLOCK, ENDED}),
    THINKING: frozenset({NO_BLOCK, ENDED}),
    TOOL_CALL: frozenset({NO_BLOCK, ENDED}),
    COMPLETE_BLOCK: frozenset({NO_BLOCK, ENDED}),
    ENDED: frozenset(),
}


class BlockSink(Protocol):
    """Receives the blocks, in the order in which they stand in the message."""

    def block_opened(self, state: BlockState, call: ToolCallStarted | None) -> None:
        """Begin a block of text, thinking or tool input; ``call`` is set for tool input only."""

    def block_delta(self, text: str) -> None:
        """Append to the open block: text, thinking, or JSON of tool input."""

    def block_closed(self, state: BlockState, signature: str) -> None:
        """End the open block; ``signature`` is that of a thinking block, mostly empty."""

    def complete_block(self, event: CompleteBlockEvent) -> None:
        """Add a block that comes in one piece, without deltas."""

    def reasoning_withheld(self, text: str) -> None:
        """Note reasoning that the client did not ask to see."""

    def prompt_size_reported(self) -> None:
        """Note that the backend reported the prompt's size; it may do so many times while it processes the prompt."""

    def answer_finished(self, finished: Finished) -> None:
        """End the answer; nothing follows."""


@define(kw_only=True)
class BlockAssembler:
    """The content blocks of one answer.

    A caller may handle further deltas of the open block itself, which is quicker: text while `state` is TEXT, reasoning
    while it is THINKING, arguments of the `open_call`. It then adds their length to `characters`.

    The sink is passed with each call and not stored: its owner holds the assembler, and a reference cycle between the
    two would leave every finished answer to the garbage collector.

    :ivar show_reasoning: whether the client gets thinking blocks.
    :ivar input_tokens: the estimate for the prompt, used until the backend reports the true size.
    :ivar state: what is open now.
    :ivar block_begun: whether any block has begun.
    :ivar tool_called: whether a call of one of the client's tools has begun.
    :ivar characters: characters of the model's output that have been passed on so far.
    :ivar open_call: the number of the call whose block is open, else None.
    :ivar held: what waits for an open call; deferred opaque state is charged to it, too.
    """

    input_tokens: int
    show_reasoning: bool
    max_held: int
    state: BlockState = field(default=NO_BLOCK, init=False)
    block_begun: bool = field(default=False, init=False)
    tool_called: bool = field(default=False, init=False)
    characters: int = field(default=0, init=False)
    open_call: int | None = field(default=None, init=False)
    held: HeldBlocks = field(init=False)
    _signature: str = field(default="", init=False)
    _blank: dict[BlockState, str] = field(factory=dict, init=False)
    _deferred_states: list[ReasoningState] = field(factory=list, init=False)
    _reasoned_unseen: bool = field(default=False, init=False)
    _reported_prompt: Usage | None = field(default=None, init=False)
    _final_usage: Usage | None = field(default=None, init=False)

    @held.default
    def _nothing_held(self) -> HeldBlocks:
        return HeldBlocks(self.max_held)

    @property
    def usage(self) -> Usage | None:
        """Return the counts of the answer, estimated until it is finished; None while it is empty."""
        return self._final_usage or (self._usage_so_far() if self.characters else None)

    @property
    def hidden_only(self) -> bool:
        """Whether the answer consists of nothing but reasoning that the client does not see."""
        return self._reasoned_unseen and not self.block_begun

    def prompt_usage(self, output_tokens: int) -> Usage:
        """Return the prompt's counts: the backend's own if it has reported them, else the estimate."""
        reported = self._reported_prompt
        if reported is None:
            return Usage(self.input_tokens, output_tokens)
        return Usage(reported.input_tokens, output_tokens, reported.cache_read_tokens, reported.cache_write_tokens)

    def add(self, event: Event, sink: BlockSink) -> None:
        """Process the next event and pass the resulting blocks to the sink.

        Raises `UpstreamProtocolError` if more than ``max_held`` bytes would have to wait, and `InternalFault` for an
        event that is not allowed in the current state.
        """
        if self.state is ENDED:
            return
        match event:
            case ToolArgumentsDelta():
                if event.call == self.open_call:
                    self.characters += len(event.json)
                    sink.block_delta(event.json)
                else:
                    self.held.add_arguments(event)
            case TextDelta():
                self._add_prose(TEXT, event, sink)
            case ReasoningDelta():
                if self.state is THINKING:
                    self.characters += len(event.text)
                    sink.block_delta(event.text)
                elif self.show_reasoning:
                    self._add_prose(THINKING, event, sink)
                else:
                    self._withhold(event.text, sink)
            case _:
                self._take_step(event, sink)

    def _take_step(self, event: Event, sink: BlockSink) -> None:
        """Handle an event that comes once or twice an answer, and not with every delta."""
        match event:
            case ToolCallStarted():
                self._start_call(event, sink)
            case ToolCallEnded():
                self._end_call(event.call, sink)
            case Finished():
                self._finish(event, sink)
            case ServerToolCalled() | SearchResulted():
                self._add_complete(event, sink)
            case ReasoningState():
                self._carry_state(event, sink)
            case PromptSizeReported():
                self._reported_prompt = event.usage
                sink.prompt_size_reported()
            case _:
                pass

    def forget_attempt(self) -> None:
        """Drop what a failed attempt left that showed the client nothing: the next attempt begins afresh."""
        self._blank.clear()
        self.characters = 0
        self._reasoned_unseen = False
        self._reported_prompt = None
        self._pop_deferred()

    def break_off(self) -> None:
        """End the answer early: an error follows instead of the rest."""
        self._move_to(ENDED)
        self.open_call = None

    # --- the transitions of the diagram ---------------------------------------------------------------------------

    def _move_to(self, state: BlockState) -> None:
        if state not in _FOLLOWERS[self.state]:
            raise InternalFault(f"{state.value} cannot follow {self.state.value}")
        self.state = state

    def _open(self, state: BlockState, sink: BlockSink, call: ToolCallStarted | None = None) -> None:
        """Begin a block, closing open text or thinking first. An open call is closed only by its own end."""
        if self.state is TEXT or self.state is THINKING:
            self._close(sink)
        self._move_to(state)
        self._blank.clear()
        self.block_begun = True
        if state is not COMPLETE_BLOCK:
            sink.block_opened(state, call)

    def _close(self, sink: BlockSink) -> None:
        closed, signature = self.state, self._signature
        self._move_to(NO_BLOCK)
        self._signature = ""
        self.open_call = None
        sink.block_closed(closed, signature)

    # --- text and thinking ----------------------------------------------------------------------------------

    def _add_prose(self, state: BlockState, event: TextDelta | ReasoningDelta, sink: BlockSink) -> None:
        text = event.text
        if self.state is not state:
            if self.state is TOOL_CALL:
                self.held.add_prose(event)
                return
            text = self._blank.get(state, "") + text
            # Blank text waits until text that is not blank shows that it belongs to a block.
            if len(text) <= MAX_BLANK_CHARACTERS and not text.strip():
                self._blank[state] = text
                return
            if state is THINKING:
                self._release_states(sink)
            self._open(state, sink)
        self.characters += len(text)
        sink.block_delta(text)

    def _withhold(self, text: str, sink: BlockSink) -> None:
        self._reasoned_unseen = self._reasoned_unseen or bool(text.strip())
        self.characters += len(text)
        sink.reasoning_withheld(text)

    # --- calls of the client's tools ------------------------------------------------------------------------

    def _start_call(self, event: ToolCallStarted, sink: BlockSink) -> None:
        if self.state is not TOOL_CALL:
            self._open_tool_call(event, sink)
        elif event.call == self.open_call:
            raise InternalFault(f"tool call {event.call} was started twice")
        else:
            self.held.add_call(event)

    def _open_tool_call(self, event: ToolCallStarted, sink: BlockSink) -> None:
        self.tool_called = True
        self._release_states(sink)
        self._open(TOOL_CALL, sink, event)
        self.open_call = event.call

    def _end_call(self, call: int, sink: BlockSink) -> None:
        if call == self.open_call:
            self._close(sink)
            self._release_held(sink)
        else:
            self.held.end_call(call)

    def _release_held(self, sink: BlockSink) -> None:
        """Pass on what waited, in order, up to the first call that is itself unfinished."""
        while self.held and self.state is not TOOL_CALL:
            self._release(self.held.pop(), sink)

    def _release(self, held: HeldBlock, sink: BlockSink) -> None:
        opened_by, text = held.opened_by, held.text.getvalue()
        match opened_by:
            case TextDelta() | ReasoningDelta():
                self.add(type(opened_by)(text), sink)
            case ToolCallStarted():
                self._open_tool_call(opened_by, sink)
                if text:
                    self.add(ToolArgumentsDelta(opened_by.call, text), sink)
                if held.ended:
                    self._close(sink)
            case _:
                self.add(opened_by, sink)

    # --- blocks in one piece, and opaque state --------------------------------------------------------------

    def _add_complete(self, event: CompleteBlockEvent, sink: BlockSink) -> None:
        if self.state is TOOL_CALL:
            self.held.add_complete(event)
            return
        if isinstance(event, ServerToolCalled):
            if self.show_reasoning:
                self._release_states(sink)
            self.characters += len(event.input_json)
        self._open(COMPLETE_BLOCK, sink)
        sink.complete_block(event)
        self._move_to(NO_BLOCK)

    def _carry_state(self, event: ReasoningState, sink: BlockSink) -> None:
        """Send state as the signature of the thinking block that it belongs to, else in a block of its own.

        Such a block must not be the last one of an answer: ``claude -p`` prints the last block (seen in 2.1.330). So
        state that comes after text waits for another block to follow it, and is dropped if none does: servers insist on
        state only in turns with calls. Where the client did not ask for thinking, state always waits for a call: a
        simple client expects nothing but text in an answer without calls.
        """
        if self.state is THINKING and not self._signature:
            self._signature = event.carrier
        elif self.tool_called or (self.show_reasoning and self.state is not TEXT):
            self._add_complete(event, sink)
        else:
            self.held.charge(state_weight(event))
            self._deferred_states.append(event)

    def _release_states(self, sink: BlockSink) -> None:
        """Add deferred state in front of the block that follows now."""
        for state in self._pop_deferred():
            self._add_complete(state, sink)

    def _pop_deferred(self) -> list[ReasoningState]:
        states = self._deferred_states
        if states:
            self._deferred_states = []
            self.held.charge(-sum(map(state_weight, states)))
        return states

    # --- the end, and what it cost --------------------------------------------------------------------------

    def _finish(self, finished: Finished, sink: BlockSink) -> None:
        if self.state is TOOL_CALL:
            self.held.end_all()
            self._close(sink)
        self._release_held(sink)
        if self.state is not NO_BLOCK:
            self._close(sink)
        self._final_usage = finished.usage or self._usage_so_far()
        self._move_to(ENDED)
        sink.answer_finished(finished)

    def _usage_so_far(self) -> Usage:
        return evolve(self.prompt_usage(rough_tokens(self.characters)), estimated=True)
