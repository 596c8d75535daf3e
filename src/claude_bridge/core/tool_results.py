"""What a tool's result says to the model where it has no text, is missing, or is an error."""

from __future__ import annotations

from typing import Final

from claude_bridge.core.conversation import Content, Text

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
