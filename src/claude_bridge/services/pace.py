"""Long work cut into turns of the reactor, so that others are answered in between."""

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
"""Bytes of a request: decoding, reading and writing a text take some 2 ms a MB each, of nothing but escapes 5 ms."""

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

    def read(self, request: MessagesRequest, body_bytes: int = 0) -> Deferred[None] | None:
        """Read a request's messages; return None if that is done, else what fires when it is.

        Both fail with `InvalidRequest` for what is malformed or more than is accepted. ``body_bytes``: the size of the
        whole; a huge one is decoded, read and translated in turns of their own.
        """
        if body_bytes <= HUGE and _step(request):
            return None
        return Deferred.fromCoroutine(self._read_on(request))

    async def _read_on(self, request: MessagesRequest) -> None:
        done = False
        while not done:
            await self._next_turn()
            done = _step(request)
        await self._next_turn()

    def _next_turn(self) -> Deferred[None]:
        turn: Deferred[None] = Deferred(lambda _: call.cancel())
        call = self._clock.callLater(0, turn.callback, None)
        return turn


def _step(request: MessagesRequest) -> bool:
    try:
        return reading_of(request).step()
    except strict_json.JsonError as error:
        raise InvalidRequest(str(error)) from None
