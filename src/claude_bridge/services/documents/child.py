"""The protocol between the daemon and a child process that reads a document.

The limits are the child's arguments, and the child obeys them. It reports page by page, so that what was read counts
even if the child has to be killed. Each report is a line of JSON, a name and a value::

    ["ready", null]     the child has started and will now read the document
    ["total", 340]      the number of pages
    ["page", "text"]    the next page's text, "" if there is none; null: this page could not be read
    ["end", null]       all pages are read; or a `Reason` why there are no more
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal

from attrs import field, frozen
from attrs.validators import gt

Report = tuple[Literal["ready", "total", "page", "end"], str | int | None]

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


class Reason(StrEnum):
    """Why a document, or the rest of it, has not been read."""

    NOT_BASE64 = "not_base64"
    NOT_PDF = "not_pdf"
    DAMAGED = "damaged"
    PASSWORD = "password"  # noqa: S105 - a reason
    MEMORY = "memory"
    PAGES = "pages"
    CHARACTERS = "characters"
    TIME = "time"
    FAILED = "failed"
    CROWDED = "crowded"
    STOPPED = "stopped"


@frozen(kw_only=True)
class Extracted:
    """What was read of a document.

    :ivar pages: the text of the first pages, "" if there is none; None: this page could not be read.
    :ivar total_pages: the number of pages; 0 if not even that could be read.
    :ivar reason: why these are not all pages, or not all of their text; None if they are.
    """

    pages: tuple[str | None, ...] = field(default=(), repr=False)
    total_pages: int = 0
    reason: Reason | None = None


@frozen(kw_only=True)
class ExtractionLimits:
    """The limits for one document.

    :ivar seconds: wall-clock time from the start of the child.
    :ivar memory: bytes of address space.
    """

    max_pages: int = field(default=MAX_PAGES, validator=gt(0))
    max_characters: int = field(default=MAX_CHARACTERS, validator=gt(0))
    seconds: float = field(default=SECONDS, validator=gt(0))
    memory: int = field(default=MEMORY, validator=gt(0))

    @property
    def output(self) -> int:
        """The bytes that a child may write: at most four per character, or two for an escaped one, and 64 per page."""
        return 4 * self.max_characters + 64 * self.max_pages + 1024

    def arguments(self) -> list[str]:
        """Return the limits as command line arguments."""
        return [str(self.max_pages), str(self.max_characters), str(self.seconds), str(self.memory)]

    @classmethod
    def from_arguments(cls, arguments: Sequence[str]) -> ExtractionLimits:
        """Return the limits that `arguments` gave. Raise `ValueError` for anything else."""
        pages, characters, seconds, memory = arguments
        return cls(max_pages=int(pages), max_characters=int(characters), seconds=float(seconds), memory=int(memory))
