"""Images and documents as the model may have them (wire-contract 5.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.conversation import Content, Conversation, Document, Image, Text
from claude_bridge.core.errors import capability_rejected

NO_IMAGE: Final = "[image omitted: this model cannot see images]"
PDF: Final = "application/pdf"
NO_DOCUMENTS: Final[Mapping[str, str]] = {}


@frozen
class Media:
    """What the traits make of images and documents.

    :ivar documents: base64 text of a PDF -> the text that was taken out of it.
    """

    traits: Traits
    documents: Mapping[str, str]

    def shown(self, part: Content) -> Content:
        """Return what the model gets for a part; raises `InvalidRequest` where the client must take it out."""
        if isinstance(part, Image):
            return self._image(part)
        return self._file(part) if isinstance(part, Document) else part

    def _image(self, part: Image) -> Content:
        match self.traits.images:
            case "refuse":
                raise capability_rejected("image_block", "this model cannot see images")
            case "omit":
                return Text(NO_IMAGE)
            case _:
                return part

    def _file(self, part: Document) -> Content:
        match self.traits.pdf:
            case "refuse":
                raise capability_rejected("document_block", "this model cannot read PDF documents")
            case "text":
                return Text(document_text(part, self.documents) or f"[document omitted: {part.filename}]")
            case _:
                return part


def document_text(part: Document, documents: Mapping[str, str]) -> str:
    """Return a document's text under its title, or "" where nobody took it out."""
    text = documents.get(taken_apart(part.url)[1]) if documents else None
    return "" if text is None else f"Document: {part.filename}\n{text}"


def pdfs(conversation: Conversation) -> list[str]:
    """Return the base64 texts of all PDF documents that the model would see, each once, in their order."""
    files = [part for part in conversation.media if isinstance(part, Document)]
    taken = [taken_apart(part.url) for part in files]
    return list(dict.fromkeys(data for media_type, data in taken if media_type == PDF))


def taken_apart(url: str) -> tuple[str, str]:
    """Return a data URL's media type and base64 text; an address has neither."""
    head, comma, data = url.partition(",")
    return (head.removeprefix("data:").removesuffix(";base64"), data) if comma else ("", "")
