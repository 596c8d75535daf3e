"""Tests for `claude_bridge.core.messages_api.held_blocks`."""

from __future__ import annotations

import pytest

from claude_bridge.core.errors import InternalFault, UpstreamProtocolError
from claude_bridge.core.events import (
    ReasoningDelta,
    ReasoningState,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
)
from claude_bridge.core.messages_api.held_blocks import HeldBlocks, state_weight
from claude_bridge.core.sizes import BLOCK

CALL = ToolCallStarted(1, "toolu_1", "T1")


class HeldBlocksTests:
    """What waits while a call is open."""

    def test_order(self) -> None:
        """Blocks come out in the order in which they began, each with all of its text."""
        held = HeldBlocks(10_000)
        assert not held
        held.add_prose(TextDelta("a"))
        held.add_call(CALL)
        held.add_prose(ReasoningDelta("b"))
        held.add_prose(ReasoningDelta("c"))
        held.add_arguments(ToolArgumentsDelta(1, "{"))
        held.add_complete(ReasoningState("cb1.x"))
        held.add_arguments(ToolArgumentsDelta(1, "}"))
        found = []
        while held:
            block = held.pop()
            found.append((type(block.opened_by), block.text.getvalue(), block.ended))
        assert found == [
            (TextDelta, "a", False),
            (ToolCallStarted, "{}", False),
            (ReasoningDelta, "bc", False),
            (ReasoningState, "", False),
        ]

    def test_ended(self) -> None:
        """A call that is complete while it waits is known to be, one by one or all at the end."""
        held = HeldBlocks(10_000)
        held.add_call(CALL)
        held.add_call(ToolCallStarted(2, "toolu_2", "T2"))
        held.end_call(2)
        assert [held.pop().ended, held.pop().ended] == [False, True]
        held.add_call(CALL)
        held.end_all()
        assert held.pop().ended

    def test_bound(self) -> None:
        """Bytes, objects and opaque state are bounded, and free again once they have left."""
        state = ReasoningState("cb1.x")
        held = HeldBlocks(2 * BLOCK + 10)
        held.add_prose(TextDelta("xx\u4e2d"))
        held.add_complete(state)
        assert held.size_bytes == BLOCK + 5 + state_weight(state)
        with pytest.raises(UpstreamProtocolError, match=f"more than {2 * BLOCK + 10} bytes had to wait"):
            held.add_prose(TextDelta("y"))
        held = HeldBlocks(2 * BLOCK + 10)
        for _ in range(3):
            held.add_prose(TextDelta("xx\u4e2d"))
            held.add_complete(state)
            held.pop()
            held.pop()
        assert held.size_bytes == 0

    def test_impossible(self) -> None:
        """Only a call that waits and is not complete can go on: anything else is a fault of the bridge."""
        held = HeldBlocks(10_000)
        for wrong in (lambda: held.add_arguments(ToolArgumentsDelta(1, "x")), lambda: held.end_call(1)):
            with pytest.raises(InternalFault, match="tool call 1 is not open"):
                wrong()
        held.add_call(CALL)
        with pytest.raises(InternalFault, match="tool call 1 was started twice"):
            held.add_call(CALL)
        held.end_call(1)
        with pytest.raises(InternalFault, match="tool call 1 is not open"):
            held.add_arguments(ToolArgumentsDelta(1, "x"))
