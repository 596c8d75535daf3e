"""Which call does a fragment belong to? The bookkeeping of streamed parallel tool calls.

Servers differ in all they could differ in: no index, always index 0, the id repeated or missing,
the name late or repeated, the whole call at once, arguments as an object (wire-contract 4.3).
"""

from __future__ import annotations

from io import StringIO
from typing import Final
from zlib import crc32

from attrs import define, field

from claude_bridge.core.chat_completions.answer.tool_arguments import ArgumentsFilter
from claude_bridge.core.chat_completions.answer.work import Work
from claude_bridge.core.chat_completions.openai_types import FunctionDelta, ToolCallDelta
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import Event, ToolArgumentsDelta, ToolCallEnded, ToolCallStarted
from claude_bridge.core.ids import RandomBytes, downstream_id
from claude_bridge.core.sizes import size

MAX_CALLS: Final = 1000
"""Calls one answer may hold; more is a backend gone mad, and each costs memory."""


@define
class _Call:
    """One call.

    :ivar reopened: its id and name came again after its arguments were complete.
    :ivar digest: length and checksum of its arguments so far, where it has an id.
    """

    number: int
    filter: ArgumentsFilter
    indexed: bool = False
    id: str = ""
    name: str = ""
    started: bool = False
    ended: bool = False
    reopened: bool = False
    digest: tuple[int, int] = (0, 0)
    early: StringIO = field(factory=StringIO)


@define
class ToolCalls:
    """Fragments in, neutral tool events out.

    :ivar held: bytes of arguments kept back, to be bounded by the caller.
    :ivar work: what may be done over one read, to be filled up by the caller.
    """

    _names: dict[str, str]
    _random_bytes: RandomBytes
    held: int = field(default=0, init=False)
    work: Work = field(factory=Work, init=False)
    _calls: list[_Call] = field(factory=list, init=False)
    _by_index: dict[int, _Call] = field(factory=dict, init=False)
    _by_id: dict[str, _Call] = field(factory=dict, init=False)

    def add(self, delta: ToolCallDelta, events: list[Event], beside: set[int] | None = None) -> None:
        """Add the events that one fragment gives.

        ``beside``: numbers of the calls to which earlier entries of the same list belong; this one's is added. Entries
        of one list are calls of their own.
        """
        function = delta.function
        call = None
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
        if call.ended:
            if not (call.reopened and _begins_object(function.arguments)):
                call.reopened = call.reopened or _repeats_head(call, delta)
                return
            function = FunctionDelta(call.name, function.arguments)
            call = self._new(ToolCallDelta(delta.index, call.id))
        if not call.started:
            self._add_to_unstarted(call, function, events)
        elif function.arguments:
            self._add_arguments(call, function.arguments, events)

    def add_function_call(self, function: FunctionDelta, events: list[Event]) -> None:
        """Add the events of a fragment in the old ``function_call`` form: there is only ever one such call."""
        self.add(ToolCallDelta(index=0, function=function), events)

    def end(self, events: list[Event]) -> None:
        """No more fragments: end every call that has a name; the nameless cannot be called and are dropped."""
        for call in self._calls:
            if call.started and not call.ended:
                self._finish(call, events)

    def _add_to_unstarted(self, call: _Call, function: FunctionDelta, events: list[Event]) -> None:
        """Start the call if its name is known now; arguments that come before it wait."""
        arguments = function.arguments or ""
        if function.name:
            call.name = function.name
            self._start(call, events)
            early = call.early.getvalue()
            self.held -= size(early)
            call.early = StringIO()
            if early or arguments:
                self._add_arguments(call, early + arguments, events)
        else:
            call.early.write(arguments)
            self.held += size(arguments)

    def _start(self, call: _Call, events: list[Event]) -> None:
        call.started = True
        name = self._names.get(call.name, call.name)
        events.append(ToolCallStarted(call.number, downstream_id(call.id, self._random_bytes), name))

    def _add_arguments(self, call: _Call, arguments: str, events: list[Event]) -> None:
        kept = call.filter
        if call.id:
            call.digest = _digest(arguments, call.digest)
        before = kept.held
        text = kept.add(arguments)
        if text:
            events.append(ToolArgumentsDelta(call.number, text))
        if kept.complete:
            call.ended = True
            events.append(ToolCallEnded(call.number))
        elif kept.held:
            self.held += kept.held - before

    def _finish(self, call: _Call, events: list[Event]) -> None:
        self.held -= call.filter.held
        text = call.filter.end()
        if text:
            events.append(ToolArgumentsDelta(call.number, text))
        call.ended = True
        events.append(ToolCallEnded(call.number))

    def _resolve(self, delta: ToolCallDelta) -> _Call:
        """Find the fragment's call: index known, else id known, else a new id or name opens one, else the latest."""
        call = self._by_index.get(delta.index) if delta.index is not None else None
        if call is not None:
            return self._new(delta) if _is_another(call, delta) else self._identified(call, delta)
        known = self._by_id.get(delta.id) if delta.id else None
        if known is not None and not (delta.index is not None and _name(delta)):
            return self._new(delta) if _is_another(known, delta) else known
        if self._calls and not _opens(self._calls[-1], delta):
            return self._identified(self._calls[-1], delta)
        return self._new(delta)

    def _identified(self, call: _Call, delta: ToolCallDelta) -> _Call:
        """Learn the id and the index that come late."""
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
    """Return whether a fragment under a known index or id is nevertheless a new call (servers number all calls 0).

    Only a fragment with a name can be one: there are servers that make up a new id for every fragment. Another
    name is another call, and so is the same name with another id, or again with arguments once the call is complete.
    Under the same id those must begin an object and be others: some servers repeat a complete call, or its id and name
    with what follows the object, and some have one id for all calls of a tool.
    """
    name = _name(delta)
    if not name or not call.name:
        return False
    if name != call.name:
        return True
    arguments = delta.function.arguments if delta.function is not None else None
    if delta.id and delta.id == call.id:
        return call.ended and _begins_object(arguments) and _digest(arguments or "") != call.digest
    if delta.id:
        return bool(call.id)
    return call.ended and bool(arguments)


def _is_entry(call: _Call, delta: ToolCallDelta) -> bool:
    """Return whether an entry is a call of its own although an earlier one of the same list has that index or id.

    It is none where it has no name, or goes on with arguments that the earlier one left open.
    """
    arguments = delta.function.arguments if delta.function is not None else None
    return bool(_name(delta)) and (call.ended or not arguments or _begins_object(arguments))


def _repeats_head(call: _Call, delta: ToolCallDelta) -> bool:
    """Return whether a complete call's id and name come again alone: the arguments of another call may follow."""
    function = delta.function
    return bool(delta.id and delta.id == call.id and function and function.name and not function.arguments)


def _begins_object(arguments: str | None) -> bool:
    return arguments is not None and arguments.lstrip().startswith("{")


def _digest(arguments: str, before: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Return length and checksum of a call's arguments as the backend sent them, after what was sent ``before``."""
    length, checksum = before
    return length + len(arguments), crc32(arguments.encode("utf-8", "replace"), checksum)


def _opens(latest: _Call, delta: ToolCallDelta) -> bool:
    """Return whether a fragment whose index and id are both unknown opens a new call."""
    if delta.id:
        return bool(latest.id or latest.name)
    if delta.index is not None and latest.indexed:
        return True
    name = _name(delta)
    return bool(name and latest.name) and (name != latest.name or latest.ended)
