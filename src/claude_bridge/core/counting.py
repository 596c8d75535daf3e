"""``count_tokens`` without a backend: walk a request and add up the local estimates (wire-contract 5.12).

Counts what would be sent: the attribution block and deferred tools that nobody loaded are left out.
"""

from __future__ import annotations

from claude_bridge.core import tools, wire
from claude_bridge.core.anthropic import (
    Block,
    DocumentBlock,
    ImageBlock,
    MessagesRequest,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
)
from claude_bridge.core.blocks import text_of
from claude_bridge.core.conversation import read, system_text
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.tokens import Tally


def count(request: MessagesRequest, *, strip_attribution: bool = True) -> int:
    """Estimate the input tokens of a request; raises `InvalidRequest` with the path of a malformed block."""
    try:
        return _count(request, strip_attribution=strip_attribution)
    except wire.WireError as error:
        raise InvalidRequest(str(error)) from None


def _count(request: MessagesRequest, *, strip_attribution: bool) -> int:
    tally = Tally()
    system = system_text(request.system, strip_attribution=strip_attribution)
    if system:
        tally.add_message()
        tally.add_text(system)
    conversation = read(request.messages, "fold")
    for turn in conversation.turns:
        tally.add_message()
        for block in turn.blocks:
            _add(tally, block, turn.path)
    offered = tools.offered(
        request.tools or (), referenced=frozenset(conversation.loaded), removed=frozenset(conversation.removed)
    )
    for tool in offered.definitions:
        tally.add_tool()
        tally.add_text(f"{tool.function.name} {tool.function.description or ''}")
        tally.add_json(wire.compact(tool.function.parameters))
    return tally.total()


def _add(tally: Tally, block: Block, path: str) -> None:
    match block:
        case TextBlock():
            tally.add_text(block.text)
        case ThinkingBlock():
            tally.add_text(block.thinking)
        case ToolUseBlock():
            tally.add_text(block.name)
            tally.add_json(wire.compact(block.input))
        case ToolResultBlock():
            tally.add_message()
            for inner in wire.decode_blocks(block.content or "", path):
                _add(tally, inner, path)
        case ImageBlock():
            tally.add_image(block.source.media_type, block.source.data)
        case DocumentBlock():
            _add_document(tally, block, path)
        case _:
            tally.add_text(text_of(block, path))


def _add_document(tally: Tally, block: DocumentBlock, path: str) -> None:
    source = block.source
    tally.add_text(f"{block.title or ''} {block.context or ''}")
    if source.type == "base64":
        tally.add_document(source.media_type, source.data)
    elif source.type == "content":
        for inner in wire.decode_blocks(source.content, path):
            _add(tally, inner, path)
    else:
        tally.add_text(source.data)
