"""Images and documents in the form that the target accepts (docs/chat-completions.md 1.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.conversation import Content, Document, Image, Text, document_text
from claude_bridge.core.errors import capability_rejected

NO_IMAGE: Final = "[image omitted: this model cannot see images]"


@frozen
class Media:
    """Converts images and documents as the traits say.

    :ivar documents: base64 text of a PDF -> the text that was extracted from it.
    """

    traits: Traits
    documents: Mapping[str, str]

    def convert(self, part: Content) -> Content:
        """Return the part as the model gets it; raises `InvalidRequest` if the client must leave it out."""
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
