"""Tests for `claude_bridge.core.responses_api.answer.reader`: streams as servers send them, regular and not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import ResponseError

from claude_bridge.core import json_weight
from claude_bridge.core.answer_state import DONE, FAILED
from claude_bridge.core.body_reader import MAX_JUNK_EVENTS
from claude_bridge.core.errors import UpstreamCut, UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    ReasoningState,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)
from claude_bridge.core.upstream_errors import classification
from claude_bridge.testing.chat import ToolCall
from claude_bridge.testing.responses import USAGE, ResponseEvents, encoded, response_stream, response_usage
from tests.core.responses_api.asking import read
from tests.core.responses_api.asking import reader as new_reader
from tests.core.strategies import in_steps
from tests.core.transcripts import carried_by, counted

CALLS = [
    ToolCall(id="a", name="Read", arguments='{"path": "a\\"\u00e9b"}'),
    ToolCall(id="b", name="Bash", arguments='{"command": "ls", "more": [1, {"x": null}]}'),
]
WHOLE = response_stream(text="It is sunny, \u00e9.", reasoning="I look around.", encrypted="gAAAA+/=", calls=CALLS)

LLAMACPP = (
    b'event: response.created\ndata: {"type":"response.created","response":{"id":"resp_R","object":"response",'
    b'"status":"in_progress"}}\n\n'
    b'event: response.output_item.added\ndata: {"type":"response.output_item.added","item":{"content":[],"id":"msg_L",'
    b'"role":"assistant","status":"in_progress","type":"message"}}\n\n'
    b'event: response.content_part.added\ndata: {"type":"response.content_part.added","item_id":"msg_L",'
    b'"part":{"type":"output_text","text":""}}\n\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"msg_L",'
    b'"delta":"The"}\n\n'
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"msg_L",'
    b'"delta":" capital"}\n\n'
    b'event: response.output_text.done\ndata: {"type":"response.output_text.done","item_id":"msg_L",'
    b'"text":"The capital"}\n\n'
    b'event: response.output_item.done\ndata: {"type":"response.output_item.done","item":{"type":"message",'
    b'"status":"completed","id":"msg_L","content":[{"type":"output_text","annotations":[],"logprobs":[],'
    b'"text":"The capital"}],"role":"assistant"}}\n\n'
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"resp_R","object":"response",'
    b'"created_at":1796039098,"status":"completed","model":"smollm2-135m","output":[],"usage":{"input_tokens":41,'
    b'"output_tokens":2,"total_tokens":43,"input_tokens_details":{"cached_tokens":0}}}}\n\n'
)
"""llama.cpp's own stream, build 11549: no ``sequence_number``, no ``output_index``, no model at first, and
``completed`` although it was cut by ``max_output_tokens``."""


def text(events: Iterable[Event]) -> str:
    """Return the text, put together."""
    return "".join(each.text for each in events if isinstance(each, TextDelta))


def arguments(events: Iterable[Event], call: int = 0) -> str:
    """Return the arguments of a call, put together."""
    return "".join(each.json for each in events if isinstance(each, ToolArgumentsDelta) and each.call == call)


def finished(events: list[Event]) -> Finished:
    """Return the end of an answer that has one."""
    assert isinstance(events[-1], Finished)
    return events[-1]


def made(*, begin: bool = True) -> ResponseEvents:
    """Make the beginning of an answer."""
    answer = ResponseEvents()
    if begin:
        answer.begin()
    return answer


class StreamTests:
    """Streams as OpenAI sends them."""

    def test_whole(self) -> None:
        """Reasoning, encrypted and not, text, calls with streamed arguments, the end with its counts."""
        events, reader = read(WHOLE)
        assert events[0] == Started("test-model")
        assert text(events) == "It is sunny, \u00e9."
        assert [each.name for each in events if isinstance(each, ToolCallStarted)] == ["Read", "Bash"]
        arguments = [
            "".join(e.json for e in events if isinstance(e, ToolArgumentsDelta) and e.call == n) for n in (0, 1)
        ]
        assert arguments == [call.arguments for call in CALLS]
        assert sum(isinstance(each, ReasoningState) for each in events) == 1
        assert finished(events) == Finished(
            FinishReason.STOPPED, None, Usage(input_tokens=12, output_tokens=7, thinking_tokens=0)
        )
        assert (reader.state, reader.failure, reader.error) == (DONE, None, None)
        assert (reader.done, reader.finish_seen, reader.data_event_seen) == (True, True, True)

    @pytest.mark.parametrize("size", [1, 7, 97])
    @pytest.mark.parametrize("stream", [b"".join(WHOLE), LLAMACPP])
    def test_in_pieces(self, stream: bytes, size: int) -> None:
        """However the bytes are cut, the client gets the same."""
        whole = carried_by(new_reader(random_bytes=counted()), [stream])
        cut = carried_by(new_reader(random_bytes=counted()), in_steps(stream, size))
        assert whole.error is cut.error is None
        assert cut.message == whole.message
        assert cut.message is not None

    @given(st.integers(0, len(LLAMACPP)))
    def test_at_every_split(self, split: int) -> None:
        """Two reads that meet anywhere give the events of one."""
        assert read([LLAMACPP[:split], LLAMACPP[split:]])[0] == read([LLAMACPP])[0]

    @given(st.lists(st.integers(0, len(b"".join(WHOLE))), max_size=6))
    def test_at_any_splits(self, splits: list[int]) -> None:
        """So do several, in an answer with everything."""
        stream, places = b"".join(WHOLE), sorted({0, *splits})
        pieces = [stream[a:b] for a, b in zip(places, [*places[1:], len(stream)], strict=True)]
        assert (
            carried_by(new_reader(random_bytes=counted()), pieces).message
            == carried_by(new_reader(random_bytes=counted()), [stream]).message
        )

    def test_repeated_request(self) -> None:
        """Instructions and tools, which three events repeat, are not decoded, however many values they have."""
        answer = made()
        answer.say("hi")
        tools: dict[str, Any] = {"tools": [[0] * json_weight.MAX_VALUES]}
        answer.events[0]["response"].update(tools)
        answer.end(**tools)
        assert text(read(encoded(answer.events))[0]) == "hi"


class FinishTests:
    """How answers end."""

    @pytest.mark.parametrize(
        ("reason", "expected"),
        [
            ("max_output_tokens", FinishReason.LENGTH),
            ("content_filter", FinishReason.REFUSED),
            ("max_messages", FinishReason.LENGTH),
            (None, FinishReason.LENGTH),
        ],
    )
    def test_incomplete(self, reason: str | None, expected: FinishReason) -> None:
        """An incomplete answer says why; the client is told of a filter in words."""
        answer = made()
        answer.say("hi")
        answer.end("incomplete", incomplete_details={"reason": reason} if reason else None)
        end = finished(read(encoded(answer.events))[0])
        assert end.reason is expected
        assert (end.explanation is not None) == (expected is FinishReason.REFUSED)

    def test_refused(self) -> None:
        """A refusal is text, and refuses."""
        answer = made()
        answer.refuse("I cannot", " do that.")
        answer.end()
        events, _ = read(encoded(answer.events))
        assert text(events) == "I cannot do that."
        assert finished(events).reason is FinishReason.REFUSED

    def test_window(self) -> None:
        """An answer that filled the window was cut by it, not by its limit."""
        answer = made()
        answer.say("hi")
        answer.end("incomplete", usage=response_usage(90, 10), incomplete_details={"reason": "max_output_tokens"})
        assert finished(read(encoded(answer.events), context_window=100)[0]).reason is FinishReason.CONTEXT_FULL
        assert finished(read(encoded(answer.events), context_window=101)[0]).reason is FinishReason.LENGTH

    def test_failed(self) -> None:
        """A failed answer is the error that it reports, which can be tried again as its code says."""
        answer = made()
        answer.say("hi")
        answer.end("failed", error={"code": "rate_limit_exceeded", "message": "slow down"})
        events, reader = read(encoded(answer.events))
        assert not isinstance(events[-1], Finished)
        failure = classification.from_error(reader.failure)
        assert (failure.status, failure.message) == (429, "slow down")

    @pytest.mark.parametrize("code", get_args(ResponseError.model_fields["code"].annotation))
    def test_codes(self, code: str) -> None:
        """Of OpenAI's codes, those that are about the request are not tried again as it is."""
        answer = made()
        answer.end("failed", error={"code": code, "message": "no"})
        status = classification.from_error(read(encoded(answer.events))[1].failure).status
        about_the_server = {"server_error": 502, "rate_limit_exceeded": 429, "vector_store_timeout": 502}
        about_what_is_not_sent = {
            "data_residency_mismatch": 502,
            "image_file_not_found": 502,
            "invalid_image_mode": 502,
        }
        assert status == (about_the_server | about_what_is_not_sent).get(code, 400)

    @pytest.mark.parametrize("status", ["failed", "cancelled"])
    def test_usage_of_a_failed_answer(self, status: str) -> None:
        """What an answer has used that has failed is known where the backend says so."""
        for said in ((), ("hi",)):
            answer = made()
            answer.say(*said)
            answer.end(status, usage=response_usage(900, 100, cached=300))
            assert read(encoded(answer.events))[1].reported_usage == Usage(600, 100, 300, thinking_tokens=0)
            reader = read([json.dumps(answer.events[-1]["response"]).encode()])[1]
            assert reader.failure is not None
            assert reader.reported_usage == Usage(600, 100, 300, thinking_tokens=0)
        answer = made()
        answer.end(status, usage=None)
        assert read(encoded(answer.events))[1].reported_usage is None

    def test_usage_beside_an_error(self) -> None:
        """A whole body that is an error may say what was used, too."""
        body = {"error": {"message": "boom"}, "usage": response_usage(900, 100)}
        assert read([json.dumps(body).encode()])[1].reported_usage == Usage(900, 100, thinking_tokens=0)

    def test_failed_without_words(self) -> None:
        """One that reports nothing has failed all the same."""
        answer = made()
        answer.end("failed")
        _, reader = read(encoded(answer.events))
        assert classification.from_error(reader.failure).message == "the backend ended its answer as 'failed'"

    def test_after_the_end(self) -> None:
        """What follows the end is ignored."""
        events, reader = read([*response_stream(text="hi"), *response_stream(text="more"), b"data: [DONE]\n\n"])
        assert text(events) == "hi"
        assert reader.error is None


class StopSequenceTests:
    """Sequences that end the text, which the bridge applies itself."""

    @pytest.mark.parametrize("without", ["nothing", ".delta"])
    def test_cut(self, without: str) -> None:
        """The answer ends in front of it at once, however it comes; nothing that follows is passed on."""
        answer = made()
        answer.reason(["</s> is no end here."])
        answer.say("<s>hi", "gh</", "s> and", " more")
        answer.call(CALLS[0])
        answer.end()
        stream = encoded(each for each in answer.events if not each["type"].endswith(without))
        for parts in (stream, encoded(answer.events[-1:])):
            events, reader = read(parts, stop_sequences=("</s>",))
            assert text(events) == "<s>high"
            assert (finished(events).reason, finished(events).stop_sequence) == (FinishReason.STOP_SEQUENCE, "</s>")
            assert not [each for each in events if isinstance(each, ToolCallStarted)]
            assert reader.done

    def test_nearly(self) -> None:
        """What only began like one is passed on before whatever follows it."""
        answer = made()
        answer.say("high<")
        answer.call(CALLS[0])
        answer.say("low</")
        answer.end()
        events, _ = read(encoded(answer.events), stop_sequences=("</s>",))
        kinds = [type(each).__name__ for each in events if not isinstance(each, ToolArgumentsDelta)]
        assert text(events) == "high<low</"
        assert kinds.index("ToolCallStarted") == 3
        assert finished(events).reason is FinishReason.STOPPED


class IrregularTests:
    """What servers do differently, one test for each."""

    def test_llamacpp(self) -> None:
        """Its stream is read although it lacks numbers and indices."""
        events, reader = read([LLAMACPP])
        assert events[0] == Started("")
        assert text(events) == "The capital"
        assert reader.error is None

    def test_cut_that_says_completed(self) -> None:
        """An answer with as many tokens as it may have was cut, whatever its status."""
        assert finished(read([LLAMACPP], max_output_tokens=2)[0]).reason is FinishReason.LENGTH
        assert finished(read([LLAMACPP], max_output_tokens=3)[0]).reason is FinishReason.STOPPED

    @pytest.mark.parametrize("left_out", ["sequence_number", "output_index", "item_id", "model"])
    def test_field_missing(self, left_out: str) -> None:
        """Any of these may be missing in every event."""
        answer = made()
        answer.say("hi")
        answer.call(CALLS[0])
        answer.end()
        for event in answer.events:
            event.pop(left_out, None)
            event.get("response", {}).pop(left_out, None)
        events, reader = read(encoded(answer.events))
        assert text(events) == "hi"
        assert arguments(events) == CALLS[0].arguments
        assert reader.error is None

    def test_no_names(self) -> None:
        """Events without names are known by their types, and events without types by their names."""
        answer = made()
        answer.say("hi")
        answer.end()
        assert text(read(encoded(answer.events, named=False))[0]) == "hi"
        untyped = [
            b"event: %s\ndata: %s\n\n" % (each.pop("type").encode(), json.dumps(each).encode())
            for each in answer.events
        ]
        assert text(read(untyped)[0]) == "hi"

    def test_done_without_deltas(self) -> None:
        """A server that sends only the ends of parts, or only the end of the answer, has said everything."""
        answer = made()
        answer.say("hi")
        answer.call(CALLS[0])
        answer.end()
        no_deltas = [each for each in answer.events if not each["type"].endswith(".delta")]
        last_alone = [each for each in answer.events if each["type"] in {"response.created", "response.completed"}]
        for stream in (no_deltas, last_alone):
            events, _ = read(encoded(stream))
            assert text(events) == "hi"
            assert arguments(events) == CALLS[0].arguments

    def test_no_beginning(self) -> None:
        """An answer begins with its first event, whichever that is."""
        answer = made(begin=False)
        answer.say("hi")
        answer.end()
        assert read(encoded(answer.events))[0][0] == Started("")

    @pytest.mark.parametrize(
        "event",
        [
            {"type": "error", "code": "server_error", "message": "out of memory", "param": None},
            {"type": "error", "error": {"code": "server_error", "message": "out of memory"}},
            {"error": {"code": "server_error", "message": "out of memory"}},
        ],
    )
    def test_error_events(self, event: dict[str, Any]) -> None:
        """An error is one however it is wrapped, and ends the answer."""
        answer = made()
        answer.say("hi")
        events, reader = read([*encoded(answer.events), b"data: %s\n\n" % json.dumps(event).encode()])
        assert text(events) == "hi"
        assert reader.state is FAILED
        assert classification.from_error(reader.failure).message == "out of memory"

    def test_error_named(self) -> None:
        """An event that is named ``error`` is one, even as a line of text."""
        _, reader = read([b"event: error\ndata: out of memory\n\n"])
        assert classification.from_error(reader.failure).message == "out of memory"

    @pytest.mark.parametrize("count", range(len(WHOLE)))
    def test_cut_connection(self, count: int) -> None:
        """Without the event that ends it an answer is not finished, wherever the connection ends."""
        _, reader = read(WHOLE[:count])
        assert isinstance(reader.error, UpstreamCut)

    def test_done_mark(self) -> None:
        """A gateway's ``[DONE]`` ends nothing."""
        _, reader = read([*WHOLE[:5], b"data: [DONE]\n\n"])
        assert isinstance(reader.error, UpstreamCut)

    def test_unknown_events(self) -> None:
        """Types that nobody knows are ignored, however many."""
        unknown = b'event: response.new\ndata: {"type":"response.new","delta":"x"}\n\n'
        events, _ = read([WHOLE[0], unknown * 50, *WHOLE[1:]])
        assert text(events) == "It is sunny, \u00e9."

    def test_whole_json(self) -> None:
        """A server that does not stream sends one JSON value."""
        answer = made()
        answer.reason(["I look."], encrypted="gAAAA")
        answer.say("hi")
        answer.call(CALLS[0])
        answer.end()
        body = json.dumps(answer.events[-1]["response"]).encode()
        events, _ = read([body[:50], body[50:]])
        kinds = [type(each).__name__ for each in events]
        assert kinds == [
            "Started", "ReasoningDelta", "ReasoningState", "TextDelta", "ToolCallStarted", "ToolArgumentsDelta",
            "ToolCallEnded", "Finished",
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "body",
        [
            {"error": {"message": "no such model", "code": "model_not_found"}},
            {"status": "failed", "output": [], "error": {"message": "no such model", "code": "x"}},
            {"detail": "no such model"},
        ],
    )
    def test_error_with_status_200(self, body: dict[str, Any]) -> None:
        """A JSON value that is no answer is an error."""
        events, reader = read([json.dumps(body).encode()])
        assert events == []
        assert classification.from_error(reader.failure).message == "no such model"

    def test_page(self) -> None:
        """A page of a proxy is reported by its title."""
        _, reader = read([b"<html><title>Busy</title></html>"])
        assert classification.from_error(reader.failure).page == "Busy"

    def test_empty(self) -> None:
        """An empty body is a cut."""
        assert isinstance(read([b""])[1].error, UpstreamCut)


class BoundTests:
    """What no server may do."""

    def test_junk(self) -> None:
        """A few events that are no objects are skipped; more are an error."""
        junk = b"data: ping\n\n"
        assert text(read([junk * MAX_JUNK_EVENTS, *WHOLE])[0]) == "It is sunny, \u00e9."
        assert isinstance(read([junk * (MAX_JUNK_EVENTS + 1), *WHOLE])[1].error, UpstreamProtocolError)

    def test_other_api(self) -> None:
        """Chat completions are no events of this API."""
        chunk = b'data: {"object":"chat.completion.chunk","choices":[{"delta":{"content":"x"}}]}\n\n'
        assert isinstance(read([chunk * 9])[1].error, UpstreamProtocolError)

    def test_broken_json(self) -> None:
        """A broken event is an error: its content would silently be missing."""
        events, reader = read([*WHOLE[:3], b'data: {"type":\n\n'])
        assert isinstance(reader.error, UpstreamProtocolError)
        assert events[0] == Started("test-model")

    def test_sizes(self) -> None:
        """Events and whole answers have limits."""
        assert isinstance(read(WHOLE, max_event=100)[1].error, UpstreamProtocolError)
        assert isinstance(read([b'{"output":[' + b" " * 200], max_answer=100)[1].error, UpstreamProtocolError)

    def test_held(self) -> None:
        """So have arguments that cannot be passed on yet."""
        answer = made()
        answer.call(ToolCall(id="a", name="f", arguments="[" * 500))
        answer.end(usage=USAGE)
        assert isinstance(read(encoded(answer.events), max_held=100)[1].error, UpstreamProtocolError)

    @given(
        st.lists(st.sampled_from([*WHOLE, b"data: {}\n\n", b'data: {"type":"response.completed"}\n\n']), max_size=20)
    )
    def test_any_order(self, parts: list[bytes]) -> None:
        """In whatever order events come, the answer ends once, fails, or is cut; nothing is raised."""
        events, reader = read(parts)
        assert sum(isinstance(each, Finished) for each in events) == (reader.state is DONE)
        assert (reader.state is DONE) or reader.error is not None or reader.failure is not None
