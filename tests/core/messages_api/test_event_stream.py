"""Tests for `claude_bridge.core.messages_api.event_stream`."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.errors import ErrorResponse, UpstreamCut, UpstreamOverloaded, UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    PromptSizeReported,
    ReasoningDelta,
    ReasoningState,
    SearchHit,
    SearchResulted,
    ServerToolCalled,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    Verbatim,
)
from claude_bridge.core.messages_api.block_assembler import MAX_BLANK_CHARACTERS
from claude_bridge.core.messages_api.event_stream import PING, StreamWriter
from claude_bridge.core.sizes import BLOCK
from tests.contract.stream_rules import check_stream
from tests.core.strategies import cut, cuts, event_sequences
from tests.end_to_end.sse import names, read_events

END = Finished(FinishReason.STOPPED, None, Usage(12, 7))
CUT = UpstreamCut("cut")


SEARCHED = ServerToolCalled("srvtoolu_1", "web_search", '{"query":"q"}')


def make(**options: Any) -> StreamWriter:
    """Make a writer for one answer."""
    return StreamWriter(message_id="msg_1", model="m", **options)


def start(number: int) -> ToolCallStarted:
    """Start a call."""
    return ToolCallStarted(number, f"toolu_{number}", f"T{number}")


def written(*events: Event, **options: Any) -> bytes:
    """Write a whole answer, an event at a time."""
    writer = make(**options)
    return b"".join(writer.write([event]) for event in events)


def told(events: list[Event], **options: Any) -> list[Any]:
    """Write a whole answer and return its blocks."""
    blocks: list[Any] = check_stream(written(*events, **options))["content"]
    return blocks


def content(*events: Event, **options: Any) -> list[Any]:
    """Write a whole answer and return its content in short: text, (thinking,), or {name: input}."""
    short: list[Any] = []
    for block in check_stream(written(*events, END, **options))["content"]:
        match block["type"]:
            case "text":
                short.append(block["text"])
            case "thinking":
                short.append((block["thinking"],))
            case _:
                short.append({block["name"]: block["input"]})
    return short


class StreamWriterTests:
    """The stream that a client gets."""

    def test_every_byte(self) -> None:
        """A short answer, spelled out."""
        assert written(Started("x"), ReasoningDelta("Hm"), TextDelta('"Hi"\n'), TextDelta("é"), END).decode() == (
            "event: message_start\n"
            'data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m",'
            '"content":[],"stop_reason":null,"stop_sequence":null,"stop_details":null,"container":null,'
            '"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,'
            '"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":0,'
            '"output_tokens_details":null,"server_tool_use":null,"service_tier":null,"inference_geo":null}}}\n\n'
            'event: ping\ndata: {"type":"ping"}\n\n'
            "event: content_block_start\n"
            'data: {"type":"content_block_start","index":0,'
            '"content_block":{"type":"thinking","thinking":"","signature":""}}\n\n'
            "event: content_block_delta\n"
            'data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm"}}\n\n'
            "event: content_block_delta\n"
            'data: {"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":""}}\n\n'
            'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
            "event: content_block_start\n"
            'data: {"type":"content_block_start","index":1,'
            '"content_block":{"type":"text","text":"","citations":[]}}\n\n'
            "event: content_block_delta\n"
            'data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\\"Hi\\"\\n"}}\n\n'
            "event: content_block_delta\n"
            'data: {"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"é"}}\n\n'
            'event: content_block_stop\ndata: {"type":"content_block_stop","index":1}\n\n'
            "event: message_delta\n"
            'data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null,'
            '"stop_details":null,"container":null},"usage":{"input_tokens":12,"cache_creation_input_tokens":0,'
            '"cache_read_input_tokens":0,"output_tokens":7,"output_tokens_details":null,"server_tool_use":null}}\n\n'
            'event: message_stop\ndata: {"type":"message_stop"}\n\n'
        )

    @given(event_sequences(), st.booleans(), st.data())
    def test_any_grouping(self, events: list[Event], show: bool, data: st.DataObject) -> None:
        """How many events come at once changes no byte, and every stream keeps the rules."""
        one_by_one = written(*events, show_reasoning=show)
        writer = make(show_reasoning=show)
        grouped = b"".join(writer.write(group) for group in cut(events, data.draw(cuts(len(events)))))
        assert grouped == one_by_one
        check_stream(grouped)

    def test_search(self) -> None:
        """A search of the bridge's own is streamed as the API streams it: the query in a delta, the results whole."""
        called = ServerToolCalled("srvtoolu_1", "web_search", '{"query":"q"}')
        found = SearchResulted("srvtoolu_1", (SearchHit("T", "https://e.org/", "S", "May 3"),))
        end = Finished(FinishReason.STOPPED, None, Usage(12, 7, web_search_requests=1))
        events = [(event.name, event.data) for event in read_events(written(called, found, TextDelta("So."), end))]
        assert events[2:7] == [
            (
                "content_block_start",
                {
                    "type": "content_block_start",
                    "index": 0,
                    "content_block": {
                        "type": "server_tool_use",
                        "id": "srvtoolu_1",
                        "name": "web_search",
                        "input": {},
                        "caller": {"type": "direct"},
                    },
                },
            ),
            (
                "content_block_delta",
                {
                    "type": "content_block_delta",
                    "index": 0,
                    "delta": {"type": "input_json_delta", "partial_json": '{"query":"q"}'},
                },
            ),
            ("content_block_stop", {"type": "content_block_stop", "index": 0}),
            (
                "content_block_start",
                {
                    "type": "content_block_start",
                    "index": 1,
                    "content_block": {
                        "type": "web_search_tool_result",
                        "tool_use_id": "srvtoolu_1",
                        "content": [
                            {
                                "type": "web_search_result",
                                "url": "https://e.org/",
                                "title": "T",
                                "encrypted_content": "cbs1.Uw",
                                "page_age": "May 3",
                            }
                        ],
                        "caller": {"type": "direct"},
                    },
                },
            ),
            ("content_block_stop", {"type": "content_block_stop", "index": 1}),
        ]
        assert events[-2][1]["usage"]["server_tool_use"] == {"web_search_requests": 1, "web_fetch_requests": 0}
        assert events[-2][1]["delta"]["stop_reason"] == "end_turn"

    def test_search_waits_for_an_open_call(self) -> None:
        """Blocks never overlap: a search that comes while a client's tool call is open stands behind it."""
        called = ServerToolCalled("srvtoolu_1", "web_search", '{"query":"q"}')
        failed = SearchResulted("srvtoolu_1", error_code="unavailable")
        parts: list[Event] = [start(0), called, failed, ToolArgumentsDelta(0, "{}"), TextDelta("x"), END]
        kinds = [block["type"] for block in check_stream(written(*parts))["content"]]
        assert kinds == ["tool_use", "server_tool_use", "web_search_tool_result", "text"]

    def test_estimate_first(self) -> None:
        """The stream begins with an estimate of the input and ends with the true count."""
        events = read_events(written(TextDelta("a"), END, input_tokens=99))
        assert events[0].data["message"]["usage"]["input_tokens"] == 99
        assert events[-2].data["usage"]["input_tokens"] == 12

    def test_no_usage(self) -> None:
        """Where the backend does not count, the bridge guesses and says so in its books."""
        writer = make(input_tokens=99)
        shown: list[Event] = [TextDelta("a" * 400), ReasoningDelta("b" * 400)]
        raw = writer.write([*shown, Finished(FinishReason.STOPPED)])
        usage = read_events(raw)[-2].data["usage"]
        assert usage["input_tokens"] == 99
        assert 100 < usage["output_tokens"] < 800
        assert writer.usage == Usage(99, usage["output_tokens"], estimated=True)

    def test_usage_kept(self) -> None:
        """What the backend counted is there for the books."""
        writer = make()
        writer.write([TextDelta("a"), END])
        assert writer.usage == END.usage

    def test_unfinished_usage_is_estimated(self) -> None:
        """What an answer that was broken off had cost is booked as an estimate; nothing said, nothing booked."""
        writer = StreamWriter(message_id="m", model="m", input_tokens=99)
        assert writer.usage is None
        writer.write([TextDelta("four words of text " * 10)])
        assert writer.usage is not None
        assert (writer.usage.input_tokens, writer.usage.estimated) == (99, True)
        assert writer.usage.output_tokens > 20

    def test_opened_early(self) -> None:
        """A stream may be opened long before the answer; then it is opened once."""
        writer = make()
        assert writer.ping() == b""
        assert not writer.started
        opened = writer.open()
        assert names(read_events(opened)) == ["message_start"]
        assert opened.endswith(PING)
        assert (writer.open(), writer.ping(), writer.content_started) == (b"", PING, False)
        rest = writer.write([TextDelta("a"), END])
        assert (writer.content_started, writer.ended) == (True, True)
        check_stream(opened + PING + rest)

    def test_nothing_before_content(self) -> None:
        """Nothing is sent for what has no content yet, so that another backend may still take over."""
        writer = make(show_reasoning=False)
        assert writer.write([Started("x"), ReasoningDelta("hm"), TextDelta("\n")]) == b""
        assert not writer.content_started

    def test_another_attempt_takes_over(self) -> None:
        """Blank text, hidden thinking and counts of an attempt that came to nothing are not the next one's."""
        writer = make(show_reasoning=False)
        opened = writer.open()
        assert writer.write([ReasoningDelta("hm" * 100), TextDelta("\n")]) == b""
        writer.forget()
        assert writer.usage is None
        message = check_stream(opened + writer.write([TextDelta("a"), END]))
        assert [block["text"] for block in message["content"]] == ["a"]
        assert message["usage"]["output_tokens"] < 10

    def test_hidden_thinking_of_another_attempt(self) -> None:
        """An answer without content is not called a thinker's for what an earlier attempt thought."""
        writer = make(show_reasoning=False)
        writer.write([ReasoningDelta("hm")])
        writer.forget()
        assert check_stream(writer.write([END])) == check_stream(written(END))

    def test_empty_answer(self) -> None:
        """An answer without content is still a whole message."""
        assert content() == []


class StateTests:
    """What the backend wants back and text cannot carry."""

    def test_signature(self) -> None:
        """State that comes with thinking travels as its signature."""
        blocks = told([ReasoningDelta("hm"), ReasoningState("cb1.x"), TextDelta("yes"), END])
        assert blocks == [
            {"type": "thinking", "thinking": "hm", "signature": "cb1.x"},
            {"type": "text", "text": "yes", "citations": []},
        ]

    def test_own_block(self) -> None:
        """State without readable thinking, or a second one, has a block of its own, in its place."""
        states: list[Event] = [ReasoningState("cb1.x"), ReasoningState("cb1.y")]
        blocks = told([ReasoningDelta("hm"), *states, start(0), ToolCallEnded(0), ReasoningState("cb1.z"), END])
        assert [(block["type"], block.get("signature") or block.get("data")) for block in blocks] == [
            ("thinking", "cb1.x"),
            ("redacted_thinking", "cb1.y"),
            ("tool_use", None),
            ("redacted_thinking", "cb1.z"),
        ]

    def test_waits_for_an_open_call(self) -> None:
        """State of a later parallel call stands in front of that call."""
        events: list[Event] = [start(0), ReasoningState("cb1.x"), start(1), ToolCallEnded(1), ToolCallEnded(0), END]
        assert [block["type"] for block in told(events)] == ["tool_use", "redacted_thinking", "tool_use"]

    def test_behind_text(self) -> None:
        """State behind text waits for a call, and is given up without one.

        Claude Code's print mode gives the last block as the answer, and that would be no text.
        """
        behind: list[Event] = [TextDelta("yes"), ReasoningState("cb1.x"), TextDelta(", sir")]
        text = {"type": "text", "text": "yes, sir", "citations": []}
        assert told([*behind, ReasoningState("cb1.y"), END]) == [text]
        assert [block.get("data") for block in told([*behind, start(0), ToolCallEnded(0), END])] == [
            None,
            "cb1.x",
            None,
        ]

    def test_order(self) -> None:
        """State behind text stays in front of the thinking that follows it: servers want their order back."""
        events: list[Event] = [TextDelta("yes"), ReasoningState("cb1.x"), ReasoningDelta("hm"), ReasoningState("cb1.y")]
        carried = [block.get("signature") or block.get("data") for block in told([*events, start(0), END])]
        assert carried == [None, "cb1.x", "cb1.y", None]

    def test_in_front_of_text(self) -> None:
        """State that nothing was said before stands in front of the text."""
        assert [block["type"] for block in told([ReasoningState("cb1.x"), TextDelta("yes"), END])] == [
            "redacted_thinking",
            "text",
        ]

    def test_search(self) -> None:
        """State behind text is given up no more once the bridge has searched for the model."""
        events: list[Event] = [TextDelta("yes"), ReasoningState("cb1.x"), SEARCHED, TextDelta("so"), END]
        assert [block["type"] for block in told(events)] == ["text", "redacted_thinking", "server_tool_use", "text"]
        assert [block["type"] for block in told(events, show_reasoning=False)] == ["text", "server_tool_use", "text"]

    def test_hidden(self) -> None:
        """A client that did not ask for thinking gets state only with a call, in front of it."""
        hidden: list[Event] = [ReasoningDelta("hm"), ReasoningState("cb1.x")]
        assert [block["type"] for block in told([*hidden, TextDelta("yes"), END], show_reasoning=False)] == ["text"]
        called = told([*hidden, start(0), ToolCallEnded(0), END], show_reasoning=False)
        assert [block["type"] for block in called] == ["redacted_thinking", "tool_use"]

    def test_of_another_attempt(self) -> None:
        """State that a failed attempt left is not sent with the answer of the next one."""
        writer = make(show_reasoning=False)
        writer.open()
        writer.write([ReasoningState("cb1.old"), PromptSizeReported(Usage(99))])
        writer.forget()
        assert b"cb1.old" not in writer.write([start(0), ToolCallEnded(0), END])


class PromptTests:
    """A backend that tells the prompt's length early."""

    def test_message_start(self) -> None:
        """The true count stands in ``message_start``, divided as at the end."""
        writer = make(input_tokens=5)
        usage = read_events(writer.write([PromptSizeReported(Usage(30, 1, 70)), TextDelta("x")]))[0].data["message"][
            "usage"
        ]
        assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (30, 70, 0)

    def test_progress(self) -> None:
        """Each progress of a long prompt is a sign of life on an open stream, and nothing on one that is not."""
        writer = make()
        assert writer.write([PromptSizeReported(Usage(30))]) == b""
        writer.open()
        assert writer.write([PromptSizeReported(Usage(30))]) == PING

    def test_broken_off(self) -> None:
        """The true count is booked for an answer that was broken off."""
        writer = make(input_tokens=5)
        writer.write([PromptSizeReported(Usage(30)), TextDelta("four")])
        assert writer.usage == Usage(30, 2, estimated=True)


class OrderTests:
    """Which block follows which."""

    def test_interleaved_calls(self) -> None:
        """The lowest unfinished call streams live; the others wait and follow in order."""
        writer = make()
        live: list[Event] = [
            start(0),
            start(1),
            start(2),
            ToolArgumentsDelta(0, '{"a":'),
            ToolArgumentsDelta(1, '{"b":'),
        ]
        first = writer.write(live)
        assert b"T0" in first
        assert b"T1" not in first
        assert writer.write([ToolArgumentsDelta(1, "1}"), ToolCallEnded(1), ToolArgumentsDelta(2, '{"c"')]) == b""
        second = writer.write([ToolArgumentsDelta(0, "0}"), ToolCallEnded(0)])
        assert [
            event.data["content_block"]["name"] for event in read_events(second) if "content_block" in event.data
        ] == [
            "T1",
            "T2",
        ]
        third = writer.write([ToolArgumentsDelta(2, ":2}")])
        assert b'"partial_json":":2}"' in third
        last = writer.write([ToolCallEnded(2), END])
        message = check_stream(first + second + third + last)
        assert [block["input"] for block in message["content"]] == [{"a": 0}, {"b": 1}, {"c": 2}]

    def test_text_between_calls(self) -> None:
        """What is said while a call is open keeps its place between the calls."""
        assert content(
            TextDelta("a"),
            start(0),
            TextDelta("b"),
            start(1),
            ReasoningDelta("c"),
            ReasoningDelta("d"),
            TextDelta("e"),
            ToolCallEnded(1),
            ToolCallEnded(0),
            TextDelta("f"),
        ) == ["a", {"T0": {}}, "b", {"T1": {}}, ("cd",), "ef"]

    def test_without_ends(self) -> None:
        """Even if calls were never ended, none is lost."""
        assert content(start(0), start(1), start(2), ToolArgumentsDelta(2, '{"x":1}')) == [
            {"T0": {}},
            {"T1": {}},
            {"T2": {"x": 1}},
        ]

    @pytest.mark.parametrize("show", [True, False])
    def test_hidden_reasoning(self, show: bool) -> None:
        """Reasoning that nobody asked for is nowhere in the stream, not even where it interrupts text or calls."""
        events: list[Event] = [
            TextDelta("a"),
            ReasoningDelta("SECRET"),
            TextDelta("b"),
            start(0),
            ReasoningDelta("SECRET"),
            ToolCallEnded(0),
        ]
        raw = written(ReasoningDelta("SECRET"), *events, END, show_reasoning=show)
        assert (b"SECRET" in raw, b"thinking" in raw) == (show, show)
        if not show:
            assert content(*events, show_reasoning=False) == ["ab", {"T0": {}}]

    def test_hidden_reasoning_alone(self) -> None:
        """An answer that is all hidden reasoning does not look like a complete empty one."""
        message = check_stream(written(ReasoningDelta("hm"), END, show_reasoning=False))
        assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
        shown = check_stream(written(ReasoningDelta("hm"), END))
        assert shown["stop_reason"] == "end_turn"
        with_text = check_stream(written(ReasoningDelta("hm"), TextDelta("a"), END, show_reasoning=False))
        assert with_text["stop_reason"] == "end_turn"

    def test_blank_text(self) -> None:
        """White space is no block of its own, and is not lost where text follows it."""
        assert content(
            TextDelta("\n"), ReasoningDelta("a"), TextDelta("\n\n"), start(0), TextDelta(" "), ToolCallEnded(0)
        ) == [
            ("a",),
            {"T0": {}},
        ]
        assert content(TextDelta("\n"), TextDelta(" "), TextDelta("a"), TextDelta("\n")) == ["\n a\n"]
        assert content(TextDelta("\n" * (MAX_BLANK_CHARACTERS + 1))) == ["\n" * (MAX_BLANK_CHARACTERS + 1)]

    def test_blank_reasoning(self) -> None:
        """White space is no thinking block either, is not lost where thinking follows it, and is no reasoning."""
        assert content(ReasoningDelta("\n\n"), start(0), ToolCallEnded(0)) == [{"T0": {}}]
        assert content(ReasoningDelta("\n"), ReasoningDelta(" "), ReasoningDelta("a"), TextDelta("b")) == [
            ("\n a",),
            "b",
        ]
        hidden = check_stream(written(ReasoningDelta("\n"), END, show_reasoning=False))
        assert hidden["stop_reason"] == "end_turn"

    def test_called(self) -> None:
        """An answer with a call ends with ``tool_use`` whatever the backend said, so that the call is made."""
        assert check_stream(written(start(0), ToolCallEnded(0), END))["stop_reason"] == "tool_use"


class BoundTests:
    """What may not grow."""

    @pytest.mark.parametrize(
        ("more", "blocks"),
        [(TextDelta("xxx\u00e9"), 2), (ReasoningDelta("xxxxx"), 2), (ToolArgumentsDelta(1, "xx\u4e2d"), 1)],
    )
    def test_held(self, more: Event, blocks: int) -> None:
        """What waits for an open call is bounded, and the bound is free again once it was sent."""
        bound = 9 + blocks * BLOCK
        writer = make(max_held=bound)
        writer.write([start(0), start(1), more])
        with pytest.raises(UpstreamProtocolError, match=f"more than {bound} bytes"):
            writer.write([more])
        freed = make(max_held=9 + 2 * BLOCK)
        freed.write(
            [start(0), start(1), more, ToolCallEnded(0), ToolCallEnded(1), start(2), start(3), TextDelta("xxxxx")]
        )

    @pytest.mark.parametrize(
        "round_of", [lambda _: [TextDelta("a"), ReasoningDelta("b")], lambda number: [start(number), TextDelta("c")]]
    )
    def test_many_small_blocks(self, round_of: Callable[[int], list[Event]]) -> None:
        """The bound is one of memory, however small the blocks are that wait."""
        writer = make(max_held=1_000_000)
        writer.write([start(0)])
        tracemalloc.start()
        with pytest.raises(UpstreamProtocolError):
            writer.write(event for number in range(1, 100_000) for event in round_of(number))
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert 300_000 < held < 1_100_000

    def test_memory(self) -> None:
        """A long answer is passed on and not kept; what is held takes about as much memory as its characters."""
        writer = make()
        tracemalloc.start()
        for _ in range(20_000):
            writer.write([TextDelta("word ")])
        streamed = tracemalloc.get_traced_memory()[0]
        writer.write([start(0), start(1)])
        for _ in range(20_000):
            writer.write([ToolArgumentsDelta(1, "word ")])
        for _ in range(20_000):
            writer.write([TextDelta("word ")])
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert streamed < 20_000
        assert held < 900_000


class EndTests:
    """After the end comes nothing."""

    LATE = (TextDelta("x"), ReasoningDelta("x"), start(7), ToolArgumentsDelta(0, "x"), ToolCallEnded(0), END)

    @pytest.mark.parametrize("begun", [[], [TextDelta("a")], [ReasoningDelta("a")], [start(0)]])
    def test_error(self, begun: list[Event]) -> None:
        """An error ends the stream wherever it is; nothing follows it, no ``message_stop`` above all."""
        writer = make()
        raw = writer.write(begun) + writer.error(CUT, "req_1")
        last = read_events(raw)[-1]
        assert last.name == "error"
        assert last.data == {
            "type": "error",
            "error": {"type": "api_error", "message": "cut"},
            "request_id": "req_1",
        }
        assert b"message_stop" not in raw
        assert (writer.write(self.LATE), writer.ping(), writer.error(CUT, "req_1")) == (b"", b"", b"")

    def test_stop(self) -> None:
        """So it is after the good end."""
        writer = make()
        writer.write([TextDelta("a"), END])
        assert (writer.write(self.LATE), writer.ping(), writer.error(CUT, "req_1")) == (b"", b"", b"")

    def test_late_in_the_same_read(self) -> None:
        """Also if it came in the same read."""
        raw = written(TextDelta("a"), END, *self.LATE)
        assert raw == written(TextDelta("a"), END)
        writer = make()
        assert writer.write([TextDelta("a"), END, *self.LATE]) == raw

    def test_odd_characters(self) -> None:
        """Any character at all survives the way to the client."""
        text = "".join(map(chr, range(0x250))) + "\u2028\u2029\ufeff😀"
        assert content(TextDelta(text)) == [text]
        assert json.loads(json.dumps(text)) == text


class PassedTests:
    """An answer that is in the clients' own API already."""

    FIRST = Verbatim(b"one", b"opening", Usage(3, 1), (("x-a", "b"),))

    def test_unchanged(self) -> None:
        """Each part is written as it is, and its counts are those of the answer."""
        writer = make()
        assert writer.write([self.FIRST]) == b"openingone"
        assert (writer.content_started, writer.headers, writer.usage) == (True, (("x-a", "b"),), Usage(3, 1))
        assert writer.write([Verbatim(b"two"), Finished(FinishReason.STOPPED, usage=Usage(3, 9))]) == b"two"
        assert (writer.ended, writer.usage) == (True, Usage(3, 9))

    def test_cut_off(self) -> None:
        """What has come since the last count is estimated: an answer that is cut off has more than its first token."""
        writer = make(input_tokens=5)
        delta = b"event: content_block_delta\n" + b"x" * 400 + b"\n\n"
        writer.write([Verbatim(delta, b"opening", Usage(3, 1))])
        once = writer.usage
        assert once is not None
        assert (once.input_tokens, once.estimated) == (3, True)
        writer.write([Verbatim(delta)])
        twice = writer.usage
        assert twice is not None
        assert 50 < once.output_tokens < 120
        assert abs(twice.output_tokens - 2 * once.output_tokens) < 3
        writer.write([Verbatim(delta, usage=Usage(3, 200))])
        assert writer.usage == Usage(3, 200)

    def test_without_counts(self) -> None:
        """Where the backend counts nothing, all is estimated."""
        writer = make(input_tokens=5)
        writer.write([Verbatim(b"y" * 400 + b"\n\n", b"opening")])
        assert writer.usage is not None
        assert (writer.usage.input_tokens, writer.usage.estimated) == (5, True)

    def test_after_an_early_commit(self) -> None:
        """A client that has the beginning of a message does not get a second one."""
        writer = make()
        writer.open()
        assert writer.write([self.FIRST]) == b"one"
        assert writer.headers == ()

    def test_error(self) -> None:
        """An error of such a backend keeps its own words."""
        writer = make()
        writer.write([self.FIRST])
        error = UpstreamOverloaded("busy", response=ErrorResponse(529, b'{"type":"error"}'))
        assert writer.error(error, "req_1") == b'event: error\ndata: {"type":"error"}\n\n'

    def test_error_over_several_lines(self) -> None:
        """An error response that is laid out over several lines becomes one line of an event."""
        writer = make()
        writer.open()
        error = UpstreamOverloaded("busy", response=ErrorResponse(529, b'{\r\n "type": "error"\n}'))
        assert writer.error(error, "req_1") == b'event: error\ndata: {   "type": "error" }\n\n'

    def test_ping(self) -> None:
        """Silence inside such an answer is filled with pings, as in any other."""
        writer = make()
        writer.write([self.FIRST])
        assert writer.ping() == PING
