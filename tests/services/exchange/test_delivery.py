"""Tests for `claude_bridge.services.exchange.delivery`: one turn's events on their way to the client."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from twisted.internet.defer import Deferred

from claude_bridge.core.backend_api import Prepared
from claude_bridge.core.events import Event, Finished, FinishReason, ReasoningDelta, Started, TextDelta, ToolCallStarted
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.services.exchange.delivery import Delivery
from claude_bridge.services.exchange.extra_turns import Emit, ExtraTurn
from claude_bridge.testing.fakes import FakeClientResponse

END = Finished(FinishReason.STOPPED)
EMPTY: list[Event] = [Started(""), TextDelta(" "), END]


class HeldBody:
    """A body that can be paused."""

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing."""

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing."""

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing."""


class Upper:
    """An extra turn that changes what passes."""

    pending = False

    def request(self, asked: MessagesRequest, estimate: int) -> MessagesRequest:
        """Change nothing."""
        del estimate
        return asked

    def sent(self, sent: Prepared) -> None:
        """Do nothing."""

    def filter(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return texts in capitals, and nothing else."""
        return [TextDelta(event.text.upper()) for event in events if isinstance(event, TextDelta)]

    def resolve(self, emit: Emit) -> Deferred[Finished | None]:
        """Never be asked."""
        raise NotImplementedError

    def fallback(self) -> Sequence[Event]:
        """Return none."""
        return ()


def delivery(*extra_turns: ExtraTurn, is_first_turn: bool = True) -> tuple[Delivery, FakeClientResponse]:
    """Make a delivery and its client."""
    client = FakeClientResponse()
    return Delivery(client, extra_turns, is_first_turn), client


class DeliveryTests:
    """What the client gets."""

    def test_events_pass(self) -> None:
        """Events go on as they come."""
        made, client = delivery()
        made.deliver([Started(""), TextDelta("a")])
        made.deliver([END])
        assert client.events == [Started(""), TextDelta("a"), END]
        assert made.has_content

    @pytest.mark.parametrize("event", [TextDelta("a"), ReasoningDelta("hm"), ToolCallStarted(0, "id", "name")])
    def test_content(self, event: Event) -> None:
        """Text, reasoning and calls are content."""
        made, _ = delivery()
        made.deliver([event])
        assert made.has_content

    def test_extra_turns_come_first(self) -> None:
        """What an extra turn keeps back does not reach the client."""
        made, client = delivery(Upper())
        made.deliver([Started(""), TextDelta("a")])
        made.deliver([Started("")])
        assert client.events == [TextDelta("A")]

    def test_body_is_held_back(self) -> None:
        """A slow client slows the backend down."""
        made, client = delivery()
        body = HeldBody()
        made.producing(body)
        assert client.producers == [body]


class EmptyAnswerTests:
    """An answer that says nothing, for which nobody gave a reason."""

    def test_held(self) -> None:
        """Its end is held back, until it is released or forgotten."""
        made, client = delivery()
        made.deliver(EMPTY)
        assert (made.holds_empty_answer, client.events) == (True, [])
        made.release()
        assert (made.holds_empty_answer, client.events) == (False, EMPTY)
        made.release()
        assert client.events == EMPTY

    def test_discarded(self) -> None:
        """What is forgotten is never seen."""
        made, client = delivery()
        made.deliver(EMPTY)
        made.discard()
        made.release()
        assert client.events == []

    def test_reason(self) -> None:
        """Where there is a reason, the answer is what it is."""
        made, client = delivery()
        made.deliver([Finished(FinishReason.LENGTH)])
        assert client.events == [Finished(FinishReason.LENGTH)]

    def test_begun(self) -> None:
        """What the client has begun to see is not held back; in a later turn, only what that one has brought."""
        made, client = delivery()
        client.content_started = True
        made.deliver(EMPTY)
        assert (made.begun, client.events) == (True, EMPTY)
        later, client = delivery(is_first_turn=False)
        client.content_started = True
        later.deliver(EMPTY)
        assert (later.begun, later.holds_empty_answer) == (False, True)
