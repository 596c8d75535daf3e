"""Passes the events of one turn from its attempts to the client."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallStarted,
    Verbatim,
)
from claude_bridge.services.exchange.extra_turns import ExtraTurn
from claude_bridge.services.interfaces import ClientResponse, PushProducer


@define(eq=False)
class Delivery:
    """Receives the events of one turn's attempts; implements `claude_bridge.services.exchange.attempt.EventSink`.

    An answer that ends normally without content is held back: the model may be asked once more.

    :ivar extra_turns: those that see the events first.
    :ivar has_content: the turn has brought content.
    """

    _client: ClientResponse
    extra_turns: Sequence[ExtraTurn]
    _is_first_turn: bool
    has_content: bool = field(default=False, init=False)
    _held: Sequence[Event] = field(default=(), init=False)

    @property
    def begun(self) -> bool:
        """Whether the client has received something of this turn, so that the turn cannot be started again."""
        return self._client.content_started if self._is_first_turn else self.has_content

    @property
    def holds_empty_answer(self) -> bool:
        """Whether an answer without content is held back; `release` or `discard` it."""
        return bool(self._held)

    def pass_through(self) -> None:
        """Pass the events to the client as they are: the attempt that begins speaks the client's own API."""
        self.extra_turns = ()

    def producing(self, producer: PushProducer) -> None:
        """Set what the client's side pauses when the client is slow."""
        self._client.attempt_producing(producer)

    def deliver(self, events: Sequence[Event]) -> None:
        """Receive the events of one read; raise `UpstreamError` if they cannot be held."""
        if not self.has_content:
            last = events[-1]
            self.has_content = any(map(_is_content, events))
            if not self.has_content and isinstance(last, Finished) and self._is_unexplained(last):
                self._held = events
                return
        self._pass_on(events)

    def release(self) -> None:
        """Pass on the empty answer that was held back, if there is one."""
        held, self._held = self._held, ()
        if held:
            self._pass_on(held)

    def discard(self) -> None:
        """Drop the empty answer that was held back."""
        self._held = ()

    def _is_unexplained(self, finished: Finished) -> bool:
        """Return whether the answer ended without a reason for being empty."""
        return finished.reason is FinishReason.STOPPED and not self.begun

    def _pass_on(self, events: Sequence[Event]) -> None:
        for extra_turn in self.extra_turns:
            events = extra_turn.filter(events)
        if events:
            self._client.emit(events)


def _is_content(event: Event) -> bool:
    """Return whether an event is content. Blank text and blank reasoning are not: they make no block of their own."""
    return isinstance(event, ToolCallStarted | Verbatim) or (
        isinstance(event, TextDelta | ReasoningDelta) and bool(event.text.strip())
    )
