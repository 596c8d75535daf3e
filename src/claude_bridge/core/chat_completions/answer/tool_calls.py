"""Assigns the fragments of streamed tool calls, which may be parallel, to their calls.

Servers differ in every respect: no index, always index 0, the id repeated or missing,
the name late or repeated, the whole call at once, arguments as an object (docs/chat-completions.md 2.4).

A call has one of four states::

    NAMELESS --a name--> OPEN --its object is closed, or the answer ends--> COMPLETE --its head again--> REOPENED

Arguments that come before the name wait for it. What follows COMPLETE is dropped, as some servers repeat a call;
behind REOPENED another object begins a call of its own.
"""

from __future__ import annotations

from enum import Enum
from io import StringIO
from typing import Final
from zlib import crc32

from attrs import define, field

from claude_bridge.core.chat_completions.openai_types import FunctionDelta, ToolCallDelta
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import Event, ToolArgumentsDelta, ToolCallEnded, ToolCallStarted
from claude_bridge.core.ids import RandomBytes, downstream_id
from claude_bridge.core.sizes import size
from claude_bridge.core.tool_arguments import ArgumentsFilter
from claude_bridge.core.work import Work

MAX_CALLS: Final = 1000
"""Calls of one answer; more come only from a faulty backend, and each costs memory."""


class _CallState(Enum):
    NAMELESS = "it cannot be called yet"
    OPEN = "it has a name; arguments may come"
    COMPLETE = "its arguments are complete"
    REOPENED = "its id and name came again after that"


_NAMELESS: Final = _CallState.NAMELESS
_OPEN: Final = _CallState.OPEN
_COMPLETE: Final = _CallState.COMPLETE
_REOPENED: Final = _CallState.REOPENED


@define
class _Call:
    """One call.

    :ivar arguments: what makes its arguments fit to pass on.
    :ivar indexed: the backend has given it an index.
    :ivar digest: length and checksum of its arguments so far, where it has an id.
    :ivar early_arguments: those that came before its name.
    """

    number: int
    arguments: ArgumentsFilter
    state: _CallState = _NAMELESS
    indexed: bool = False
    id: str = ""
    name: str = ""
    digest: tuple[int, int] = (0, 0)
    early_arguments: StringIO = field(factory=StringIO)

    @property
    def is_complete(self) -> bool:
        """Return whether its arguments are complete."""
        return self.state is _COMPLETE or self.state is _REOPENED


@define
class ToolCalls:
    """Turns fragments of calls into neutral tool events.

    :ivar held: bytes of arguments that are held back; the caller bounds them.
    :ivar work: the work budget of one read; the caller renews it.
    """

    _names: dict[str, str]
    _random_bytes: RandomBytes
    held: int = field(default=0, init=False)
    work: Work = field(factory=Work, init=False)
    _calls: list[_Call] = field(factory=list, init=False)
    _by_index: dict[int, _Call] = field(factory=dict, init=False)
    _by_id: dict[str, _Call] = field(factory=dict, init=False)

    def add(self, delta: ToolCallDelta, events: list[Event], beside: set[int] | None = None) -> None:
        """Add the events that result from one fragment.

        ``beside``: numbers of the calls of earlier entries in the same list, to which this one's is added. Each entry
        of a list belongs to another call.
        """
        function = delta.function
        call = None
        # Most fragments have nothing but more arguments, and the index of a call that is known.
        if delta.index is not None and not delta.id and not (function is not None and function.name):
            call = self._by_index.get(delta.index)
        if call is None:
            call = self._resolve(delta)
        if beside is not None:
            if call.number in beside and _is_entry(call, delta):
                call = self._new(delta)
            beside.add(call.number)
        if function is None:
            return
        if call.state is _OPEN:
            if function.arguments:
                self._add_arguments(call, function.arguments, events)
        elif call.state is _NAMELESS:
            self._add_to_nameless(call, function, events)
        else:
            self._add_behind_complete(call, delta, function, events)

    def add_more(self, index: int, arguments: str, events: list[Event]) -> bool:
        """Add the events of more arguments for the call with this index; return False if none such is open."""
        call = self._by_index.get(index)
        if call is None or call.state is not _OPEN:
            return False
        if arguments:
            self._add_arguments(call, arguments, events)
        return True

    def add_function_call(self, function: FunctionDelta, events: list[Event]) -> None:
        """Add the events of a fragment in the old ``function_call`` form, of which there is only one call."""
        self.add(ToolCallDelta(index=0, function=function), events)

    def end(self, events: list[Event]) -> None:
        """End every call that has a name; calls without one cannot be run and are dropped."""
        for call in self._calls:
            if call.state is _OPEN:
                self._finish(call, events)

    def _add_to_nameless(self, call: _Call, function: FunctionDelta, events: list[Event]) -> None:
        """Start the call if its name is known now; arguments that come before it wait."""
        arguments = function.arguments or ""
        if function.name:
            call.name = function.name
            self._start(call, events)
            early = call.early_arguments.getvalue()
            self.held -= size(early)
            call.early_arguments = StringIO()
            if early or arguments:
                self._add_arguments(call, early + arguments, events)
        else:
            call.early_arguments.write(arguments)
            self.held += size(arguments)

    def _add_behind_complete(
        self, call: _Call, delta: ToolCallDelta, function: FunctionDelta, events: list[Event]
    ) -> None:
        """Drop a repetition, unless id and name came alone and now another object: a call under the same id."""
        if call.state is _REOPENED and _begins_object(function.arguments):
            another = self._new(ToolCallDelta(delta.index, call.id))
            self._add_to_nameless(another, FunctionDelta(call.name, function.arguments), events)
        elif _repeats_head(call, delta):
            call.state = _REOPENED

    def _start(self, call: _Call, events: list[Event]) -> None:
        call.state = _OPEN
        name = self._names.get(call.name, call.name)
        events.append(ToolCallStarted(call.number, downstream_id(call.id, self._random_bytes), name))

    def _add_arguments(self, call: _Call, arguments: str, events: list[Event]) -> None:
        filtered = call.arguments
        if call.id:
            call.digest = _digest(arguments, call.digest)
        held_before = filtered.held
        text = filtered.add(arguments)
        if text:
            events.append(ToolArgumentsDelta(call.number, text))
        if filtered.complete:
            call.state = _COMPLETE
            events.append(ToolCallEnded(call.number))
        elif filtered.held:
            self.held += filtered.held - held_before

    def _finish(self, call: _Call, events: list[Event]) -> None:
        self.held -= call.arguments.held
        text = call.arguments.end()
        if text:
            events.append(ToolArgumentsDelta(call.number, text))
        call.state = _COMPLETE
        events.append(ToolCallEnded(call.number))

    def _resolve(self, delta: ToolCallDelta) -> _Call:
        """Return the fragment's call: by index, else by id, else a new one for a new id or name, else the latest."""
        call = self._by_index.get(delta.index) if delta.index is not None else None
        if call is not None:
            return self._new(delta) if _is_another(call, delta) else self._identified(call, delta)
        known = self._by_id.get(delta.id) if delta.id else None
        if known is not None and not (delta.index is not None and _name(delta)):
            return self._new(delta) if _is_another(known, delta) else known
        if self._calls and not _opens_call(self._calls[-1], delta):
            return self._identified(self._calls[-1], delta)
        return self._new(delta)

    def _identified(self, call: _Call, delta: ToolCallDelta) -> _Call:
        """Return the call, after storing an id and an index that came late."""
        if delta.id and not call.id:
            call.id = delta.id
            self._by_id[delta.id] = call
        if delta.index is not None:
            self._by_index[delta.index] = call
            call.indexed = True
        return call

    def _new(self, delta: ToolCallDelta) -> _Call:
        if len(self._calls) >= MAX_CALLS:
            raise UpstreamProtocolError(f"the backend started more than {MAX_CALLS} tool calls in one answer")
        call = _Call(len(self._calls), ArgumentsFilter(self.work))
        self._calls.append(call)
        return self._identified(call, delta)


def _name(delta: ToolCallDelta) -> str:
    return (delta.function.name or "") if delta.function is not None else ""


def _is_another(call: _Call, delta: ToolCallDelta) -> bool:
    """Return whether a fragment with a known index or id is nevertheless a new call (servers number all calls 0).

    Only a fragment with a name can be one, as some servers make up a new id for every fragment. Another name means
    another call, and so does the same name with another id, or with arguments after the call is complete. With the
    same id, these arguments must begin an object and differ from the first: some servers repeat a complete call, or its
    id and name with what follows the object, and some use one id for all calls of a tool.
    """
    name = _name(delta)
    if not name or not call.name:
        return False
    if name != call.name:
        return True
    arguments = delta.function.arguments if delta.function is not None else None
    if delta.id and delta.id == call.id:
        return call.is_complete and _begins_object(arguments) and _digest(arguments or "") != call.digest
    if delta.id:
        return bool(call.id)
    return call.is_complete and bool(arguments)


def _is_entry(call: _Call, delta: ToolCallDelta) -> bool:
    """Return whether an entry is a new call although an earlier one of the same list has the same index or id.

    It is not if it has no name, or continues the arguments that the earlier one left open.
    """
    arguments = delta.function.arguments if delta.function is not None else None
    return bool(_name(delta)) and (call.is_complete or not arguments or _begins_object(arguments))


def _repeats_head(call: _Call, delta: ToolCallDelta) -> bool:
    """Return whether a complete call's id and name come again without arguments; those of another call may follow."""
    function = delta.function
    return bool(delta.id and delta.id == call.id and function and function.name and not function.arguments)


def _begins_object(arguments: str | None) -> bool:
    return arguments is not None and arguments.lstrip().startswith("{")


def _digest(arguments: str, before: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Return length and checksum of arguments as the backend sent them, continuing the digest ``before``."""
    length, checksum = before
    return length + len(arguments), crc32(arguments.encode("utf-8", "replace"), checksum)


def _opens_call(latest: _Call, delta: ToolCallDelta) -> bool:
    """Return whether a fragment whose index and id are both unknown opens a new call."""
    if delta.id:
        return bool(latest.id or latest.name)
    if delta.index is not None and latest.indexed:
        return True
    name = _name(delta)
    return bool(name and latest.name) and (name != latest.name or latest.is_complete)
