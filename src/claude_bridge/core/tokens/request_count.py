"""``count_tokens`` without a backend: walk a request and add up the local estimates (wire-contract 5.12).

Counts what would be sent: the attribution line and deferred tools that nobody loaded are left out.
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
"""Blocks below this are not searched for pictures: one so small counts about as many tokens as its size says."""


STEP: Final = 1 << 18
"""Characters, or thousandths of this many pieces, of one step: 40 ms at worst, for a text that is all punctuation."""

_PIECE_CHARACTERS: Final = STEP // 1000
"""Characters for which a piece counts beside its own."""

MAX_BYTES_AT_ONCE: Final = 1 << 20
"""Bytes of a request that is counted in one go where somebody waits for it."""


@define
class Count:
    """The careful count of one conversation, a part at a time.

    ``documents``: base64 text of a PDF -> its text, where that is sent in its place.
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
        """Return the tokens that were counted so far."""
        return self._tally.total()

    def step(self) -> bool:
        """Count some more and return whether that was all."""
        weight = 0
        for part in self._parts:
            weight += part
            if weight > STEP:
                return False
        return True

    def finish(self) -> int:
        """Count what is left and return the tokens."""
        while not self.step():
            pass
        return self.tokens

    def _walk(self) -> Iterator[int]:
        """Count part after part and yield the weight of each."""
        tally, asked = self._tally, self._conversation
        system = system_text(asked.system, strip_attribution=self._strip_attribution)
        if system:
            tally.add_message()
            tally.add_text(system)
        turns = merge_turns(asked.turns, "fold", strip_attribution=self._strip_attribution).turns
        yield len(system)
        for turn in turns:
            tally.add_message()
            for piece in turn.pieces:
                before = tally.characters
                _add(tally, piece, self._documents)
                yield tally.characters - before + _PIECE_CHARACTERS
        for tool in asked.tools:
            tally.add_tool()
            tally.add_text(f"{tool.name} {tool.description or ''}")
            schema = strict_json.compact(tool.parameters)
            tally.add_json(schema)
            yield len(schema) + _PIECE_CHARACTERS


def count(asked: Conversation, *, strip_attribution: bool = True, documents: Mapping[str, str] = NO_DOCUMENTS) -> int:
    """Estimate the input tokens of a request at once; see `Count`."""
    return Count(asked, documents, strip_attribution).finish()


def quick_estimate(asked: Conversation, body_bytes: int) -> int:
    """Guess the input tokens from the body's size; only pictures and documents are looked at.

    Their base64 text would make a screenshot pass for half a million tokens.
    """
    tally = Tally()
    rest = body_bytes
    for part in asked.media:
        if len(part.url) > _MIN_MEDIA_CHARACTERS:
            rest -= _add_medium(tally, part)
    return rough_tokens(rest) + tally.total()


def text_difference(documents: Mapping[str, str]) -> int:
    """Return by how much a quick guess changes (mostly down) when these documents are sent as text.

    A page that is a picture and text costs many times what its text alone does: sixty short pages would seem to fill a
    window, the answer would be cut short for want of room, and the ratio of true to guessed tokens be learned wrong.
    """
    return sum(text_tokens(text) - _quick_pdf_tokens(data) for data, text in documents.items())


def _quick_pdf_tokens(data: str) -> int:
    """Return what `quick_estimate` takes a PDF for."""
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
    """Count a picture or a file; return the length of its base64 text, 0 for anything else."""
    if isinstance(piece, Image):
        media_type, data = split_data_url(piece.url)
        tally.add_image(media_type, data)
        return len(data)
    if isinstance(piece, Document):
        media_type, data = split_data_url(piece.url)
        tally.add_document(media_type, data)
        return len(data)
    return 0
