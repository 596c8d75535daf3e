"""Tests for `claude_bridge.core.responses_api.codec`."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core import json_weight
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.responses_api import codec, wire_types
from claude_bridge.core.strict_json import JsonError, Raw, encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["type", "delta", "item_id", "output_index", "text", "item", "response", "error", "id", "arguments", "content",
         "summary", "output", "usage", "status", "incomplete_details", "name", "call_id"]  # fmt: skip


class LenientTests:
    """Types that are not as documented."""

    def test_event(self) -> None:
        """Every field that fits is kept."""
        event = codec.decode_event(encode({"type": "x", "delta": 5, "item_id": 7, "output_index": "1", "text": "t"}))
        assert event == wire_types.StreamEvent(type="x", text="t")

    def test_arguments_as_an_object(self) -> None:
        """Arguments that come as an object become text."""
        item = codec.decode_item(encode({"type": "function_call", "name": "f", "arguments": {"a": 1}}))
        assert item.arguments == '{"a":1}'

    def test_response(self) -> None:
        """An answer whose numbers and names are wrong keeps what it says."""
        response = codec.decode_response(b'{"status":"incomplete","model":3,"incomplete_details":{"reason":"x","a":1}}')
        assert (response.status, response.model) == ("incomplete", None)
        assert response.incomplete_details == wire_types.IncompleteDetails("x")

    def test_lone_surrogates(self) -> None:
        """Half a character becomes a replacement, not an error."""
        assert codec.decode_event(b'{"type":"x","delta":"a\\ud83d"}').delta == "a\ufffd"

    @pytest.mark.parametrize("data", [b"[]", b"7", b'{"type":', b"\xff"])
    def test_no_object(self, data: bytes) -> None:
        """What is no object is an error."""
        for decode in (codec.decode_event, codec.decode_response, codec.decode_item):
            with pytest.raises(JsonError):
                decode(data)

    @given(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6))
    def test_any_object(self, value: dict[str, Any]) -> None:
        """Whatever the values of an object are, it is decoded."""
        data = json.dumps(value).encode()
        codec.decode_event(data)
        codec.decode_response(data)
        codec.decode_item(data)
        codec.decode_part(data)
        codec.decode_output(data)


class BoundTests:
    """Values that are decoded in one turn."""

    def test_many_values(self) -> None:
        """An item with too many values is refused before it is decoded."""
        many = b"[" + b"1," * json_weight.MAX_VALUES + b"1]"
        with pytest.raises(UpstreamProtocolError):
            codec.decode_item(b'{"type":"message","content":' + many + b"}")
        with pytest.raises(UpstreamProtocolError):
            codec.decode_output(many)


class EncodeTests:
    """Bytes of a request."""

    def test_order(self) -> None:
        """The type of a tool is its first key, and the input comes last."""
        tool = codec.encode_tool(wire_types.FunctionTool("f", None, False, Raw(b'{"b":1,"a":2}')))
        assert bytes(tool) == b'{"type":"function","name":"f","strict":false,"parameters":{"b":1,"a":2}}'
        request = wire_types.ResponseRequest("m", tools=[tool], instructions="i")
        body = codec.encode_request(request, [wire_types.Message("user", "hi")])
        assert body.endswith(b'"instructions":"i","input":[{"type":"message","role":"user","content":"hi"}]}')
        assert json.loads(body)["tools"][0]["parameters"] == {"b": 1, "a": 2}
