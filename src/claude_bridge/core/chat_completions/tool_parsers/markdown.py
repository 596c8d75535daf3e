"""Tracks whether a position in Markdown is inside code: a marker there is shown by the answer, and opens no call.

The state is a fence's depth and an inline run, never both::

               a run of >= 3 backticks that begins a line
      TEXT ---------------------------------------------------> FENCED, depth 1 (`_depth`, `_fence` long)
       ^ |                                                        a run of >= `_fence` that begins a line:
       | | any other run                                          depth + 1 before a letter or digit, else depth - 1
       | v
      INLINE (`_inline` long)     a run of equal length, or the end of the line: back to TEXT

`_ticks` counts the backticks of a run that may still go on: what it means is decided by the character after it.
`_opening_line` is set on the line of a fence: a second run there shows that it was inline code.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

FENCE: Final = 3
"""Backticks that make a fence at the beginning of a line."""

_tokens: Final = re.compile(r"`++|\n").finditer


@define
class MarkdownState:
    """Follows fences and inline code through text in any pieces; each piece is processed once.

    Inline code ends at the end of its line at the latest, so that a lone backtick has no effect beyond it. A fence that
    opens inside a fence counts as nested: models show Markdown in Markdown with fences of equal length.
    """

    _depth: int = field(default=0, init=False)
    _fence: int = field(default=0, init=False)
    _inline: int = field(default=0, init=False)
    _ticks: int = field(default=0, init=False)
    _blank_line: bool = field(default=True, init=False)
    _opening_line: bool = field(default=False, init=False)

    def advance(self, text: str) -> None:
        """Advance over a piece of text."""
        at = 0
        for token in _tokens(text):
            start, end = token.span()
            if start > at:
                self._add_characters(text[at:start])
            if text[start] == "\n":
                self._line_ended()
            else:
                self._ticks += end - start
            at = end
        if at < len(text):
            self._add_characters(text[at:])

    def code_before(self, character: str) -> bool:
        """Return whether this position is inside code; ``character`` is the one that follows."""
        if self._ticks:
            self._run_ended(character)
        return bool(self._depth or self._inline)

    @property
    def fenced(self) -> bool:
        """Whether this position is inside a fence, as far as is known yet."""
        return bool(self._depth)

    @property
    def is_mid_line(self) -> bool:
        """Whether text without backticks and line breaks would not change the state."""
        return not self._ticks and not self._blank_line

    def _add_characters(self, text: str) -> None:
        if self._ticks:
            self._run_ended(text[0])
        if self._blank_line and not text.isspace():
            self._blank_line = False

    def _line_ended(self) -> None:
        if self._ticks:
            self._run_ended("\n")
        self._blank_line, self._opening_line, self._inline = True, False, 0

    def _run_ended(self, following: str) -> None:
        """Apply a complete run of backticks, by its length, its position and the character after it."""
        ticks, self._ticks = self._ticks, 0
        at_start, self._blank_line = self._blank_line, False
        if self._opening_line:
            self._depth, self._opening_line = 0, False  # it was inline code: the line of a fence has only one run
        elif self._depth:
            if at_start and ticks >= self._fence:
                self._depth += 1 if following.isalnum() else -1
        elif at_start and ticks >= FENCE:
            self._depth, self._fence, self._opening_line = 1, ticks, True
        elif self._inline in {0, ticks}:
            self._inline = 0 if self._inline else ticks
