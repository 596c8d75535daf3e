"""The neutral conversation: what a client said, in the words of neither API.

`claude_bridge.core.messages_api` reads it out of a request, and each kind of backend writes it down in its own way.

``gc=False`` marks classes that hold nothing but text: they can be no part of a cycle, and a long conversation has
hundreds of them.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Text(Struct, gc=False):
    """Plain text."""

    text: str


class Image(Struct, gc=False):
    """An image: a data URL, or the address of one that the backend fetches."""

    url: str


class Document(Struct, gc=False):
    """A document, as a data URL."""

    filename: str
    url: str


class ToolCall(Struct, gc=False):
    """A past tool call, with the client's own id and name. ``arguments``: a JSON object as text."""

    id: str
    name: str
    arguments: str


class Thinking(Struct, gc=False):
    """Past reasoning."""

    text: str


class Summary(Struct, gc=False):
    """What is left of a part of the conversation that was compacted."""

    text: str


class State(Struct, gc=False):
    """What some backend wants back with this turn, still packed (`claude_bridge.core.opaque_state`).

    A conversation may bring hundreds, and hostile JSON takes much memory: whoever needs one unpacks it.
    """

    carrier: str


Content = Text | Image | Document
"""What a person or a tool can say."""

CONTENT: Final = (Text, Image, Document)
"""The members of `Content`: looking a class up in a tuple takes a tenth of the time that a union takes."""


class ToolResult(Struct):
    """What a tool answered. ``call_id``: the client's id of the call."""

    call_id: str
    content: list[Content]
    is_error: bool


Piece = Content | ToolCall | ToolResult | Thinking | Summary | State
"""A part of a turn."""


def text_of(piece: Piece) -> str:
    """Return a piece as text, for places that take nothing else."""
    match piece:
        case Text() | Summary() | Thinking():
            return piece.text
        case Image():
            return f"[image omitted{'' if piece.url.startswith('data:') else f': {piece.url}'}]"
        case Document():
            return f"[document omitted: {piece.filename}]"
        case ToolCall():
            return f"[call of {piece.name}] {piece.arguments}"
        case ToolResult():
            return "\n".join((f"[result of call {piece.call_id}]", *map(text_of, piece.content)))
        case _:
            return ""
