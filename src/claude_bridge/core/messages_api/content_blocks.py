"""Content blocks of the Messages API -> pieces of the neutral conversation (docs/chat-completions.md 1.3).

Nothing that a person or a tool wrote is dropped: what has no counterpart becomes text. A content
field is decoded once, nested ones included, so that every error names its exact path.
"""

from __future__ import annotations

import contextlib
from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from attrs import define, field

from claude_bridge.core import opaque_state, strict_json
from claude_bridge.core.conversation import (
    CONTENT,
    Content,
    Document,
    Image,
    Piece,
    State,
    Summary,
    Text,
    Thinking,
    ToolCall,
    ToolNotice,
    ToolResult,
    text_of,
)
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api import codec, large_body
from claude_bridge.core.messages_api.anthropic_types import (
    EMPTY,
    Block,
    DocumentBlock,
    DocumentSource,
    ImageBlock,
    RedactedThinkingBlock,
    SearchResultBlock,
    TextBlock,
    ThinkingBlock,
    Tool,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
    UnknownBlock,
)
from claude_bridge.core.messages_api.limits import BOUNDS, RequestLimits
from claude_bridge.core.messages_api.readable_json import readable

MAX_PATH_DOTS: Final = 40
"""Dots in the path of a content field; real ones have eight at most (a document in a tool result)."""

MAX_MENDED_BYTES: Final = 4 << 20
"""Bytes of the largest text document that is not UTF-8 of which only what is invalid is replaced, in 20 ms at worst."""

MAX_FLATTENED_BYTES: Final = 1 << 20
"""Bytes of JSON that are decoded to be made readable; hostile JSON takes thirty times its size in memory."""

MAX_FLATTENED_VALUES: Final = 100_000
"""JSON values of all unknown blocks of a conversation that are made readable, in 40 ms; those beyond stay JSON. A real
block has a hundred."""

UNKNOWN_BLOCK_COST: Final = 4
"""How many blocks one of an unknown type counts as: decoding it takes that many times as long."""

SILENT_BLOCKS: Final = frozenset({"fallback", "mcp_tool_listing"})
"""Types of blocks without content for a model: which model took over, and tools that only Anthropic's servers call."""

_UNPARSED: Final = "__unparsedToolInput"


class _Unparsed(msgspec.Struct):
    raw: str = ""


class _UnparsedInput(msgspec.Struct):
    unparsed: _Unparsed = msgspec.field(default_factory=_Unparsed, name=_UNPARSED)


class _NestingSource(msgspec.Struct):
    content: strict_json.Raw = EMPTY


class _Nesting(msgspec.Struct):
    """Where a block may have blocks inside."""

    content: strict_json.Raw = EMPTY
    source: _NestingSource = msgspec.field(default_factory=_NestingSource)


_unparsed_decoder: Final = msgspec.json.Decoder(_UnparsedInput)
_nesting_decoder: Final = msgspec.json.Decoder(_Nesting)


@define
class BlockReader:
    """Decodes content fields, and collects which tools the conversation adds and removes.

    :ivar loaded: names of tools that tool search or a tool addition made available.
    :ivar removed: names of tools that were removed again.
    :ivar defined: tools that were defined inside the conversation.
    :ivar carried: characters of all opaque states together.
    :ivar media: images and documents, in order.
    :ivar count: blocks decoded so far, nested ones included; an unknown type counts as `UNKNOWN_BLOCK_COST`.
    :ivar bounds: the limits of the request; of a list with too many blocks none is decoded.
    :ivar many: whether there may be so many blocks inside a large one that they are counted before it is decoded.
    """

    loaded: dict[str, None] = field(factory=dict)  # an empty set takes 216 bytes a stream, a dict 64
    removed: dict[str, None] = field(factory=dict)
    defined: list[Tool] = field(factory=list)
    carried: int = 0
    count: int = 0
    media: list[Image | Document] = field(factory=list)
    bounds: RequestLimits = BOUNDS
    many: bool = False
    _flattened_values: int = field(default=0, init=False)

    def read(
        self, content: str | list[strict_json.Raw] | None, path: str, states: bool = False, first: int = 0
    ) -> list[Piece]:
        """Return the pieces of a content field; empty text is left out. Raises `JsonError` with the offending path.

        :param states: whether to keep opaque state; it means something only in an assistant's message.
        :param first: index of the first of these blocks, where they are only a part of the field.
        """
        if isinstance(content, str):
            return [Text(content)] if content else []
        pieces: list[Piece] = []
        self._count(content or ())
        for index, raw in enumerate(content or (), first):
            block = codec.decode_block(raw, path, index)
            if isinstance(block, TextBlock):
                if block.text:
                    pieces.append(Text(block.text))
            elif isinstance(block, ToolUseBlock):
                pieces.append(ToolCall(block.id, block.name, _arguments(block, path, index)))
            elif isinstance(block, ToolResultBlock):
                inner = self._parts(block.content, f"{path}.{index}.content")
                pieces.append(ToolResult(block.tool_use_id, inner, block.is_error is True))
            elif isinstance(block, ThinkingBlock):
                pieces.append(Thinking(block.thinking))
                if states and block.signature:
                    pieces += self._state(block.signature)
            elif isinstance(block, RedactedThinkingBlock):
                pieces += self._state(block.data or "") if states else ()
            else:
                pieces += self._other_block(block, f"{path}.{index}")
        return pieces

    def _count(self, content: Sequence[strict_json.Raw]) -> None:
        """Count blocks; raise `InvalidRequest` if they, or those inside a large one, are too many."""
        self.count += len(content)
        if self.count > self.bounds.max_blocks:
            raise self._too_many()
        for raw in content:
            if self.many and len(raw) > large_body.LARGE:
                self._check_nested(raw)

    def _check_nested(self, raw: strict_json.Raw) -> None:
        """Raise `InvalidRequest` for a block with more blocks inside than there may be, before it is decoded."""
        left = self.bounds.max_blocks - self.count
        try:
            nested = _nesting_decoder.decode(raw)
        except strict_json.ERRORS:
            return  # what is wrong is told when the block is decoded
        for content in (nested.content, nested.source.content):
            if strict_json.begins_list(content) and len(large_body.first_elements(content, left + 1, many=True)) > left:
                raise self._too_many()

    def _too_many(self) -> InvalidRequest:
        return self.bounds.excess("messages", "content blocks", "max_blocks")

    def _parts(self, content: str | list[strict_json.Raw] | None, path: str) -> list[Content]:
        """Return the content of a field inside a block: pieces that may not stand there become text."""
        if path.count(".") > MAX_PATH_DOTS:
            raise strict_json.JsonError(f"{path}: content is nested too deeply")
        pieces = self.read(content, path)
        return [piece if isinstance(piece, CONTENT) else Text(text_of(piece)) for piece in pieces]

    def _other_block(self, block: Block, path: str) -> list[Piece]:
        match block:
            case ImageBlock():
                return [self._with_media(_image(block, path))]
            case DocumentBlock():
                return [*self._document(block, path)]
            case SearchResultBlock():
                return [*self._search_result(block, path)]
            case ToolReferenceBlock():
                return [self._tool_loaded(block.tool_name)]
            case UnknownBlock():
                return self._unknown(block)
        return []

    def _with_media(self, part: Content) -> Content:
        if isinstance(part, Image | Document):
            self.media.append(part)
        return part

    def _state(self, text: str) -> list[Piece]:
        if not text.startswith(opaque_state.STATE_PREFIX):
            return []  # Anthropic's own signature, which only its servers can read
        self.carried += len(text)
        return [State(text)]

    def _document(self, block: DocumentBlock, path: str) -> list[Content]:
        """Return a document's content: a PDF as a document, text under its title, images in it as images."""
        source = block.source
        title, context = _labelled_line("Document", block.title), _labelled_line("Context", block.context)
        text = _base64_text(source)
        if source.type == "base64" and text is None:
            data = _required(source.data, f"{path}.source.data")
            name = block.title or "document.pdf"
            file = Document(name, f"data:{source.media_type or 'application/pdf'};base64,{data}")
            self._with_media(file)
            return [Text(context), file] if context else [file]
        if source.type == "text" or text is not None:
            inner: list[Content] = [Text((source.data or "") if text is None else text)]
        elif source.type == "content":
            inner = self._parts(source.content, f"{path}.source.content")
        else:
            what = source.url or source.file_id or source.type
            inner = [Text(f"[document omitted: {what} is not fetched by this gateway]")]
        return _with_header("\n".join(filter(None, (title, context))), inner)

    def _search_result(self, block: SearchResultBlock, path: str) -> list[Content]:
        head = " - ".join(filter(None, (block.title, block.source)))
        return _with_header(f"[search result] {head}".rstrip(), self._parts(block.content, f"{path}.content"))

    def _unknown(self, block: UnknownBlock) -> list[Piece]:
        self.count += UNKNOWN_BLOCK_COST - 1
        if block.kind in SILENT_BLOCKS:
            return []
        if len(block.raw) <= MAX_FLATTENED_BYTES and self._may_flatten(bytes(block.raw)):
            # The JSON may hold a number that Python cannot represent, or be nested too deeply.
            with contextlib.suppress(strict_json.JsonError, RecursionError):
                return self._flattened(block.kind, strict_json.decode(block.raw))
        return [_labelled(block.kind, bytes(block.raw).decode())]

    def _may_flatten(self, raw: bytes) -> bool:
        """Count the JSON values of a block, those that texts seem to have included; return whether there is room."""
        values = raw.count(b",") + raw.count(b"[") + raw.count(b"{")
        if self._flattened_values + values > MAX_FLATTENED_VALUES:
            return False
        self._flattened_values += values
        return True

    def _flattened(self, kind: str, value: dict[str, Any]) -> list[Piece]:
        if kind == "compaction":
            text = readable(value.get("content"))
            return [Summary(text)] if text else []
        if kind in {"tool_addition", "tool_removal"}:
            return [*self._tool_change(kind, value.get("tool"))]
        if kind == "tool_search_tool_result":
            return [*map(self._tool_loaded, _found_tool_names(value)), _labelled(kind, readable(value))]
        if kind in {"server_tool_use", "mcp_tool_use"} and isinstance(value.get("name"), str):
            return [_labelled(value["name"], readable(value.get("input")))]
        return [_labelled(kind, readable(value))]

    def _tool_change(self, kind: str, tool: object) -> list[Content]:
        """Record that a tool is added or removed. Tools of MCP servers that Anthropic calls cannot be offered."""
        if not isinstance(tool, dict) or str(tool.get("type")).startswith("mcp_"):
            return []
        definition = tool.get("definition")
        name = definition.get("name") if isinstance(definition, dict) else tool.get("name")
        if not isinstance(name, str) or not name:
            return []
        if kind == "tool_removal":
            self.removed[name] = None
            return [ToolNotice(name, available=False)]
        if isinstance(definition, dict):
            self.defined.append(_tool_from_definition(name, definition))
        return [self._tool_loaded(name)]

    def _tool_loaded(self, name: str) -> ToolNotice:
        self.loaded[name] = None
        self.removed.pop(name, None)
        return ToolNotice(name, available=True)


def _base64_text(source: DocumentSource) -> str | None:
    """Return the text of a base64 document whose media type is text, or None for any other.

    Anthropic's API does not accept such a source, but some clients send it.
    """
    if source.type != "base64" or not (source.media_type or "").startswith("text/"):
        return None
    try:
        decoded = b64decode(source.data or "", validate=True)
    except ValueError:
        return None
    if len(decoded) <= MAX_MENDED_BYTES:
        return decoded.decode("utf-8", "replace")
    try:
        return decoded.decode()
    except UnicodeDecodeError:
        return decoded.decode("latin-1")


def _arguments(block: ToolUseBlock, content_path: str, index: int) -> str:
    """Return a past call's input as JSON text; input that Claude Code could not parse is as the model wrote it."""
    if not strict_json.present(block.input):
        return "{}"
    text = strict_json.compact(block.input)
    if not text.startswith("{"):
        raise strict_json.JsonError(f"{content_path}.{index}.input: Input should be an object")
    if _UNPARSED in text and len(text) <= MAX_FLATTENED_BYTES:
        with contextlib.suppress(*strict_json.ERRORS):
            raw = _unparsed_decoder.decode(block.input).unparsed.raw
            if raw and strict_json.is_object(raw):
                return raw
    return text


def _image(block: ImageBlock, path: str) -> Content:
    source = block.source
    if source.type == "base64":
        media_type = _required(source.media_type, f"{path}.source.media_type")
        data = _required(source.data, f"{path}.source.data")
        return Image(f"data:{media_type};base64,{data}")
    if source.type == "url":
        return Image(_required(source.url, f"{path}.source.url"))
    what = source.file_id or source.url or source.type
    return Text(f"[image omitted: {what} is not fetched by this gateway]")


def _with_header(header: str, inner: list[Content]) -> list[Content]:
    """Return the content with a header in front: joined to the first text where the content begins with one."""
    if not header:
        return inner
    if inner and isinstance(inner[0], Text):
        return [Text(f"{header}\n{inner[0].text}"), *inner[1:]]
    return [Text(header), *inner]


def _tool_from_definition(name: str, definition: dict[str, Any]) -> Tool:
    """Return the tool that a message defines; fields of wrong types are left out."""
    kind, description, schema = (definition.get(key) for key in ("type", "description", "input_schema"))
    return Tool(
        name,
        kind if isinstance(kind, str) else None,
        description if isinstance(description, str) else None,
        strict_json.Raw(strict_json.encode(schema)) if isinstance(schema, dict) else EMPTY,
    )


def _labelled(label: str, text: str) -> Text:
    return Text(f"[{label}] {text}" if text else f"[{label}]")


def _labelled_line(label: str, value: str | None) -> str:
    return f"{label}: {value}" if value else ""


def _found_tool_names(value: Any) -> list[str]:  # noqa: ANN401 - decoded JSON
    """Return the names of the tools that a tool search on Anthropic's side found."""
    content = value.get("content")
    found = content.get("tool_references") if isinstance(content, dict) else None
    names = [one.get("tool_name") for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [name for name in names if isinstance(name, str)]


def _required(value: str | None, path: str) -> str:
    if not value:
        raise strict_json.JsonError(f"{path}: Field required")
    return value
