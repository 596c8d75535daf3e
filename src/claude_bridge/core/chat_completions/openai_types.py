"""Wire types of OpenAI chat completions: requests, chunks and answers.

Decoding is lenient: every field has a default, and `claude_bridge.core.chat_completions.chat_codec`
falls back to a lenient decoder where a server's types differ (docs/chat-completions.md 2.2 and 2.3).

``gc=False`` marks classes of a request's messages that cannot be part of a cycle: a long
conversation has hundreds of them.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Raw, Struct, UnsetType

EMPTY = Raw(b"")
"""A Raw field that was absent."""


class FunctionCall(Struct, gc=False):
    """Name and JSON arguments of a call in the history."""

    name: str
    arguments: str


class ToolCall(Struct, gc=False):
    """A call in the history."""

    id: str
    function: FunctionCall
    type: str = "function"


class SignedToolCall(ToolCall, gc=False):
    """A call in the history with the signature that Gemini needs back."""

    extra_content: Raw = EMPTY


class TextPart(Struct, tag="text", tag_field="type", gc=False):
    """A part of a message: text."""

    text: str


class CacheControl(Struct, frozen=True, gc=False):
    """Marks the end of a prefix that the server should cache, as in Anthropic's API."""

    type: str = "ephemeral"


class MarkedTextPart(TextPart, tag="text", tag_field="type", gc=False):
    """Text up to which the server should cache (OpenRouter, DashScope)."""

    cache_control: CacheControl = CacheControl()


class ThinkingPart(Struct, tag="thinking", tag_field="type", gc=False):
    """A part of an assistant message as Mistral has it: past reasoning."""

    thinking: list[TextPart]


class ImageUrl(Struct, gc=False):
    """A data URL or an address."""

    url: str


class ImagePart(Struct, tag="image_url", tag_field="type", gc=False):
    """A part of a user message: an image."""

    image_url: ImageUrl


class FileData(Struct, gc=False):
    """A file as a data URL."""

    filename: str
    file_data: str


class FilePart(Struct, tag="file", tag_field="type", gc=False):
    """A part of a user message: a file."""

    file: FileData


Part = TextPart | ImagePart | FilePart


class ChatMessage(Struct, omit_defaults=True):
    """One message of the request. ``content`` is always written, as null beside tool calls.

    ``prefix`` and ``partial`` mark the beginning of an answer that is to be continued (Mistral and DeepSeek; Moonshot).
    """

    role: str
    content: str | list[Part] | list[ThinkingPart | TextPart] | None
    reasoning_content: str | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None
    reasoning: str | None = None
    reasoning_details: list[Any] | None = None
    prefix: bool | None = None
    partial: bool | None = None


class FunctionDefinition(Struct, omit_defaults=True):
    """A tool's name, description and JSON Schema (byte for byte the client's)."""

    name: str
    description: str | None = None
    parameters: Raw = EMPTY
    strict: bool | None = None


class FunctionTool(Struct):
    """One entry of ``tools``."""

    function: FunctionDefinition
    type: str = "function"


class FunctionName(Struct):
    """The name in a named tool choice."""

    name: str


class NamedToolChoice(Struct):
    """``tool_choice`` that asks for one tool."""

    function: FunctionName
    type: str = "function"


class StreamOptions(Struct):
    """``stream_options``; vLLM reports usage in every chunk if asked."""

    include_usage: bool = True
    continuous_usage_stats: bool | UnsetType = UNSET


class JsonSchema(Struct, omit_defaults=True):
    """``response_format.json_schema``."""

    name: str
    schema: Raw = EMPTY
    strict: bool | None = None


class ResponseFormat(Struct, omit_defaults=True):
    """``response_format``."""

    type: str
    json_schema: JsonSchema | None = None


class ChatRequest(Struct, omit_defaults=True):
    """The request without its messages, in the order in which the fields are written; ``messages`` come last.

    The order is fixed so that two turns of a conversation begin with the same bytes.
    """

    model: str
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: list[str] | None = None
    reasoning_effort: str | None = None
    response_format: ResponseFormat | None = None
    tool_choice: str | NamedToolChoice | None = None
    parallel_tool_calls: bool | None = None
    tools: list[FunctionTool] | None = None


class FunctionDelta(Struct):
    """A fragment of a call."""

    name: str | None = None
    arguments: str | None = None


class ToolCallDelta(Struct):
    """A fragment of a call, with the index and id of the call; ``extra_content`` is Gemini's."""

    index: int | None = None
    id: str | None = None
    function: FunctionDelta | None = None
    extra_content: Raw = EMPTY


class Delta(Struct):
    """A chunk's ``delta``, or a whole answer's ``message``."""

    content: str | list[Raw] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    thinking: str | None = None
    reasoning_details: list[Raw] | None = None
    thinking_blocks: list[Raw] | None = None
    tool_calls: list[ToolCallDelta] | None = None
    function_call: FunctionDelta | None = None
    refusal: str | None = None


class Choice(Struct):
    """One choice; only the first (index 0) is ever requested."""

    index: int | None = 0
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    matched_stop: str | int | None = None
    usage: Raw = EMPTY


class Chunk(Struct):
    """A chat completion chunk, a whole chat completion, or an error where one of them should be."""

    model: str | None = None
    choices: list[Choice] | None = None
    usage: Raw = EMPTY
    error: Raw = EMPTY
    timings: Raw = EMPTY
    prompt_progress: Raw = EMPTY
    x_groq: Raw = EMPTY
    object: str | None = None
    system_fingerprint: str | None = None
