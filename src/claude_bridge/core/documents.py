"""Documents of a conversation, and the text that was taken out of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from claude_bridge.core.conversation import Conversation, Document

PDF: Final = "application/pdf"
NO_DOCUMENTS: Final[Mapping[str, str]] = {}


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
