"""The neutral conversation: a client's request in terms that belong to neither API.

`claude_bridge.core.messages_api` builds it from a request, and each kind of backend translates it into its own API.

``gc=False`` marks classes that hold nothing but text: they cannot be part of a cycle, and a long conversation has
hundreds of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from attrs import define, frozen
from msgspec import Raw, Struct

ReasoningLevel = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much the model reasons, from not at all to its maximum."""

PDF: Final = "application/pdf"
NO_DOCUMENTS: Final[Mapping[str, str]] = {}


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
    """The summary of a part of the conversation that was compacted."""

    text: str


class State(Struct, gc=False):
    """Opaque state that some backend needs back with this turn, still packed (`claude_bridge.core.opaque_state`).

    A conversation may have hundreds, and hostile JSON takes much memory, so each is unpacked only where it is needed.
    """

    carrier: str


class ToolNotice(Struct, gc=False):
    """The client's notice that a tool is available from now on, or no longer. ``name``: the client's name of it."""

    name: str
    available: bool


Content = Text | Image | Document | ToolNotice
"""The pieces that a user message or a tool result can contain."""

CONTENT: Final = (Text, Image, Document, ToolNotice)
"""The members of `Content`: looking a class up in a tuple takes a tenth of the time that a union takes."""


class ToolResult(Struct):
    """The result of a tool call. ``call_id``: the client's id of the call."""

    call_id: str
    content: list[Content]
    is_error: bool


Piece = Content | ToolCall | ToolResult | Thinking | Summary | State
"""A part of a turn."""


@define
class Turn:
    """A message of one role: ``user``, ``assistant`` or ``system``."""

    role: str
    pieces: list[Piece]


class ToolDefinition(Struct):
    """A tool that the model may call.

    ``parameters``: its JSON schema, an object. ``strict``: whether calls must follow it; None if the client does not
    say.
    """

    name: str
    description: str | None
    parameters: Raw
    strict: bool | None = None


@frozen(kw_only=True)
class ToolChoice:
    """Which tools the model may or must call.

    :ivar kind: ``any``: it must call one; ``tool``: it must call the one that is named.
    :ivar parallel: whether it may call several at once.
    """

    kind: Literal["auto", "any", "tool", "none"]
    name: str = ""
    parallel: bool = True


@frozen(kw_only=True)
class Reasoning:
    """How much reasoning the client asks for. ``budget``: its own number of tokens, if it gave one."""

    level: ReasoningLevel
    budget: int | None = None


@frozen(kw_only=True)
class Conversation:
    """A whole request in neutral terms.

    :ivar system: texts of the system prompt.
    :ivar turns: one for each message, in order; system messages among them stay in their place.
    :ivar tools: those that can be offered, in the client's order; two may have the same name.
    :ivar output_schema: the JSON schema that the answer must follow, empty for any JSON object, else None.
    :ivar caches_prefix: whether the client asks for prefixes to be cached.
    :ivar changes_tools: whether there are `ToolNotice` pieces.
    :ivar state_characters: characters of all `State` pieces together.
    :ivar media: images and documents of all messages but the assistant's, in order, nested ones included.
    """

    system: Sequence[str]
    turns: Sequence[Turn]
    tools: Sequence[ToolDefinition] = ()
    tool_choice: ToolChoice | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop_sequences: Sequence[str] = ()
    reasoning: Reasoning | None = None
    output_schema: Raw | None = None
    caches_prefix: bool = False
    changes_tools: bool = False
    state_characters: int = 0
    media: Sequence[Image | Document] = ()


def text_of(piece: Piece) -> str:
    """Return a piece as text, for places where nothing else is allowed."""
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
        case ToolNotice():
            return f"Tool {piece.name} is {'available now' if piece.available else 'no longer available'}."
        case _:
            return ""


def document_text(part: Document, documents: Mapping[str, str]) -> str:
    """Return a document's extracted text under its title, or "" if none was extracted."""
    text = documents.get(split_data_url(part.url)[1]) if documents else None
    return "" if text is None else f"Document: {part.filename}\n{text}"


def pdfs(conversation: Conversation) -> list[str]:
    """Return the base64 texts of all PDF documents that the model would see, each once, in order."""
    files = [part for part in conversation.media if isinstance(part, Document)]
    contents = [split_data_url(part.url) for part in files]
    return list(dict.fromkeys(data for media_type, data in contents if media_type == PDF))


def split_data_url(url: str) -> tuple[str, str]:
    """Return a data URL's media type and base64 text, both "" for any other URL."""
    head, comma, data = url.partition(",")
    return (head.removeprefix("data:").removesuffix(";base64"), data) if comma else ("", "")
