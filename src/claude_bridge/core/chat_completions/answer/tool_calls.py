"""Assigns the fragments of streamed tool calls, which may be parallel, to their calls.

Servers differ in every respect: no index, always index 0, the id repeated or missing,
the name late or repeated, the whole call at once, arguments as an object (docs/chat-completions.md 2.4).

The states of a call are those of `claude_bridge.core.streamed_calls`. What follows a complete call is dropped, as some
servers repeat a call; but where its id and name alone came again, another object begins a call of its own.
"""

from __future__ import annotations

from zlib import crc32

from attrs import define, field

from claude_bridge.core.chat_completions.openai_types import FunctionDelta, ToolCallDelta
from claude_bridge.core.events import Event
from claude_bridge.core.streamed_calls import COMPLETE, NAMELESS, OPEN, StreamedCall, StreamedCalls
from claude_bridge.core.tool_arguments import ArgumentsFilter


@define
class _Call(StreamedCall):
    """One call.

    :ivar indexed: the backend has given it an index.
    :ivar digest: length and checksum of its arguments so far, where it has an id.
    :ivar reopened: whether its id and name came again after it was complete.
    """

    indexed: bool = False
    id: str = ""
    name: str = ""
    digest: tuple[int, int] = (0, 0)
    reopened: bool = False


@define
class ToolCalls(StreamedCalls[_Call]):
    """Turns fragments of calls into neutral tool events."""

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
        if call.state is OPEN:
            if function.arguments:
                if call.id:
                    call.digest = _digest(function.arguments, call.digest)
                self._add_arguments(call, function.arguments, events)
        elif call.state is NAMELESS:
            self._add_to_nameless(call, function, events)
        else:
            self._add_behind_complete(call, delta, function, events)

    def add_more(self, index: int, arguments: str, events: list[Event]) -> bool:
        """Add the events of more arguments for the call with this index; return False if none such is open."""
        call = self._by_index.get(index)
        if call is None or call.state is not OPEN:
            return False
        if arguments:
            if call.id:
                call.digest = _digest(arguments, call.digest)
            self._add_arguments(call, arguments, events)
        return True

    def add_function_call(self, function: FunctionDelta, events: list[Event]) -> None:
        """Add the events of a fragment in the old ``function_call`` form, of which there is only one call."""
        self.add(ToolCallDelta(index=0, function=function), events)

    def _add_to_nameless(self, call: _Call, function: FunctionDelta, events: list[Event]) -> None:
        """Start the call if its name is known now; arguments that come before it wait."""
        arguments = function.arguments or ""
        if function.name:
            call.name = function.name
            arguments = self._start(call, call.id, call.name, events) + arguments
            if arguments:
                if call.id:
                    call.digest = _digest(arguments, call.digest)
                self._add_arguments(call, arguments, events)
        else:
            self._hold(call, arguments)

    def _add_behind_complete(
        self, call: _Call, delta: ToolCallDelta, function: FunctionDelta, events: list[Event]
    ) -> None:
        """Drop a repetition, unless id and name came alone and now another object: a call under the same id."""
        if call.reopened and _begins_object(function.arguments):
            another = self._new(ToolCallDelta(delta.index, call.id))
            self._add_to_nameless(another, FunctionDelta(call.name, function.arguments), events)
        elif _repeats_head(call, delta):
            call.reopened = True

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
        self._check_number()
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
        return call.state is COMPLETE and _begins_object(arguments) and _digest(arguments or "") != call.digest
    if delta.id:
        return bool(call.id)
    return call.state is COMPLETE and bool(arguments)


def _is_entry(call: _Call, delta: ToolCallDelta) -> bool:
    """Return whether an entry is a new call although an earlier one of the same list has the same index or id.

    It is not if it has no name, or continues the arguments that the earlier one left open.
    """
    arguments = delta.function.arguments if delta.function is not None else None
    return bool(_name(delta)) and (call.state is COMPLETE or not arguments or _begins_object(arguments))


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
    return bool(name and latest.name) and (name != latest.name or latest.state is COMPLETE)
