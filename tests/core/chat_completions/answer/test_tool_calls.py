"""Tests for `claude_bridge.core.chat_completions.answer.tool_calls`."""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.answer.tool_calls import ToolCalls
from claude_bridge.core.chat_completions.openai_types import FunctionDelta, ToolCallDelta
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import Event, ToolArgumentsDelta, ToolCallEnded, ToolCallStarted
from claude_bridge.core.ids import upstream_id
from claude_bridge.core.streamed_calls import MAX_CALLS


def part(
    index: int | None = None, identifier: str | None = None, name: str | None = None, arguments: str | None = None
) -> ToolCallDelta:
    """Make a fragment."""
    return ToolCallDelta(index, identifier, FunctionDelta(name, arguments))


def fed(*parts: ToolCallDelta) -> list[Event]:
    """Feed fragments to the end."""
    calls = ToolCalls({}, bytes)
    events: list[Event] = []
    for one in parts:
        calls.add(one, events)
    calls.end(events)
    return events


def summary(*parts: ToolCallDelta) -> list[tuple[str, str, str]]:
    """Feed fragments and give upstream id, name and arguments of each call that came of them."""
    events = fed(*parts)
    found = []
    for start in events:
        if isinstance(start, ToolCallStarted):
            pieces = [one.json for one in events if isinstance(one, ToolArgumentsDelta) and one.call == start.call]
            assert events.count(ToolCallEnded(start.call)) == 1
            identifier = upstream_id(start.id)
            found.append(("" if identifier == start.id else identifier, start.name, "".join(pieces)))
    return found


class ToolCallsTests:
    """Which call a fragment belongs to."""

    def test_as_it_should_be(self) -> None:
        """A call that follows the rules streams as it comes and ends when its arguments do."""
        events = fed(part(0, "a", "f", ""), part(0, None, None, '{"x"'), part(0, None, None, ": 1}"))
        start, *rest = events
        assert isinstance(start, ToolCallStarted)
        assert (start.call, start.name, upstream_id(start.id)) == (0, "f", "a")
        assert rest == [ToolArgumentsDelta(0, '{"x"'), ToolArgumentsDelta(0, ": 1}"), ToolCallEnded(0)]

    def test_more_by_index_alone(self) -> None:
        """More arguments by index alone are taken only while that call is open; an empty fragment says nothing."""
        calls, events = ToolCalls({}, bytes), list[Event]()
        assert not calls.add_more(0, "{", events)
        calls.add(part(0, "a", "f", '{"x"'), events)
        del events[:]
        assert (calls.add_more(0, "", events), calls.add_more(0, ": 1}", events)) == (True, True)
        assert events == [ToolArgumentsDelta(0, ": 1}"), ToolCallEnded(0)]
        assert not calls.add_more(0, "{}", events)

    @pytest.mark.parametrize("index", [None, 0])
    def test_many_under_one_index(self, index: int | None) -> None:
        """Parallel calls without an index, or all with index 0, are told apart by their ids."""
        parts = [part(index, "a", "f", '{"x":'), part(index, None, None, "1}"), part(index, "b", "f", "{}")]
        assert summary(*parts) == [("a", "f", '{"x":1}'), ("b", "f", "{}")]

    @pytest.mark.parametrize("index", [None, 0])
    def test_without_ids(self, index: int | None) -> None:
        """Calls without ids are told apart by their names, or by a complete one being followed by another."""
        parts = [part(index, None, "f", "{}"), part(index, None, "g", None), part(index, None, "h", "{}")]
        assert [name for _, name, _ in summary(*parts)] == ["f", "g", "h"]
        again = [part(index, None, "f", '{"a":1}'), part(index, None, "f", '{"a":2}')]
        assert [arguments for _, _, arguments in summary(*again)] == ['{"a":1}', '{"a":2}']

    @pytest.mark.parametrize("index", [None, 0])
    def test_repeats(self, index: int | None) -> None:
        """Id and name that are repeated with each fragment say nothing new."""
        parts = [part(index, "a", "f", '{"x":'), part(index, "a", "f", "1"), part(index, "a", "f", "}")]
        assert summary(*parts) == [("a", "f", '{"x":1}')]
        nameless = [part(index, "a", "f", '{"x":'), part(index, "a", None, "1}")]
        assert summary(*nameless) == [("a", "f", '{"x":1}')]

    def test_name_repeated_without_id(self) -> None:
        """The same holds for a name alone."""
        assert summary(part(0, None, "f", "{"), part(0, None, "f", "}")) == [("", "f", "{}")]
        assert summary(part(None, None, "f", "{"), part(None, None, "f", "}")) == [("", "f", "{}")]

    def test_another_id_each_time(self) -> None:
        """A server that makes up an id for every fragment has still made one call."""
        assert summary(part(0, "a", "f", "{"), part(0, "b", None, "}")) == [("a", "f", "{}")]

    @pytest.mark.parametrize("indices", [(0, 1), (None, None), (0, 0)])
    def test_one_id_for_two_calls(self, indices: tuple[int | None, int | None]) -> None:
        """Two calls under one id are two calls, with different ids for the client."""
        first, second = indices
        assert summary(part(first, "a", "f", "{}"), part(second, "a", "g", "{}")) == [
            ("a", "f", "{}"),
            ("a", "g", "{}"),
        ]

    NEW_YORK, LONDON = '{"city": "NY"}', '{"city": "SF"}'

    @pytest.mark.parametrize("index", [None, 0])
    def test_same_call_with_other_arguments(self, index: int | None) -> None:
        """Servers whose ids are constant, or made of the tool's name, call it twice under one id."""
        twice = [("x", "f", self.NEW_YORK), ("x", "f", self.LONDON)]
        whole = [part(index, "x", "f", self.NEW_YORK), part(index, "x", "f", self.LONDON)]
        empty_first = [
            part(index, "x", "f", ""),
            part(index, None, None, self.NEW_YORK),
            part(index, "x", "f", ""),
            part(index, None, None, self.LONDON[:5]),
            part(index, None, None, self.LONDON[5:]),
        ]
        in_pieces = [
            part(index, "x", "f", self.NEW_YORK[:5]),
            part(index, "x", "f", self.NEW_YORK[5:]),
            part(index, "x", "f", self.LONDON[:5]),
            part(index, "x", "f", self.LONDON[5:]),
        ]
        assert summary(*whole) == summary(*empty_first) == summary(*in_pieces) == twice

    @pytest.mark.parametrize("index", [None, 0])
    @pytest.mark.parametrize("again", [NEW_YORK, "", None, "\n", "}", '"'])
    def test_same_call_again(self, index: int | None, again: str | None) -> None:
        """A complete call that is repeated as it was, or whose id and name are, stays one; so does one with a tail."""
        whole = part(index, "x", "f", self.NEW_YORK)
        pieces = [part(index, "x", "f", self.NEW_YORK[:5]), part(index, "x", "f", self.NEW_YORK[5:])]
        repeated = part(index, "x", "f", again)
        assert summary(whole, repeated) == summary(*pieces, repeated) == [("x", "f", self.NEW_YORK)]

    @pytest.mark.parametrize("second", [NEW_YORK, LONDON, "", None])
    @pytest.mark.parametrize("identifier", ["x", "", None])
    def test_entries_of_one_list(self, identifier: str | None, second: str | None) -> None:
        """Entries of one list are calls of their own, whatever they share."""
        calls, events, beside = ToolCalls({}, bytes), list[Event](), set[int]()
        for arguments in (self.NEW_YORK, second):
            calls.add(part(0, identifier, "f", arguments), events, beside)
        calls.end(events)

        assert [one.json for one in events if isinstance(one, ToolArgumentsDelta)] == [self.NEW_YORK, second or "{}"]

    def test_one_call_in_one_list(self) -> None:
        """What continues a call in the same list is no call of its own."""
        calls, events, beside = ToolCalls({}, bytes), list[Event](), set[int]()
        for one in (part(0, "x", "f", '{"a":'), part(0, "x", "f", "1"), part(0, None, None, "}")):
            calls.add(one, events, beside)

        assert [type(one) for one in events].count(ToolCallStarted) == 1
        assert events[-1] == ToolCallEnded(0)

    def test_interleaved_by_index(self) -> None:
        """Fragments of parallel calls may come in any order."""
        parts = [
            part(0, "a", "f"),
            part(1, "b", "g"),
            part(0, arguments="{"),
            part(1, arguments="{}"),
            part(0, arguments="}"),
        ]
        assert summary(*parts) == [("a", "f", "{}"), ("b", "g", "{}")]

    def test_interleaved_by_id(self) -> None:
        """The same without an index, by their ids."""
        parts = [part(None, "a", "f"), part(None, "b", "g"), part(None, "a", None, "{}"), part(None, "b", None, "{}")]
        assert summary(*parts) == [("a", "f", "{}"), ("b", "g", "{}")]

    def test_latest(self) -> None:
        """A fragment that says nothing of itself belongs to the latest call."""
        parts = [part(None, "a", "f"), part(None, "b", "g"), part(arguments='{"x":'), part(arguments="1}")]
        assert summary(*parts) == [("a", "f", "{}"), ("b", "g", '{"x":1}')]

    def test_name_after_arguments(self) -> None:
        """Arguments that come before the name wait for it; what waits is counted."""
        calls = ToolCalls({}, bytes)
        events: list[Event] = []
        calls.add(part(0, "a", "", '{"x":'), events)
        calls.add(part(0, None, None, "1"), events)
        assert (events, calls.held) == ([], 6)
        calls.add(part(0, None, "f", "}"), events)
        assert calls.held == 0
        assert events[1:] == [ToolArgumentsDelta(0, '{"x":1}'), ToolCallEnded(0)]

    def test_id_and_index_late(self) -> None:
        """So may the id come late, and the index."""
        assert summary(part(arguments="{"), part(None, "a", "f"), part(arguments="}")) == [("a", "f", "{}")]
        assert summary(part(arguments="{"), part(0, None, "f"), part(0, arguments="}")) == [("", "f", "{}")]
        assert summary(part(0, None, None, "{"), part(0, "a", "f", "}")) == [("a", "f", "{}")]
        assert summary(part(None, "a", "f", "{"), part(0, arguments="}")) == [("a", "f", "{}")]

    def test_new_index_before_its_name(self) -> None:
        """A new index is a new call, also where its name comes later."""
        parts = [part(0, None, "f"), part(1, arguments="{"), part(1, None, "g", "}")]
        assert summary(*parts) == [("", "f", "{}"), ("", "g", "{}")]

    def test_new_id_before_its_name(self) -> None:
        """So is a new id."""
        parts = [part(None, "a", "f", "{}"), part(None, "b", None, '{"x":'), part(None, "b", "f", "1}")]
        assert summary(*parts) == [("a", "f", "{}"), ("b", "f", '{"x":1}')]

    def test_nameless(self) -> None:
        """A call that never gets a name cannot be called and is dropped; its neighbours stay."""
        assert summary(part(0, "a", None, "{}"), part(1, "b", "g", "{}")) == [("b", "g", "{}")]

    @pytest.mark.parametrize("arguments", [None, "", "null", '""'])
    def test_no_arguments(self, arguments: str | None) -> None:
        """No arguments are the empty object."""
        assert summary(part(0, "a", "f", arguments)) == [("a", "f", "{}")]

    def test_no_function(self) -> None:
        """A fragment without a function only opens the call."""
        assert summary(ToolCallDelta(0, "a"), part(0, None, "f", "{}")) == [("a", "f", "{}")]

    def test_after_the_end(self) -> None:
        """What follows complete arguments is dropped."""
        assert summary(part(0, "a", "f", "{}"), part(0, arguments=" x"), part(0, arguments="{}")) == [("a", "f", "{}")]

    def test_wrapped(self) -> None:
        """Arguments packed into a string once too often are unpacked at the end; until then they are counted."""
        calls = ToolCalls({}, bytes)
        events: list[Event] = []
        calls.add(part(0, "a", "f", '"{}'), events)
        calls.add(part(0, None, None, '"'), events)
        assert calls.held == 4
        calls.end(events)
        assert calls.held == 0
        assert events[1:] == [ToolArgumentsDelta(0, "{}"), ToolCallEnded(0)]

    def test_cut(self) -> None:
        """Arguments that were cut off pass as they are, and the call ends."""
        assert summary(part(0, "a", "f", '{"x": "y\\')) == [("a", "f", '{"x": "y\\')]

    def test_names_given_back(self) -> None:
        """A name that had to be changed for the backend is the client's own again."""
        events: list[Event] = []
        ToolCalls({"f_1": "f.1"}, bytes).add(part(0, "a", "f_1"), events)
        assert isinstance(events[0], ToolCallStarted)
        assert events[0].name == "f.1"

    def test_old_form(self) -> None:
        """The old form, with one function call and no list, is a call too."""
        calls = ToolCalls({}, bytes)
        events: list[Event] = []
        calls.add_function_call(FunctionDelta("f", "{"), events)
        calls.add_function_call(FunctionDelta(None, "}"), events)
        assert events[1:] == [ToolArgumentsDelta(0, "{"), ToolArgumentsDelta(0, "}"), ToolCallEnded(0)]

    def test_too_many(self) -> None:
        """A backend gone mad is stopped."""
        calls = ToolCalls({}, bytes)
        events: list[Event] = []
        for index in range(MAX_CALLS):
            calls.add(part(index, None, "f", "{}"), events)
        with pytest.raises(UpstreamProtocolError):
            calls.add(part(MAX_CALLS, None, "f", "{}"), events)
