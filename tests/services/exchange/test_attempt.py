"""Promises of one attempt: what a backend's answer amounts to."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from claude_bridge.config.schema import Backend
from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.chat_completions.answer.reader import Reader
from claude_bridge.core.chat_completions.backend import CHAT_COMPLETIONS
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.errors import (
    BridgeError,
    InternalFault,
    UpstreamCut,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from claude_bridge.core.events import Event, Finished, TextDelta, Usage
from claude_bridge.services.exchange.attempt import MAX_ERROR_BODY_BYTES, Attempt, Outcome
from claude_bridge.services.interfaces import PushProducer, UpstreamRequest
from claude_bridge.testing.chat import chat_stream, chunk, events, token_usage
from claude_bridge.testing.fakes import FakeCall, FakeUpstreamClient

STREAM = chat_stream(text="Hello there, what a day")
TIMED_OUT = UpstreamTimeout("silent")


@define
class Sink:
    """Keeps what an attempt gives, and takes nothing after its end."""

    producers: list[PushProducer] = field(factory=list)
    events: list[Event] = field(factory=list)
    refusal: Exception | None = None

    def producing(self, producer: PushProducer) -> None:
        """Keep it."""
        self.producers.append(producer)

    def deliver(self, events: Sequence[Event]) -> None:
        """Keep them; raises `refusal` if there is one."""
        if self.refusal is not None:
            raise self.refusal
        assert not self.ended
        self.events += events

    @property
    def ended(self) -> bool:
        """Whether the end of an answer came."""
        return bool(self.events and isinstance(self.events[-1], Finished))

    @property
    def text(self) -> str:
        """Return the text."""
        return "".join(event.text for event in self.events if isinstance(event, TextDelta))


@define
class Bench:
    """One attempt under way.

    :ivar outcomes: how it ended; None for a wait that was cancelled.
    """

    clock: Clock = field(factory=Clock)
    sink: Sink = field(factory=Sink)
    outcomes: list[Outcome | None] = field(factory=list)
    attempt: Attempt = field(init=False)
    call: FakeCall = field(init=False)
    waiting: Deferred[None] = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Send it."""
        reader = Reader(dialect=DIALECTS["generic"], random_bytes=bytes)
        client = FakeUpstreamClient()
        request = UpstreamRequest(backend=Backend(name="b"), url="http://b/v1/chat/completions")
        self.attempt = Attempt(CHAT_COMPLETIONS, reader, self.sink, request, self.clock.seconds, lambda: 1.7e9)
        outcome: Deferred[Outcome | None] = self.attempt.start(client).addErrback(cancelled)
        self.waiting = outcome.addCallback(self.outcomes.append)
        self.call = client.last

    @property
    def outcome(self) -> Outcome | None:
        """Return the one outcome."""
        (outcome,) = self.outcomes
        return outcome


def cancelled(failure: Failure) -> None:
    """Take the end of a wait that was cancelled; any other failure stays one."""
    failure.trap(CancelledError)


class AnswerTests:
    """Good answers."""

    def test_good_answer(self) -> None:
        """Text and end come through; the connection is not cut, so that it can be used again."""
        bench = Bench()
        bench.call.answer(*STREAM)
        assert (bench.sink.text, bench.outcome) == ("Hello there, what a day", bench.sink.events[-1])
        assert bench.sink.producers == [bench.call]
        assert not bench.call.cancelled

    def test_sent_once(self) -> None:
        """An attempt lets go of its request when it is sent, and is never sent again."""
        bench = Bench()
        with pytest.raises(RuntimeError):
            bench.attempt.start(FakeUpstreamClient())
        request = weakref.ref(bench.call.request)
        bench.call.request = UpstreamRequest(backend=Backend(name="b"), url="http://b/v1")
        assert request() is None

    @given(at=st.integers(min_value=1, max_value=len(b"".join(STREAM)) - 1))
    def test_reads_may_fall_anywhere(self, at: int) -> None:
        """How the network cuts the bytes changes nothing."""
        whole = b"".join(STREAM)
        bench = Bench()
        bench.call.answer(whole[:at], whole[at:])
        assert (bench.sink.text, bench.outcome) == ("Hello there, what a day", bench.sink.events[-1])

    def test_timers_are_told(self) -> None:
        """The first data event and the finish reason are told to the timers, once each; comments are neither."""
        bench = Bench()
        bench.call.head()
        bench.clock.advance(3)
        bench.call.data(b": waiting\n\n")
        assert (bench.call.told, bench.attempt.first_event) == ([], None)
        bench.call.data(*STREAM[:-1])
        assert (bench.call.told, bench.attempt.first_event) == (["data_event_seen", "finish_seen"], 3.0)

    def test_the_first_word(self) -> None:
        """The first word is what the model wrote, not the news of how far the prompt was read."""
        bench = Bench()
        bench.call.head()
        reading = {**chunk({"role": "assistant"}), "prompt_progress": {"total": 9, "processed": 3}}
        bench.call.data(*events([reading])[:-1])
        bench.clock.advance(3)
        assert (bench.attempt.first_event, bench.attempt.first_token) == (0.0, None)
        bench.call.data(*events([chunk({"content": "hi"})])[:-1])
        bench.clock.advance(3)
        bench.call.data(*events([chunk({"content": " there"})])[:-1])
        assert bench.attempt.first_token == 3.0

    def test_end_mark_without_finish_reason_starts_the_grace(self) -> None:
        """A backend that says [DONE] and leaves the connection open does not hold it for minutes."""
        bench = Bench()
        bench.call.head()
        bench.call.data(*events([chunk({"content": "hi"})]))
        assert bench.sink.ended
        assert "finish_seen" in bench.call.told

    @pytest.mark.parametrize("error", [None, UpstreamCut("reset"), TIMED_OUT])
    def test_finish_reason_is_enough(self, error: BridgeError | None) -> None:
        """After the finish reason neither a close nor a reset nor silence spoils the answer."""
        bench = Bench()
        bench.call.head()
        bench.call.data(*STREAM[:-2])
        bench.call.end(error)
        assert (bench.sink.text, bench.outcome) == ("Hello there, what a day", bench.sink.events[-1])

    def test_what_follows_the_end_is_ignored(self) -> None:
        """Bytes and errors after the end change nothing."""
        bench = Bench()
        bench.call.head()
        bench.call.data(*STREAM)
        seen = len(bench.sink.events)
        bench.call.data(*STREAM)
        bench.call.end(UpstreamCut("reset"))
        assert (len(bench.sink.events), bench.outcome) == (seen, bench.sink.events[-1])


class FailureTests:
    """Answers that are none."""

    def test_cut_between_events(self) -> None:
        """A close before the end is a cut, whatever came before."""
        bench = Bench()
        bench.call.answer(*STREAM[:3])
        assert isinstance(bench.outcome, UpstreamCut)
        assert bench.sink.text

    def test_own_observation_is_reported_as_it_is(self) -> None:
        """What the client of the backend saw is the outcome: no connection, a limit, a reset."""
        for error in (UpstreamUnreachable("refused"), TIMED_OUT):
            bench = Bench()
            bench.call.end(error)
            assert bench.outcome is error
        bench = Bench()
        bench.call.head()
        bench.call.data(*STREAM[:2])
        bench.call.end(TIMED_OUT)
        assert bench.outcome is TIMED_OUT

    def test_error_inside_the_stream(self) -> None:
        """An error event ends the attempt at once, with what came before it given out, and closes the connection."""
        bench = Bench()
        bench.call.head()
        bench.call.data(STREAM[0] + STREAM[1] + b'data: {"error": {"message": "boom", "code": 503}}\n\n')
        assert isinstance(bench.outcome, UpstreamFailure)
        assert (bench.outcome.status, bench.outcome.message) == (503, "boom")
        assert bench.sink.text
        assert bench.call.cancelled

    def test_reported_usage(self) -> None:
        """What the backend has counted by the end is known, whoever ends the attempt; one without counts has none."""
        failed = b"".join(events([chunk({}, finish="error", usage=token_usage(9, 4))]))
        for text in ("", "Hello"):
            bench = Bench()
            bench.call.answer(b"".join(events([chunk({"content": text})], done=False)) + failed)
            assert isinstance(bench.outcome, UpstreamFailure)
            assert bench.attempt.reported_usage == Usage(9, 4)
        bench = Bench()
        bench.call.answer(*STREAM[:3])
        assert bench.attempt.reported_usage is None

    @pytest.mark.parametrize("error", [None, UpstreamCut("reset"), TIMED_OUT])
    def test_failed_by_its_finish_reason(self, error: BridgeError | None) -> None:
        """Usage is waited for as behind any finish reason; however the body ends then, the backend has failed."""
        bench = Bench()
        bench.call.head()
        bench.call.data(*events([chunk({"content": "Hello"}), chunk({}, finish="error")], done=False))
        assert (bench.outcomes, bench.call.told[-1]) == ([], "finish_seen")
        bench.call.end(error)
        assert isinstance(bench.outcome, UpstreamFailure)

    def test_reported_prompt(self) -> None:
        """Some servers count the prompt before they answer: of an answer that begins, that says nothing any more."""
        bench = Bench()
        bench.call.head()
        bench.call.data(*events([chunk({"role": "assistant"}, usage=token_usage(9, 0))], done=False))
        assert bench.attempt.reported_usage == Usage(9)
        bench.call.data(*events([chunk({"reasoning_content": "Hm"})], done=False))
        assert bench.attempt.reported_usage is None

    def test_refusal_by_status(self) -> None:
        """Status, body and headers of a refusal are read; nothing is held back for a slow client."""
        bench = Bench()
        bench.call.answer(b'{"error": {"mess', b'age": "slow down"}}', status=429, headers={"retry-after": "7"})
        assert isinstance(bench.outcome, UpstreamFailure)
        assert (bench.outcome.status, bench.outcome.message, bench.outcome.retry_after) == (429, "slow down", 7.0)
        assert (bench.attempt.status, bench.sink.producers) == (429, [])

    def test_refusal_that_is_cut_keeps_its_status(self) -> None:
        """A refusal whose body breaks off is still that refusal."""
        bench = Bench()
        bench.call.head(503)
        bench.call.end(UpstreamCut("reset"))
        assert isinstance(bench.outcome, UpstreamFailure)
        assert bench.outcome.status == 503

    def test_endless_refusal_is_closed(self) -> None:
        """A refusal that goes on and on is read no further than its beginning."""
        bench = Bench()
        bench.call.head(500)
        bench.call.data(b"x" * MAX_ERROR_BODY_BYTES, b"x")
        assert isinstance(bench.outcome, UpstreamFailure)
        assert bench.call.cancelled

    def test_slow_refusal_has_only_the_grace(self) -> None:
        """A refusal whose body does not come is not waited for as long as an answer."""
        bench = Bench()
        bench.call.head(500)
        assert bench.call.told == ["finish_seen"]

    def test_cancelled_attempt_is_silent(self) -> None:
        """After a cancel the connection is closed and nothing is reported any more."""
        bench = Bench()
        bench.call.head()
        bench.call.data(*STREAM[:2])
        bench.waiting.cancel()
        assert bench.call.cancelled
        bench.call.data(*STREAM[2:])
        assert not bench.sink.ended
        assert bench.outcomes == [None]

    def test_events_that_cannot_be_held(self) -> None:
        """Where the client's side takes no more, the attempt ends with its words, and the connection is closed."""
        bench = Bench()
        bench.sink.refusal = UpstreamProtocolError("too much")
        bench.call.head()
        bench.call.data(*STREAM)
        assert bench.outcomes == [bench.sink.refusal]
        assert bench.call.cancelled

    def test_own_code_breaks_over_the_end(self) -> None:
        """A fault of ours while the end of an answer is given out is the outcome."""
        bench = Bench()
        bench.sink.refusal = RuntimeError("bug")
        bench.call.head()
        with pytest.raises(RuntimeError):
            bench.call.data(*STREAM)
        fault = InternalFault("the bridge failed over the body")
        bench.call.end(fault)
        assert bench.outcome is fault

    def test_own_code_breaks_over_the_last_bytes(self) -> None:
        """A fault of ours while the rest of a body is read is the outcome too: nobody is left waiting."""
        bench = Bench()
        bench.call.head()
        bench.call.data(*STREAM[:-1])
        bench.sink.refusal = RuntimeError("bug")
        with pytest.raises(RuntimeError):
            bench.call.end()
        assert isinstance(bench.outcome, InternalFault)
