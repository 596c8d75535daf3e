"""Divides long work into turns of the reactor, so that other requests are answered in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from claude_bridge.core import strict_json
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.conversation_reader import reading_of

HUGE: Final = 2 << 20
"""Bytes of a request. Decoding, reading and writing a text take about 2 ms per MB each; 5 ms if it is all escapes."""

Step = Callable[[], bool]
"""Does a few milliseconds of some work, and returns whether the work is finished."""


@define
class Pace:
    """Lets the reactor run between two steps; work of a single step is done at once."""

    _clock: IReactorTime

    async def finish(self, step: Step) -> None:
        """Do the work; raise what a step raises."""
        while not step():
            await self.next_turn()

    def read(self, request: MessagesRequest, body_bytes: int = 0) -> Deferred[None] | None:
        """Read a request's messages; return None if that is done, else a Deferred that fires when it is.

        Raise, or fail with, `InvalidRequest` for messages that are malformed or exceed a limit. ``body_bytes`` is the
        size of the whole request; a huge one is decoded, read and translated each in a turn of its own.
        """
        if body_bytes <= HUGE and _step(request):
            return None
        return Deferred.fromCoroutine(self._read_in_turns(request))

    async def _read_in_turns(self, request: MessagesRequest) -> None:
        done = False
        while not done:
            await self.next_turn()
            done = _step(request)
        await self.next_turn()

    def next_turn(self) -> Deferred[None]:
        """Return a Deferred that fires in the next turn of the reactor."""
        turn: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(0, turn.callback, None)
        return turn


def _step(request: MessagesRequest) -> bool:
    try:
        return reading_of(request).step()
    except strict_json.JsonError as error:
        raise InvalidRequest(str(error)) from None
