"""Images and documents in the form that the target accepts (docs/chat-completions.md 1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from attrs import frozen

from claude_bridge.core.conversation import Content, Document, Image, Text, document_text
from claude_bridge.core.errors import capability_rejected

ImageSupport = Literal["yes", "refuse", "omit"]
PdfSupport = Literal["file", "text", "refuse"]

NO_IMAGE: Final = "[image omitted: this model cannot see images]"


@frozen
class Media:
    """Converts images and documents.

    :ivar images: whether the model sees images, and else whether the client must leave them out.
    :ivar pdf: how PDF documents are sent.
    :ivar documents: base64 text of a PDF -> the text that was extracted from it.
    """

    images: ImageSupport
    pdf: PdfSupport
    documents: Mapping[str, str]

    def convert(self, part: Content) -> Content:
        """Return the part as the model gets it; raises `InvalidRequest` if the client must leave it out."""
        if isinstance(part, Image):
            return self._image(part)
        return self._file(part) if isinstance(part, Document) else part

    def _image(self, part: Image) -> Content:
        match self.images:
            case "refuse":
                raise capability_rejected("image_block", "this model cannot see images")
            case "omit":
                return Text(NO_IMAGE)
            case _:
                return part

    def _file(self, part: Document) -> Content:
        match self.pdf:
            case "refuse":
                raise capability_rejected("document_block", "this model cannot read PDF documents")
            case "text":
                return Text(document_text(part, self.documents) or f"[document omitted: {part.filename}]")
            case _:
                return part
