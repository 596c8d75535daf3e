"""Limits of one request: counts above those of any real client, and below what would delay other requests.

`claude_bridge.config.schema.Limits` has them as options. Each is checked before the work that it bounds.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest


@frozen(kw_only=True)
class RequestLimits:
    """The limits of one request. The names are those of the options.

    :ivar max_blocks: content blocks, those inside tool results included; one of an unknown type counts as
        `claude_bridge.core.messages_api.content_blocks.UNKNOWN_BLOCK_COST` blocks.
    :ivar max_schema_nodes: JSON objects in the schemas of all tools together.
    """

    max_messages: int = 10_000
    max_blocks: int = 20_000
    max_tools: int = 2_000
    max_schema_nodes: int = 100_000
    max_images: int = 1_000

    def excess(self, field: str, what: str, key: str) -> InvalidRequest:
        """Return the error for a request that exceeds the option ``key``."""
        return InvalidRequest(f"{field}: at most {getattr(self, key)} {what} are accepted here ({key} in [limits])")

    def too_many_messages(self) -> InvalidRequest:
        """Return the error for a request with too many messages."""
        return self.excess("messages", "messages", "max_messages")

    def too_many_tools(self) -> InvalidRequest:
        """Return the error for a request with too many tools."""
        return self.excess("tools", "tools", "max_tools")

    def check_request(self, request: MessagesRequest, body_bytes: int) -> None:
        """Raise `InvalidRequest` for too many messages, system blocks, tools or nodes of their schemas."""
        if len(request.messages) > self.max_messages:
            raise self.too_many_messages()
        if request.tools and len(request.tools) > self.max_tools:
            raise self.too_many_tools()
        if isinstance(request.system, list) and len(request.system) > MAX_SYSTEM_BLOCKS:
            raise InvalidRequest(f"system: at most {MAX_SYSTEM_BLOCKS} blocks are accepted here")
        if body_bytes > MIN_NODE_BYTES * self.max_schema_nodes:  # a smaller body cannot hold so many
            nodes = sum(bytes(tool.input_schema).count(b"{") for tool in request.tools or ())
            if nodes > self.max_schema_nodes:
                raise self.excess("tools", "JSON objects in their schemas", "max_schema_nodes")


MAX_SYSTEM_BLOCKS: Final = 1000
"""Blocks of a system prompt, which are decoded in one turn, in 15 ms at worst. Claude Code sends four."""

MIN_NODE_BYTES: Final = 2
"""Bytes of ``{}``, the smallest JSON object."""

BOUNDS: Final = RequestLimits()
"""The default limits."""
