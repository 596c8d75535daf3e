"""Stop sequences that the bridge applies itself, where a backend's API has none: the text ends in front of the first.

Claude Code's own classifier of permissions asks for one, in whose place a model may go on for long.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import define, field

MAX_SEQUENCES: Final = 16
MAX_CHARACTERS: Final = 256
"""Sequences that are looked for, and the characters of the longest: each is looked for in every delta."""


def usable(sequences: Iterable[str]) -> tuple[str, ...]:
    """Return the sequences that are looked for; others are ignored, as they were if the backend had to know them."""
    return tuple(each for each in sequences if 0 < len(each) <= MAX_CHARACTERS)[:MAX_SEQUENCES]


@define
class StopSequences:
    """Looks for sequences in the text of one answer.

    :ivar matched: the sequence that was found, else None.
    """

    _sequences: tuple[str, ...]
    matched: str | None = field(default=None, init=False)
    _held: str = field(default="", init=False)

    def add(self, text: str) -> str:
        """Return the text that can be passed on: all before a sequence, and before what may become one."""
        if self.matched is not None:
            return ""
        text = self._held + text
        # the one that is complete first counts, as at a server that looks after each token
        found = [(at + len(each), at, each) for each in self._sequences if (at := text.find(each)) >= 0]
        if found:
            _, at, self.matched = min(found)
            self._held = ""
            return text[:at]
        keep = max((_overlap(text, each) for each in self._sequences), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def end(self) -> str:
        """Return what was held back, at the end of a text."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, sequence: str) -> int:
    """Return how many characters at the end of a text are the beginning of a sequence."""
    longest = min(len(text), len(sequence) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(sequence[:size])), 0)
