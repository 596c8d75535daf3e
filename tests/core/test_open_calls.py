"""Tests for `claude_bridge.core.open_calls`."""

from __future__ import annotations

from claude_bridge.core.call_ids import CallIds
from claude_bridge.core.conversation import Text, ToolResult
from claude_bridge.core.open_calls import OpenCall, OpenCalls


def result(call_id: str, words: str = "done") -> ToolResult:
    """Build a result."""
    return ToolResult(call_id, [Text(words)], is_error=False)


class PairTests:
    """Calls and results."""

    def test_in_the_order_of_the_calls(self) -> None:
        """However the results come, they are returned as the calls were made; a call without one has none."""
        calls = OpenCalls(CallIds())
        assert [calls.add(each) for each in "abc"] == ["a", "b", "c"]
        assert calls.take_results([result("b"), Text("and"), result("a")]) == [Text("and")]

        assert calls.close() == [OpenCall("a", result("a")), OpenCall("b", result("b")), OpenCall("c")]
        assert not calls

    def test_the_same_id_twice(self) -> None:
        """Two calls with one id get ids of their own, and the results in turn; a third result is nobody's."""
        calls = OpenCalls(CallIds())
        ids = [calls.add("a"), calls.add("a")]
        rest = calls.take_results([result("a", "1"), result("a", "2"), result("a", "3")])

        assert calls.close() == [OpenCall(ids[0], result("a", "1")), OpenCall(ids[1], result("a", "2"))]
        assert len(set(ids)) == 2
        assert rest == [result("a", "3")]

    def test_nothing_is_awaited_afterwards(self) -> None:
        """A result that comes a turn too late is nobody's."""
        calls = OpenCalls(CallIds())
        calls.add("a")
        calls.close()

        assert calls.take_results([result("a")]) == [result("a")]
