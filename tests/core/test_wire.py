"""Tests for `claude_bridge.core.wire`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import wire
from claude_bridge.core.chat_completions import openai_types
from claude_bridge.core.messages_api import anthropic_types
from claude_bridge.core.wire import Raw, WireError
from tests.core.strategies import JSON, OBJECTS

LONE = r'{"a": "x\ud800y"}'


def chunk(**fields: Any) -> openai_types.Chunk:
    """Decode a chunk with these fields."""
    return wire.decode_chunk(json.dumps(fields).encode())


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


class DecodeTests:
    """Bytes to plain values."""

    @given(JSON)
    def test_any_json(self, value: Any) -> None:
        """What JSON says is what comes out."""
        assert wire.decode(json.dumps(value).encode()) == value
        assert wire.decode(wire.encode(value)) == value

    @pytest.mark.parametrize("text", ["", "{", "nope", '{"a": NaN}', "{} {}", "[" * 100_000])
    def test_not_json(self, text: str) -> None:
        """What is no JSON, or nested beyond reason, is one kind of error."""
        with pytest.raises(WireError):
            wire.decode(text.encode())

    def test_forgiving(self) -> None:
        """Lone surrogates and bytes that are not UTF-8 are replaced, and the rest is kept."""
        assert wire.decode(LONE.encode()) == {"a": "x\ufffdy"}
        assert wire.decode(b'{"a": "x\xffy"}') == {"a": "x\ufffdy"}
        assert wire.decode(Raw(b'{"a": "x\xffy"}')) == {"a": "x\ufffdy"}

    def test_said_in_words(self) -> None:
        """The reason can be shown to a person."""
        with pytest.raises(WireError, match="nested too deeply"):
            wire.decode(b"[" * 100_000 + b"]" * 100_000)


class RequestTests:
    """A Messages request."""

    BODY = b'{"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}'

    def test_good(self) -> None:
        """A request is decoded with what it says."""
        request = wire.decode_request(self.BODY)
        assert (request.model, request.max_tokens) == ("m", 5)

    def test_lone_surrogate(self) -> None:
        """Half a character is told apart from other faults, since it can be mended."""
        with pytest.raises(wire.LoneSurrogates):
            wire.decode_request(self.BODY.replace(b"hi", rb"h\ud800i"))

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"{", "not valid JSON"),
            (b"\xff", "not UTF-8"),
            (rb'{"model": "\ud800"', "not valid JSON"),
            (b"[]", "Expected `object`"),
            (b'{"x": ' + b"[" * 100_000, "not valid JSON"),
            (b'{"max_tokens": 5, "messages": []}', "model: Field required"),
            (b'{"model": 7, "max_tokens": 5, "messages": []}', "^model: "),
            (
                b'{"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": 7}]}',
                r"^messages\.0\.content: ",
            ),
            (b'{"model": "m", "max_tokens": 5, "messages": [{"content": "x"}]}', r"^messages\.0\.role: Field required"),
        ],
    )
    def test_bad(self, body: bytes, said: str) -> None:
        """What is wrong is said with the field's path, as the API does."""
        with pytest.raises(WireError, match=said):
            wire.decode_request(body)


class BlockTests:
    """Content blocks."""

    def test_known_and_unknown(self) -> None:
        """Known blocks are decoded, a type that we have never heard of is kept as it came."""
        raws = [Raw(b'{"type": "text", "text": "hi"}'), Raw(b'{"type": "hologram", "x": 1}')]
        known, unknown = (wire.decode_block(raw, "c") for raw in raws)
        assert known == anthropic_types.TextBlock("hi")
        assert isinstance(unknown, anthropic_types.UnknownBlock)
        assert bytes(unknown.raw) == bytes(raws[1])

    @pytest.mark.parametrize(
        ("raw", "said"),
        [
            (b'{"type": "text"}', r"^c\.0\.text: Field required"),
            (b'{"type": "text", "text": 7}', r"^c\.0\.text: "),
            (b'{"text": "x"}', r"^c\.0\.type: Field required"),
            (b"7", r"^c\.0: a content block must be an object"),
            (b'{"type": 7}', r"^c\.0: a content block must be an object"),
        ],
    )
    def test_bad(self, raw: bytes, said: str) -> None:
        """What is wrong with a block is said with its path."""
        with pytest.raises(WireError, match=said):
            wire.decode_block(Raw(raw), "c.0")


class ChunkTests:
    """Chunks of servers that know the types, and of those that do not."""

    @given(OBJECTS)
    def test_any_object(self, value: dict[str, Any]) -> None:
        """No object whatever stops the reading."""
        assert isinstance(wire.decode_chunk(json.dumps(value).encode()), openai_types.Chunk)

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
        with pytest.raises(WireError):
            wire.decode_chunk(data)

    def test_in_a_list(self) -> None:
        """An object that was wrapped into a list is taken out of it."""
        assert wire.decode_chunk(b'[{"model": "m"}]').model == "m"

    def test_broken_characters(self) -> None:
        """Half a character costs that character and not the answer."""
        for data in (rb'{"choices":[{"delta":{"content":"a\ud83d"}}]}', b'{"choices":[{"delta":{"content":"a\xff"}}]}'):
            choices = wire.decode_chunk(data).choices
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
        plain = wire.encode_chat(chat, {}, [message])
        assert plain == b'{"model":"m","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
        more = wire.encode_chat(chat, {"top_k": 1}, iter([message]))
        assert list(json.loads(more)) == ["model", "stream", "max_tokens", "top_k", "messages"]

    @pytest.mark.parametrize(
        ("raw", "text"),
        [
            (b'{"b": 1,\n "a": [1, 2]}', '{"b":1,"a":[1,2]}'),
            (b'{"b":"x: y, z"}', '{"b":"x: y, z"}'),
            (b'{"b":1}', '{"b":1}'),
            (b'{"b": broken', '{"b": broken'),
            (b"[ " + b" " * wire.MOST_COMPACTED + b"]", "[ " + " " * wire.MOST_COMPACTED + "]"),
        ],
    )
    def test_compact(self, raw: bytes, text: str) -> None:
        """White space goes unless there is too much of all, the order of keys and what is in strings stay."""
        assert wire.compact(Raw(raw)) == text

    def test_present(self) -> None:
        """Absent and null are the same: nothing."""
        assert [wire.present(Raw(raw)) for raw in (b"", b"null", b"0", b"{}")] == [False, False, True, True]

    @pytest.mark.parametrize(
        ("text", "one"),
        [
            ("{}", True),
            (' {"a": {"b": [1e999]}}\n', True),
            ("[]", False),
            ('{"a": tru}', False),
            ('{"a": 1} x', False),
            ("", False),
            ('{"a": "\ud800"}', False),
            ('{"a":' + "[" * 100_000, False),
        ],
    )
    def test_is_object(self, text: str, one: bool) -> None:
        """It is told whether a text is one JSON object and nothing else."""
        assert wire.is_object(text) is one


class DecodeFieldsTests:
    """An object's names, its values left alone."""

    def test_values_stay_as_they_are(self) -> None:
        """What is not looked into keeps its bytes, and can be written again as it was."""
        fields = wire.decode_fields(b'{"a": [1, 2 ], "b":"\\u00e4"}')
        assert {name: bytes(raw) for name, raw in fields.items()} == {"a": b"[1, 2 ]", "b": b'"\\u00e4"'}
        assert wire.encode(fields) == b'{"a":[1, 2 ],"b":"\\u00e4"}'

    @pytest.mark.parametrize("data", [b"", b"[]", b"null", b'{"a":', b'{"a":1} x', b"\xff", b"[" * 100_000])
    def test_no_object(self, data: bytes) -> None:
        """What is no JSON object is refused in one way."""
        with pytest.raises(wire.WireError):
            wire.decode_fields(data)
