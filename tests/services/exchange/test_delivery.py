"""Tests for `claude_bridge.services.exchange.delivery`: a request's events on their way to the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest
from attrs import define
from msgspec import structs
from twisted.internet.defer import Deferred, succeed

from claude_bridge.core.backend_api import Prepared
from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallStarted,
    Usage,
)
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.parsing import decode
from claude_bridge.services.exchange.delivery import Delivery
from claude_bridge.services.exchange.extra_turns import Emit, ExtraTurn
from claude_bridge.services.exchange.open_attempt import OpenAttempt
from claude_bridge.testing.fakes import FakeClientResponse
from tests.services.exchange.stage import ONE, Stage, configured

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


class Held(Upper):
    """An extra turn that has held back the end of the answer.

    :ivar end: the end of the answer; None to ask the model once more.
    """

    def __init__(self, end: Finished | None, fallback: Sequence[Event] = ()) -> None:
        self.pending, self.end, self._fallback = True, end, fallback

    def resolve(self, emit: Emit) -> Deferred[Finished | None]:
        """Announce it, and return the end."""
        self.pending = False
        emit([TextDelta("searching")])
        return succeed(self.end)

    def fallback(self) -> Sequence[Event]:
        """Return what is to be delivered instead of a turn that failed."""
        return self._fallback


class Signed(Upper):
    """An extra turn that adds to the request, and lets every event pass."""

    def request(self, asked: MessagesRequest, estimate: int) -> MessagesRequest:
        """Add to the answer's limit what the prompt has."""
        return structs.replace(asked, max_tokens=estimate)

    def filter(self, events: Sequence[Event]) -> Sequence[Event]:
        """Return them all."""
        return events


@define
class SpokenAttempt:
    """An attempt whose model has said something."""

    first_token: float | None = 1.0
    reported_usage: Usage | None = None


@define
class CountedAttempt:
    """What is counted of an attempt."""

    attempt: SpokenAttempt
    estimate: int = 50


def delivery(*extra_turns: ExtraTurn, is_first_turn: bool = True) -> tuple[Delivery, FakeClientResponse]:
    """Make a delivery and its client."""
    client = FakeClientResponse()
    made = Delivery(client)
    made.needs(extra_turns)
    if not is_first_turn:
        made.next_turn()
    return made, client


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

    def test_nothing_of_a_failed_attempt_counts(self) -> None:
        """When the turn begins again, what a failed attempt has brought is forgotten."""
        made, client = delivery(is_first_turn=False)
        made.deliver([TextDelta("a")])
        made.begin()
        made.deliver(EMPTY)
        assert (made.begun, made.holds_empty_answer, made.turn) == (False, True, 1)
        made.begin()
        assert not made.holds_empty_answer
        assert client.events == [TextDelta("a")]


class PassThroughTests:
    """An attempt at a backend that speaks the clients' own API."""

    def test_for_one_attempt(self) -> None:
        """Extra turns see nothing of it, and the next attempt's events again."""
        made, client = delivery(Upper())
        made.pass_through()
        made.deliver([TextDelta("a")])
        made.begin()
        made.deliver([TextDelta("b")])
        assert client.events == [TextDelta("a"), TextDelta("B")]


class TurnTests:
    """The turns of the model."""

    ASKED = AskedRequest(
        decode(b'{"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}'), "s"
    )

    def test_request(self) -> None:
        """A turn's request has what extra turns add; without any it is the client's own."""
        made, _ = delivery(Signed())
        asked = made.request(self.ASKED, 7)
        assert (asked.request.max_tokens, asked.session, asked.request.model) == (7, "s", "m")
        made, _ = delivery(Upper())
        assert made.request(self.ASKED, 7) is self.ASKED

    async def _resolved(self, *extra_turns: ExtraTurn) -> tuple[bool, Sequence[Event]]:
        made, client = delivery(*extra_turns)
        return await made.resolve(), client.events

    def test_resolve(self) -> None:
        """The end of the answer goes through the extra turns that follow, unless the model is asked once more."""
        searching = TextDelta("searching")
        for extra_turns, expected in (
            ((Upper(),), (False, [])),
            ((Held(None), Upper()), (True, [searching])),
            ((Held(END),), (False, [searching, END])),
            ((Held(END), Signed()), (False, [searching, END])),
            ((Held(END), Upper()), (False, [searching])),
            ((Held(END), Held(None)), (True, [searching, searching])),
        ):
            found: list[tuple[bool, Sequence[Event]]] = []
            Deferred.fromCoroutine(self._resolved(*extra_turns)).addCallback(found.append)
            assert found == [expected]

    def test_is_pending(self) -> None:
        """It is known whether there is something to resolve."""
        assert delivery(Upper(), Held(None))[0].is_pending
        assert not delivery(Upper())[0].is_pending

    def test_fall_back(self) -> None:
        """An earlier answer is delivered instead of a turn that failed without content; else there is nothing."""
        made, client = delivery(Held(None, fallback=[END]), is_first_turn=False)
        assert made.fall_back()
        assert client.events == [END]
        assert not delivery(Upper())[0].fall_back()
        made, client = delivery(Held(None, fallback=[END]))
        made.deliver([TextDelta("a")])
        assert not made.fall_back()

    def test_own_counts(self) -> None:
        """In a later turn the answer's tokens are those that it has had since, if the model has said a word."""
        made, client = delivery()
        client.usage = Usage(100, 30, estimated=True)
        attempt = cast(OpenAttempt, CountedAttempt(SpokenAttempt()))
        assert made.counted(attempt) is client.usage
        made.next_turn()
        client.usage = Usage(100, 45, estimated=True)
        assert made.counted(attempt) == Usage(50, 15, estimated=True)
        assert made.counted(cast(OpenAttempt, CountedAttempt(SpokenAttempt(None)))) is None

    def test_reported_counts(self) -> None:
        """The backend's own counts of a failed attempt are worth more than the bridge's."""
        made, client = delivery()
        client.usage = Usage(100, 30, estimated=True)
        reported = Usage(900, 100)
        assert made.counted(cast(OpenAttempt, CountedAttempt(SpokenAttempt(None, reported)))) is reported


class AnnouncementTests:
    """What the client's side is told of who will answer."""

    @pytest.mark.parametrize(
        ("setting", "thinking", "shown"),
        [
            ("auto", None, False),
            ("auto", {"type": "disabled"}, False),
            ("auto", {"type": "enabled", "budget_tokens": 1024}, True),
            ("auto", {"type": "adaptive"}, True),
            ("always", None, True),
            ("never", {"type": "enabled", "budget_tokens": 1024}, False),
        ],
    )
    def test_reasoning_is_shown_as_asked(self, setting: str, thinking: Any, shown: bool) -> None:
        """Thinking is given out when the request asks for it, or as the model's section says."""
        stage = Stage(configured(ONE.replace("name = zai/GLM", f"name = zai/GLM\nshow_reasoning = {setting}")))
        stage.run(**({} if thinking is None else {"thinking": thinking}))
        assert stage.downstream.started[0]["show_reasoning"] is shown
