"""A bounded queue of the blocks that wait while a tool call is open.

A message's blocks follow one another, but a backend may stream several calls at once, or text during a call. The
first unfinished call is passed on as it comes; everything else waits here, in order, until that call has ended.
"""

from __future__ import annotations

from collections import deque
from io import StringIO

from attrs import define, field

from claude_bridge.core import sizes
from claude_bridge.core.errors import InternalFault, UpstreamProtocolError
from claude_bridge.core.events import (
    ReasoningDelta,
    ReasoningState,
    SearchResulted,
    ServerToolCalled,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
)

CompleteBlockEvent = ServerToolCalled | SearchResulted | ReasoningState
"""Events that become a block in one piece: a call of a tool that the bridge runs, its result, or opaque state."""

ProseDelta = TextDelta | ReasoningDelta


@define
class HeldBlock:
    """A block that waits.

    :ivar opened_by: the event that began it; for text and reasoning only its type matters.
    :ivar text: its text or arguments so far.
    :ivar ended: whether a call's arguments are complete.
    """

    opened_by: ToolCallStarted | CompleteBlockEvent | ProseDelta
    text: StringIO = field(factory=StringIO)
    ended: bool = False


@define
class HeldBlocks:
    """A queue of blocks that may still grow.

    :ivar max_bytes: bytes that may wait; beyond them `UpstreamProtocolError` is raised.
    :ivar size_bytes: bytes that wait now, objects included.
    """

    max_bytes: int
    size_bytes: int = field(default=0, init=False)
    _queue: deque[HeldBlock] | None = field(default=None, init=False)  # few answers need one, and it takes 760 bytes
    _calls: dict[int, HeldBlock] = field(factory=dict, init=False)

    def __bool__(self) -> bool:
        return bool(self._queue)

    def add_call(self, event: ToolCallStarted) -> None:
        """Queue a call; its arguments may follow."""
        self._refuse_second(event.call)
        self._calls[event.call] = self._append(HeldBlock(event))

    def add_complete(self, event: CompleteBlockEvent) -> None:
        """Queue a block that came in one piece."""
        self._append(HeldBlock(event))

    def add_prose(self, event: ProseDelta) -> None:
        """Queue text or reasoning; it is appended to the last block if that is of the same kind."""
        self.charge(sizes.size(event.text))
        last = self._queue[-1] if self._queue else None
        if last is None or type(last.opened_by) is not type(event):
            last = self._append(HeldBlock(type(event)("")))
        last.text.write(event.text)

    def add_arguments(self, event: ToolArgumentsDelta) -> None:
        """Append to the arguments of a waiting call."""
        held = self._unfinished(event.call)
        self.charge(sizes.size(event.json))
        held.text.write(event.json)

    def end_call(self, call: int) -> None:
        """Mark a waiting call as complete."""
        self._unfinished(call).ended = True

    def end_all(self) -> None:
        """Mark everything as complete: the answer is over."""
        for held in self._queue or ():
            held.ended = True

    def pop(self) -> HeldBlock:
        """Remove the first block from the queue, with its size, and return it."""
        if not self._queue:
            raise InternalFault("nothing is held")
        held = self._queue.popleft()
        if isinstance(held.opened_by, ToolCallStarted):
            del self._calls[held.opened_by.call]
        self.size_bytes -= sizes.size(held.text.getvalue()) + _weight(held)
        return held

    def charge(self, cost: int) -> None:
        """Add bytes that wait here or with the caller to the size; raises `UpstreamProtocolError` beyond the bound."""
        self.size_bytes += cost
        if self.size_bytes > self.max_bytes:
            raise UpstreamProtocolError(f"more than {self.max_bytes} bytes had to wait for an unfinished tool call")

    def _append(self, held: HeldBlock) -> HeldBlock:
        self.charge(_weight(held))
        if self._queue is None:
            self._queue = deque()
        self._queue.append(held)
        return held

    def _refuse_second(self, call: int) -> None:
        if call in self._calls:
            raise InternalFault(f"tool call {call} was started twice")

    def _unfinished(self, call: int) -> HeldBlock:
        held = self._calls.get(call)
        if held is None or held.ended:
            raise InternalFault(f"tool call {call} is not open")
        return held


def state_weight(state: ReasoningState) -> int:
    """Return the bytes that opaque state counts as while it waits."""
    return sizes.BLOCK + len(state.carrier)


def _weight(held: HeldBlock) -> int:
    """Return the bytes of a block besides its text; the bridge's own blocks are few and small."""
    return state_weight(held.opened_by) if isinstance(held.opened_by, ReasoningState) else sizes.BLOCK
