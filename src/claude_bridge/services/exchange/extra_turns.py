"""Turns of the model that the client did not ask for: web searches, and the repair of a wrong answer.

An extra turn sees each attempt's events before the client does. It may hold some back, the end of the answer among
them; then it has work to do, and decides whether the model is asked once more, with what it adds to the conversation,
or how the answer ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import StringIO
from typing import Protocol

from attrs import define, evolve, field
from twisted.internet.defer import Deferred, succeed

from claude_bridge.config.schema import Limits
from claude_bridge.core.answer_shape import AnswerShape, correction, extract_json
from claude_bridge.core.backend_api import Prepared
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import Event, Finished, FinishReason, TextDelta, ToolCallStarted, Usage
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.messages_api.anthropic_types import InputMessage, MessagesRequest
from claude_bridge.core.messages_api.conversation_reader import with_messages
from claude_bridge.core.messages_api.to_conversation import output_schema
from claude_bridge.core.sizes import size
from claude_bridge.core.web_search.search_turns import SearchCall, Searching
from claude_bridge.core.web_search.tool import search_tool
from claude_bridge.services.interfaces import SearchEngine, SearchFailed

Emit = Callable[[Sequence[Event]], None]


class ExtraTurn(Protocol):
    """One reason to ask the model more than once for one answer."""

    @property
    def pending(self) -> bool:
        """Whether the end of the answer was held back, so that `resolve` must be called."""

    def request(self, asked: MessagesRequest, estimate: int) -> MessagesRequest:
        """Return the request of the attempt that begins now, and drop what a failed attempt of this turn has left."""

    def sent(self, sent: Prepared) -> None:
        """Note what was sent to the backend."""

    def filter(self, events: Sequence[Event]) -> Sequence[Event]:
        """Receive the events of one read of the backend's answer, and return those that the client gets now."""

    def resolve(self, emit: Emit) -> Deferred[Finished | None]:
        """Do the work; the Deferred fires with the end of the answer, or with None to ask the model once more."""

    def fallback(self) -> Sequence[Event]:
        """Return the answer to deliver if the turn that should have improved it failed; nothing if there is none."""


@define(eq=False)
class SearchTurn:
    """Makes the web searches that the model asks for, one after the other."""

    _searching: Searching
    _engine: SearchEngine

    @property
    def pending(self) -> bool:
        """Whether the model asked for searches."""
        return bool(self._searching.pending)

    def request(self, asked: MessagesRequest, estimate: int) -> MessagesRequest:
        """Return the request with the searches so far."""
        del asked  # it is the one that `Searching` was made with
        return self._searching.begin(estimate)

    def sent(self, sent: Prepared) -> None:
        """Do nothing."""

    def filter(self, events: Sequence[Event]) -> Sequence[Event]:
        """Hold back the calls of the search tool."""
        return self._searching.filter(events)

    def resolve(self, emit: Emit) -> Deferred[Finished | None]:
        """Make the searches; the model is told of one that fails."""
        return Deferred.fromCoroutine(self._search_all(emit))

    def fallback(self) -> Sequence[Event]:
        """Return nothing: search results without the model's text are not an answer."""
        return ()

    async def _search_all(self, emit: Emit) -> Finished | None:
        for call in self._searching.pending:
            emit(self._searching.announce(call))
            emit(await self._search(call))
        return self._searching.conclude()

    async def _search(self, call: SearchCall) -> list[Event]:
        if call.problem is not None:
            return self._searching.add_failure(call, call.problem)
        try:
            return self._searching.add_results(call, await self._engine.search(call.question))
        except SearchFailed as error:
            return self._searching.add_failure(call, error.error_code)


@define(eq=False)
class RepairTurn:
    """Checks an answer that must match a schema which the server does not enforce; asks once more for a wrong one.

    The answer is held back until it is complete, since the client could not take back the beginning of a wrong one.

    :ivar pending: a wrong answer was held back.
    """

    _max_size: int
    _adds_usage: bool = True  # False if an extra turn before this one adds the usage of all turns already
    pending: bool = field(default=False, init=False)
    _shape: AnswerShape | None = field(default=None, init=False)
    _text: StringIO = field(factory=StringIO, init=False)
    _size: int = field(default=0, init=False)
    _called: bool = field(default=False, init=False)
    _first: tuple[str, Finished] | None = field(default=None, init=False)
    _correction: str = field(default="", init=False)

    def request(self, asked: MessagesRequest, estimate: int) -> MessagesRequest:
        """Return the request; after a wrong answer with that answer and a correction at the end of the conversation."""
        del estimate
        self._text, self._size, self._called = StringIO(), 0, False
        if self._first is None:
            return asked
        answer = InputMessage("assistant", self._first[0] or "(nothing)")
        return with_messages(asked, [answer, InputMessage("user", self._correction)])

    def sent(self, sent: Prepared) -> None:
        """Note which schema the server was not asked to enforce."""
        self._shape = sent.answer_shape

    def filter(self, events: Sequence[Event]) -> Sequence[Event]:
        """Hold back text, and check it at the end."""
        if self._shape is None and self._first is None:
            return events
        passed: list[Event] = []
        for event in events:
            match event:
                case TextDelta():
                    self._keep(event.text)
                case Finished():
                    passed += self._finished(event)
                case _:
                    self._called = self._called or isinstance(event, ToolCallStarted)
                    passed.append(event)
        return passed

    def resolve(self, emit: Emit) -> Deferred[Finished | None]:
        """Ask once more."""
        del emit
        self.pending = False
        return succeed(None)

    def fallback(self) -> Sequence[Event]:
        """Return the wrong answer, if there was one: the client may still be able to use it."""
        if self._first is None:
            return ()
        text, finished = self._first
        return [TextDelta(extract_json(text)), finished] if text else [finished]

    def _keep(self, text: str) -> None:
        self._size += size(text)
        if self._size > self._max_size:
            raise UpstreamProtocolError(f"the answer is larger than {self._max_size} bytes")
        self._text.write(text)

    def _finished(self, finished: Finished) -> list[Event]:
        text = self._text.getvalue()
        complete = self._shape is not None and not self._called and finished.reason is FinishReason.STOPPED
        mistake = self._shape.check(text) if self._shape is not None and complete else None
        if mistake is not None and self._first is None:
            self._correction, self.pending, self._first = correction(mistake), True, (text, finished)
            return []
        if self._first is not None:
            first, before = self._first
            text = text if text.strip() else first
            if self._adds_usage and finished.usage is not None:
                finished = evolve(finished, usage=(before.usage or Usage()).plus(finished.usage))
        shown = extract_json(text) if complete else text
        return [TextDelta(shown), finished] if shown else [finished]


def extra_turns(
    asked: MessagesRequest, engine: SearchEngine | None, limits: Limits, random_bytes: RandomBytes
) -> tuple[ExtraTurn, ...]:
    """Return the extra turns that a request may need; raise `InvalidRequest` for an invalid schema."""
    found: list[ExtraTurn] = []
    tool = search_tool(asked.tools) if engine is not None and asked.tools else None
    if engine is not None and tool is not None:
        searching = Searching(tool=tool, request=asked, random_bytes=random_bytes, max_size=limits.max_answer)
        found.append(SearchTurn(searching, engine))
    if output_schema(asked) is not None:
        found.append(RepairTurn(limits.max_answer, adds_usage=not found))
    return tuple(found)
