"""Assigns the fragments of streamed function calls, which may be parallel, to their calls.

An item's id says which call a fragment belongs to; where it is missing or unknown, its ``output_index`` does, else the
latest call that is open. Servers leave out each of the two, the event that begins a call, the deltas, or the event that
ends the arguments.

A call has one of three states::

    NAMELESS --a name--> OPEN --its object is closed, or its item is done, or the answer ends--> COMPLETE

Arguments that come before the name wait for it. What follows COMPLETE is dropped.
"""

from __future__ import annotations

from enum import Enum
from io import StringIO
from typing import Final
from zlib import crc32

from attrs import define, field

from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import Event, ToolArgumentsDelta, ToolCallEnded, ToolCallStarted
from claude_bridge.core.ids import RandomBytes, downstream_id
from claude_bridge.core.responses_api.wire_types import OutputItem
from claude_bridge.core.sizes import size
from claude_bridge.core.tool_arguments import ArgumentsFilter
from claude_bridge.core.work import Work

MAX_CALLS: Final = 1000
"""Calls of one answer; more come only from a faulty backend, and each costs memory."""


class _CallState(Enum):
    NAMELESS = "it cannot be called yet"
    OPEN = "it has a name; arguments may come"
    COMPLETE = "its arguments are complete"


_NAMELESS: Final = _CallState.NAMELESS
_OPEN: Final = _CallState.OPEN
_COMPLETE: Final = _CallState.COMPLETE


@define
class _Call:
    """One call.

    :ivar arguments: what makes its arguments fit to pass on.
    :ivar has_arguments: whether some have come, so that a repetition of the whole is dropped.
    :ivar item_done: whether its item is done, so that what has no id belongs to another call.
    :ivar digest: a checksum of the item that was done, by which a repetition of it is recognised.
    :ivar early_arguments: those that came before its name.
    """

    number: int
    arguments: ArgumentsFilter
    state: _CallState = _NAMELESS
    has_arguments: bool = False
    item_done: bool = False
    digest: int = 0
    early_arguments: StringIO = field(factory=StringIO)


@define
class FunctionCalls:
    """Turns items and fragments of calls into neutral tool events.

    :ivar held: bytes of arguments that are held back; the caller bounds them.
    :ivar work: the work budget of one read; the caller renews it.
    """

    _names: dict[str, str]
    _random_bytes: RandomBytes
    held: int = field(default=0, init=False)
    work: Work = field(factory=Work, init=False)
    _calls: list[_Call] = field(factory=list, init=False)
    _by_id: dict[str, _Call] = field(factory=dict, init=False)
    _by_index: dict[int, _Call] = field(factory=dict, init=False)

    def begin(self, item: OutputItem, index: int | None, events: list[Event]) -> None:
        """Add the events of an item that begins; one that is known already begins nothing."""
        call = self._by_ids(item.id)
        if call is None:
            call = self._at(index)
            call = call if call is not None and call.state is _NAMELESS else self._new(item, index)
        self._name(call, item, events)
        if item.arguments and not call.has_arguments:
            self._add(call, item.arguments, events)

    def add(self, item_id: str | None, index: int | None, arguments: str, events: list[Event]) -> None:
        """Add the events of more arguments."""
        call = self._by_id.get(item_id) if item_id else None
        self._add(call or self._find(item_id, index), arguments, events)

    def end_arguments(self, item_id: str | None, index: int | None, arguments: str | None, events: list[Event]) -> None:
        """Add the events of the whole arguments, unless they have come in pieces; the item's own end may follow."""
        call = self._find(item_id, index)
        if arguments and not call.has_arguments:
            self._add(call, arguments, events)

    def end_item(self, item: OutputItem, index: int | None, events: list[Event]) -> None:
        """Add the events of a complete item, which may be all that comes of a call."""
        digest, twin = _digest(item), self._by_id.get(item.id or "")
        if twin is not None and twin.item_done and twin.digest == digest:
            return
        call = self._by_ids(item.id, item.call_id)
        if call is None:
            call = self._at(index) if index is not None else self._latest()
            call = call if call is not None and not call.item_done else self._new(item, index)
        self._name(call, item, events)
        if item.arguments and not call.has_arguments:
            self._add(call, item.arguments, events)
        call.item_done, call.digest = True, digest
        self._end(call, events)

    def end(self, events: list[Event]) -> None:
        """End every call that has a name; calls without one cannot be run and are dropped."""
        for call in self._calls:
            self._end(call, events)

    def _name(self, call: _Call, item: OutputItem, events: list[Event]) -> None:
        """Start a call whose name is known now, and pass on the arguments that waited for it."""
        if call.state is not _NAMELESS or not item.name:
            return
        call.state = _OPEN
        name = self._names.get(item.name, item.name)
        events.append(ToolCallStarted(call.number, downstream_id(item.call_id or "", self._random_bytes), name))
        early = call.early_arguments.getvalue()
        if early:
            self.held -= size(early)
            call.early_arguments = StringIO()
            self._add(call, early, events)

    def _add(self, call: _Call, arguments: str, events: list[Event]) -> None:
        call.has_arguments = True
        if call.state is _NAMELESS:
            call.early_arguments.write(arguments)
            self.held += size(arguments)
        elif call.state is _OPEN:
            filtered = call.arguments
            held_before = filtered.held
            text = filtered.add(arguments)
            if text:
                events.append(ToolArgumentsDelta(call.number, text))
            if filtered.complete:
                call.state = _COMPLETE
                events.append(ToolCallEnded(call.number))
            elif filtered.held:
                self.held += filtered.held - held_before

    def _end(self, call: _Call, events: list[Event]) -> None:
        if call.state is not _OPEN:
            return
        self.held -= call.arguments.held
        text = call.arguments.end()
        if text:
            events.append(ToolArgumentsDelta(call.number, text))
        call.state = _COMPLETE
        events.append(ToolCallEnded(call.number))

    def _by_ids(self, *ids: str | None) -> _Call | None:
        """Return the call with the first of the ids that is known, unless its item is done: some servers repeat ids."""
        found = (self._by_id.get(identifier) for identifier in ids if identifier)
        return next((call for call in found if call is not None and not call.item_done), None)

    def _at(self, index: int | None) -> _Call | None:
        return self._by_index.get(index) if index is not None else None

    def _find(self, item_id: str | None, index: int | None) -> _Call:
        """Return the call of a fragment, or a new one that has no name yet."""
        call = self._by_id.get(item_id) if item_id else None
        return call or self._at(index) or self._latest() or self._new(OutputItem(id=item_id), index)

    def _latest(self) -> _Call | None:
        latest = self._calls[-1] if self._calls else None
        return latest if latest is not None and not latest.item_done else None

    def _new(self, item: OutputItem, index: int | None) -> _Call:
        if len(self._calls) >= MAX_CALLS:
            raise UpstreamProtocolError(f"the backend started more than {MAX_CALLS} tool calls in one answer")
        call = _Call(len(self._calls), ArgumentsFilter(self.work))
        self._calls.append(call)
        for identifier in (item.id, item.call_id):
            if identifier:
                self._by_id[identifier] = call
        if index is not None:
            self._by_index[index] = call
        return call


def _digest(item: OutputItem) -> int:
    return crc32(f"{item.call_id} {item.name} {item.arguments}".encode("utf-8", "replace"))
