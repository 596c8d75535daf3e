"""Assigns the fragments of streamed function calls, which may be parallel, to their calls.

An item's id says which call a fragment belongs to; where it is missing or unknown, its ``output_index`` does, else the
latest call that is open. Servers leave out each of the two, the event that begins a call, the deltas, or the event that
ends the arguments.

The states of a call are those of `claude_bridge.core.streamed_calls`.
"""

from __future__ import annotations

from zlib import crc32

from attrs import define, field

from claude_bridge.core.events import Event
from claude_bridge.core.responses_api.wire_types import OutputItem
from claude_bridge.core.streamed_calls import NAMELESS, OPEN, StreamedCall, StreamedCalls
from claude_bridge.core.tool_arguments import ArgumentsFilter


@define
class _Call(StreamedCall):
    """One call.

    :ivar has_arguments: whether some have come, so that a repetition of the whole is dropped.
    :ivar item_done: whether its item is done, so that what has no id belongs to another call.
    :ivar digest: a checksum of the item that was done, by which a repetition of it is recognised.
    """

    has_arguments: bool = False
    item_done: bool = False
    digest: int = 0


@define
class FunctionCalls(StreamedCalls[_Call]):
    """Turns items and fragments of calls into neutral tool events."""

    _by_id: dict[str, _Call] = field(factory=dict, init=False)
    _by_index: dict[int, _Call] = field(factory=dict, init=False)

    def begin(self, item: OutputItem, index: int | None, events: list[Event]) -> None:
        """Add the events of an item that begins; one that is known already begins nothing."""
        call = self._by_ids(item.id)
        if call is None:
            call = self._at(index)
            call = call if call is not None and call.state is NAMELESS else self._new(item, index)
        self._name(call, item, events)
        if item.arguments and not call.has_arguments:
            self._add(call, item.arguments, events)

    def add(self, item_id: str | None, index: int | None, arguments: str, events: list[Event]) -> None:
        """Add the events of more arguments."""
        call = self._by_id.get(item_id) if item_id else None
        call = call or self._find(item_id, index)
        if call.state is OPEN:
            call.has_arguments = True
            self._add_arguments(call, arguments, events)
        else:
            self._add(call, arguments, events)

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
        if call.state is OPEN:
            self._finish(call, events)

    def _name(self, call: _Call, item: OutputItem, events: list[Event]) -> None:
        """Start a call whose name is known now, and pass on the arguments that waited for it."""
        if call.state is not NAMELESS or not item.name:
            return
        early = self._start(call, item.call_id or "", item.name, events)
        if early:
            self._add_arguments(call, early, events)

    def _add(self, call: _Call, arguments: str, events: list[Event]) -> None:
        call.has_arguments = True
        if call.state is NAMELESS:
            self._hold(call, arguments)
        elif call.state is OPEN:
            self._add_arguments(call, arguments, events)

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
        self._check_number()
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
