"""The tool calls of one answer while they stream, maybe in parallel: their names and arguments -> neutral tool events.

A call has one of three states::

    NAMELESS --a name--> OPEN --its object is closed, or its end is reported, or the answer ends--> COMPLETE

Arguments that come before the name wait for it. What follows COMPLETE is dropped. Which call a fragment belongs to is
up to each API.
"""

from __future__ import annotations

from enum import Enum
from io import StringIO
from typing import Final, Generic, TypeVar

from attrs import define, field

from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import Event, ToolArgumentsDelta, ToolCallEnded, ToolCallStarted
from claude_bridge.core.ids import RandomBytes, downstream_id
from claude_bridge.core.sizes import size
from claude_bridge.core.tool_arguments import ArgumentsFilter
from claude_bridge.core.work import Work

MAX_CALLS: Final = 1000
"""Calls of one answer; more come only from a faulty backend, and each costs memory."""


class CallState(Enum):
    """How far a call has come."""

    NAMELESS = "it cannot be called yet"
    OPEN = "it has a name; arguments may come"
    COMPLETE = "its arguments are complete"


NAMELESS: Final = CallState.NAMELESS
OPEN: Final = CallState.OPEN
COMPLETE: Final = CallState.COMPLETE


@define
class StreamedCall:
    """One call.

    :ivar number: its place among the calls of the answer, from 0.
    :ivar arguments: what makes its arguments fit to pass on.
    :ivar early_arguments: those that came before its name.
    """

    number: int
    arguments: ArgumentsFilter
    state: CallState = NAMELESS
    early_arguments: StringIO = field(factory=StringIO)


CallT = TypeVar("CallT", bound=StreamedCall)


@define
class StreamedCalls(Generic[CallT]):
    """The calls of one answer; a subclass for an API assigns fragments to them.

    It is a base class instead of a part so that no fragment costs another call.

    :ivar held: bytes of arguments that are held back; the caller bounds them.
    :ivar work: the work budget of one read; the caller renews it.
    """

    _names: dict[str, str]
    _random_bytes: RandomBytes
    held: int = field(default=0, init=False)
    work: Work = field(factory=Work, init=False)
    _calls: list[CallT] = field(factory=list, init=False)

    def end(self, events: list[Event]) -> None:
        """End every call that has a name; calls without one cannot be run and are dropped."""
        for call in self._calls:
            if call.state is OPEN:
                self._finish(call, events)

    def check_held(self, most: int) -> None:
        """Raise `UpstreamProtocolError` if more than ``most`` bytes are held back."""
        if self.held > most:
            raise UpstreamProtocolError(f"more than {most} bytes of tool arguments had to be held back")

    def _check_number(self) -> None:
        """Raise `UpstreamProtocolError` if there are too many calls for another one."""
        if len(self._calls) >= MAX_CALLS:
            raise UpstreamProtocolError(f"the backend started more than {MAX_CALLS} tool calls in one answer")

    def _start(self, call: StreamedCall, identifier: str, name: str, events: list[Event]) -> str:
        """Start a nameless call whose name is known now, and return the arguments that waited for it."""
        call.state = OPEN
        name = self._names.get(name, name)
        events.append(ToolCallStarted(call.number, downstream_id(identifier, self._random_bytes), name))
        early = call.early_arguments.getvalue()
        if early:
            self.held -= size(early)
            call.early_arguments = StringIO()
        return early

    def _hold(self, call: StreamedCall, arguments: str) -> None:
        """Hold the arguments of a nameless call."""
        call.early_arguments.write(arguments)
        self.held += size(arguments)

    def _add_arguments(self, call: StreamedCall, arguments: str, events: list[Event]) -> None:
        """Add the events of more arguments of an open call."""
        filtered = call.arguments
        held_before = filtered.held
        text = filtered.add(arguments)
        if text:
            events.append(ToolArgumentsDelta(call.number, text))
        if filtered.complete:
            call.state = COMPLETE
            events.append(ToolCallEnded(call.number))
        elif filtered.held:
            self.held += filtered.held - held_before

    def _finish(self, call: StreamedCall, events: list[Event]) -> None:
        """End an open call."""
        self.held -= call.arguments.held
        text = call.arguments.end()
        if text:
            events.append(ToolArgumentsDelta(call.number, text))
        call.state = COMPLETE
        events.append(ToolCallEnded(call.number))
