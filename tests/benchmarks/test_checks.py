"""The benchmark notices wrong answers: a fast gateway that loses something is no good one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from attrs import evolve

from benchmarks import answers, mark
from benchmarks.checks import WrongAnswer, check, check_relayed
from benchmarks.http1 import MessageReader
from benchmarks.scenarios import SCENARIOS, Scenario

STREAMED = evolve(SCENARIOS["coalesced"], deltas=2)
CALLED = evolve(SCENARIOS["bigtool"], argument_bytes=200)
WHOLE = evolve(SCENARIOS["small"], deltas=2)
MARK = mark.mark("test", 7)

Events = list[dict[str, Any]]


def block(index: int, start: dict[str, Any], deltas: Sequence[dict[str, Any]]) -> Events:
    """Return the events of one block."""
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def said(*texts: str) -> Events:
    """Return the events of a text block, the first of an answer."""
    return block(0, {"type": "text", "text": ""}, [{"type": "text_delta", "text": text} for text in texts])


def called(arguments: str, name: str = "Tool01") -> Events:
    """Return the events of a tool call, the second block of an answer."""
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in (arguments[:9], arguments[9:])]
    return block(1, {"type": "tool_use", "id": "x", "name": name, "input": {}}, deltas)


def answer(blocks: Events, stop: str = "end_turn", output_tokens: int = 50) -> Events:
    """Return all events of an answer."""
    usage = {"input_tokens": 100, "output_tokens": output_tokens}
    return [
        {"type": "message_start", "message": {"usage": {"input_tokens": 0, "output_tokens": 0}}},
        {"type": "ping"},
        *blocks,
        {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": usage},
        {"type": "message_stop"},
    ]


def judge(scenario: Scenario, events: Events) -> None:
    """Check the stream of these events."""
    stream = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    check(scenario, MARK, 200, stream.encode())


class StreamTests:
    """Streamed answers."""

    good = answer(said(MARK, "word ", "naïve "))

    def test_a_right_answer_passes(self) -> None:
        """Text and tool calls that are whole are right."""
        judge(STREAMED, self.good)
        judge(CALLED, answer(said(MARK) + called(answers.arguments(200)), "tool_use"))

    @pytest.mark.parametrize(
        ("events", "reason"),
        [
            (answer(said(MARK, "word ")), "text differs"),
            (answer(said(MARK, "naïve ", "word ")), "text differs"),
            (answer(said(mark.mark("test", 8), "word ", "naïve ")), "another request"),
            (answer(said(MARK, "word ", "naïve "), stop="max_tokens"), "stop reason max_tokens"),
            (answer(said(MARK, "word ", "naïve "), output_tokens=51), "token counts"),
            (good[:-1], "no message_stop"),
            ([*good, {"type": "ping"}], "after message_stop"),
            ([*good[:1], *good], "message_start out of order"),
            (good[1:], "ping out of order"),
            ([*good[:5], *good[6:3:-1], *good[7:]], "where|not open|in a block"),
            ([event for event in good if event["type"] != "content_block_stop"], "message_delta inside a block"),
            ([event for event in good if event["type"] != "content_block_start"], "in a block of None"),
            ([*good[:3], {"type": "error", "error": {}}], "error"),
            (answer(said(MARK, "word ", "naïve ") + called("{}")), "tool call differs"),
        ],
    )
    def test_a_wrong_answer_is_noticed(self, events: Events, reason: str) -> None:
        """Missing, reordered, foreign and surplus parts, and wrong ends are all wrong answers."""
        with pytest.raises(WrongAnswer, match=reason):
            judge(STREAMED, events)

    @pytest.mark.parametrize(
        "call", [called(answers.arguments(200), "Other"), called(answers.arguments(130)), called("{"), []]
    )
    def test_a_wrong_call_is_noticed(self, call: Events) -> None:
        """Another name, other arguments, broken arguments and no call at all are wrong answers."""
        with pytest.raises(WrongAnswer):
            judge(CALLED, answer(said(MARK) + call, "tool_use"))

    def test_stamps_may_say_any_time(self) -> None:
        """When a delta was sent is no part of what must be right, that it came is."""
        stamped = evolve(SCENARIOS["slow"], deltas=2)
        first, second = (f"{mark.stamp(time).decode()} " for time in (5, 6))

        judge(stamped, answer(said(MARK, first, second)))
        with pytest.raises(WrongAnswer, match="text differs"):
            judge(stamped, answer(said(MARK, first)))


class MessageTests:
    """Answers in one piece."""

    def message(self, text: str) -> bytes:
        """Return an answer."""
        content = [{"type": "text", "text": text}]
        usage = {"input_tokens": 100, "output_tokens": 50}
        fields = {"type": "message", "role": "assistant", "content": content, "stop_reason": "end_turn", "usage": usage}
        return json.dumps(fields).encode()

    def test_a_right_answer_passes(self) -> None:
        """A whole message is right."""
        check(WHOLE, MARK, 200, self.message(f"{MARK}word naïve "))

    @pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"type": "error"}'])
    def test_what_is_no_message_is_wrong(self, body: bytes) -> None:
        """Whatever a gateway answers, it is counted and not stumbled over."""
        with pytest.raises(WrongAnswer):
            check(WHOLE, MARK, 200, body)

    def test_a_lost_word_is_noticed(self) -> None:
        """A shorter text is wrong."""
        with pytest.raises(WrongAnswer, match="text differs"):
            check(WHOLE, MARK, 200, self.message(f"{MARK}word "))

    def test_an_error_is_shown(self) -> None:
        """The report says what the gateway said."""
        with pytest.raises(WrongAnswer, match="HTTP 529: overloaded"):
            check(WHOLE, MARK, 529, b"overloaded")


class CheckRelayedTests:
    """`check_relayed`."""

    @pytest.mark.parametrize("scenario", [STREAMED, CALLED, WHOLE])
    def test_the_backends_bytes_are_right_and_nothing_else_is(self, scenario: Scenario) -> None:
        """With the mark of the request; a byte more, less or changed, or another mark, is wrong."""
        script = answers.script(scenario)
        (answer,) = MessageReader().feed(b"".join(script.writes) if scenario.asks_stream else script.whole)
        right = answer.body.replace(mark.blank(scenario.name).encode(), MARK.encode())
        check_relayed(scenario, MARK, 200, right)

        for wrong in (right + b" ", right[:-1], right.replace(b"choices", b"choises", 1), answer.body):
            with pytest.raises(WrongAnswer, match="the bytes differ"):
                check_relayed(scenario, MARK, 200, wrong)

    def test_a_refusal_is_told_as_it_is(self) -> None:
        """The status and what the backend said."""
        with pytest.raises(WrongAnswer, match="HTTP 400: no mark"):
            check_relayed(WHOLE, MARK, 400, b"no mark")
