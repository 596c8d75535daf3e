"""Content blocks, Anthropic -> OpenAI parts or visible text (wire-contract 5.3).

Nothing is dropped that a person or a tool said: what has no counterpart becomes text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from claude_bridge.core import wire
from claude_bridge.core.anthropic import (
    Block,
    DocumentBlock,
    ImageBlock,
    SearchResultBlock,
    TextBlock,
    ToolReferenceBlock,
    UnknownBlock,
)
from claude_bridge.core.openai import FileData, FilePart, ImagePart, ImageUrl, Part, TextPart

NOISE: Final = frozenset(
    {
        "type",
        "cache_control",
        "signature",
        "encrypted_content",
        "encrypted_index",
        "encrypted_stdout",
        "tool_use_id",
        "id",
        "citations",
        "caller",
    }
)
"""Keys of unknown blocks that say nothing to a reader: markers, ids, and what only Anthropic can decrypt."""


def parts(block: Block, path: str) -> list[Part]:
    """Convert a block to the parts of a user message; none for one that says nothing (empty text)."""
    match block:
        case ImageBlock():
            return [_image(block)]
        case DocumentBlock():
            return _document(block, path)
        case _:
            text = text_of(block, path)
            return [TextPart(text)] if text else []


def text_of(block: Block, path: str) -> str:
    """Give a block as text, for places that take nothing else; "" for one that says nothing."""
    match block:
        case TextBlock():
            return block.text
        case ToolReferenceBlock():
            return f"Tool {block.tool_name} is available now."
        case SearchResultBlock():
            return _search_result(block, path)
        case UnknownBlock():
            return unknown_text(block)
        case _:
            return ""


def unknown_text(block: UnknownBlock) -> str:
    """Give a block of unknown type as ``[type] what it says``: its text where it has some, else its JSON."""
    value = wire.decode(block.raw)
    return f"[{block.kind}] {_said(value)}".rstrip()


def _said(value: Any) -> str:  # noqa: ANN401 - decoded JSON
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(text for text in map(_said, value) if text)
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in NOISE and item not in (None, [], {}, "")}
        if set(kept) <= {"text"} or set(kept) <= {"content"}:
            return "\n".join(_said(item) for item in kept.values())
        return "; ".join(f"{key}: {_inline(item)}" for key, item in kept.items())
    return wire.encode(value).decode()


def _inline(value: Any) -> str:  # noqa: ANN401 - decoded JSON
    return _said(value) if isinstance(value, str | list) else wire.encode(_cleaned(value)).decode()


def _cleaned(value: Any) -> Any:  # noqa: ANN401 - decoded JSON
    if isinstance(value, Mapping):
        return {key: _cleaned(item) for key, item in value.items() if key not in NOISE}
    return value


def _image(block: ImageBlock) -> Part:
    source = block.source
    if source.type == "base64":
        return ImagePart(ImageUrl(f"data:{source.media_type};base64,{source.data}"))
    if source.type == "url":
        return ImagePart(ImageUrl(source.url))
    return TextPart(f"[image omitted: the uploaded file {source.file_id or '(no id)'} cannot be read from here]")


def _document(block: DocumentBlock, path: str) -> list[Part]:
    """Convert a document: PDF to a file part, text to text under its title, images in it to parts of their own."""
    source = block.source
    if source.type == "base64":
        name = block.title or "document.pdf"
        return [FilePart(FileData(name, f"data:{source.media_type or 'application/pdf'};base64,{source.data}"))]
    converted: list[Part] = []
    if source.type == "text":
        converted.append(TextPart(source.data))
    elif source.type == "content":
        for inner in wire.decode_blocks(source.content, f"{path}.source.content"):
            converted += parts(inner, path)
    else:
        what = source.url or source.file_id or source.type
        converted.append(TextPart(f"[document omitted: {what} is not fetched by the bridge]"))
    header = "\n".join(line for line in (_titled("Document", block.title), _titled("Context", block.context)) if line)
    first = converted[0] if converted else None
    if header and isinstance(first, TextPart):
        converted[0] = TextPart(f"{header}\n{first.text}")
    elif header:
        converted.insert(0, TextPart(header))
    return converted


def _titled(label: str, value: str | None) -> str:
    return f"{label}: {value}" if value else ""


def _search_result(block: SearchResultBlock, path: str) -> str:
    inner = wire.decode_blocks(block.content, f"{path}.content")
    body = "\n".join(text for text in (text_of(one, path) for one in inner) if text)
    head = " - ".join(part for part in (block.title, block.source) if part)
    return f"[search result] {head}\n{body}".rstrip()
