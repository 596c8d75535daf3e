"""The conversations that the doctor asks: short, and worth asking of any model."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from claude_bridge.core import strict_json
from claude_bridge.core.conversation import (
    PDF,
    Conversation,
    Document,
    Image,
    Reasoning,
    Text,
    ToolCall,
    ToolChoice,
    ToolDefinition,
    ToolResult,
    Turn,
)

TOOL: Final = "get_weather"

_WEATHER: Final = {
    "type": "object",
    "properties": {"city": {"type": "string", "description": "The name of the city."}},
    "required": ["city"],
}

_EDIT: Final = {
    "type": "object",
    "properties": {"old": {"type": "string"}, "new": {"type": "string"}},
    "required": ["old", "new"],
    "additionalProperties": False,
}
_PARTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "nested anyOf": {
        "mode": {"anyOf": [{"const": "fast"}, {"type": "object", "additionalProperties": {"type": "string"}}]},
        "limit": {"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "null"}], "default": None},
    },
    "$ref": {"edits": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/edit"}}},
    "format": {"address": {"type": "string", "format": "uri-reference", "minLength": 1}},
    "pattern": {"line": {"type": "string", "pattern": "^[^\\0]*$"}},
}
"""What the tools of Claude Code and of MCP servers have in their schemas -> properties with that."""

SCHEMA_PARTS: Final = tuple(_PARTS)

TOOLS: Final = 40
TOOL_BYTES: Final = 1500
"""How many tools Claude Code offers with a few MCP servers, and how long each is."""

_LIMIT: Final = {"type": "object", "properties": {"n": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}

SHORT: Final = 16
"""Tokens of a short answer: OpenAI's Responses API takes no smaller limit."""

WORD: Final = "marigold"
"""What stands in the PDF."""

COLOUR: Final = "red"
"""What colour the picture has."""

_SIDE: Final = 32
_SENTENCE: Final = "Line {}: the quick brown fox jumps over the lazy dog, and nobody in the village has seen it. "


def greeting(max_tokens: int = SHORT, *, reasoning: Reasoning | None = None) -> Conversation:
    """Return the shortest question."""
    return _asked(
        "Reply with the one word: ready", max_tokens=max_tokens, reasoning=reasoning or Reasoning(level="none")
    )


def counting() -> Conversation:
    """Return a question whose answer has some forty tokens."""
    return _asked(
        "Count from one to thirty in words, separated by commas.", max_tokens=40, reasoning=Reasoning(level="none")
    )


def essay() -> Conversation:
    """Return a question whose answer is long."""
    return _asked("Write a long story about a lighthouse.", max_tokens=2000, reasoning=Reasoning(level="none"))


def thinking(level: Any) -> Conversation:  # noqa: ANN401 - a ReasoningLevel
    """Return a question with so much reasoning."""
    return _asked("What is 17 + 25? Reply with the number.", max_tokens=400, reasoning=Reasoning(level=level))


def weather(choice: ToolChoice | None = None) -> Conversation:
    """Return a question that only a tool can answer."""
    return _asked(
        'What is the weather in Paris? To find out, call get_weather {"city": "Paris"}.',
        max_tokens=400,
        tools=(_tool(TOOL, "Returns the current weather of a city.", _WEATHER),),
        tool_choice=choice,
        reasoning=Reasoning(level="none"),
    )


def results() -> Conversation:
    """Return a conversation in which the model called two tools at once, one of which failed."""
    turns = [
        Turn("user", [Text("What is the weather in Paris and in Atlantis? Call the tool get_weather.")]),
        Turn("assistant", [_call("toolu_1", "Paris"), _call("toolu_2", "Atlantis")]),
        Turn(
            "user",
            [
                ToolResult("toolu_1", [Text("18 degrees, sunny")], False),
                ToolResult("toolu_2", [Text("no such city")], True),
            ],
        ),
    ]
    tools = (_tool(TOOL, "Returns the current weather of a city.", _WEATHER),)
    return Conversation(
        system=("You are a terse assistant.",),
        turns=turns,
        tools=tools,
        max_tokens=100,
        reasoning=Reasoning(level="none"),
    )


def schema(*parts: str) -> Conversation:
    """Return a question beside a tool whose schema has all `SCHEMA_PARTS`, as real tools have, or some of them."""
    chosen = parts or SCHEMA_PARTS
    properties = {name: value for part in chosen for name, value in _PARTS[part].items()}
    parameters = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"$defs": {"edit": _EDIT}} if "$ref" in chosen else {}),
    }
    return _beside((_tool("edit_file", "Edits a file.", parameters),))


def many_tools() -> Conversation:
    """Return a question beside as many tools as Claude Code offers, in as many bytes.

    Most of these are blanks, which cost next to no tokens.
    """
    padding = " " * (TOOL_BYTES - len(strict_json.encode(_LIMIT)))
    return _beside(tuple(_tool(f"read_{number}", f"Reads.{padding}.", _LIMIT) for number in range(TOOLS)))


def forbidden() -> Conversation:
    """Return a question beside a tool that must not be called."""
    tools = (_tool(TOOL, "Returns the current weather of a city.", _WEATHER),)
    return _beside(tools, tool_choice=ToolChoice(kind="none"))


def image() -> Conversation:
    """Return a question about a small picture."""
    picture = Image(f"data:image/png;base64,{b64encode(_png()).decode()}")
    turns = [Turn("user", [picture, Text("What colour is this? One word.")])]
    return Conversation(system=(), turns=turns, max_tokens=SHORT, media=(picture,), reasoning=Reasoning(level="none"))


def document() -> Conversation:
    """Return a question about a PDF of one line."""
    file = Document("note.pdf", f"data:{PDF};base64,{b64encode(_pdf()).decode()}")
    turns = [Turn("user", [file, Text("Which word does the document have? Reply with that word.")])]
    return Conversation(system=(), turns=turns, max_tokens=SHORT, media=(file,), reasoning=Reasoning(level="none"))


def long_text(lines: int) -> Conversation:
    """Return a prompt of about 22 tokens a line, the same each time."""
    text = "".join(_SENTENCE.format(number) for number in range(lines))
    return _asked(f"{text}\nReply with the one word: ready", max_tokens=SHORT, reasoning=Reasoning(level="none"))


def _beside(tools: Sequence[ToolDefinition], **more: Any) -> Conversation:  # noqa: ANN401 - as below
    """Return the shortest question beside tools."""
    return _asked(
        "Reply with the one word: ready", max_tokens=SHORT, tools=tools, reasoning=Reasoning(level="none"), **more
    )


def _asked(text: str, **more: Any) -> Conversation:  # noqa: ANN401 - fields of a conversation
    return Conversation(system=("You are a terse assistant.",), turns=[Turn("user", [Text(text)])], **more)


def _tool(name: str, description: str, parameters: Any) -> ToolDefinition:  # noqa: ANN401 - a JSON schema
    return ToolDefinition(name, description, strict_json.Raw(strict_json.encode(parameters)))


def _call(identifier: str, city: str) -> ToolCall:
    return ToolCall(identifier, TOOL, strict_json.encode({"city": city}).decode())


def _pdf() -> bytes:
    """Return a PDF of one page with one word."""
    stream = f"BT /F1 24 Tf 72 720 Td ({WORD}) Tj ET"
    objects = (
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1>>",
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        f"<</Length {len(stream)}>>\nstream\n{stream}\nendstream",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    body, offsets = "%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer\n<</Size {size}/Root 1 0 R>>\nstartxref\n{len(body)}\n%%EOF\n"
    return f"{body}xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()


def _png() -> bytes:
    """Return a red square: some servers refuse a picture of a single pixel."""
    rows = (b"\0" + b"\xff\0\0" * _SIDE) * _SIDE
    head = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    chunks: Sequence[tuple[bytes, bytes]] = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
