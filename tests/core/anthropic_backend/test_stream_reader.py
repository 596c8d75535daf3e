"""Tests for `claude_bridge.core.anthropic_backend.stream_reader`."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.anthropic_backend.stream_reader import StreamReader
from claude_bridge.core.errors import UpstreamCut, UpstreamProtocolError
from claude_bridge.core.events import Event, Finished, FinishReason, Verbatim
from claude_bridge.core.upstream_errors import classification
from tests.core.anthropic_backend.answers import (
    ERROR,
    OVERLOADED,
    PING,
    STOP,
    STREAM,
    TOTAL,
    block,
    delta,
    ending,
    event,
    message,
    start,
    usage_of,
)
from tests.core.strategies import cut, cuts, in_steps


def read(pieces: list[bytes], **options: Any) -> tuple[list[Event], StreamReader]:
    """Read a body in pieces, to its end."""
    reader = StreamReader(**options)
    events = [each for piece in pieces for each in reader.feed(piece)]
    return events + reader.close(), reader


def passed(events: list[Event]) -> bytes:
    """Return everything that is passed on."""
    return b"".join(each.opening + each.data for each in events if isinstance(each, Verbatim))


class PassingTests:
    """What is passed on."""

    def test_one_read(self) -> None:
        """All events of a read are passed on in one piece, with the end of the answer behind them."""
        events, reader = read([STREAM])
        assert events == [
            Verbatim(block("Hello", " there") + ending() + STOP, opening=start() + PING, usage=TOTAL, headers=()),
            Finished(FinishReason.STOPPED, usage=TOTAL),
        ]
        assert (reader.done, reader.failure, reader.error) == (True, None, None)

    def test_opening_is_held(self) -> None:
        """Nothing is passed on before the first block, so that another attempt may still take over."""
        reader = StreamReader()
        assert reader.feed(start()) == reader.feed(PING) == []
        assert reader.data_event_seen
        (first,) = reader.feed(block())
        assert isinstance(first, Verbatim)
        assert (first.opening, first.data) == (start() + PING, block())
        assert reader.feed(delta("more")) == [Verbatim(delta("more"))]

    def test_no_block(self) -> None:
        """An answer without a block is passed on with its end."""
        reader = StreamReader()
        assert [*reader.feed(start()), *reader.feed(PING), *reader.feed(ending())] == []
        assert reader.finish_seen
        part, end = reader.feed(STOP)
        assert isinstance(part, Verbatim)
        assert (part.opening, part.data) == (start() + PING, ending() + STOP)
        assert usage_of(end) == TOTAL

    @pytest.mark.parametrize("size", [1, 2, 3, 5, 17, 100])
    @pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
    def test_steps(self, size: int, line_end: bytes) -> None:
        """However it is cut and whatever its line ends are, a stream is passed on byte for byte, in whole events."""
        stream = STREAM.replace(b"\n", line_end)
        reader = StreamReader()
        events = [each for piece in in_steps(stream, size) for each in reader.feed(piece)]
        assert passed(events) == stream
        assert all(each.data.endswith(b"}" + line_end * 2) for each in events if isinstance(each, Verbatim))
        assert usage_of(events[-1]) == TOTAL

    @given(st.data())
    def test_any_stream(self, data: st.DataObject) -> None:
        """Comments, odd spacing, several lines of data, unknown events, a byte-order mark: all of it arrives."""
        oddities = st.sampled_from(
            [
                *(
                    PING,
                    b": keep-alive\n\n",
                    b":\r\n\r\n",
                    b"\n",
                    b"id: 3\nretry: 5\n\n",
                    b"event: later\ndata: {}\n\n",
                ),
                b'event: content_block_delta\ndata:{"type":"content_block_delta",\ndata:"delta":{"text":"stop"}}\n\n',
                *(
                    b'data: {"type": "content_block_delta"}\n\n',
                    delta("\u2028é\x85message_stop"),
                    delta("event: error\n\ndata: x"),
                ),
                b'event: content_block_delta\r\ndata: {"type":"content_block_delta"}\r\n\r\n',
                b'event: content_block_delta\rdata: {"type":"content_block_delta"}\r\r',
            ]
        )
        some = st.lists(oddities, max_size=4).map(b"".join)
        mark = data.draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
        body = mark + data.draw(some) + start() + data.draw(some) + block() + data.draw(some) + ending() + STOP
        events, reader = read(cut(body, data.draw(cuts(len(body)))))
        assert passed(events) == body
        assert reader.done
        assert usage_of(events[-1]) == TOTAL
        assert passed(read(in_steps(body, 1))[0]) == body

    @given(st.data())
    def test_whole_events(self, data: st.DataObject) -> None:
        """A part never ends inside an event: a ping, an error or another answer may follow it."""
        body = start() + block("a\r\n", "\r\rb", "c") + PING + block("d")
        for each in read(cut(body, data.draw(cuts(len(body)))))[0]:
            assert isinstance(each, Verbatim)
            assert each.data.startswith(b"event: ")
            assert each.data.endswith(b"}\n\n")

    def test_headers(self) -> None:
        """The headers that concern the client come with the first part, and only with it."""
        reader = StreamReader()
        reader.begin({"anthropic-ratelimit-requests-remaining": "3", "date": "today"})
        (first,) = reader.feed(start() + block())
        (second,) = reader.feed(delta("x"))
        assert isinstance(first, Verbatim)
        assert isinstance(second, Verbatim)
        assert first.headers == (("anthropic-ratelimit-requests-remaining", "3"),)
        assert second.headers == ()

    def test_without_names(self) -> None:
        """A server that sends no event names is understood by the types inside."""
        stream = b"".join(line + b"\n\n" for line in STREAM.split(b"\n") if line.startswith(b"data:"))
        events, reader = read([stream])
        assert passed(events) == stream
        assert reader.done

    def test_after_the_end(self) -> None:
        """What follows the end is ignored, in the same read or later."""
        events, reader = read([STREAM + b"data: [DONE]\n\n" + ERROR, ERROR])
        assert passed(events) == STREAM
        assert (reader.failure, reader.late_failure, reader.error) == (None, None, None)

    def test_cost(self) -> None:
        """A delta costs less than a microsecond, since it is not decoded (0.7 on an idle machine)."""
        reader = StreamReader()
        reader.feed(start() + block())
        pieces = [delta(f" word {number}") for number in range(5000)]
        taken = []
        for _ in range(5):
            began = time.process_time()
            for piece in pieces:
                reader.feed(piece)
            taken.append(time.process_time() - began)
        assert min(taken) / len(pieces) < 4e-6

    def test_linear(self) -> None:
        """An event that comes in many small pieces takes time in proportion to its length."""
        reader = StreamReader(max_event=10**7)
        reader.feed(start() + block())
        large = delta("x" * 1_000_000)
        began = time.process_time()
        events = [each for piece in in_steps(large, 100) for each in reader.feed(piece)]
        assert events == [Verbatim(large)]
        assert time.process_time() - began < 1.0


class UsageTests:
    """The counts, which are only read."""

    def test_parts(self) -> None:
        """A part that brings counts has them, for an answer that is cut off."""
        reader = StreamReader()
        (first,) = reader.feed(start() + block())
        assert isinstance(first, Verbatim)
        assert first.usage is not None
        assert (first.usage.prompt_tokens, first.usage.output_tokens) == (127, 1)
        (second,) = reader.feed(delta("x"))
        assert isinstance(second, Verbatim)
        assert second.usage is None

    def test_raw(self) -> None:
        """The backend's own object is kept, with the last of each count."""
        finished = read([start(input_tokens=1, service_tier="standard") + block() + ending() + STOP])[0][-1]
        usage = usage_of(finished)
        assert usage is not None
        assert usage.raw == {"input_tokens": 1, "service_tier": "standard", "output_tokens": 42}

    def test_at_the_end_only(self) -> None:
        """Servers that count the prompt only at the end are believed then; nulls replace nothing."""
        counts = {"input_tokens": 777, "output_tokens": 111, "cache_read_input_tokens": None}
        end = event("message_delta", delta={"stop_reason": "tool_use"}, usage=counts)
        usage = usage_of(read([start(input_tokens=0, output_tokens=0) + block() + end + STOP])[0][-1])
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens) == (777, 111, 0)

    @pytest.mark.parametrize("usage", [{"input_tokens": "many"}, {"input_tokens": -1}, {"input_tokens": True}, []])
    def test_none(self, usage: Any) -> None:
        """Without plausible counts there is no usage."""
        end = event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage)
        beginning = event("message_start", message={"usage": usage})
        assert usage_of(read([beginning + block() + end + STOP])[0][-1]) is None

    def test_thinking(self) -> None:
        """Tokens of thinking are known where they are counted apart."""
        counts = {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 5}}
        end = event("message_delta", delta={"stop_reason": "end_turn"}, usage=counts)
        usage = usage_of(read([start() + block() + end + STOP])[0][-1])
        assert usage is not None
        assert usage.thinking_tokens == 5


class FinishTests:
    """How an answer ends."""

    @pytest.mark.parametrize(
        ("word", "reason"),
        [
            ("end_turn", FinishReason.STOPPED),
            ("tool_use", FinishReason.STOPPED),
            ("pause_turn", FinishReason.STOPPED),
            ("max_tokens", FinishReason.LENGTH),
            ("refusal", FinishReason.REFUSED),
            ("model_context_window_exceeded", FinishReason.CONTEXT_FULL),
            ("something new", FinishReason.STOPPED),
        ],
    )
    def test_reasons(self, word: str, reason: FinishReason) -> None:
        """Each stop reason has its counterpart."""
        finished = read([start() + block() + ending(word) + STOP])[0][-1]
        assert isinstance(finished, Finished)
        assert finished.reason is reason

    def test_details(self) -> None:
        """A stop sequence and the explanation of a refusal are known."""
        end = ending("stop_sequence", stop_sequence="END", stop_details={"explanation": "No."})
        assert read([start() + block() + end + STOP])[0][-1] == Finished(
            FinishReason.STOP_SEQUENCE, "END", TOTAL, "No."
        )

    def test_stop_reason_may_be_null(self) -> None:
        """A message_delta without a stop reason does not end the answer."""
        reader = StreamReader()
        reader.feed(start() + block() + ending(None, 3))
        assert not reader.finish_seen
        reader.feed(ending())
        assert reader.finish_seen

    @pytest.mark.parametrize("rest", [b"", b"event: message_st", b": bye"])
    def test_no_message_stop(self, rest: bytes) -> None:
        """An answer whose stop reason came is complete: the end that is missing is added for the client."""
        events, reader = read([start() + block() + ending() + rest])
        assert passed(events).endswith(ending() + b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
        assert usage_of(events[-1]) == TOTAL
        assert reader.error is None

    @pytest.mark.parametrize("lacking", [1, 2])
    def test_no_blank_line(self, lacking: int) -> None:
        """A last event that lacks its blank line gets it: without it, it would not count for the client."""
        events, reader = read(in_steps(STREAM[:-lacking], 7))
        assert passed(events) == STREAM
        assert reader.done

    @pytest.mark.parametrize(
        "end", [0, 1, 10, len(start()), len(start() + PING) + 3, len(start() + PING + block()) - 5]
    )
    def test_cut(self, end: int) -> None:
        """An answer that ends before its stop reason is cut off; a part of an event is not passed on."""
        events, reader = read(in_steps(STREAM[:end], 11))
        assert isinstance(reader.error, UpstreamCut)
        assert passed(events) in {
            b"",
            start() + PING + block("Hello", " there")[: len(passed(events)) - len(start() + PING)],
        }
        assert not any(isinstance(each, Finished) for each in events)
        assert reader.failure is None


class ErrorTests:
    """Errors inside an answer."""

    @pytest.mark.parametrize("before", [b"", start(), start() + PING])
    def test_before_content(self, before: bytes) -> None:
        """Nothing was passed on before it, so that another backend may answer."""
        events, reader = read([before + ERROR])
        assert events == []
        assert reader.failure == OVERLOADED
        assert reader.error is None
        assert classification.from_error(reader.failure).status == 529

    def test_usage(self) -> None:
        """What the backend has counted before an error is known as long as nothing of the answer was passed on.

        Later, those counts are with the part that was passed on, and say next to nothing about the answer.
        """
        reader = StreamReader()
        assert reader.reported_usage is None
        reader.feed(start() + ERROR)
        assert reader.reported_usage == evolve(TOTAL, output_tokens=1)
        assert read([start() + block() + ERROR])[1].reported_usage is None

    def test_after_content(self) -> None:
        """What came before it is passed on; the error event itself is not."""
        events, reader = read([start() + block() + ERROR + block("more")])
        assert passed(events) == start() + block()
        assert reader.failure == OVERLOADED

    def test_after_the_stop_reason(self) -> None:
        """The answer is complete, so it ends normally."""
        events, reader = read([start() + block() + ending() + ERROR])
        assert passed(events).endswith(ending() + b'event: message_stop\ndata: {"type":"message_stop"}\n\n')
        assert reader.late_failure == OVERLOADED
        assert reader.failure is None
        assert reader.done

    @pytest.mark.parametrize(
        ("sent", "failure"),
        [
            (b'data: {"error":{"message":"boom"}}\n\n', {"error": {"message": "boom"}}),
            (b'data: {"type":"error","error":{"message":"boom"}}\n\n', {"type": "error", "error": {"message": "boom"}}),
            (b"event: error\ndata: boom\n\n", {"error": "boom"}),
            (b'event: error\ndata: {"message":"boom"}\n\n', {"message": "boom"}),
            (b'{"type":"error","error":{"message":"boom"}}', {"type": "error", "error": {"message": "boom"}}),
            (b' \r\n\n {"error":"boom"}\n', {"error": "boom"}),
            (b"Internal error", {"error": "Internal error"}),
        ],
    )
    def test_other_forms(self, sent: bytes, failure: object) -> None:
        """Servers and proxies report errors in other ways, too, with status 200."""
        for size in (1, 4096):
            _, reader = read(in_steps(sent, size))
            assert reader.failure == failure

    def test_page(self) -> None:
        """A web page says what it is."""
        _, reader = read([b"<!doctype html>\n\n<title>Portal</title>\n\n<p>Log in"])
        assert classification.from_error(reader.failure).page == "Portal"

    @pytest.mark.parametrize("size", [1, 4096])
    def test_whole_message(self, size: int) -> None:
        """A server that does not stream is named as such."""
        events, reader = read(in_steps(message(), size))
        assert events == []
        assert isinstance(reader.error, UpstreamProtocolError)
        assert "one whole message where a stream was asked for" in reader.error.message

    @pytest.mark.parametrize(
        "sent", [b'data: {"object":"chat.completion.chunk","choices":[]}\n\n', b'{"choices":[{"message":{}}]}']
    )
    def test_chat_completion(self, sent: bytes) -> None:
        """An answer in the other API says which kind the backend is of."""
        _, reader = read([sent])
        assert isinstance(reader.error, UpstreamProtocolError)
        assert "kind = openai" in reader.error.message

    def test_broken_json(self) -> None:
        """JSON that is cut off is not a stream."""
        _, reader = read([b'{"type":"mess'])
        assert isinstance(reader.error, UpstreamProtocolError)

    @pytest.mark.parametrize(
        "broken",
        [
            b'event: message_start\ndata: {"type": "mess\n\n',
            b"event: message_start\ndata: start\n\n",
            b'event: message_delta\ndata: {"delta"}\n\n',
            b'data: {"choices": [{"delta"\n\n',
        ],
    )
    @pytest.mark.parametrize("before", [b"", start() + block()])
    def test_event_with_broken_json(self, before: bytes, broken: bytes) -> None:
        """It ends the answer, wherever it would have decided how this goes on; what came before it is passed on."""
        events, reader = read([before + broken + start() + block() + ending()])
        assert isinstance(reader.error, UpstreamProtocolError)
        assert passed(events) == before

    @pytest.mark.parametrize("end", [b"event: message_stop\ndata: {\n\n", b"data: {\n\n"])
    def test_broken_json_after_the_stop_reason(self, end: bytes) -> None:
        """The answer is complete, whatever follows."""
        _, reader = read([start() + block() + ending() + end])
        assert reader.error is None
        assert reader.done

    @pytest.mark.parametrize("size", [7, 100_000])
    @pytest.mark.parametrize("end", [b"", b"\n\n"])
    def test_large_event(self, size: int, end: bytes) -> None:
        """An event beyond the limit is an error; what came before it is passed on."""
        sent = start() + block() + b"event: content_block_delta\ndata: " + b"x" * 2000 + end
        events, reader = read(in_steps(sent, size), max_event=1000)
        assert isinstance(reader.error, UpstreamProtocolError)
        assert "a single event of more than 1000 bytes" in reader.error.message
        assert passed(events) == start() + block()

    def test_endless_opening(self) -> None:
        """What is held back is limited, too."""
        _, reader = read([PING] * 100, max_event=1000)
        assert isinstance(reader.error, UpstreamProtocolError)

    def test_large_whole(self) -> None:
        """A whole answer is limited, although it is refused anyway."""
        _, reader = read([b'{"x":"' + b"x" * 2000], max_event=1000)
        assert isinstance(reader.error, UpstreamProtocolError)
        assert "in one piece" in reader.error.message

    def test_too_many_values(self) -> None:
        """An error event cannot keep the reactor busy."""
        flood = json.dumps({"type": "error", "error": [[]] * 200_000}).encode()
        _, reader = read([b"event: error\ndata: " + flood + b"\n\n"])
        assert isinstance(reader.error, UpstreamProtocolError)

    @given(st.binary(max_size=200), st.data())
    def test_any_bytes(self, junk: bytes, data: st.DataObject) -> None:
        """Bytes that are no stream at all end in one clear way, however they are cut."""
        _, whole = read([junk])
        events, reader = read(cut(junk, data.draw(cuts(len(junk)))))
        assert not reader.done
        assert (reader.failure is None) != (reader.error is None)
        assert (reader.failure, type(reader.error)) == (whole.failure, type(whole.error))
        assert passed(events) == b""
