"""One turn's events on their way from an attempt to the client."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from claude_bridge.core.events import Event, Finished, FinishReason, ReasoningDelta, TextDelta, ToolCallStarted
from claude_bridge.services.exchange.extra_turns import ExtraTurn
from claude_bridge.services.interfaces import ClientResponse, PushProducer


@define(eq=False)
class Delivery:
    """Takes what the attempts of one turn give; implements `claude_bridge.services.exchange.attempt.EventSink`.

    An answer that ends well and says nothing is held back: it may be worth asking once more.

    :ivar said: the turn has brought content.
    """

    _client: ClientResponse
    _extra_turns: Sequence[ExtraTurn]
    _is_first_turn: bool
    said: bool = field(default=False, init=False)
    _held: Sequence[Event] = field(default=(), init=False)

    @property
    def begun(self) -> bool:
        """Whether the client has seen something of this turn, so that nobody may begin it anew."""
        return self._client.content_started if self._is_first_turn else self.said

    @property
    def holds_empty_answer(self) -> bool:
        """Whether an answer that says nothing is held back; `release` or `discard` it."""
        return bool(self._held)

    def producing(self, producer: PushProducer) -> None:
        """Hold the body back when the client is slow."""
        self._client.attempt_producing(producer)

    def deliver(self, events: Sequence[Event]) -> None:
        """Take one read's events; raises `UpstreamError` if they cannot be held."""
        if not self.said:
            last = events[-1]
            self.said = any(map(_says_something, events))
            if not self.said and isinstance(last, Finished) and self._is_unexplained(last):
                self._held = events
                return
        self._pass_on(events)

    def release(self) -> None:
        """Give the client the empty answer that was held back, where there is one."""
        held, self._held = self._held, ()
        if held:
            self._pass_on(held)

    def discard(self) -> None:
        """Forget the empty answer that was held back."""
        self._held = ()

    def _is_unexplained(self, finished: Finished) -> bool:
        """Return whether nobody gave a reason for the end."""
        return finished.reason is FinishReason.STOPPED and not self.begun

    def _pass_on(self, events: Sequence[Event]) -> None:
        for extra_turn in self._extra_turns:
            events = extra_turn.filter(events)
        if events:
            self._client.emit(events)


def _says_something(event: Event) -> bool:
    """Return whether an event brings content. Blank text or reasoning is none: it makes no block by itself."""
    return isinstance(event, ToolCallStarted) or (
        isinstance(event, TextDelta | ReasoningDelta) and bool(event.text.strip())
    )
