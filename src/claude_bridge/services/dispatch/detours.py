"""What may stand between an attempt's events and the client: turns of the model that the client does not ask for.

A detour sees each attempt's events first. It may keep some back, the end of the answer among them; then it has
something to do, and says whether the model is to be asked once more, with what it adds to the conversation, or
how the answer ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from attrs import define
from twisted.internet.defer import Deferred

from claude_bridge.config.schema import Limits
from claude_bridge.core.anthropic import MessagesRequest
from claude_bridge.core.events import Event, Finished
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.searchtool import search_tool
from claude_bridge.core.websearch import SearchCall, Searching
from claude_bridge.services.interfaces import SearchEngine, SearchFailed

Emit = Callable[[Sequence[Event]], None]


class Detour(Protocol):
    """One reason to ask the model more than once for one answer."""

    @property
    def wanted(self) -> bool:
        """Whether the end of the answer was kept back, so that `settle` must be called."""

    def begin(self, asked: MessagesRequest, estimate: int) -> MessagesRequest:
        """Give the request of the attempt that begins now; what an attempt before it left is forgotten."""

    def take(self, events: Sequence[Event]) -> Sequence[Event]:
        """Take what one read of the backend's answer gave, and give what the client is to get of it now."""

    def settle(self, emit: Emit) -> Deferred[Finished | None]:
        """Do what is to be done; fires with the end of the answer, or with None where another turn is wanted."""


@define(eq=False)
class SearchDetour:
    """Web searches that the model asks for, one after the other."""

    _searching: Searching
    _engine: SearchEngine

    @property
    def wanted(self) -> bool:
        """Whether the model asked for searches."""
        return bool(self._searching.pending)

    def begin(self, asked: MessagesRequest, estimate: int) -> MessagesRequest:
        """Give the request with the searches so far."""
        del asked  # it is the one that `Searching` was made with
        return self._searching.begin(estimate)

    def take(self, events: Sequence[Event]) -> Sequence[Event]:
        """Keep the calls of the search tool back."""
        return self._searching.take(events)

    def settle(self, emit: Emit) -> Deferred[Finished | None]:
        """Make the searches; one that fails tells the model so."""
        return Deferred.fromCoroutine(self._search_all(emit))

    async def _search_all(self, emit: Emit) -> Finished | None:
        for call in self._searching.pending:
            emit(self._searching.called(call))
            emit(await self._search(call))
        return self._searching.conclude()

    async def _search(self, call: SearchCall) -> list[Event]:
        if call.problem is not None:
            return self._searching.failed(call, call.problem)
        try:
            return self._searching.found(call, await self._engine.search(call.question))
        except SearchFailed as error:
            return self._searching.failed(call, error.error_code)


def detours(
    asked: MessagesRequest, engine: SearchEngine | None, limits: Limits, random_bytes: RandomBytes
) -> tuple[Detour, ...]:
    """Make the detours that a request may need."""
    tool = search_tool(asked.tools) if engine is not None and asked.tools else None
    if engine is None or tool is None:
        return ()
    searching = Searching(tool=tool, request=asked, random_bytes=random_bytes, max_size=limits.max_answer)
    return (SearchDetour(searching, engine),)
