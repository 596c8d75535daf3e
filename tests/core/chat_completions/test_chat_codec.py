"""Tests for `claude_bridge.core.chat_completions.chat_codec`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions import chat_codec, openai_types
from claude_bridge.core.strict_json import JsonError, Raw
from tests.core.strategies import JSON, OBJECTS

LONE = r'{"a": "x\ud800y"}'


def chunk(**fields: Any) -> openai_types.Chunk:
    """Decode a chunk with these fields."""
    return chat_codec.decode_chunk(json.dumps(fields).encode())


def choice(**fields: Any) -> openai_types.Choice:
    """Decode a chunk with one choice of these fields."""
    choices = chunk(choices=[fields]).choices
    assert choices is not None
    return choices[0]


def call(**fields: Any) -> openai_types.ToolCallDelta:
    """Decode a chunk with one tool call of these fields."""
    delta = choice(delta={"tool_calls": [fields]}).delta
    assert delta is not None
    assert delta.tool_calls is not None
    return delta.tool_calls[0]


class ChunkTests:
    """Chunks of servers that know the types, and of those that do not."""

    @given(OBJECTS)
    def test_any_object(self, value: dict[str, Any]) -> None:
        """No object whatever stops the reading."""
        assert isinstance(chat_codec.decode_chunk(json.dumps(value).encode()), openai_types.Chunk)

    @given(JSON, st.sampled_from(["choices", "model", "usage", "error", "timings", "x_groq", "object"]))
    def test_any_field(self, value: Any, field: str) -> None:
        """Nor does any value in a field where another was due."""
        assert isinstance(chunk(**{field: value}), openai_types.Chunk)

    @given(
        JSON, st.sampled_from(["delta", "message", "index", "finish_reason", "stop_reason", "matched_stop", "usage"])
    )
    def test_any_choice(self, value: Any, field: str) -> None:
        """The same holds within a choice."""
        assert isinstance(choice(**{field: value}), openai_types.Choice)

    @given(JSON, st.sampled_from(openai_types.Delta.__struct_fields__))
    def test_any_delta(self, value: Any, field: str) -> None:
        """And within a delta."""
        assert isinstance(choice(delta={field: value}), openai_types.Choice)

    @given(JSON, st.sampled_from(["index", "id", "function"]), st.sampled_from(["name", "arguments"]))
    def test_any_call(self, value: Any, field: str, inner: str) -> None:
        """And within a tool call and its function."""
        assert isinstance(call(**{field: value}), openai_types.ToolCallDelta)
        assert isinstance(call(function={inner: value}), openai_types.ToolCallDelta)

    @pytest.mark.parametrize("data", [b"", b"{", b"7", b"[]", b"[{}, {}]", b'"x"', b'{"a": \xff}'])
    def test_no_object(self, data: bytes) -> None:
        """What is no JSON object is an error."""
        with pytest.raises(JsonError):
            chat_codec.decode_chunk(data)

    def test_in_a_list(self) -> None:
        """An object that was wrapped into a list is taken out of it."""
        assert chat_codec.decode_chunk(b'[{"model": "m"}]').model == "m"

    def test_broken_characters(self) -> None:
        """Half a character costs that character and not the answer."""
        for data in (rb'{"choices":[{"delta":{"content":"a\ud83d"}}]}', b'{"choices":[{"delta":{"content":"a\xff"}}]}'):
            choices = chat_codec.decode_chunk(data).choices
            assert choices is not None
            assert choices[0].delta is not None
            assert choices[0].delta.content == "a\ufffd"

    def test_what_fits_is_kept(self) -> None:
        """One wrong type does not cost the other fields."""
        read = chunk(model="m", object=7, usage={"prompt_tokens": 1}, choices=["odd", {"delta": {"content": "x"}}])
        assert (read.model, read.object, bytes(read.usage)) == ("m", None, b'{"prompt_tokens":1}')
        assert read.choices is not None
        assert [one.delta for one in read.choices] == [openai_types.Delta(content="x")]
        one = choice(index="0", delta={"content": "x"}, finish_reason="stop", stop_reason=1.5, matched_stop="X")
        assert (one.index, one.delta, one.finish_reason, one.stop_reason, one.matched_stop) == (
            0,
            openai_types.Delta(content="x"),
            "stop",
            None,
            "X",
        )

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [({"a": [1]}, '{"a":[1]}'), (None, None), ("{}", "{}"), ([], "[]"), (7, "7")],
    )
    def test_arguments(self, arguments: Any, text: str | None) -> None:
        """Arguments that are no string are written as one."""
        function = call(function={"name": "f", "arguments": arguments}).function
        assert function == openai_types.FunctionDelta("f", text)

    @pytest.mark.parametrize(
        ("index", "number"), [(0, 0), (2.0, 2), ("3", 3), ("x", None), ("²", None), (None, None), ([], None)]
    )
    def test_index(self, index: Any, number: int | None) -> None:
        """An index is a number, whatever it is written as."""
        assert call(index=index, id=7).index == number
        assert call(index=index, id=7).id == "7"

    def test_lists(self) -> None:
        """Lists of parts and details are kept part for part."""
        delta = choice(index=[], delta={"content": [{"text": "a"}], "reasoning_details": ["b"]}).delta
        assert delta is not None
        assert delta.content == [Raw(b'{"text":"a"}')]
        assert delta.reasoning_details == [Raw(b'"b"')]


class EncodeTests:
    """What we send."""

    def test_chat(self) -> None:
        """Fields come in their order, what OpenAI does not know after them, messages last."""
        chat = openai_types.ChatRequest(model="m", stream=True, max_tokens=5)
        message = openai_types.ChatMessage("user", "hi")
        plain = chat_codec.encode_chat(chat, {}, [message])
        assert plain == b'{"model":"m","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
        more = chat_codec.encode_chat(chat, {"top_k": 1}, iter([message]))
        assert list(json.loads(more)) == ["model", "stream", "max_tokens", "top_k", "messages"]
