"""Passes what the attempts of a request bring to the client, one turn of the model after the other."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field

from claude_bridge.core.backend_api import Prepared
from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    TextDelta,
    ToolCallStarted,
    Usage,
    Verbatim,
)
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.to_conversation import shows_thinking
from claude_bridge.services.exchange.extra_turns import ExtraTurn
from claude_bridge.services.exchange.open_attempt import OpenAttempt
from claude_bridge.services.exchange.plan import Candidate
from claude_bridge.services.interfaces import ClientResponse, PushProducer


@define(eq=False)
class Delivery:
    """Receives the events of a request's attempts; implements `claude_bridge.services.exchange.attempt.EventSink`.

    An answer that ends normally without content is held back: the model may be asked once more.

    :ivar extra_turns: the turns that the request may need besides the first; they see the events before the client.
    :ivar turn: the number of the model's turn; the first is 0.
    :ivar has_content: the turn has brought content.
    """

    _client: ClientResponse
    extra_turns: tuple[ExtraTurn, ...] = field(default=(), init=False)
    turn: int = field(default=0, init=False)
    has_content: bool = field(default=False, init=False)
    _filters: Sequence[ExtraTurn] = field(default=(), init=False)
    _held: Sequence[Event] = field(default=(), init=False)
    _written_before: int = field(default=0, init=False)

    @property
    def begun(self) -> bool:
        """Whether the client has received something of this turn, so that the turn cannot be started again."""
        return self.has_content if self.turn else self._client.content_started

    @property
    def holds_empty_answer(self) -> bool:
        """Whether an answer without content is held back; `release` or `discard` it."""
        return bool(self._held)

    @property
    def is_pending(self) -> bool:
        """Whether an extra turn has held back the end of the answer; `resolve` it."""
        return any(each.pending for each in self.extra_turns)

    def needs(self, extra_turns: tuple[ExtraTurn, ...]) -> None:
        """Note the extra turns that the request may need, before an attempt begins."""
        self.extra_turns = self._filters = extra_turns

    def begin(self) -> None:
        """Begin the turn, or begin it again: nothing of what a failed attempt has brought counts."""
        self.has_content, self._filters, self._held = False, self.extra_turns, ()
        before = self._client.usage if self.turn else None
        self._written_before = 0 if before is None else before.output_tokens

    def next_turn(self) -> None:
        """Begin the next turn of the model."""
        self.turn += 1
        self.begin()

    def announce(self, candidate: Candidate, asked: MessagesRequest, estimate: int) -> None:
        """Announce which candidate will answer; from then on the client's side may commit early and send pings."""
        if not self.turn:
            self._client.attempt_started(
                served_by=candidate.label,
                model=candidate.shown,
                show_reasoning=_shows_reasoning(candidate, asked),
                input_tokens=estimate,
            )

    def answer_locally(self, model: str, events: Sequence[Event]) -> None:
        """Deliver an answer that no backend has given to a request for ``model``."""
        self._client.attempt_started(served_by="claude-bridge/local", model=model, show_reasoning=False, input_tokens=0)
        self._client.emit(events)

    def request(self, asked: AskedRequest, estimate: int) -> AskedRequest:
        """Return the request of this turn: the client's with everything that extra turns add."""
        found = asked.request
        for extra_turn in self.extra_turns:
            found = extra_turn.request(found, estimate)
        return asked if found is asked.request else AskedRequest(found, asked.session)

    def pass_through(self) -> None:
        """Pass the events to the client as they are: the attempt that begins speaks the client's own API."""
        self._filters = ()

    def sent(self, prepared: Prepared) -> None:
        """Note what is sent to the backend."""
        for extra_turn in self._filters:
            extra_turn.sent(prepared)

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

    async def resolve(self) -> bool:
        """Resolve the extra turns that held back the end of the answer; return whether the model is asked again.

        If it is not, the end of the answer goes through the extra turns that follow, and to the client.
        """
        remaining: Sequence[ExtraTurn] = self.extra_turns
        while True:
            pending = next((each for each in remaining if each.pending), None)
            if pending is None:
                return False
            finished = await pending.resolve(self._client.emit)
            if finished is None:
                return True
            remaining = remaining[remaining.index(pending) + 1 :]
            events: Sequence[Event] = [finished]
            for each in remaining:
                events = each.filter(events)
            if events:
                self._client.emit(events)

    def fall_back(self) -> bool:
        """Deliver the answer of an earlier turn instead of the one that failed; return whether there was one."""
        if self.has_content:
            return False
        events = [event for each in self.extra_turns for event in each.fallback()]
        if events:
            self._client.emit(events)
        return bool(events)

    def counted(self, attempt: OpenAttempt) -> Usage | None:
        """Return the counts of an attempt: the backend's own, else the bridge's, without those of earlier turns."""
        reported = attempt.attempt.reported_usage
        if reported is not None:
            return reported
        usage = self._client.usage
        if not self.turn or usage is None:
            return usage
        if attempt.attempt.first_token is None:
            return None
        return Usage(attempt.estimate, max(0, usage.output_tokens - self._written_before), estimated=True)

    def _is_unexplained(self, finished: Finished) -> bool:
        """Return whether the answer ended without a reason for being empty."""
        return finished.reason is FinishReason.STOPPED and not self.begun

    def _pass_on(self, events: Sequence[Event]) -> None:
        for extra_turn in self._filters:
            events = extra_turn.filter(events)
        if events:
            self._client.emit(events)


def _is_content(event: Event) -> bool:
    """Return whether an event is content. Blank text and blank reasoning are not: they make no block of their own."""
    return isinstance(event, ToolCallStarted | Verbatim) or (
        isinstance(event, TextDelta | ReasoningDelta) and bool(event.text.strip())
    )


def _shows_reasoning(candidate: Candidate, asked: MessagesRequest) -> bool:
    if candidate.show_reasoning == "auto":
        return shows_thinking(asked.thinking)
    return candidate.show_reasoning == "always"
