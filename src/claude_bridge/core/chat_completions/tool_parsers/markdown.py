"""Where in Markdown are we? A marker inside code is something the answer shows, no call."""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

FENCE: Final = 3
"""Backticks that make a fence at the beginning of a line."""

_tokens: Final = re.compile(r"`++|\n").finditer


@define
class MarkdownState:
    """Follows fences and inline code through text in any pieces; each piece is looked at once.

    Inline code ends with its line at the latest, so that a lone backtick does no harm beyond it. A fence that
    opens inside a fence counts as nested: models show Markdown in Markdown with equally long fences.
    """

    _depth: int = field(default=0, init=False)
    _fence: int = field(default=0, init=False)
    _inline: int = field(default=0, init=False)
    _ticks: int = field(default=0, init=False)
    _blank_line: bool = field(default=True, init=False)
    _opening_line: bool = field(default=False, init=False)

    def read(self, text: str) -> None:
        """Go through text."""
        at = 0
        for token in _tokens(text):
            start, end = token.span()
            if start > at:
                self._plain(text[at:start])
            if text[start] == "\n":
                self._line_ended()
            else:
                self._ticks += end - start
            at = end
        if at < len(text):
            self._plain(text[at:])

    def code_before(self, character: str) -> bool:
        """Return whether what stands here, beginning with this character, is code."""
        if self._ticks:
            self._run_ended(character)
        return bool(self._depth or self._inline)

    @property
    def fenced(self) -> bool:
        """Return whether this is inside a fence, as far as can be said yet."""
        return bool(self._depth)

    @property
    def settled(self) -> bool:
        """Return whether text without backticks and line breaks changes nothing here."""
        return not self._ticks and not self._blank_line

    def _plain(self, text: str) -> None:
        if self._ticks:
            self._run_ended(text[0])
        if self._blank_line and not text.isspace():
            self._blank_line = False

    def _line_ended(self) -> None:
        if self._ticks:
            self._run_ended("\n")
        self._blank_line, self._opening_line, self._inline = True, False, 0

    def _run_ended(self, following: str) -> None:
        """Judge a run of backticks by its length, its place and what follows it."""
        ticks, self._ticks = self._ticks, 0
        at_start, self._blank_line = self._blank_line, False
        if self._opening_line:
            self._depth, self._opening_line = 0, False  # it was inline code: a fence's line has no second run
        elif self._depth:
            if at_start and ticks >= self._fence:
                self._depth += 1 if following.isalnum() else -1
        elif at_start and ticks >= FENCE:
            self._depth, self._fence, self._opening_line = 1, ticks, True
        elif self._inline in {0, ticks}:
            self._inline = 0 if self._inline else ticks
