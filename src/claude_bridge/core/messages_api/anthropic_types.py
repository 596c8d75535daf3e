"""Wire types of the Anthropic Messages API, request side (docs/messages-api.md 2).

Only what the bridge looks at has a field. Unknown keys are skipped: the API grows faster than any
gateway, and a client must not be refused for using a newer field. What the bridge merely passes on (tool
schemas, tool inputs, content blocks that nobody has needed yet) stays raw JSON.

``gc=False`` marks classes that hold nothing but text and numbers: they cannot be part of a cycle,
and a long conversation has hundreds of them.
"""

from __future__ import annotations

from functools import cached_property

from msgspec import Raw, Struct

EMPTY = Raw(b"")
"""A Raw field that was absent. Raw cannot be part of a union, so absence is this shared value."""


class ThinkingConfig(Struct):
    """``thinking``; any ``type`` is accepted (enabled, adaptive, disabled, between_tools ...)."""

    type: str
    budget_tokens: int | None = None
    display: str | None = None


class OutputFormat(Struct):
    """``output_config.format`` (and the older top-level ``output_format``)."""

    type: str
    schema: Raw = EMPTY


class OutputConfig(Struct):
    """``output_config``."""

    effort: str | None = None
    format: OutputFormat | None = None


class ToolChoice(Struct, gc=False):
    """``tool_choice``."""

    type: str
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class Metadata(Struct):
    """``metadata``; Claude Code's ``user_id`` is a string that holds JSON."""

    user_id: str | None = None


class Tool(Struct):
    """One entry of ``tools``: a custom tool, or a typed one known by its ``type``'s prefix.

    The last four belong to web search. They are raw, so that no other tool is refused because of them.
    """

    name: str = ""
    type: str | None = None
    description: str | None = None
    input_schema: Raw = EMPTY
    defer_loading: bool | None = None
    strict: bool | None = None
    display_width_px: int | None = None
    display_height_px: int | None = None
    max_uses: Raw = EMPTY
    allowed_domains: Raw = EMPTY
    blocked_domains: Raw = EMPTY
    user_location: Raw = EMPTY


class InputMessage(Struct):
    """One entry of ``messages``."""

    role: str
    content: str | list[Raw]


class MessagesRequest(Struct, dict=True, weakref=True):
    """The body of ``POST /v1/messages`` and of ``/v1/messages/count_tokens`` (which has no ``max_tokens``)."""

    model: str
    messages: list[InputMessage]
    max_tokens: int | None = None
    system: str | list[Raw] | None = None
    stream: bool | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    stop_sequences: list[str] | None = None
    thinking: ThinkingConfig | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None
    metadata: Metadata | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    compaction: Raw = EMPTY
    fallbacks: Raw = EMPTY
    mcp_servers: Raw = EMPTY
    safeguards: Raw = EMPTY
    thread: Raw = EMPTY

    @cached_property
    def derived(self) -> dict[str, object]:
        """Return the cache of what was computed from this request; a copy of the request begins with an empty one."""
        return {}


class TextBlock(Struct, tag="text", gc=False):
    """Plain text."""

    text: str


class ImageSource(Struct, gc=False):
    """Where an image is: inline base64, a URL, or an uploaded file."""

    type: str
    media_type: str | None = None
    data: str | None = None
    url: str | None = None
    file_id: str | None = None


class ImageBlock(Struct, tag="image"):
    """An image."""

    source: ImageSource


class DocumentSource(Struct):
    """Where a document is: base64 PDF, text, content blocks, a URL, or an uploaded file."""

    type: str
    media_type: str | None = None
    data: str | None = None
    content: str | list[Raw] | None = None
    url: str | None = None
    file_id: str | None = None


class DocumentBlock(Struct, tag="document"):
    """A document."""

    source: DocumentSource
    title: str | None = None
    context: str | None = None


class SearchResultBlock(Struct, tag="search_result"):
    """A search result that the client supplies."""

    source: str | None = None
    title: str | None = None
    content: str | list[Raw] | None = None


class ToolUseBlock(Struct, tag="tool_use", gc=False):
    """A past tool call of the assistant."""

    id: str
    name: str
    input: Raw = EMPTY


class ToolResultBlock(Struct, tag="tool_result"):
    """The result of a tool call."""

    tool_use_id: str
    content: str | list[Raw] | None = None
    is_error: bool | None = None


class ToolReferenceBlock(Struct, tag="tool_reference", gc=False):
    """A tool that tool search found; stands inside a tool result."""

    tool_name: str


class ThinkingBlock(Struct, tag="thinking", gc=False):
    """Past reasoning."""

    thinking: str
    signature: str | None = None


class RedactedThinkingBlock(Struct, tag="redacted_thinking", gc=False):
    """Past reasoning that only the server that wrote it can read."""

    data: str | None = None


class UnknownBlock(Struct):
    """A block of a type that has no class here, byte for byte."""

    kind: str
    raw: Raw


KnownBlock = (
    TextBlock
    | ImageBlock
    | DocumentBlock
    | SearchResultBlock
    | ToolUseBlock
    | ToolResultBlock
    | ToolReferenceBlock
    | ThinkingBlock
    | RedactedThinkingBlock
)
Block = KnownBlock | UnknownBlock

KNOWN_TYPES = frozenset(
    {
        "text",
        "image",
        "document",
        "search_result",
        "tool_use",
        "tool_result",
        "tool_reference",
        "thinking",
        "redacted_thinking",
    }
)
