"""Tests for `claude_bridge.core.chat_completions.openai_types`: the written form of a chat completion request."""

from __future__ import annotations

import json

from claude_bridge.core.chat_completions import chat_codec
from claude_bridge.core.chat_completions.openai_types import (
    ChatMessage,
    ChatRequest,
    FileData,
    FilePart,
    FunctionCall,
    FunctionDefinition,
    FunctionName,
    FunctionTool,
    ImagePart,
    ImageUrl,
    JsonSchema,
    NamedToolChoice,
    Part,
    ResponseFormat,
    StreamOptions,
    TextPart,
    ToolCall,
)
from claude_bridge.core.strict_json import Raw
from tests.contract.chat_completion import check

SCHEMA = Raw(b'{"type":"object","properties":{}}')
EVERYTHING = ChatRequest(
    model="m",
    stream=True,
    stream_options=StreamOptions(),
    max_tokens=5,
    max_completion_tokens=5,
    temperature=0.5,
    top_p=0.5,
    stop=["a"],
    reasoning_effort="low",
    response_format=ResponseFormat("json_schema", JsonSchema("response", SCHEMA, strict=True)),
    tool_choice=NamedToolChoice(FunctionName("f")),
    parallel_tool_calls=False,
    tools=[FunctionTool(FunctionDefinition("f", "Does f.", SCHEMA))],
)
PARTS: list[Part] = [
    TextPart("see"),
    ImagePart(ImageUrl("https://example.org/x.png")),
    FilePart(FileData("x.pdf", "data:application/pdf;base64,AA==")),
]
MESSAGES = [
    ChatMessage("system", "be kind"),
    ChatMessage("user", PARTS),
    ChatMessage("assistant", None, "hm", [ToolCall("a", FunctionCall("f", "{}"))]),
    ChatMessage("tool", "done", tool_call_id="a"),
]


class ChatRequestTests:
    """A request as it is written."""

    def test_official(self) -> None:
        """The official package knows every field that can be written."""
        check(json.loads(chat_codec.encode_chat(EVERYTHING, {}, MESSAGES)))

    def test_messages_last(self) -> None:
        """The messages come last, after everything that stays the same from turn to turn."""
        extra: dict[str, object] = {"chat_template_kwargs": {"enable_thinking": False}}
        keys = list(json.loads(chat_codec.encode_chat(EVERYTHING, extra, MESSAGES)))
        assert keys[:2] == ["model", "stream"]
        assert keys[-3:] == ["tools", "chat_template_kwargs", "messages"]

    def test_only_what_is_set(self) -> None:
        """A server sees no key that nobody asked for; content alone is always written, null beside calls."""
        whole = json.loads(chat_codec.encode_chat(ChatRequest("m"), {}, MESSAGES))
        assert list(whole) == ["model", "messages"]
        assert list(whole["messages"][0]) == ["role", "content"]
        assert whole["messages"][2]["content"] is None
