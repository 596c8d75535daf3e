"""Promises of the weight of a decoded request: what its objects really hold."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from claude_bridge.core import strict_json
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.conversation_reader import reading_of
from claude_bridge.core.messages_api.memory_weight import max_text_expansion, note_passed_on, request_weight


def body(**fields: Any) -> bytes:
    """Write a request."""
    whole = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]} | fields
    return json.dumps(whole, ensure_ascii=False).encode()


def request_body(*content: Any) -> bytes:
    """Write a request whose messages have these contents."""
    return body(messages=[{"role": "user", "content": each} for each in content])


LONG = "a" * 1_000_000
EMOJI = "\U0001f600"
CALL = {"type": "tool_use", "id": "t", "name": "n", "input": {"a": "b" * 1000}}
RESULT = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": LONG + EMOJI}]}
CASES = {
    "text": request_body(LONG),
    "one emoji": request_body(LONG + EMOJI),
    "escaped emoji": request_body("x").replace(b'"x"', b'"' + LONG.encode() + rb'\ud83d\ude00"'),
    "Chinese": request_body("\u4e2d" * 1_000_000),
    "block": request_body([{"type": "text", "text": LONG + EMOJI}]),
    "result": request_body([CALL, RESULT]),
    "thinking": body(messages=[{"role": "assistant", "content": [{"type": "thinking", "thinking": LONG + EMOJI}]}]),
    "system": body(system=LONG + EMOJI),
    "descriptions": body(tools=[{"name": "t", "description": "a" * 100_000 + EMOJI}] * 20),
    "messages": request_body(*["ab"] * 10_000),
    "blocks": request_body([{"type": "text", "text": "ab"}] * 20_000),
}


class WeightTests:
    """The weight against what Python allocates."""

    @pytest.mark.parametrize("name", CASES)
    def test_true(self, name: str) -> None:
        """It is about what decoding and reading really take, however wide a text or small a block is."""
        data = CASES[name]
        tracemalloc.start()
        try:
            asked = parsing.decode(data)
            reading_of(asked).read_all()
            taken = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        found = request_weight(asked)
        assert found is not None
        assert taken * 0.7 < found < taken * 1.7 + 5000

    def test_sent(self) -> None:
        """What encoding leaves behind in a wide text is counted before and after."""
        asked = parsing.decode(CASES["one emoji"])
        (turn,) = reading_of(asked).read_all().turns
        before = request_weight(asked)
        strict_json.encode(turn.pieces)
        assert before is not None
        assert 5_000_000 <= before <= 5_010_000
        assert request_weight(asked) in range(before, before + 1000)

    def test_passed_on(self) -> None:
        """A request that is passed on has no more than its body until its messages are decoded for another backend."""
        asked = parsing.decode(CASES["one emoji"])
        assert request_weight(asked) is None
        note_passed_on(asked)
        assert request_weight(asked) == 0
        reading_of(asked).read_all()
        assert (request_weight(asked) or 0) > 1_000_000

    @pytest.mark.parametrize("name", CASES)
    def test_no_more_than_the_widest(self, name: str) -> None:
        """What is set aside before decoding is enough for any text, and nothing where there is no need."""
        asked = parsing.decode(CASES[name])
        reading_of(asked).read_all()
        found, size = request_weight(asked), len(CASES[name])
        assert found is not None
        if name not in {"messages", "blocks"}:  # these are objects, not texts
            assert found <= size * (1 + max_text_expansion(CASES[name])) + 10_000

    @pytest.mark.parametrize(
        ("data", "found"),
        [
            (b"abc\\n\\u001b", 0),
            ("\u00e9".encode(), 2),
            (b"\\u00e9", 2),
            ("\u4e2d".encode(), 2),
            (b"\\u4E2D", 2),
            (EMOJI.encode(), 4),
            (b"\\ud83d\\ude00", 4),
            (b"\\u4e2d \\uD83D\\uDE00", 4),
        ],
    )
    def test_widest(self, data: bytes, found: int) -> None:
        """One character decides, written as it is or escaped."""
        assert max_text_expansion(b"a" * 100 + data) == found

    def test_not_read_yet(self) -> None:
        """Before the messages are read nobody knows."""
        assert request_weight(parsing.decode(CASES["text"])) is None

    def test_raw_is_the_bodys(self) -> None:
        """What is carried as it is has no weight of its own."""
        asked = parsing.decode(body(tools=[{"name": "t", "input_schema": {"description": LONG}}]))
        reading_of(asked).read_all()
        found = request_weight(asked)
        assert found is not None
        assert found < 5000
