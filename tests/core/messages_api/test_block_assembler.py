"""Tests for `claude_bridge.core.messages_api.block_assembler`.

What the blocks look like to clients is tested with the two sinks that they are for.
"""

from __future__ import annotations

from typing import Any

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.errors import InternalFault, UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    PromptSizeReported,
    ReasoningDelta,
    ReasoningState,
    SearchResulted,
    ServerToolCalled,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)
from claude_bridge.core.messages_api.block_assembler import (
    COMPLETE_BLOCK,
    ENDED,
    MAX_BLANK_CHARACTERS,
    NO_BLOCK,
    TEXT,
    THINKING,
    TOOL_CALL,
    BlockAssembler,
    BlockState,
)
from claude_bridge.core.messages_api.held_blocks import CompleteBlockEvent
from claude_bridge.core.sizes import BLOCK
from tests.core.strategies import event_sequences

END = Finished(FinishReason.STOPPED, None, Usage(12, 7))
SEARCH = ServerToolCalled("srvtoolu_1", "web_search", "{}")


def start(number: int) -> ToolCallStarted:
    """Start a call."""
    return ToolCallStarted(number, f"toolu_{number}", f"T{number}")


@define
class Recorder:
    """A sink that writes down what it is told, and insists that blocks follow one another.

    :ivar told: each step as a short tuple.
    :ivar open: the open block.
    """

    told: list[tuple[Any, ...]] = field(factory=list)
    open: BlockState = NO_BLOCK
    finished: bool = False

    def block_opened(self, state: BlockState, call: ToolCallStarted | None) -> None:
        """Write it down."""
        assert self.open is NO_BLOCK
        assert (call is not None) is (state is TOOL_CALL)
        assert not self.finished
        self.open = state
        self.told.append(("open", state.name, *([call.call] if call is not None else [])))

    def block_delta(self, text: str) -> None:
        """Write it down."""
        assert self.open in {TEXT, THINKING, TOOL_CALL}
        self.told.append(("delta", text))

    def block_closed(self, state: BlockState, signature: str) -> None:
        """Write it down."""
        assert self.open is state
        self.open = NO_BLOCK
        self.told.append(("close", *([signature] if signature else [])))

    def complete_block(self, event: CompleteBlockEvent) -> None:
        """Write it down."""
        assert self.open is NO_BLOCK
        assert not self.finished
        self.told.append(("complete", type(event).__name__))

    def reasoning_withheld(self, text: str) -> None:
        """Write it down."""
        self.told.append(("withheld", text))

    def prompt_size_reported(self) -> None:
        """Write it down."""
        self.told.append(("prompt",))

    def answer_finished(self, finished: Finished) -> None:
        """Write it down."""
        assert self.open is NO_BLOCK
        assert not self.finished
        self.finished = True
        self.told.append(("finished", finished.reason.name))


def make(*, show: bool = True, max_held: int = 1 << 20) -> BlockAssembler:
    """Make an assembler for one answer."""
    return BlockAssembler(input_tokens=5, show_reasoning=show, max_held=max_held)


def told(*events: Event, show: bool = True) -> list[tuple[Any, ...]]:
    """Return what a sink is told of an answer."""
    assembler, sink = make(show=show), Recorder()
    for event in events:
        assembler.add(event, sink)
    return sink.told


REACHED: dict[BlockState, list[Event]] = {
    NO_BLOCK: [],
    TEXT: [TextDelta("a")],
    THINKING: [ReasoningDelta("a")],
    TOOL_CALL: [start(0)],
    ENDED: [END],
}
"""How each state that lasts is reached."""


class StateTests:
    """The picture at the top of the module."""

    @pytest.mark.parametrize(
        ("state", "event", "follows"),
        [
            (NO_BLOCK, TextDelta("b"), TEXT),
            (NO_BLOCK, TextDelta(" "), NO_BLOCK),
            (NO_BLOCK, ReasoningDelta("b"), THINKING),
            (NO_BLOCK, start(1), TOOL_CALL),
            (NO_BLOCK, SEARCH, NO_BLOCK),
            (NO_BLOCK, SearchResulted("srvtoolu_1"), NO_BLOCK),
            (NO_BLOCK, ReasoningState("cb1.x"), NO_BLOCK),
            (NO_BLOCK, Started("x"), NO_BLOCK),
            (NO_BLOCK, PromptSizeReported(Usage(3)), NO_BLOCK),
            (NO_BLOCK, END, ENDED),
            (TEXT, TextDelta(" "), TEXT),
            (TEXT, ReasoningDelta("b"), THINKING),
            (TEXT, ReasoningDelta(" "), TEXT),
            (TEXT, start(1), TOOL_CALL),
            (TEXT, SEARCH, NO_BLOCK),
            (TEXT, ReasoningState("cb1.x"), TEXT),
            (TEXT, END, ENDED),
            (THINKING, ReasoningDelta("b"), THINKING),
            (THINKING, TextDelta("b"), TEXT),
            (THINKING, start(1), TOOL_CALL),
            (THINKING, SEARCH, NO_BLOCK),
            (THINKING, ReasoningState("cb1.x"), THINKING),
            (THINKING, END, ENDED),
            (TOOL_CALL, ToolArgumentsDelta(0, "{"), TOOL_CALL),
            (TOOL_CALL, TextDelta("b"), TOOL_CALL),
            (TOOL_CALL, ReasoningDelta("b"), TOOL_CALL),
            (TOOL_CALL, SEARCH, TOOL_CALL),
            (TOOL_CALL, ReasoningState("cb1.x"), TOOL_CALL),
            (TOOL_CALL, start(1), TOOL_CALL),
            (TOOL_CALL, ToolCallEnded(0), NO_BLOCK),
            (TOOL_CALL, END, ENDED),
            (ENDED, TextDelta("b"), ENDED),
            (ENDED, start(0), ENDED),
            (ENDED, ToolArgumentsDelta(9, "{"), ENDED),
            (ENDED, END, ENDED),
        ],
    )
    def test_follows(self, state: BlockState, event: Event, follows: BlockState) -> None:
        """Each state is followed by the one that the picture shows."""
        assembler, sink = make(), Recorder()
        for before in REACHED[state]:
            assembler.add(before, sink)
        assert assembler.state is state
        assembler.add(event, sink)
        assert assembler.state is follows

    @pytest.mark.parametrize("state", REACHED)
    @pytest.mark.parametrize("event", [ToolArgumentsDelta(9, "{"), ToolCallEnded(9)])
    def test_unknown_call(self, state: BlockState, event: Event) -> None:
        """Arguments or the end of a call that is not open are a fault of the bridge, wherever they come."""
        assembler, sink = make(), Recorder()
        for before in REACHED[state]:
            assembler.add(before, sink)
        if state is ENDED:
            assembler.add(event, sink)
            return
        with pytest.raises(InternalFault, match="tool call 9 is not open"):
            assembler.add(event, sink)

    @pytest.mark.parametrize("number", [0, 1])
    def test_started_twice(self, number: int) -> None:
        """So is a call that begins again before it has ended, whether it is open or waits."""
        assembler, sink = make(), Recorder()
        assembler.add(start(0), sink)
        assembler.add(start(1), sink)
        with pytest.raises(InternalFault, match=f"tool call {number} was started twice"):
            assembler.add(start(number), sink)

    @pytest.mark.parametrize("state", [TEXT, THINKING, TOOL_CALL, COMPLETE_BLOCK])
    def test_wrong_step(self, state: BlockState) -> None:
        """No block can be opened inside another: a step that the picture does not show is refused."""
        assembler = make()
        assembler.state = TOOL_CALL
        with pytest.raises(InternalFault, match="cannot follow a tool call"):
            assembler._open(state, Recorder())

    @pytest.mark.parametrize("state", [state for state in REACHED if state is not ENDED])
    def test_broken_off(self, state: BlockState) -> None:
        """An answer can be broken off in any state, once, and tells nothing more."""
        assembler, sink = make(), Recorder()
        for before in REACHED[state]:
            assembler.add(before, sink)
        before_end = list(sink.told)
        assembler.break_off()
        for event in (TextDelta("b"), ToolCallEnded(0), END):
            assembler.add(event, sink)
        assert (assembler.state, sink.told) == (ENDED, before_end)
        with pytest.raises(InternalFault, match="the end cannot follow the end"):
            assembler.break_off()


class SinkTests:
    """What a sink is told."""

    def test_order(self) -> None:
        """Every block is opened, filled and closed before the next one."""
        assert told(ReasoningDelta("a"), TextDelta("b"), SEARCH, start(0), ToolArgumentsDelta(0, "{}"), END) == [
            ("open", "THINKING"),
            ("delta", "a"),
            ("close",),
            ("open", "TEXT"),
            ("delta", "b"),
            ("close",),
            ("complete", "ServerToolCalled"),
            ("open", "TOOL_CALL", 0),
            ("delta", "{}"),
            ("close",),
            ("finished", "STOPPED"),
        ]

    @given(event_sequences(), st.booleans())
    def test_any_events(self, events: list[Event], show: bool) -> None:
        """Whatever is said, no block lies inside another, and none is open at the end."""
        sink = told(*events, show=show)
        assert sink[-1][0] == "finished"
        assert [step[0] for step in sink].count("open") == [step[0] for step in sink].count("close")

    def test_held(self) -> None:
        """What comes while a call is open follows it, up to the next call that is not complete."""
        steps = told(start(0), TextDelta("a"), start(1), ToolArgumentsDelta(1, "{"), TextDelta("b"), ToolCallEnded(0))
        assert steps == [
            ("open", "TOOL_CALL", 0),
            ("close",),
            ("open", "TEXT"),
            ("delta", "a"),
            ("close",),
            ("open", "TOOL_CALL", 1),
            ("delta", "{"),
        ]

    def test_blank(self) -> None:
        """Blank text waits for text and is dropped where something else follows."""
        assert told(TextDelta("\n"), TextDelta("a")) == [("open", "TEXT"), ("delta", "\na")]
        assert told(TextDelta("\n"), start(0), ToolCallEnded(0), TextDelta("a"))[-1] == ("delta", "a")
        long = "\n" * (MAX_BLANK_CHARACTERS + 1)
        assert told(TextDelta(long)) == [("open", "TEXT"), ("delta", long)]

    def test_state(self) -> None:
        """State is a signature, a block, or waits for a call behind text."""
        assert told(ReasoningDelta("a"), ReasoningState("cb1.x"), END)[2] == ("close", "cb1.x")
        assert told(ReasoningState("cb1.x")) == [("complete", "ReasoningState")]
        behind: list[Event] = [TextDelta("a"), ReasoningState("cb1.x")]
        assert told(*behind, start(0))[2:] == [("close",), ("complete", "ReasoningState"), ("open", "TOOL_CALL", 0)]
        assert told(*behind, END)[2:] == [("close",), ("finished", "STOPPED")]

    def test_withheld(self) -> None:
        """Reasoning that the client does not see opens nothing, and is counted."""
        assembler, sink = make(show=False), Recorder()
        assembler.add(ReasoningDelta("hm"), sink)
        assert sink.told == [("withheld", "hm")]
        assert (assembler.hidden_only, assembler.characters) == (True, 2)
        assembler.add(TextDelta("a"), sink)
        assert not assembler.hidden_only


class CountTests:
    """What an answer has cost so far, and how much of it waits."""

    def test_usage(self) -> None:
        """It is unknown, then estimated, then what the backend says."""
        assembler, sink = make(), Recorder()
        assert assembler.usage is None
        assembler.add(PromptSizeReported(Usage(30, 1, 70)), sink)
        assembler.add(TextDelta("four"), sink)
        assert assembler.usage == Usage(30, 2, 70, estimated=True)
        assembler.add(END, sink)
        assert assembler.usage == END.usage

    def test_deferred_state_is_charged(self) -> None:
        """State that waits counts as waiting until it has left."""
        assembler, sink = make(max_held=2 * BLOCK + 20), Recorder()
        for _ in range(9):
            assembler.add(TextDelta("a"), sink)
            assembler.add(ReasoningState("cb1.x"), sink)
            assert assembler.held.size_bytes == BLOCK + 5
            assembler.add(ReasoningDelta("b"), sink)
            assert assembler.held.size_bytes == 0
        for event in (TextDelta("a"), ReasoningState("cb1.x"), ReasoningState("cb1.y")):
            assembler.add(event, sink)
        with pytest.raises(UpstreamProtocolError):
            assembler.add(ReasoningState("cb1.z"), sink)

    def test_forget_attempt(self) -> None:
        """An attempt that showed nothing leaves nothing to the next one."""
        assembler, sink = make(show=False), Recorder()
        for event in (TextDelta("\n"), ReasoningDelta("hm"), ReasoningState("cb1.x"), PromptSizeReported(Usage(30))):
            assembler.add(event, sink)
        assembler.forget_attempt()
        assert (assembler.usage, assembler.hidden_only, assembler.held.size_bytes) == (None, False, 0)
        sink.told.clear()
        for late in (TextDelta("a"), start(0), ToolCallEnded(0)):
            assembler.add(late, sink)
        assert sink.told == [("open", "TEXT"), ("delta", "a"), ("close",), ("open", "TOOL_CALL", 0), ("close",)]
        assert assembler.prompt_usage(0).input_tokens == 5
