"""Tests for `claude_bridge.core.chat_completions.answer.text_chunks`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from claude_bridge.core import json_weight
from claude_bridge.core.chat_completions.answer.reader import MAX_TEXT_MISSES, Reader
from claude_bridge.core.chat_completions.answer.text_chunks import text_of
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.events import Event
from tests.core.strategies import JSON, PROSE

OPENING = '{"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":"Hello"}}]}'
HEAD = '"id":"c","object":"chat.completion.chunk","created":1700000000,"model":"m"'
PLAIN = {
    "the least": '{"choices":[{"delta":{"content":"a"}}]}',
    "OpenAI": "{"
    + HEAD
    + ',"service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":{"content":"a"},'
    '"logprobs":null,"finish_reason":null}],"usage":null,"obfuscation":"x"}',
    "vLLM": "{"
    + HEAD
    + ',"choices":[{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null,"token_ids":null}]}',
    "SGLang": "{"
    + HEAD
    + ',"choices":[{"index":0,"delta":{"role":null,"content":"a","reasoning_content":null,"tool_calls":null},'
    '"logprobs":null,"finish_reason":null,"matched_stop":null}],"usage":null}',
    "llama.cpp": '{"choices":[{"finish_reason":null,"index":0,"delta":{"content":"a"}}],' + HEAD + "}",
    "OpenRouter": "{"
    + HEAD
    + ',"provider":"P","choices":[{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null,'
    '"native_finish_reason":null,"logprobs":null}]}',
}
MEANINGFUL = (
    '{"choices":[]}',
    '{"choices":[{"delta":{"content":"a"}},{"delta":{"content":"b"}}]}',
    '{"choices":[{"index":1,"delta":{"content":"a"}}]}',
    '{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}',
    '{"choices":[{"delta":{"content":"a","reasoning_content":"b"}}]}',
    '{"choices":[{"delta":{"content":["a"]}}]}',
    '{"choices":[{"delta":{"content":"a","tool_calls":[{"index":0}]}}]}',
    '{"choices":[{"delta":{"content":"a","unknown":1}}]}',
    '{"choices":[{"delta":{"content":"a"},"unknown":1}]}',
    '{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}',
    '{"choices":[{"delta":{"content":"a"}}],"error":{"message":"b"}}',
    '{"choices":[{"delta":{}}]}',
    '{"choices":[{"message":{"content":"a"}}]}',
    '{"choices":[{"delta":{"content":"\\ud800"}}]}',
    "[DONE]",
    "",
)

ODD: Any = st.none() | st.sampled_from([0, 1, "", "stop", "length", [], {}, {"prompt_tokens": 3}, True]) | JSON


def some_of(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw an object with any of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


CALL = some_of(index=ODD, id=ODD, function=some_of(name=PROSE, arguments=PROSE))
DELTAS = some_of(
    content=PROSE | st.just("") | st.none() | ODD,
    role=ODD,
    reasoning_content=PROSE | st.none(),
    tool_calls=st.none() | st.lists(CALL, max_size=2),
    refusal=PROSE | st.none(),
    function_call=st.none() | CALL,
    unknown=JSON,
)
CHOICES = some_of(
    index=st.sampled_from([0, 0, 0, 1, None, 0.0, False, "0"]),
    delta=DELTAS | st.none(),
    finish_reason=st.sampled_from([None, None, "", "stop", "error"]),
    logprobs=ODD,
    stop_reason=ODD,
    matched_stop=ODD,
    usage=ODD,
    unknown=JSON,
)
CHUNKS = some_of(
    choices=st.lists(CHOICES, max_size=2) | st.tuples(CHOICES) | st.none(),
    id=ODD,
    object=ODD,
    created=ODD,
    model=ODD,
    system_fingerprint=ODD,
    usage=ODD,
    error=st.none() | ODD,
    timings=ODD,
    unknown=JSON,
)


def outcome(chunks: list[str], *, quickly: bool) -> tuple[list[Event], object, object, object]:
    """Read an answer; the quick reader is not asked where an event has a name."""
    reader = Reader(dialect=DIALECTS["generic"], random_bytes=bytes)
    name = "" if quickly else "event: message\n"
    stream = "".join(f"{name}data: {chunk}\n\n" for chunk in (OPENING, *chunks))
    events = reader.feed(stream.encode("utf-8", "surrogatepass"))
    return events + reader.close(), reader.failure, str(reader.error), reader.late_failure


class TextOfTests:
    """A chunk of nothing but text."""

    @pytest.mark.parametrize("chunk", PLAIN.values(), ids=PLAIN)
    def test_plain(self, chunk: str) -> None:
        """The chunks of all common servers are read."""
        assert text_of(chunk.encode()) == "a"
        assert text_of(chunk.replace('"content":"a"', '"content":""').encode()) == ""

    @pytest.mark.parametrize("chunk", MEANINGFUL)
    def test_more_than_text(self, chunk: str) -> None:
        """Whatever may mean more is left alone."""
        assert text_of(chunk.encode()) is None

    def test_large(self) -> None:
        """A large event is left to the reader that counts its values first."""
        text = "a" * json_weight.MAX_UNCHECKED_BYTES
        assert text_of(PLAIN["the least"].replace('"a"', f'"{text}"').encode()) is None


class SameEventsTests:
    """The quick way and the other one."""

    @given(st.lists(CHUNKS.map(json.dumps) | st.sampled_from([*PLAIN.values(), *MEANINGFUL]), max_size=5))
    @example([PLAIN["vLLM"], '{"choices":[],"usage":{"prompt_tokens":3}}', PLAIN["vLLM"]])
    @example([PLAIN["vLLM"], '{"choices":[],"usage":{"prompt_tokens":3}}'])
    @example(['{"choices":[{"delta":{"refusal":"no"}}]}', PLAIN["OpenAI"]])
    def test_any_chunks(self, chunks: list[str]) -> None:
        """Any chunks mean the same in both ways."""
        assert outcome(chunks, quickly=True) == outcome(chunks, quickly=False)

    @pytest.mark.parametrize("quickly", [True, False])
    def test_chunks_that_always_hold_more(self, quickly: bool) -> None:
        """A server whose chunks all have usage loses no text when the quick reader is not asked any more."""
        chunks = [
            f'{{"choices":[{{"delta":{{"content":"{number}"}}}}],"usage":{{"prompt_tokens":1}}}}'
            for number in range(2 * MAX_TEXT_MISSES)
        ]
        events, *_ = outcome([*chunks, PLAIN["OpenAI"]], quickly=quickly)
        assert "".join(getattr(event, "text", "") for event in events) == "Hello01234567a"
