"""What a child says of the document it reads, and what comes out of that.

A child says it page by page, so that what was read counts even when the child has to be killed. Each report is a
line of JSON, a name and a value::

    ["ready", null]     the child has started and will now take the document
    ["total", 340]      so many pages it has
    ["page", "text"]    the next page's text, "" where there is none; null: this page could not be read
    ["end", null]       all pages are read; or a `Reason` why there are no more
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from attrs import field, frozen

Report = tuple[Literal["ready", "total", "page", "end"], str | int | None]


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

    :ivar pages: the text of the first pages, "" where there is none; None: this page could not be read.
    :ivar total_pages: how many there are; 0 where not even that could be read.
    :ivar reason: why these are not all pages, or not all of their text; None if they are.
    """

    pages: tuple[str | None, ...] = field(default=(), repr=False)
    total_pages: int = 0
    reason: Reason | None = None
