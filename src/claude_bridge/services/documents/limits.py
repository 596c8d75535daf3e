"""What reading one document may cost. Both sides use this: the daemon states the limits, the child keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import field, frozen
from attrs.validators import gt

MAX_PAGES: Final = 100
"""With MAX_CHARACTERS that is 4,000 characters a page: a hundred pages full of text are read whole."""

MAX_CHARACTERS: Final = 400_000
"""About 100,000 tokens: more than half of the usual context window would leave no room for the work itself."""

SECONDS: Final = 20.0
"""A hundred pages full of text take about a second; with tables and odd fonts ten times that. The client waits."""

MEMORY: Final = 768 * 1024 * 1024
"""Bytes of address space. Interpreter and pypdf take 0.1 GB, a document of 24 MB (the largest that fits a request of
32 MiB) three times its size, and pypdf lets one stream unpack to 75 MB and then makes objects of its parts: bombs
were seen to take 0.25 GB."""


@frozen(kw_only=True)
class ExtractionLimits:
    """The limits of one document.

    :ivar seconds: from the start of the child, by the clock.
    :ivar memory: bytes of address space.
    """

    max_pages: int = field(default=MAX_PAGES, validator=gt(0))
    max_characters: int = field(default=MAX_CHARACTERS, validator=gt(0))
    seconds: float = field(default=SECONDS, validator=gt(0))
    memory: int = field(default=MEMORY, validator=gt(0))

    @property
    def output(self) -> int:
        """Bytes that the child may say: at most four a character, or two where JSON escapes it, and 64 a page."""
        return 4 * self.max_characters + 64 * self.max_pages + 1024

    def arguments(self) -> list[str]:
        """Return the limits as command line arguments."""
        return [str(self.max_pages), str(self.max_characters), str(self.seconds), str(self.memory)]

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> ExtractionLimits:
        """Read what `arguments` gave. Raises `ValueError` over anything else."""
        pages, characters, seconds, memory = arguments
        return cls(max_pages=int(pages), max_characters=int(characters), seconds=float(seconds), memory=int(memory))
