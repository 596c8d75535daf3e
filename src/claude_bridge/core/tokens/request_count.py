"""The token count of a request without a backend: the sum of local estimates (docs/design.md 11).

Counts what would be sent: the attribution line and deferred tools that were not loaded are left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from attrs import define, field

from claude_bridge.core import strict_json
from claude_bridge.core.conversation import (
    NO_DOCUMENTS,
    Conversation,
    Document,
    Image,
    Piece,
    Text,
    ToolCall,
    ToolResult,
    document_text,
    split_data_url,
    text_of,
)
from claude_bridge.core.tokens.estimator import Tally, rough_tokens, text_tokens
from claude_bridge.core.tokens.media import PDF_PAGE_TOKENS, pdf_pages
from claude_bridge.core.turns import merge_turns, system_text

_MIN_MEDIA_CHARACTERS: Final = 2048
"""Characters of the smallest image or document that is inspected; a smaller one counts by its size."""


STEP: Final = 1 << 18
"""Characters of one step, a piece counting as a thousand: 40 ms at worst, for a text that is all punctuation."""

_PIECE_CHARACTERS: Final = STEP // 1000
"""Characters that each piece counts as, besides its own."""

MAX_BYTES_AT_ONCE: Final = 1 << 20
"""Bytes of the largest request that is counted in one go while a client waits for the count."""


@define
class Count:
    """The careful count of one conversation, in steps.

    ``documents``: base64 text of a PDF -> its text, for those that are sent as text.
    """

    _conversation: Conversation
    _documents: Mapping[str, str] = NO_DOCUMENTS
    _strip_attribution: bool = True
    _tally: Tally = field(factory=Tally, init=False)
    _parts: Iterator[int] = field(init=False)

    @_parts.default
    def _begin(self) -> Iterator[int]:
        return self._walk()

    @property
    def tokens(self) -> int:
        """Return the tokens counted so far."""
        return self._tally.total()

    def step(self) -> bool:
        """Count the next parts and return whether they were the last."""
        weight = 0
        for part in self._parts:
            weight += part
            if weight > STEP:
                return False
        return True

    def finish(self) -> int:
        """Count the rest and return the tokens."""
        while not self.step():
            pass
        return self.tokens

    def _walk(self) -> Iterator[int]:
        """Count the parts one by one and yield the weight of each."""
        tally, conversation = self._tally, self._conversation
        system = system_text(conversation.system, strip_attribution=self._strip_attribution)
        if system:
            tally.add_message()
            tally.add_text(system)
        turns = merge_turns(conversation.turns, "fold", strip_attribution=self._strip_attribution).turns
        yield len(system)
        for turn in turns:
            tally.add_message()
            for piece in turn.pieces:
                before = tally.characters
                _add(tally, piece, self._documents)
                yield tally.characters - before + _PIECE_CHARACTERS
        for tool in conversation.tools:
            tally.add_tool()
            tally.add_text(f"{tool.name} {tool.description or ''}")
            schema = strict_json.compact(tool.parameters)
            tally.add_json(schema)
            yield len(schema) + _PIECE_CHARACTERS


def count(
    conversation: Conversation, *, strip_attribution: bool = True, documents: Mapping[str, str] = NO_DOCUMENTS
) -> int:
    """Return the estimated input tokens of a request, without steps; see `Count`."""
    return Count(conversation, documents, strip_attribution).finish()


def quick_estimate(conversation: Conversation, body_bytes: int) -> int:
    """Return a rough estimate of the input tokens from the body's size; only images and documents are inspected.

    By the size of its base64 text a screenshot would count as half a million tokens.
    """
    tally = Tally()
    rest = body_bytes
    for part in conversation.media:
        if len(part.url) > _MIN_MEDIA_CHARACTERS:
            rest -= _add_medium(tally, part)
    return rough_tokens(rest) + tally.total()


def text_difference(documents: Mapping[str, str]) -> int:
    """Return by how much the quick estimate changes (mostly down) if these documents are sent as text.

    A page as image and text has many times the tokens of its text alone: sixty short pages would seem to fill a
    window, the answer would be cut short for lack of room, and the ratio of true to estimated tokens would be wrong.
    """
    return sum(text_tokens(text) - _quick_pdf_tokens(data) for data, text in documents.items())


def _quick_pdf_tokens(data: str) -> int:
    """Return the tokens that `quick_estimate` counts for a PDF."""
    return pdf_pages(data) * PDF_PAGE_TOKENS if len(data) > _MIN_MEDIA_CHARACTERS else rough_tokens(len(data))


def _add(tally: Tally, piece: Piece, documents: Mapping[str, str]) -> None:
    match piece:
        case Text():
            tally.add_text(piece.text)
        case ToolCall():
            tally.add_text(piece.name)
            tally.add_json(piece.arguments)
        case ToolResult():
            tally.add_message()
            for inner in piece.content:
                _add(tally, inner, documents)
        case Document() if text := document_text(piece, documents):
            tally.add_text(text)
        case Image() | Document():
            _add_medium(tally, piece)
        case _:
            tally.add_text(text_of(piece))


def _add_medium(tally: Tally, piece: Piece) -> int:
    """Add an image or a document to the tally; return the length of its base64 text, 0 for anything else."""
    if isinstance(piece, Image):
        media_type, data = split_data_url(piece.url)
        tally.add_image(media_type, data)
        return len(data)
    if isinstance(piece, Document):
        media_type, data = split_data_url(piece.url)
        tally.add_document(media_type, data)
        return len(data)
    return 0
