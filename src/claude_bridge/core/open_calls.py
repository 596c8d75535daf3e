"""Pairs the calls of an assistant's turn with their results, as backends require: each call answered, none twice."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Protocol

from attrs import define, field

from claude_bridge.core.conversation import Piece, ToolResult


class AssignsIds(Protocol):
    """Assigns the backend's own ids of calls, as `claude_bridge.core.call_ids.CallIds` does."""

    def assign(self, client_id: str) -> str:
        """Return the backend's own id for the client's."""


@define
class OpenCall:
    """A call of the last assistant turn, until it is answered.

    :ivar upstream: the backend's own id of the call.
    :ivar result: the client's result, or None if it has sent none.
    """

    upstream: str
    result: ToolResult | None = None


@define
class OpenCalls:
    """The calls that wait for their results, in their order."""

    _ids: AssignsIds
    _open: list[OpenCall] = field(factory=list, init=False)
    _awaited: dict[str, deque[OpenCall]] = field(factory=dict, init=False)

    def __bool__(self) -> bool:
        return bool(self._open)

    def add(self, client_id: str) -> str:
        """Note that a call's result is awaited, and return the backend's own id of the call."""
        call = OpenCall(self._ids.assign(client_id))
        self._open.append(call)
        self._awaited.setdefault(client_id, deque()).append(call)
        return call.upstream

    def take_results(self, pieces: Iterable[Piece]) -> list[Piece]:
        """Assign the results among the pieces of a user's turn to their calls, and return the other pieces."""
        rest: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, ToolResult) and (awaited := self._awaited.get(piece.call_id)):
                awaited.popleft().result = piece
            else:
                rest.append(piece)
        return rest

    def close(self) -> list[OpenCall]:
        """Return the calls with the results that have come; no further ones are awaited."""
        calls, self._open, self._awaited = self._open, [], {}
        return calls
