"""Tests for `claude_bridge.core.chat_completions.answer.plain_chunks`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from claude_bridge.core import json_weight
from claude_bridge.core.chat_completions.answer.plain_chunks import decode_plain
from claude_bridge.core.chat_completions.answer.reader import MAX_MISSES, Reader
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
CALL_HEAD = '{"choices":[{"delta":'
MORE = (
    CALL_HEAD + '{"tool_calls":[{"index":0,"function":{"arguments":"{\\"a"}}]}}]}',
    CALL_HEAD
    + '{"content":null,"tool_calls":[{"index":0,"id":null,"type":"function","function":{"name":null,'
    + '"arguments":"{\\"a"}}]}}]}',
    CALL_HEAD
    + '{"content":"","tool_calls":[{"index":0,"id":"","type":null,"function":{"name":"",'
    + '"arguments":"{\\"a"}}]}}]}',
)
CALLED = (
    '{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":""}}]}}]}',
    '{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"name":"g"}}]}}]}',
    '{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\":1}"}}]}}]}',
    '{"choices":[{"delta":{"tool_calls":[{"index":1,"function":{"arguments":"x"}}]}}]}',
    '{"choices":[{"delta":{"content":"a","tool_calls":[{"index":0,"function":{"arguments":"1"}}]}}]}',
)
BOTH_FIELDS = [
    '{"choices":[{"delta":{"content":"Hi"}}]}',
    CALL_HEAD + '{"function_call":{"name":"f","arguments":"{\\"a\\":"}}}]}',
    CALL_HEAD + '{"tool_calls":[{"index":0,"function":{"arguments":"1"}}]}}]}',
    CALL_HEAD + '{"function_call":{"arguments":"2}"}}}]}',
]
"""A server that changes over from the old field for calls to the new one inside an answer."""

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
    '{"choices":[{"delta":{"tool_calls":[]}}]}',
    '{"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}',
    '{"choices":[{"delta":{"tool_calls":[{"function":{"arguments":"a"}}]}}]}',
    '{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"x","function":{"arguments":"a"}}]}}]}',
    '{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"a"}}]}}]}',
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
    """Read an answer; events with a name are not tried as plain chunks."""
    reader = Reader(dialect=DIALECTS["generic"], random_bytes=bytes)
    name = "" if quickly else "event: message\n"
    stream = "".join(f"{name}data: {chunk}\n\n" for chunk in chunks)
    events = reader.feed(stream.encode("utf-8", "surrogatepass"))
    return events + reader.close(), reader.failure, str(reader.error), reader.late_failure


class DecodePlainTests:
    """A chunk of nothing but text, or of nothing but more arguments of a call."""

    @pytest.mark.parametrize("chunk", PLAIN.values(), ids=PLAIN)
    def test_plain(self, chunk: str) -> None:
        """The chunks of all common servers are read."""
        for value, content in (('"a"', "a"), ('""', ""), ("null", None)):
            delta = decode_plain(chunk.replace('"a"', value).encode())
            assert delta is not None
            assert (delta.content, delta.tool_calls) == (content, None)

    @pytest.mark.parametrize("chunk", MORE)
    def test_arguments(self, chunk: str) -> None:
        """A fragment with nothing but more arguments is read, with or without empty fields."""
        delta = decode_plain(chunk.encode())
        assert delta is not None
        assert delta.tool_calls is not None
        assert [(call.index, call.function.arguments) for call in delta.tool_calls] == [(0, '{"a')]

    @pytest.mark.parametrize("chunk", MEANINGFUL)
    def test_more_than_text(self, chunk: str) -> None:
        """Whatever may mean more is left alone."""
        assert decode_plain(chunk.encode()) is None

    def test_large(self) -> None:
        """A large event is left to the reader that counts its values first."""
        text = "a" * json_weight.MAX_UNCHECKED_BYTES
        assert decode_plain(PLAIN["the least"].replace('"a"', f'"{text}"').encode()) is None


class SameEventsTests:
    """The quick way and the other one."""

    @example(BOTH_FIELDS)
    @given(
        st.lists(CHUNKS.map(json.dumps) | st.sampled_from([*PLAIN.values(), *MEANINGFUL, *CALLED, *MORE]), max_size=6)
    )
    @example([PLAIN["vLLM"], '{"choices":[],"usage":{"prompt_tokens":3}}', PLAIN["vLLM"]])
    @example([PLAIN["vLLM"], '{"choices":[],"usage":{"prompt_tokens":3}}'])
    @example(['{"choices":[{"delta":{"refusal":"no"}}]}', PLAIN["OpenAI"]])
    @example([CALLED[0], *MORE, CALLED[2], *MORE])
    @example([CALLED[1], MORE[0], CALLED[0], CALLED[3], PLAIN["vLLM"], CALLED[3], MORE[1]])
    def test_any_chunks(self, chunks: list[str]) -> None:
        """Any chunks mean the same in both ways, behind text and as the first of an answer."""
        for answer in ([OPENING, *chunks], chunks):
            assert outcome(answer, quickly=True) == outcome(answer, quickly=False)

    @pytest.mark.parametrize("quickly", [True, False])
    def test_chunks_that_always_hold_more(self, quickly: bool) -> None:
        """A server whose chunks all have usage loses no text when plain chunks are not expected any more."""
        chunks = [
            f'{{"choices":[{{"delta":{{"content":"{number}"}}}}],"usage":{{"prompt_tokens":1}}}}'
            for number in range(2 * MAX_MISSES)
        ]
        events, *_ = outcome([OPENING, *chunks, PLAIN["OpenAI"]], quickly=quickly)
        assert (
            "".join(getattr(event, "text", "") for event in events)
            == "Hello" + "".join(map(str, range(2 * MAX_MISSES))) + "a"
        )
