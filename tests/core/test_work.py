"""Tests for `claude_bridge.core.work`."""

from __future__ import annotations

from claude_bridge.core.chat_completions.answer.reader import Reader
from claude_bridge.core.chat_completions.answer.tool_calls import ToolCalls
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.strict_json import Raw
from claude_bridge.core.work import MAX_WORK_UNITS, Work


class WorkTests:
    """One read has its share, the next one too."""

    def test_full(self) -> None:
        """A budget begins full."""
        assert Work().left == MAX_WORK_UNITS == ToolCalls({}, bytes).work.left

    def test_filled_up_with_each_read(self) -> None:
        """What one read of an answer used up does not stop the repair of what the next one brings."""
        reader = Reader(dialect=DIALECTS["generic"], random_bytes=bytes, recoverable={"f": Raw(b"{}")})
        calls, text = reader._deltas.calls, reader._deltas.text
        calls.work.left = 0
        reader.feed(b"data: ")
        assert calls.work.left == MAX_WORK_UNITS
        assert text._scanner is not None
        assert text._scanner._work is calls.work
        calls.work.left = 0
        reader.close()
        assert calls.work.left == MAX_WORK_UNITS
