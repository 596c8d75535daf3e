"""Tests for `claude_bridge.core.messages_api.anthropic_types`: what is read of a request, and how forgivingly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core import strict_json
from claude_bridge.core.messages_api import anthropic_types, codec
from claude_bridge.core.messages_api.anthropic_types import KNOWN_TYPES, TextBlock, UnknownBlock
from claude_bridge.core.strict_json import Raw
from tests.core.asking import asked, text, user

OPTIONAL = [
    "system", "stream", "tools", "tool_choice", "stop_sequences", "thinking", "output_config", "output_format",
    "metadata", "temperature", "top_p", "max_tokens", "compaction", "fallbacks", "mcp_servers", "thread",
]  # fmt: skip


def read(body: dict[str, Any]) -> anthropic_types.MessagesRequest:
    """Decode a body without any check of its meaning."""
    return codec.decode_request(json.dumps(body).encode())


def block(value: dict[str, Any]) -> anthropic_types.Block:
    """Decode one block."""
    return codec.decode_block(Raw(json.dumps(value).encode()), "messages.0.content", 0)


class MessagesRequestTests:
    """The body as a whole."""

    @pytest.mark.parametrize("name", OPTIONAL)
    def test_null_is_absent(self, name: str) -> None:
        """A client that writes null for what it does not use is not refused."""
        request = read({"model": "m", "messages": [], name: None})
        assert getattr(request, name) in (None, Raw(b"null"))

    def test_unknown_fields(self) -> None:
        """A client that knows more than the bridge is served."""
        request = asked(
            user(text("hi", color="red")),
            context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            cache_control={"type": "ephemeral"},
            service_tier="auto",
            speed="fast",
            inference_geo="eu",
            container="c",
            diagnostics={"previous_message_id": None},
            betas=["x"],
            tags={"a": "b"},
            safeguards=[{"type": "dangerous_tool_use"}],
            top_k=5,
            brand_new=[[1]],
        )
        assert isinstance(request.messages[0].content, list)

    def test_strings_where_lists_may_stand(self) -> None:
        """A message's content and the system prompt may be a plain string or a list of blocks."""
        assert asked(user("hi"), system="be kind").system == "be kind"
        assert isinstance(asked(user(text("hi")), system=[text("be kind")]).system, list)

    def test_message_fields_of_its_own(self) -> None:
        """Settings that Claude Code puts on single messages are accepted."""
        request = asked({"role": "user", "content": "x", "output_config": {"effort": "low"}, "clear_at": "never"})
        assert request.messages[0].content == "x"

    def test_schemas_stay_as_they_are(self) -> None:
        """A tool's schema is carried byte for byte, numbers of any size included."""
        schema = b'{ "type" : "object", "maximum": 123456789012345678901234567890, "x": 1.50 }'
        raw = b'{"model":"m","messages":[],"tools":[{"name":"a","input_schema":' + schema + b"}]}"
        tools = codec.decode_request(raw).tools
        assert tools is not None
        assert bytes(tools[0].input_schema) == schema


class BlockTests:
    """Content blocks."""

    @pytest.mark.parametrize(
        "value",
        [
            {"type": "text", "text": "x", "citations": None, "cache_control": None},
            {"type": "image", "source": {"type": "base64", "media_type": None, "data": None, "url": None}},
            {"type": "image", "source": {"type": "file", "file_id": None}, "transformations": {}},
            {"type": "document", "source": {"type": "url", "url": None}, "title": None, "context": None},
            {"type": "document", "source": {"type": "content", "content": None}, "citations": {"enabled": True}},
            {"type": "search_result", "source": None, "title": None, "content": None},
            {"type": "search_result", "source": "s", "title": "t", "content": "a string"},
            {"type": "tool_use", "id": "a", "name": "b", "input": None, "caller": {"type": "direct"}},
            {"type": "tool_use", "id": "a", "name": "b"},
            {"type": "tool_result", "tool_use_id": "a", "content": None, "is_error": None},
            {"type": "tool_result", "tool_use_id": "a", "toolset_name": "x"},
            {"type": "tool_reference", "tool_name": "a", "cache_control": None},
            {"type": "thinking", "thinking": "x", "signature": None},
            {"type": "thinking", "thinking": "x"},
            {"type": "redacted_thinking", "data": None},
        ],
    )
    def test_nulls_and_extras(self, value: dict[str, Any]) -> None:
        """A known block with nulls, missing optional fields or unknown keys is read."""
        assert type(block(value)).__name__ != "UnknownBlock"

    def test_all_known_types_are_listed(self) -> None:
        """A malformed block of any known type is an error rather than an unknown block."""
        for kind in KNOWN_TYPES:
            with pytest.raises(strict_json.JsonError, match=r"^messages\.0\.content\.0\."):
                block({"type": kind, "text": 5, "source": 5, "id": 5, "tool_use_id": 5, "tool_name": 5, "thinking": 5,
                       "data": 5})  # fmt: skip

    def test_unknown_type(self) -> None:
        """A block of an unknown type is kept byte for byte."""
        raw = b'{ "type":"novel", "n": 1.50, "text": "x"}'
        kept = codec.decode_block(Raw(raw), "p", 0)
        assert isinstance(kept, UnknownBlock)
        assert (kept.kind, bytes(kept.raw)) == ("novel", raw)

    def test_type_may_come_last(self) -> None:
        """The order of keys does not matter."""
        assert block({"text": "x", "type": "text"}) == TextBlock("x")
