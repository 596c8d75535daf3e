"""Tests for `claude_bridge.core.streamed_calls`. Which call a fragment belongs to is tested with each API."""

from __future__ import annotations

import pytest
from attrs import define

from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import Event, ToolArgumentsDelta, ToolCallEnded, ToolCallStarted
from claude_bridge.core.ids import upstream_id
from claude_bridge.core.streamed_calls import COMPLETE, MAX_CALLS, NAMELESS, OPEN, StreamedCall, StreamedCalls
from claude_bridge.core.tool_arguments import ArgumentsFilter


@define
class NumberedCalls(StreamedCalls[StreamedCall]):
    """Calls whose fragments say which call they belong to."""

    def new(self) -> StreamedCall:
        """Add a nameless call."""
        self._check_number()
        call = StreamedCall(len(self._calls), ArgumentsFilter(self.work))
        self._calls.append(call)
        return call

    def name(self, call: StreamedCall, name: str, events: list[Event]) -> str:
        """Start a call and return the arguments that waited."""
        return self._start(call, "call_1", name, events)

    def add(self, call: StreamedCall, arguments: str) -> list[Event]:
        """Return the events of more arguments."""
        events: list[Event] = []
        if call.state is NAMELESS:
            self._hold(call, arguments)
        elif call.state is OPEN:
            self._add_arguments(call, arguments, events)
        return events


def named(calls: NumberedCalls) -> StreamedCall:
    """Return another call that has a name."""
    call = calls.new()
    calls.name(call, "Read", [])
    return call


def ended(calls: NumberedCalls) -> list[Event]:
    """Return the events at the end of the answer."""
    events: list[Event] = []
    calls.end(events)
    return events


class StateTests:
    """The diagram at the top of the module."""

    def test_start(self) -> None:
        """A call starts with its name, which is the client's own, and with an id from which the backend's returns."""
        calls, events = NumberedCalls({"Read_2": "Read.2"}, bytes), list[Event]()
        call = calls.new()
        assert calls.name(call, "Read_2", events) == ""
        (started,) = events
        assert isinstance(started, ToolCallStarted)
        assert (started.call, upstream_id(started.id), started.name) == (0, "call_1", "Read.2")
        assert call.state is OPEN

    def test_closed_object(self) -> None:
        """A call ends when its object is closed; what follows is dropped."""
        calls = NumberedCalls({}, bytes)
        call = named(calls)
        assert calls.add(call, '{"a"') == [ToolArgumentsDelta(0, '{"a"')]
        assert calls.add(call, ":1} x") == [ToolArgumentsDelta(0, ":1}"), ToolCallEnded(0)]
        assert call.state is COMPLETE
        assert ended(calls) == []

    def test_end_of_answer(self) -> None:
        """The end of the answer ends every call that has a name, in their order; those without are dropped."""
        calls = NumberedCalls({}, bytes)
        first, nameless, last = named(calls), calls.new(), named(calls)
        calls.add(first, '{"a"')
        calls.add(nameless, "{}")
        calls.add(last, "[1")
        assert ended(calls) == [ToolCallEnded(0), ToolArgumentsDelta(2, "[1"), ToolCallEnded(2)]


class HeldTests:
    """What is held back."""

    def test_before_the_name(self) -> None:
        """Arguments wait for the name, and are counted in bytes until then."""
        calls = NumberedCalls({}, bytes)
        call = calls.new()
        assert calls.add(call, '{"\u00e9":') == calls.add(call, "1}") == []
        assert calls.held == len('{"\u00e9":1}'.encode())
        assert calls.name(call, "Read", []) == '{"\u00e9":1}'
        assert calls.held == 0

    def test_no_object(self) -> None:
        """Arguments that begin with anything else are held to their end."""
        calls = NumberedCalls({}, bytes)
        call = named(calls)
        assert calls.add(call, "[12") == calls.add(call, "34") == []
        assert calls.held == 5
        calls.check_held(5)
        with pytest.raises(UpstreamProtocolError, match="more than 4 bytes of tool arguments had to be held back"):
            calls.check_held(4)
        assert ended(calls) == [ToolArgumentsDelta(0, "[1234"), ToolCallEnded(0)]
        assert calls.held == 0

    def test_number(self) -> None:
        """Only so many calls are taken."""
        calls = NumberedCalls({}, bytes)
        assert [calls.new().number for _ in range(MAX_CALLS)] == list(range(MAX_CALLS))
        with pytest.raises(UpstreamProtocolError, match="more than 1000 tool calls"):
            calls.new()
