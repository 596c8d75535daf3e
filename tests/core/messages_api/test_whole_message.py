"""Tests for `claude_bridge.core.messages_api.whole_message`."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    PromptSizeReported,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
    Verbatim,
)
from claude_bridge.core.messages_api.block_assembler import MAX_BLANK_CHARACTERS
from claude_bridge.core.messages_api.event_stream import StreamWriter
from claude_bridge.core.messages_api.whole_message import Accumulator
from claude_bridge.core.sizes import BLOCK
from tests.contract.stream_rules import check_stream
from tests.core.strategies import event_sequences

END = Finished(FinishReason.STOPPED, None, Usage(12, 7, cache_write_tokens=3))


def start(number: int) -> ToolCallStarted:
    """Start a call."""
    return ToolCallStarted(number, f"toolu_{number}", f"T{number}")


def make(**options: Any) -> Accumulator:
    """Make an accumulator for one answer."""
    return Accumulator(message_id="msg_1", model="m", **options)


def whole(*events: Event, **options: Any) -> dict[str, Any]:
    """Accumulate a whole answer."""
    accumulator = make(**options)
    accumulator.add(events)
    message: dict[str, Any] = json.loads(accumulator.body())
    return message


class PromptTests:
    """A backend that tells the prompt's length early."""

    def test_prompt_counted(self) -> None:
        """The backend's early count is booked for an answer that was broken off."""
        accumulator = make(input_tokens=5)
        accumulator.add([PromptSizeReported(Usage(30)), TextDelta("four")])
        assert accumulator.usage == Usage(30, 2, estimated=True)


class AccumulatorTests:
    """The message that a client gets which does not stream."""

    def test_every_field(self) -> None:
        """A message, spelled out."""
        events: list[Event] = [
            Started("x"),
            ReasoningDelta("Hm"),
            TextDelta("H"),
            TextDelta("i"),
            start(0),
            ToolArgumentsDelta(0, '{"a":1.50}'),
        ]
        accumulator = make()
        accumulator.add([*events, ToolCallEnded(0), END])
        assert accumulator.body().decode() == (
            '{"id":"msg_1","type":"message","role":"assistant","model":"m","content":['
            '{"type":"thinking","thinking":"Hm","signature":""},'
            '{"type":"text","text":"Hi","citations":[]},'
            '{"type":"tool_use","id":"toolu_0","name":"T0","input":{"a":1.50},"caller":{"type":"direct"}}],'
            '"stop_reason":"tool_use","stop_sequence":null,"stop_details":null,"container":null,'
            '"usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":0,'
            '"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":0},"output_tokens":7,'
            '"output_tokens_details":null,"server_tool_use":null,"service_tier":null,"inference_geo":null}}'
        )

    @given(event_sequences(), st.booleans())
    def test_same_as_the_stream(self, events: list[Event], show: bool) -> None:
        """A client that does not stream gets what the other puts together, to the last token count."""
        writer = StreamWriter(message_id="msg_1", model="m", input_tokens=5, show_reasoning=show)
        streamed = check_stream(writer.write(events))
        message = whole(*events, input_tokens=5, show_reasoning=show)
        assert message.pop("usage").items() >= {**streamed.pop("usage"), **cache_creation(events)}.items()
        assert message == streamed

    @pytest.mark.parametrize("text", ['{"a": tru}', "[1]", '{"cut": "of', "7", "null and void", '{"a": 1} x'])
    def test_broken_input(self, text: str) -> None:
        """Input that is no object is kept in the client's own form for that, so that nothing is lost."""
        message = whole(start(0), ToolArgumentsDelta(0, text), ToolCallEnded(0), END)
        assert message["content"][0]["input"] == {"__unparsedToolInput": {"raw": text, "len": len(text)}}

    def test_no_input(self) -> None:
        """A call without a word of input has the empty object."""
        assert whole(start(0), ToolCallEnded(0), END)["content"][0]["input"] == {}

    def test_order(self) -> None:
        """Blocks stand in the order in which they began, whatever was interleaved."""
        events: list[Event] = [
            start(0),
            start(1),
            TextDelta("a"),
            ToolArgumentsDelta(1, '{"b":1}'),
            ToolArgumentsDelta(0, '{"a":0}'),
        ]
        content = whole(*events, TextDelta("b"), END)["content"]
        assert [block.get("input", block.get("text")) for block in content] == [{"a": 0}, {"b": 1}, "ab"]

    def test_blank_text(self) -> None:
        """White space is no block of its own, and is not lost where text follows it."""
        events: list[Event] = [
            ReasoningDelta("a"),
            TextDelta("\n"),
            ReasoningDelta("b"),
            TextDelta(" "),
            start(0),
            TextDelta(" "),
            TextDelta("x"),
        ]
        content = whole(*events, END)["content"]
        assert [block["type"] for block in content] == ["thinking", "tool_use", "text"]
        assert (content[0]["thinking"], content[2]["text"]) == ("ab", " x")
        assert whole(TextDelta("\n"), END)["content"] == []
        assert len(whole(TextDelta("\n" * (MAX_BLANK_CHARACTERS + 1)), END)["content"]) == 1

    def test_blank_reasoning(self) -> None:
        """White space is no thinking block either."""
        assert [block["type"] for block in whole(ReasoningDelta("\n"), start(0), END)["content"]] == ["tool_use"]
        shown = whole(ReasoningDelta("\n"), ReasoningDelta("a"), TextDelta("b"), END)["content"]
        assert (shown[0]["thinking"], shown[1]["text"]) == ("\na", "b")
        assert whole(ReasoningDelta("\n"), END, show_reasoning=False)["stop_reason"] == "end_turn"

    def test_hidden_reasoning(self) -> None:
        """Reasoning that nobody asked for is not in the message, and alone it is no complete answer."""
        message = whole(ReasoningDelta("SECRET"), END, show_reasoning=False)
        assert (message["content"], message["stop_reason"]) == ([], "max_tokens")
        message = whole(ReasoningDelta("SECRET"), TextDelta("a"), END, show_reasoning=False)
        assert (len(message["content"]), message["stop_reason"]) == (1, "end_turn")

    def test_unfinished(self) -> None:
        """Half an answer is never given out."""
        accumulator = make()
        assert (accumulator.finished, accumulator.usage) == (None, None)
        accumulator.add([TextDelta("a")])
        assert accumulator.usage == Usage(accumulator.input_tokens, 1, estimated=True)
        with pytest.raises(ValueError, match="not finished"):
            accumulator.body()

    def test_no_usage(self) -> None:
        """Where the backend does not count, the bridge guesses and says so in its books."""
        accumulator = make(input_tokens=9, show_reasoning=False)
        accumulator.add([TextDelta("a" * 400), ReasoningDelta("b" * 400), Finished(FinishReason.STOPPED)])
        assert accumulator.usage is not None
        assert (accumulator.usage.input_tokens, accumulator.usage.estimated) == (9, True)
        assert 100 < accumulator.usage.output_tokens < 800

    @pytest.mark.parametrize(
        ("event", "show", "blocks"),
        [
            (TextDelta("xxx\u00e9"), True, 2),
            (ReasoningDelta("xx\u4e2d"), True, 2),
            (ReasoningDelta("xxxxx"), False, 1),
            (ToolArgumentsDelta(0, "xxxxx"), True, 1),
        ],
    )
    def test_too_large(self, event: Event, show: bool, blocks: int) -> None:
        """An answer that never ends does not fill the memory, whatever it is made of."""
        bound = 9 + blocks * BLOCK
        accumulator = make(max_size=bound, show_reasoning=show)
        accumulator.add([start(0), event])
        with pytest.raises(UpstreamProtocolError, match=f"larger than {bound}"):
            accumulator.add([event])

    def test_many_small_blocks(self) -> None:
        """The bound is one of memory, however small the blocks are."""
        accumulator = make(max_size=1_000_000)
        tracemalloc.start()
        with pytest.raises(UpstreamProtocolError):
            accumulator.add(event for _ in range(100_000) for event in (TextDelta("a"), ReasoningDelta("b")))
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert 300_000 < held < 1_100_000

    def test_memory(self) -> None:
        """An answer in small pieces takes about as much memory as its characters."""
        accumulator = make()
        tracemalloc.start()
        for _ in range(20_000):
            accumulator.add([TextDelta("word ")])
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert held < 500_000


def cache_creation(events: list[Event]) -> dict[str, Any]:
    """Return the one count that a stream has no second place for."""
    last = events[-1]
    assert isinstance(last, Finished)
    written = last.usage.cache_write_tokens if last.usage is not None else 0
    return {"cache_creation": {"ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": 0}}


class PassedTests:
    """A message that is in the clients' own API already."""

    def test_unchanged(self) -> None:
        """It is passed on as it is, with its headers and its counts."""
        accumulator = make(input_tokens=5)
        accumulator.add([Verbatim(b'{"id": "msg_x"}', usage=Usage(3, 1), headers=(("x-a", "b"),)), END])
        assert accumulator.finished is END
        assert accumulator.body() == b'{"id": "msg_x"}'
        assert (accumulator.usage, accumulator.headers) == (Usage(3, 1), (("x-a", "b"),))
