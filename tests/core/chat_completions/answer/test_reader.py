"""Tests for `claude_bridge.core.chat_completions.answer.reader`."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import json_weight, strict_json
from claude_bridge.core.answer_body import MAX_PAGE_BYTES
from claude_bridge.core.answer_state import (
    ANSWERING,
    AWAITING_FIRST_EVENT,
    DONE,
    FAILED,
    FINISHING,
    UNDECIDED,
    WHOLE_JSON,
    AnswerState,
)
from claude_bridge.core.body_reader import MAX_JUNK_EVENTS
from claude_bridge.core.chat_completions.answer.reader import Reader
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.errors import InternalFault, UpstreamCut, UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)
from claude_bridge.core.sse import MAX_EVENT_BYTES
from claude_bridge.core.streamed_calls import MAX_CALLS
from claude_bridge.core.upstream_errors import classification
from claude_bridge.testing.answers import Send
from claude_bridge.testing.chat import ToolCall, chat_json, chat_stream, chunk, events, token_usage
from tests.core.strategies import cut, cuts, in_steps, upstream_streams

DONE_MARK = b"data: [DONE]\n\n"
LATE_ERROR = (
    b'data: {"error":{"code":400,"message":"Token limit reached"},'
    b'"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}\n\n'
)


def make(**options: Any) -> Reader:
    """Make a reader for one answer."""
    return Reader(dialect=DIALECTS["generic"], random_bytes=bytes, **options)


def read(body: bytes, size: int = 4096, **options: Any) -> tuple[list[Event], Reader]:
    """Read a whole body in pieces."""
    reader = make(**options)
    found = [event for piece in in_steps(body, size) for event in reader.feed(piece)]
    return found + reader.close(), reader


def stream(*deltas: dict[str, Any] | None, finish: str | None = "stop", done: bool = True, **more: Any) -> bytes:
    """Write a stream of deltas, of which the last is followed by the finish reason."""
    chunks = [chunk(delta) for delta in deltas]
    return b"".join(events([*chunks, chunk({}, finish=finish, **more)], done=done))


def whole_answer(**said: Any) -> bytes:
    """Write a whole answer."""
    (step,) = chat_json(**said).steps
    assert isinstance(step, Send)
    return step.data


def text_of(found: list[Event]) -> str:
    """Put the text together."""
    return "".join(event.text for event in found if isinstance(event, TextDelta))


def finished(found: list[Event]) -> Finished:
    """Return the end, which must be the last event and the only one of its kind."""
    last = found[-1]
    assert isinstance(last, Finished)
    assert sum(isinstance(event, Finished) for event in found) == 1
    return last


class ReaderTests:
    """A stream as it should be."""

    def test_ordinary(self) -> None:
        """Text, reasoning and a call come out in order, then the end with what it cost."""
        whole = b"".join(
            chat_stream(text="Hello you", reasoning="Hm", tool_calls=[ToolCall(id="a", name="f", arguments="{}")])
        )
        found, reader = read(whole)
        started, *content, end = found
        assert started == Started("test-model")
        assert content[0] == ReasoningDelta("Hm")
        assert text_of(content) == "Hello you"
        call = content[-3]
        assert isinstance(call, ToolCallStarted)
        assert (call.call, call.name) == (0, "f")
        assert content[-2:] == [ToolArgumentsDelta(0, "{}"), ToolCallEnded(0)]
        assert end == Finished(FinishReason.STOPPED, None, Usage(12, 7))
        assert (reader.done, reader.failure, reader.error) == (True, None, None)

    @given(upstream_streams(), st.data())
    def test_any_cut(self, whole: bytes, data: st.DataObject) -> None:
        """However the network cuts an answer, it says the same."""
        pieces = cut(whole, data.draw(cuts(len(whole))))
        reader = make()
        found = [event for piece in pieces for event in reader.feed(piece)] + reader.close()
        assert found == read(whole)[0] == read(whole, 1)[0]
        assert (reader.failure, reader.error) == (None, None)
        assert finished(found)

    @given(st.binary(max_size=300), st.data())
    def test_any_bytes(self, junk: bytes, data: st.DataObject) -> None:
        """Bytes of any kind end in a finished answer, a failure or an error, exactly one, and in no exception."""
        reader = make()
        found = [
            event for piece in cut(junk, data.draw(cuts(len(junk)))) for event in reader.feed(piece)
        ] + reader.close()
        ends = [bool(found and isinstance(found[-1], Finished)), reader.failure is not None, reader.error is not None]
        assert ends.count(True) == 1

    def test_what_the_timers_need(self) -> None:
        """Comments, pings and blank events are not yet an answer; a chunk is; the finish reason is told at once."""
        reader = make()
        reader.feed(b": waiting\n\ndata:\n\ndata: {}\n\n" + b'data: {"type": "ping"}\n\n')
        assert (reader.data_event_seen, reader.finish_seen, reader.done) == (False, False, False)
        reader.feed(events([chunk({"role": "assistant"})], done=False)[0])
        assert (reader.data_event_seen, reader.finish_seen) == (True, False)
        reader.feed(events([chunk({}, finish="stop")], done=False)[0])
        assert (reader.finish_seen, reader.done) == (True, False)
        assert isinstance(reader.feed(DONE_MARK)[-1], Finished)
        assert reader.done

    def test_other_choices(self) -> None:
        """Only the first choice is the answer."""
        found, _ = read(
            stream({"content": "a"}, choices=[{"index": 1, "delta": {"content": "b"}, "finish_reason": "stop"}])
        )
        assert text_of(found) == "a"

    def test_after_the_end(self) -> None:
        """What follows ``[DONE]`` is ignored."""
        found, reader = read(stream({"content": "a"}) + stream({"content": "b"}))
        assert text_of(found) == "a"
        assert reader.feed(stream({"content": "c"})) == []
        assert reader.close() == []
        assert finished(found)

    @pytest.mark.parametrize("finish", ["length", "stop", "tool_calls"])
    @pytest.mark.parametrize("late", [LATE_ERROR, b"event: error\ndata: token limit\n\n"])
    def test_error_after_the_finish(self, finish: str, late: bytes) -> None:
        """An error after the finish reason ends the answer as it stood (OpenRouter at the token limit); it is told."""
        found, reader = read(stream({"content": "half"}, finish=finish, done=False) + late)

        assert text_of(found) == "half"
        assert finished(found).reason is (FinishReason.LENGTH if finish == "length" else FinishReason.STOPPED)
        assert (reader.failure, reader.error) == (None, None)
        assert reader.late_failure

    def test_error_before_the_finish(self) -> None:
        """Without a finish reason, or with one that says so, the same error is a failure."""
        for finish in (None, "error"):
            found, reader = read(stream({"content": "half"}, finish=finish, done=False) + LATE_ERROR)

            assert not isinstance(found[-1], Finished)
            assert reader.failure
            assert not reader.late_failure

    def test_usage_as_the_last_chunk(self) -> None:
        """A chunk with usage and no choices is the end of an answer with content, though nothing else says so."""
        last = events([{"choices": [], "usage": token_usage(5, 2)}], done=False)[0]
        found, reader = read(stream({"content": "hello"}, finish=None, done=False) + last)

        assert (text_of(found), finished(found).usage) == ("hello", Usage(5, 2))
        assert (reader.failure, reader.error) == (None, None)

    def test_usage_proves_nothing(self) -> None:
        """Usage beside choices, before content or followed by more is no end: the answer was cut."""
        usage: dict[str, Any] = {"usage": token_usage(5, 2)}
        beside = events([chunk({"content": "hello"}, **usage)], done=False)[0]
        alone = events([{"choices": [], **usage}], done=False)[0]
        text = stream({"content": "hello"}, finish=None, done=False)
        for body in (beside, alone, alone + text, text + alone + text):
            assert isinstance(read(body)[1].error, UpstreamCut)

    @pytest.mark.parametrize(
        "delta",
        [
            {"reasoning_content": {"text": "Hm"}},
            {"reasoning": {"content": "Hm"}},
            {"thinking": {"thinking": "Hm"}},
            {"reasoning_content": {"text": "Hm", "signature": "s"}, "content": "x"},
            {"thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "s"}]},
            {"reasoning_content": "Hm", "thinking_blocks": [{"type": "thinking", "thinking": "Hm"}]},
        ],
    )
    def test_thinking_in_objects(self, delta: dict[str, Any]) -> None:
        """Thinking may be an object (Envoy's AI gateway), or only in ``thinking_blocks`` (that and LiteLLM)."""
        whole = strict_json.encode({"choices": [{"index": 0, "message": delta, "finish_reason": "stop"}]})
        for body in (stream(delta, {"content": "x"}), whole):
            found, _ = read(body)
            assert "".join(one.text for one in found if isinstance(one, ReasoningDelta)) == "Hm"

    def test_names_given_back(self) -> None:
        """Tool names are the client's own again."""
        body = b"".join(chat_stream(tool_calls=[ToolCall(id="a", name="f_1", arguments="{}")]))
        found, _ = read(body, tool_names={"f_1": "f.1"})
        assert [event.name for event in found if isinstance(event, ToolCallStarted)] == ["f.1"]


SAID = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'
FINISH = b'data: {"choices":[{"finish_reason":"stop"}]}\n\n'
FAILING = FINISH.replace(b"stop", b"error")
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n'
REPORTED = b'data: {"error":"boom"}\n\n'
COUNTED = {**token_usage(900, 100, cached=300), "cost": 0.5}
REACHED: dict[AnswerState, bytes] = {
    UNDECIDED: b"",
    AWAITING_FIRST_EVENT: b": waiting\n\n",
    ANSWERING: SAID,
    FINISHING: SAID + FINISH,
    WHOLE_JSON: b'{"choices":[{"message":{"content":"a"}}]}',
    DONE: SAID + DONE_MARK,
    FAILED: REPORTED,
}
"""How each state is reached."""

END: Any = None
"""The end of the body."""


class ReaderStateTests:
    """The picture of `claude_bridge.core.answer_state`."""

    @pytest.mark.parametrize(
        ("state", "data", "follows"),
        [
            (UNDECIDED, b" \r\n", UNDECIDED),
            (UNDECIDED, b"\xef\xbb\xbf", UNDECIDED),
            (UNDECIDED, b"{", WHOLE_JSON),
            (UNDECIDED, b"[", WHOLE_JSON),
            (UNDECIDED, b":", AWAITING_FIRST_EVENT),
            (UNDECIDED, b"<html>", AWAITING_FIRST_EVENT),
            (UNDECIDED, SAID, ANSWERING),
            (UNDECIDED, END, FAILED),
            (AWAITING_FIRST_EVENT, b"data: {}\n\n", AWAITING_FIRST_EVENT),
            (AWAITING_FIRST_EVENT, b'data: {"choices":[]}\n\n', ANSWERING),
            (AWAITING_FIRST_EVENT, SAID + FINISH, FINISHING),
            (AWAITING_FIRST_EVENT, DONE_MARK, DONE),
            (AWAITING_FIRST_EVENT, REPORTED, FAILED),
            (AWAITING_FIRST_EVENT, END, FAILED),
            (ANSWERING, SAID, ANSWERING),
            (ANSWERING, USAGE, ANSWERING),
            (ANSWERING, FINISH, FINISHING),
            (ANSWERING, DONE_MARK, DONE),
            (ANSWERING, b"data: {broken\n\n", FAILED),
            (ANSWERING, REPORTED, FAILED),
            (ANSWERING, FAILING, FINISHING),
            (ANSWERING, FAILING + DONE_MARK, FAILED),
            (ANSWERING, FAILING + REPORTED, FAILED),
            (ANSWERING, END, FAILED),
            (FINISHING, SAID + USAGE + FINISH, FINISHING),
            (FINISHING, DONE_MARK, DONE),
            (FINISHING, REPORTED, DONE),
            (FINISHING, b"data: {broken\n\n", FAILED),
            (FINISHING, END, DONE),
            (WHOLE_JSON, b" ", WHOLE_JSON),
            (WHOLE_JSON, END, DONE),
            (DONE, SAID + REPORTED, DONE),
            (DONE, END, DONE),
            (FAILED, SAID + FINISH + DONE_MARK, FAILED),
            (FAILED, END, FAILED),
        ],
    )
    def test_follows(self, state: AnswerState, data: bytes | None, follows: AnswerState) -> None:
        """Each state is followed by the one that the picture shows."""
        reader = make()
        reader.feed(REACHED[state])
        assert reader.state is state
        found = reader.close() if data is None else reader.feed(data)
        assert reader.state is follows
        assert reader.done is (follows is DONE)
        assert any(isinstance(event, Finished) for event in found) is (follows is DONE and state is not DONE)
        assert (reader.failure is not None or reader.error is not None) is (follows is FAILED)

    @pytest.mark.parametrize("more", [b"", b" "])
    def test_usage_alone(self, more: bytes) -> None:
        """The end of the body behind usage alone is an end, from the state of an answer that goes on."""
        reader = make()
        reader.feed(SAID + USAGE + more)
        states = [reader.state]
        reader.close()
        assert [*states, reader.state] == [ANSWERING, DONE]

    def test_wrong_whole_answers(self) -> None:
        """A whole answer that is none fails when its body ends."""
        for body in (b"{", b"{}", b"[]", b'{"error":"boom"}', b'{"choices":[]}'):
            reader = make()
            reader.feed(body)
            states = [reader.state]
            assert reader.close() == []
            assert [*states, reader.state] == [WHOLE_JSON, FAILED]

    def test_failed_twice(self) -> None:
        """What is wrong behind a finish reason that stands for a failure changes nothing about it."""
        broken: dict[str, Any] = {"delta": {"content": [{}] * (json_weight.MAX_PARTS + 1)}}
        failed = {"delta": {"content": "a"}, "finish_reason": "error"}
        reader = make()
        reader.feed(b"data: " + strict_json.encode({"choices": [failed, broken]}) + b"\n\n" + DONE_MARK)
        assert reader.state is FAILED
        assert reader.failure is not None

    def test_wrong_step(self) -> None:
        """A step that the picture does not show is a fault of the bridge."""
        reader = make()
        with pytest.raises(InternalFault, match="cannot become DONE that is UNDECIDED"):
            reader._move_to(DONE)


class ReaderEndTests:
    """When an answer is finished, and why it ended."""

    @pytest.mark.parametrize("done", [True, False])
    def test_finished(self, done: bool) -> None:
        """A finish reason is enough, with the mark or without."""
        found, reader = read(stream({"content": "a"}, done=done))
        assert finished(found).reason is FinishReason.STOPPED
        assert reader.error is None

    def test_mark_alone(self) -> None:
        """So is the mark without a reason."""
        found, reader = read(stream({"content": "a"}, finish=None))
        assert finished(found).reason is FinishReason.STOPPED
        assert reader.error is None

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"d",
            b"\xef\xbbev",
            b": x\n\n",
            b"event: message\n\n",
            stream({"content": "a"}, finish=None, done=False),
        ],
    )
    @pytest.mark.parametrize("size", [1, 4096])
    def test_cut(self, body: bytes, size: int) -> None:
        """An answer that ends without either was cut: never a false good end."""
        found, reader = read(body, size)
        assert isinstance(reader.error, UpstreamCut)
        assert not any(isinstance(event, Finished) for event in found)
        assert (reader.failure, reader.done) == (None, False)
        assert reader.close() == []

    @pytest.mark.parametrize("size", [1, 4096])
    def test_usage_cut_off(self, size: int) -> None:
        """An answer that is complete but for a cut in its usage is complete, wherever the cut is."""
        said = stream({"content": "hi"}, done=False)
        usage = b"".join(events([chunk(None, usage=token_usage(10, 5))]))
        for length in range(len(usage)):
            found, reader = read(said + usage[:length], size)
            assert (text_of(found), finished(found).reason, reader.error) == ("hi", FinishReason.STOPPED, None)

    def test_late_usage(self) -> None:
        """Usage that follows the finish reason counts, also without the mark, and the last one wins."""
        late = events(
            [chunk(None, usage=token_usage(1, 2)), chunk(None, usage=token_usage(30, 40, cached=10))], done=False
        )
        found, _ = read(stream({"content": "a"}, done=False) + b"".join(late))
        assert finished(found).usage == Usage(20, 40, 10)

    @pytest.mark.parametrize(
        ("more", "usage"),
        [
            ({"usage": token_usage(3, 4)}, Usage(3, 4)),
            ({"usage": None}, None),
            ({"usage": {}}, None),
            ({"usage": "many"}, None),
            ({"x_groq": {"id": "x", "usage": token_usage(3, 4)}}, Usage(3, 4)),
            ({"x_groq": {"id": "x"}}, None),
            ({"timings": {"prompt_n": 3, "predicted_n": 4}}, Usage(3, 4)),
            ({"timings": "fast"}, None),
            ({"usage": {}, "timings": {"prompt_n": 3, "predicted_n": 4}}, Usage(3, 4)),
            ({"usage": token_usage(3, 4), "timings": {"prompt_n": 8, "predicted_n": 9}}, Usage(3, 4)),
        ],
    )
    def test_usage_places(self, more: dict[str, Any], usage: Usage | None) -> None:
        """Usage is found in each place where servers put it."""
        found, _ = read(stream({"content": "a"}, **more))
        assert finished(found).usage == usage

    @pytest.mark.parametrize(
        "end",
        [
            chunk({}, finish="error", usage=COUNTED),
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "usage": COUNTED}]},
            {"error": {"message": "boom"}, "usage": COUNTED},
            {"error": {"message": "boom"}, "choices": [{"delta": {}, "finish_reason": "error"}], "usage": COUNTED},
        ],
    )
    def test_usage_of_a_failed_answer(self, end: dict[str, Any]) -> None:
        """What an answer has used that ends with a failure is known where the backend says so, with what it cost."""
        for said in ("", "Hello"):
            _, reader = read(stream({"content": said}, finish=None, done=False) + b"".join(events([end])))
            assert reader.failure is not None
            assert reader.reported_usage == Usage(600, 100, 300)
            assert reader.reported_usage.raw["cost"] == 0.5

    def test_usage_behind_a_failure(self) -> None:
        """As behind any other finish reason, usage may follow one that stands for a failure (DeepSeek)."""
        body = stream({"content": "a"}, finish="insufficient_system_resource", done=False) + USAGE
        for end in (DONE_MARK, b""):
            reader = read(body + end)[1]
            assert reader.failure is not None
            assert reader.reported_usage == Usage(5, 2)

    def test_text_behind_a_failure(self) -> None:
        """What comes behind a finish reason that stands for a failure is not delivered: another model may be asked."""
        failing = stream({"content": ""}, finish="error", done=False)
        found, reader = read(failing + SAID + USAGE + DONE_MARK)
        assert not [each for each in found if isinstance(each, TextDelta)]
        assert reader.failure is not None
        assert reader.reported_usage == Usage(5, 2)

    def test_usage_of_a_failed_whole_answer(self) -> None:
        """A whole answer says what it has used, too, whether it has failed by its finish reason or by an error."""
        failed = {"choices": [{"message": {"content": "a"}, "finish_reason": "error"}], "usage": COUNTED}
        for body in (failed, {"error": "boom", "usage": COUNTED}):
            _, reader = read(strict_json.encode(body))
            assert reader.failure is not None
            assert reader.reported_usage == Usage(600, 100, 300)

    def test_usage_so_far(self) -> None:
        """Some servers count in every chunk (xAI), which is known before the end; others have said nothing by then."""
        reader = make()
        reader.feed(stream({"content": "a"}, finish=None, done=False))
        assert reader.reported_usage is None
        for written in (1, 2):
            counted = chunk({"content": "a"}, usage=token_usage(5, written))
            reader.feed(b"".join(events([counted], done=False)))
            assert reader.reported_usage == Usage(5, written)
        reader.feed(b'data: {"choices":[],"usage":{"prompt_tokens":"\\ud800"}}\n\n')
        assert reader.reported_usage is None

    def test_usage_in_the_choice(self) -> None:
        """Some put it into the choice."""
        last = {"index": 0, "delta": {}, "finish_reason": "stop", "usage": token_usage(3, 4)}
        found, _ = read(stream({"content": "a"}, choices=[last]))
        assert finished(found).usage == Usage(3, 4)

    def test_first_reason_wins(self) -> None:
        """A second finish reason changes nothing, and deltas after the first still count."""
        body = stream({"content": "a"}, finish="length", done=False) + stream({"content": "b"}, finish="stop")
        found, _ = read(body)
        assert text_of(found) == "ab"
        assert finished(found).reason is FinishReason.LENGTH

    def test_stop_sequence(self) -> None:
        """A sequence that the client asked for is named, under either server's name for it."""
        for key in ("stop_reason", "matched_stop"):
            last = {"index": 0, "delta": {}, "finish_reason": "stop", key: "END"}
            found, _ = read(stream({"content": "a"}, choices=[last]), stop_sequences=("END",))
            assert finished(found) == Finished(FinishReason.STOP_SEQUENCE, "END")

    @pytest.mark.parametrize(("window", "reason"), [(None, "LENGTH"), (20, "LENGTH"), (19, "CONTEXT_FULL")])
    def test_window_full(self, window: int | None, reason: str) -> None:
        """An answer that ended because the window was full says so, where the window is known."""
        body = stream({"content": "a"}, finish="length", usage=token_usage(12, 7, cached=3))
        assert finished(read(body, context_window=window)[0]).reason is FinishReason[reason]
        assert (
            finished(read(stream({"content": "a"}, finish="length"), context_window=9)[0]).reason is FinishReason.LENGTH
        )

    def test_refusal(self) -> None:
        """A refusal in its own field is text for the person, and the end is a refusal."""
        found, _ = read(stream({"refusal": "I will not."}))
        assert text_of(found) == "I will not."
        assert finished(found).reason is FinishReason.REFUSED
        cut_off, _ = read(stream({"refusal": "I will"}, finish="length"))
        assert finished(cut_off).reason is FinishReason.LENGTH

    def test_filtered(self) -> None:
        """A filtered answer is a refusal that says why."""
        end = finished(read(stream({"content": "a"}, finish="content_filter"))[0])
        assert end.reason is FinishReason.REFUSED
        assert "content_filter" in (end.explanation or "")

    def test_several_events_in_one_read(self) -> None:
        """Nothing behind the mark is looked at, not even in the same read."""
        found, reader = read(DONE_MARK + b"data: {broken\n\n")
        assert finished(found)
        assert reader.error is None


class ReaderContentTests:
    """Content in its many forms."""

    @pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "reasoning_text", "thinking"])
    def test_reasoning_first(self, key: str) -> None:
        """Reasoning in the same chunk as text comes before it."""
        assert read(stream({"content": "a", key: "b"}))[0][1:3] == [ReasoningDelta("b"), TextDelta("a")]

    def test_parts(self) -> None:
        """Content in parts is joined, thinking parts are reasoning, and parts of no known kind are skipped."""
        parts = [
            {"type": "thinking", "thinking": [{"type": "text", "text": "h"}, {"text": 7}, "odd", {"text": "m"}]},
            {"type": "thinking", "thinking": "!"},
            {"type": "thinking", "thinking": 7},
            {"type": "text", "text": "Hel"},
            "lo",
            {"type": "text", "text": None},
            {"type": "reference"},
            7,
        ]
        found, _ = read(stream({"content": parts}))
        assert found[1:-1] == [ReasoningDelta("hm"), ReasoningDelta("!"), TextDelta("Hel"), TextDelta("lo")]

    def test_think_tags(self) -> None:
        """Reasoning that was left in the text is taken out of it."""
        found, _ = read(
            stream({"content": "<thi"}, {"content": "nk>hm</think>"}, {"content": "\n\nHi"}, {"content": "!"})
        )
        assert found[1:-1] == [ReasoningDelta("hm"), TextDelta("Hi"), TextDelta("!")]

    def test_held_text_before_a_call(self) -> None:
        """Text that could have become a tag keeps its place before a call."""
        call = {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]}
        found, _ = read(stream({"content": "<"}, call, {"content": "think"}))
        assert found[1] == TextDelta("<")
        assert isinstance(found[2], ToolCallStarted)
        assert found[-2] == TextDelta("think")

    def test_half_a_tag_at_the_end(self) -> None:
        """Text that only looked like the beginning of a tag is not lost at the end."""
        assert text_of(read(stream({"content": "a <"}))[0]) == "a <"
        assert text_of(read(stream({"content": "<thin"}))[0]) == "<thin"

    def test_old_function_call(self) -> None:
        """The old form of a call is a call."""
        found, _ = read(
            stream({"function_call": {"name": "f", "arguments": "{"}}, {"function_call": {"arguments": "}"}})
        )
        assert found[2:-1] == [ToolArgumentsDelta(0, "{"), ToolArgumentsDelta(0, "}"), ToolCallEnded(0)]

    def test_both_forms_of_a_call(self) -> None:
        """A call that is told in both forms, in one chunk or in two, is one call (llama-cpp-python)."""
        pieces = [
            {"tool_calls": [{"index": 0, "id": "x", "function": {"name": "f", "arguments": piece}}]} for piece in "{}"
        ]
        old = [{"function_call": {"name": "f", "arguments": piece}} for piece in "{}"]
        expected = [ToolArgumentsDelta(0, "{"), ToolArgumentsDelta(0, "}"), ToolCallEnded(0)]
        for deltas in ([a | b for a, b in zip(pieces, old, strict=True)], [pieces[0], old[0], pieces[1], old[1]]):
            found, _ = read(stream(*deltas))
            assert found[2:-1] == expected

    @pytest.mark.parametrize("choices", [[], [{"index": 0}], [{"index": 0, "delta": None}], ["odd"]])
    def test_nothing_in_it(self, choices: list[Any]) -> None:
        """Chunks without content do no harm, wherever they stand."""
        empty = events([chunk(None, choices=choices)], done=False)[0]
        found, reader = read(empty + stream({"content": "a"}, done=False) + empty + DONE_MARK)
        assert (text_of(found), reader.error, reader.failure) == ("a", None, None)

    def test_message_in_a_stream(self) -> None:
        """A whole answer sent as a single event is the answer."""
        found, _ = read(b"data: " + whole_answer(text="Hi", usage=token_usage(1, 2)) + b"\n\n" + DONE_MARK)
        assert text_of(found) == "Hi"
        assert finished(found).usage == Usage(1, 2)


class ReaderWholeTests:
    """A whole JSON answer instead of a stream."""

    @pytest.mark.parametrize("size", [1, 7, 4096])
    @pytest.mark.parametrize("before", [b"", b" \r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
    def test_same_as_the_stream(self, size: int, before: bytes) -> None:
        """A whole answer says what the stream would have said."""
        calls = [ToolCall(id="a", name="f", arguments='{"x": 1}'), ToolCall(id="b", name="g", arguments="")]
        said: dict[str, Any] = {"text": "Hello", "reasoning": "Hm", "tool_calls": calls}
        whole, reader = read(before + whole_answer(**said) + b"\n", size)
        streamed, _ = read(b"".join(chat_stream(**said, split=100)))
        assert [event for event in whole if event != ToolArgumentsDelta(0, "")] == streamed
        assert (reader.done, reader.data_event_seen, reader.error) == (True, True, None)

    def test_without_a_reason(self) -> None:
        """A whole answer is finished even where it does not say why."""
        found, _ = read(b'{"choices": [{"message": {"content": "Hi"}}]}')
        assert finished(found).reason is FinishReason.STOPPED

    def test_cut(self) -> None:
        """Half of one is an error."""
        found, reader = read(whole_answer(text="Hi")[:-9])
        assert found == []
        assert isinstance(reader.error, UpstreamProtocolError)

    def test_too_large(self) -> None:
        """A whole answer that outgrows its limit is given up before it fills the memory."""
        reader = make(max_answer=100)
        reader.feed(b'{"choices": "')
        assert reader.error is None
        reader.feed(b"x" * 100)
        assert isinstance(reader.error, UpstreamProtocolError)
        assert reader.feed(b"y") == reader.close() == []

    def test_failed_finish(self) -> None:
        """A backend that broke down says so in a whole answer, too."""
        found, reader = read(b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "error"}]}')
        assert reader.failure is not None
        assert not any(isinstance(event, Finished) for event in found)


ERRORS: dict[str, bytes] = {
    "object": b'{"error": {"message": "boom", "code": 400}}',
    "with choices": b'{"error": {"message": "boom"}, "choices": []}',
    "string": b'{"error": "boom"}',
    "flat": b'{"object": "error", "message": "boom", "code": 40303}',
    "in a list": b'[{"error": {"message": "boom"}}]',
    "detail": b'{"detail": "boom"}',
    "details": b'{"detail": [{"loc": ["body"], "msg": "boom"}]}',
    "message": b'{"message": "boom", "code": 500}',
    "msg": b'{"code": 1234, "msg": "boom"}',
    "errors": b'{"errors": [{"message": "boom"}]}',
}


class ReaderFailureTests:
    """What a backend reports inside its answer."""

    @staticmethod
    def said(reader: Reader) -> str:
        """Return what a person would be told."""
        assert reader.failure is not None
        assert reader.error is None
        return classification.from_error(reader.failure).message

    @pytest.mark.parametrize("body", ERRORS.values(), ids=list(ERRORS))
    @pytest.mark.parametrize("size", [1, 4096])
    def test_every_shape(self, body: bytes, size: int) -> None:
        """An error is understood in each shape, in a stream or alone, after content or before it."""
        alone = [event for event in read(body, size)[0] if isinstance(event, Finished)]
        assert alone == []
        assert "boom" in self.said(read(body, size)[1])
        for before in (b"", stream({"content": "a"}, finish=None, done=False)):
            found, reader = read(before + b"data: " + body + b"\n\n" + DONE_MARK, size)
            assert "boom" in self.said(reader)
            assert not any(isinstance(event, Finished) for event in found)
            assert reader.feed(DONE_MARK) == reader.close() == []

    @pytest.mark.parametrize("data", [b'{"message": "boom"}', b"boom", b'"boom"', b'{"code": 1, "message": "boom"}'])
    def test_named_error(self, data: bytes) -> None:
        """An event with the name of an error is one, whatever it holds."""
        assert "boom" in self.said(read(b"event: error\ndata: " + data + b"\n\n")[1])
        assert read(b"event: error\ndata: {}\n\n")[1].failure == {}

    @pytest.mark.parametrize("size", [1, 4096])
    @pytest.mark.parametrize(
        "body",
        [b"<html><body><h1>boom</h1></body></html>", b"error: boom", b"boom\n", b"\xffboom", b"x" * 9 + b" boom"],
    )
    def test_no_stream_at_all(self, body: bytes, size: int) -> None:
        """A proxy's page or a line of text instead of an answer is told, not called a cut."""
        assert "boom" in self.said(read(body, size)[1])

    def test_page_is_bounded(self) -> None:
        """Only the head of such a page is kept."""
        _, reader = read(b"<p>boom" + b"x" * 3 * MAX_PAGE_BYTES)
        assert isinstance(reader.failure, dict)
        assert len(reader.failure["error"]) == MAX_PAGE_BYTES

    @pytest.mark.parametrize("word", ["error", "network_error", "insufficient_system_resource", "abort", "cancelled"])
    def test_finish_reasons(self, word: str) -> None:
        """A finish reason that says that the backend broke down is no good end."""
        found, reader = read(stream({"content": "a"}, finish=word))
        assert word in self.said(reader)
        assert not any(isinstance(event, Finished) for event in found)

    def test_finish_reason_with_words(self) -> None:
        """The error that follows such a finish reason says more than it."""
        _, reader = read(stream({"content": "a"}, finish="error", done=False) + REPORTED)
        assert self.said(reader) == "boom"
        assert reader.late_failure is None

    def test_null_error(self) -> None:
        """A null beside the answer is no error."""
        found, reader = read(stream({"content": "a"}, error=None))
        assert reader.failure is None
        assert finished(found)


class ReaderJunkTests:
    """What is no chat completion at all."""

    @pytest.mark.parametrize(
        "data", [b'{"choices": [', b"{nope}", b'{"choices": [{"delta": {"content": "a}}]}', b"[1, 2", b"[]"]
    )
    def test_broken_object(self, data: bytes) -> None:
        """A broken chunk ends the answer, since what was in it would be missing without a trace."""
        found, reader = read(stream({"content": "a"}, finish=None, done=False) + b"data: " + data + b"\n\n" + DONE_MARK)
        assert isinstance(reader.error, UpstreamProtocolError)
        assert text_of(found) == "a"
        assert not any(isinstance(event, Finished) for event in found)

    def test_keep_alive_texts(self) -> None:
        """A few texts that are no JSON are skipped; a backend that sends nothing else is given up."""
        found, reader = read(b"data: ping\n\n" * MAX_JUNK_EVENTS + stream({"content": "a"}))
        assert text_of(found) == "a"
        _, reader = read(b"data: ping\n\n" * (MAX_JUNK_EVENTS + 1))
        assert isinstance(reader.error, UpstreamProtocolError)

    def test_blank_keep_alives(self) -> None:
        """Blank events may come for hours."""
        found, _ = read(b"data:\n\ndata:  \n\n" * 100 + stream({"content": "a"}))
        assert text_of(found) == "a"

    def test_event_too_large(self) -> None:
        """An event that outgrows its limit ends the answer."""
        _, reader = read(b"data: {" + b" " * 200, max_event=100)
        assert isinstance(reader.error, UpstreamProtocolError)
        assert reader.feed(stream({"content": "a"})) == []

    @pytest.mark.parametrize(
        "delta",
        [
            {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '"' + "x" * 99}}]},
            {"tool_calls": [{"index": 0, "id": "a", "function": {"arguments": "x" * 99}}]},
            {"function_call": {"arguments": "x" * 99}},
        ],
    )
    def test_too_much_held(self, delta: dict[str, Any]) -> None:
        """Arguments that have to wait do not fill the memory."""
        _, reader = read(stream(delta), max_held=50)
        assert isinstance(reader.error, UpstreamProtocolError)
        _, reader = read(stream(delta), max_held=100)
        assert reader.error is None


def delta_of(field: str, fill: bytes, times: int) -> bytes:
    """Write an event whose first delta has a list of one thing many times."""
    return b'data: {"choices":[{"delta":{"%b":[%b]}}]}\n\n' % (field.encode(), b",".join([fill] * times))


def called_with(arguments: bytes) -> bytes:
    """Write an event with a whole call, its arguments as JSON."""
    function = b'{"name":"f","arguments":%b}' % arguments
    return b'data: {"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":%b}]}}]}\n\n' % function


def filled(before: str, fill: str, size: int = MAX_EVENT_BYTES - 4096) -> bytes:
    """Write a JSON text of about so many bytes, full of one thing."""
    return json.dumps(before + fill * (size // (len(json.dumps(fill)) - 2))).encode()


@pytest.mark.parametrize("size", [64 * 1024, 4096, 10_007])
class ReaderBoundsTests:
    """No event takes long, and what would is refused in plain words."""

    @pytest.mark.parametrize(
        ("body", "words"),
        [
            (called_with(b'{"a":[' + b'{"b":[]},' * 60_000 + b"1]}"), "more than 100000 values in one event"),
            (b'data: {"choices":[' + b'{"index":1},' * 60_000 + b"{}]}\n\n", "more than 100000 values"),
            (b'data: {"choices":[' + b'{"index":1},' * 9 + b"{}]}\n\n", "more than 8 choices"),
            (b'data: {"choices":[' + b'{"index":"1"},' * 9 + b"{}]}\n\n", "more than 8 choices"),
            (delta_of("content", b'{"text":"x"}', 1001), "more than 1000 parts"),
            (delta_of("content", b'{"text":"x"}', 1001).replace(b'"choices"', b'"model":1,"choices"'), "1000 parts"),
            (delta_of("thinking_blocks", b"{}", 1001), "more than 1000 blocks of thinking"),
            (delta_of("tool_calls", b'{"function":{}}', 1001), "more than 1000 fragments of calls"),
            (delta_of("tool_calls", b'{"index":"0"}', 1001), "more than 1000 fragments of calls"),
            (b'{"choices":[{"message":{"content":"x"}}],"a":[' + b"[]," * 60_000 + b"1]}", "more than 100000 values"),
            (b'{"choices":[' + b" " * MAX_EVENT_BYTES, f"an answer of more than {MAX_EVENT_BYTES} bytes in one piece"),
            (b'data: {"choices":[' + b" " * MAX_EVENT_BYTES, f"a single event of more than {MAX_EVENT_BYTES} bytes"),
            (called_with(filled('"', "x", MAX_EVENT_BYTES - 4096)) * 2, "had to be held back"),
        ],
        ids=[
            *("arguments", "values", "choices", "odd choices", "parts", "odd parts", "thinking", "fragments"),
            *("odd fragments", "whole", "whole bytes", "event", "held"),
        ],
    )
    def test_too_much(self, size: int, body: bytes, words: str) -> None:
        """What the backend did is told, and it ends the answer."""
        _, reader = read(body, size)
        assert isinstance(reader.error, UpstreamProtocolError)
        assert words in reader.error.message

    def test_details(self, size: int) -> None:
        """Details of reasoning are as bounded as parts of a content."""
        reader = Reader(dialect=DIALECTS["openrouter"], random_bytes=bytes)
        for piece in in_steps(delta_of("reasoning_details", b"{}", 1001), size):
            reader.feed(piece)
        assert isinstance(reader.error, UpstreamProtocolError)

    def test_much_is_read(self, size: int) -> None:
        """What a real backend may send is far below all bounds."""
        arguments = json.dumps({"rows": [{"id": n, "name": "a, [name]"} for n in range(10_000)]})
        for form in (arguments, json.loads(arguments)):
            found, reader = read(called_with(json.dumps(form).encode()) + DONE_MARK, size)
            passed = "".join(event.json for event in found if isinstance(event, ToolArgumentsDelta))
            assert json.loads(passed) == json.loads(arguments)
            assert reader.error is None
        parts = delta_of("content", b'{"text":"x"}', json_weight.MAX_PARTS)
        assert text_of(read(parts + DONE_MARK, size)[0]) == "x" * json_weight.MAX_PARTS
        assert json_weight.MAX_PARTS >= MAX_CALLS

    @pytest.mark.parametrize("field", ["usage", "timings", "x_groq", "prompt_progress"])
    def test_huge_counts(self, size: int, field: str) -> None:
        """A usage of many kilobytes is none, and costs the answer nothing."""
        usage = {"prompt_tokens": 7, "total": 7, "predicted_n": 7, "more": [[]] * 10_000}
        more: dict[str, Any] = {field: usage}
        found, reader = read(stream({"content": "a"}, **more), size)
        assert text_of(found) == "a"
        assert reader.done
        last = found[-1]
        assert isinstance(last, Finished)
        assert last.usage is None

    @pytest.mark.parametrize(
        "body",
        [
            called_with(filled('{"a":[', '{"b":[]},')),
            called_with(filled('{"a":"', "\n")),
            called_with(filled('{"a":["', '\n","')),
            called_with(filled('{"a":[', "[" * 40 + "]" * 40)),
            called_with(filled("{", "{")),
            called_with(filled('{"a":[', '"",')),
            called_with(b'{"a":[' + b'{"b":[]},' * 33_000 + b"1]}"),
            delta_of("content", b"[]", 1_300_000),
            delta_of("tool_calls", b"{}", 1_300_000),
            b'data: {"choices":[{"delta":{"content":"x"}}],"usage":{"a":[' + b"[]," * 1_300_000 + b"1]}}\n\n",
            b'data: {"error":[' + b"[]," * 1_300_000 + b"1]}\n\n",
            b'data: {"choices":[' + b"[]," * 1_300_000 + b"1\n\n",
        ],
        ids=[
            *("brackets", "line feeds", "mended strings", "levels", "braces", "strings", "object", "parts", "calls"),
            *("usage", "error", "broken"),
        ],
    )
    def test_no_long_turn(self, size: int, body: bytes) -> None:
        """Whatever an event of 4 MiB is full of, no read holds up the others for long."""
        reader, longest = make(), 0.0
        for piece in in_steps(body, max(size, 64 * 1024)):
            begun = time.thread_time()
            reader.feed(piece)
            longest = max(longest, time.thread_time() - begun)
        assert longest < 1  # a tenth of it on an ordinary machine; it was ten seconds
