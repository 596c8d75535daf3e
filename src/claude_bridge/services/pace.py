"""Long work cut into turns of the reactor, so that others are answered in between."""

from __future__ import annotations

from collections.abc import Callable

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from claude_bridge.core import wire
from claude_bridge.core.anthropic import MessagesRequest
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages.reading import reading_of

Step = Callable[[], bool]
"""Does a part of some work, of a few milliseconds, and returns whether that was all of it."""


@define
class Pace:
    """Gives way to everybody else between two steps; what takes one step is done at once."""

    _clock: IReactorTime

    async def finish(self, step: Step) -> None:
        """Do the work; raises what a step raises."""
        while not step():
            await self._next_turn()

    async def read(self, request: MessagesRequest) -> None:
        """Read a request's messages; raises `InvalidRequest` for what is malformed or more than is accepted."""
        try:
            await self.finish(reading_of(request).step)
        except wire.WireError as error:
            raise InvalidRequest(str(error)) from None

    def _next_turn(self) -> Deferred[None]:
        turn: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(0, turn.callback, None)
        return turn
