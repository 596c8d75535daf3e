"""Which call does a fragment belong to? The bookkeeping of streamed parallel tool calls.

Servers differ in all they could differ in: no index, always index 0, the id repeated or missing,
the name late or repeated, the whole call at once, arguments as an object (wire-contract 4.3).
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from claude_bridge.core.arguments import ArgumentsFilter
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import Event, ToolArgumentsDelta, ToolCallEnded, ToolCallStarted
from claude_bridge.core.ids import RandomBytes, downstream_id
from claude_bridge.core.openai import FunctionDelta, ToolCallDelta

MAX_CALLS: Final = 1000
"""Calls one answer may hold; more is a backend gone mad, and each costs memory."""


@define
class _Call:
    number: int
    indexed: bool = False
    id: str = ""
    name: str = ""
    started: bool = False
    ended: bool = False
    early: list[str] = field(factory=list)
    filter: ArgumentsFilter = field(factory=ArgumentsFilter)


@define
class ToolCalls:
    """Fragments in, neutral tool events out.

    :ivar held: characters of arguments kept back, to be bounded by the caller.
    """

    _names: dict[str, str]
    _random_bytes: RandomBytes
    held: int = field(default=0, init=False)
    _calls: list[_Call] = field(factory=list, init=False)
    _by_index: dict[int, _Call] = field(factory=dict, init=False)
    _by_id: dict[str, _Call] = field(factory=dict, init=False)

    def __bool__(self) -> bool:
        """Tell whether any call was seen."""
        return bool(self._calls)

    def feed(self, delta: ToolCallDelta, events: list[Event]) -> None:
        """Take one fragment and add the events it gives."""
        call = self._by_index.get(delta.index) if delta.index is not None and not delta.id else None
        if call is None or call.ended:
            call = self._resolve(delta)
        if delta.function is not None:
            self._feed_function(call, delta.function, events)

    def feed_whole(self, function: FunctionDelta, events: list[Event]) -> None:
        """Take the old ``function_call`` form: there is only ever one."""
        self.feed(ToolCallDelta(index=0, function=function), events)

    def end(self, events: list[Event]) -> None:
        """No more fragments: end every call that has a name; the nameless cannot be called and are dropped."""
        for call in self._calls:
            if call.started and not call.ended:
                self._finish(call, events)

    def _feed_function(self, call: _Call, function: FunctionDelta, events: list[Event]) -> None:
        if function.name and not call.name:
            call.name = function.name
        if call.ended:
            return
        arguments = function.arguments
        if not call.started:
            if not call.name:
                if arguments:
                    call.early.append(arguments)
                    self.held += len(arguments)
                return
            self._start(call, events)
            early = "".join(call.early)
            self.held -= len(early)
            call.early.clear()
            arguments = early + (arguments or "")
        if arguments:
            self._feed_arguments(call, arguments, events)

    def _start(self, call: _Call, events: list[Event]) -> None:
        call.started = True
        name = self._names.get(call.name, call.name)
        events.append(ToolCallStarted(call.number, downstream_id(call.id, self._random_bytes), name))

    def _feed_arguments(self, call: _Call, arguments: str, events: list[Event]) -> None:
        before = call.filter.held
        text = call.filter.feed(arguments)
        self.held += call.filter.held - before
        if text:
            events.append(ToolArgumentsDelta(call.number, text))
        if call.filter.complete:
            call.ended = True
            events.append(ToolCallEnded(call.number))

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
        if delta.id and delta.id in self._by_id and not (delta.index is not None and _name(delta)):
            return self._by_id[delta.id]
        if self._calls and not _opens(self._calls[-1], delta):
            return self._identified(self._calls[-1], delta)
        return self._new(delta)

    def _identified(self, call: _Call, delta: ToolCallDelta) -> _Call:
        if delta.id and not call.id:
            call.id = delta.id
            self._by_id[delta.id] = call
        return call

    def _new(self, delta: ToolCallDelta) -> _Call:
        if len(self._calls) >= MAX_CALLS:
            raise UpstreamProtocolError(f"the backend started more than {MAX_CALLS} tool calls in one answer")
        call = _Call(len(self._calls), indexed=delta.index is not None)
        self._calls.append(call)
        if delta.index is not None:
            self._by_index[delta.index] = call
        return self._identified(call, delta)


def _name(delta: ToolCallDelta) -> str:
    return (delta.function.name or "") if delta.function is not None else ""


def _is_another(call: _Call, delta: ToolCallDelta) -> bool:
    """Tell whether a fragment under a known index is nevertheless a new call (servers that number all calls 0).

    Another id together with a name is one; so is a name with arguments once the known call is complete.
    """
    if not _name(delta) or (delta.id and delta.id == call.id):
        return False
    if delta.id and call.id:
        return True
    return call.ended and delta.function is not None and bool(delta.function.arguments)


def _opens(latest: _Call, delta: ToolCallDelta) -> bool:
    """Tell whether a fragment whose index and id are both unknown opens a new call."""
    if delta.id:
        return True
    if delta.index is not None and (latest.indexed or latest.name):
        return True
    name = _name(delta)
    return bool(name and latest.name) and (name != latest.name or latest.ended)
