"""What a tool's result contains for the model, also where it has no text, is missing, or is an error."""

from __future__ import annotations

from typing import Final

from attrs import define, field

from claude_bridge.core.conversation import Content, Document, Image, Text, ToolResult
from claude_bridge.core.media_parts import Media

NO_OUTPUT: Final = "(no output)"
NO_RESULT: Final = "[no result]"
SUMMARY: Final = "Summary of earlier conversation: "
_ERROR_MARKS: Final = ("[tool error]", "<tool_use_error>", "<error>")


def mark_error(inside: list[Content]) -> None:
    """Mark a result as an error by a prefix, unless it has one."""
    first = inside[0] if inside else Text(NO_OUTPUT)
    if not isinstance(first, Text):
        inside.insert(0, Text("[tool error]"))
    elif not first.text.startswith(_ERROR_MARKS):
        inside[:1] = [Text(f"[tool error] {first.text}")]


def text_output(inside: list[Content]) -> str | None:
    """Return a result as one text, or None if it is not all text."""
    if len(inside) == 1 and isinstance(inside[0], Text):
        return inside[0].text or NO_OUTPUT
    texts = [each.text for each in inside if isinstance(each, Text)]
    return "\n".join(texts) or NO_OUTPUT if len(texts) == len(inside) else None


@define
class ResultContents:
    """Divides results into what they can contain at the backend and what only the user's own words can.

    :ivar media: converts images and documents.
    :ivar images: whether a result can contain images.
    :ivar documents: whether it can contain documents.
    """

    media: Media
    images: bool = False
    documents: bool = False
    _label_number: int = field(default=0, init=False)

    def restart(self) -> None:
        """Count labels from one again, in another turn."""
        self._label_number = 0

    def split(self, result: ToolResult, *, images: bool = True) -> tuple[list[Content], list[Content]]:
        """Return what the result can contain, and the rest, labelled by numbers; ``images``: False for none inside."""
        inside: list[Content] = []
        shown: list[Content] = []
        for piece in result.content:
            if isinstance(piece, Text):
                inside.append(piece)
                continue
            part = self.media.convert(piece)
            is_image = isinstance(part, Image)
            if (is_image and not (images and self.images)) or (isinstance(part, Document) and not self.documents):
                self._label_number += 1
                label = f"[{'image' if is_image else 'document'} {self._label_number}]"
                shown += [Text(f"{label} of the tool result above:"), part]
                part = Text(label)
            inside.append(part)
        if result.is_error:
            mark_error(inside)
        return inside, shown
