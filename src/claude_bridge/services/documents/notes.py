"""The text of a document as the model sees it: under page headings, with notes in brackets on what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from claude_bridge.services.documents.child import Extracted, ExtractionLimits, Reason

_REASONS: Final = {
    Reason.NOT_BASE64: "it is not valid base64",
    Reason.NOT_PDF: "it is not a PDF file",
    Reason.DAMAGED: "it is damaged",
    Reason.PASSWORD: "it is protected by a password",
    Reason.MEMORY: "reading it takes too much memory",
    Reason.FAILED: "the program that reads PDFs failed",
    Reason.CROWDED: "too many other documents are waiting to be read",
    Reason.STOPPED: "the bridge is being stopped",
}
_NO_TEXT: Final = "no text (probably a scanned image)"
_UNREADABLE: Final = "could not be read"


def shown(extracted: Extracted, limits: ExtractionLimits) -> str:
    """Return the text for the model; it is never empty."""
    if not extracted.pages:
        return unread(extracted.reason, limits)
    parts = list(_pages(extracted.pages))
    if extracted.reason is not None:
        parts.append(_left_out(extracted, limits, extracted.reason))
    return "\n\n".join(parts)


def unread(reason: Reason | None, limits: ExtractionLimits) -> str:
    """Return the note for a document of which nothing was read; ``reason`` is None if it has no pages."""
    return f"[PDF could not be read: {'it has no pages' if reason is None else _why(reason, limits)}]"


def _pages(pages: tuple[str | None, ...]) -> Iterator[str]:
    """Yield each page under its heading; consecutive pages without text share one note."""
    numbered = enumerate(pages, start=1)
    for problem, several in groupby(numbered, key=lambda page: _problem(page[1])):
        if problem:
            numbers = [number for number, _ in several]
            yield f"[{_span(numbers[0], numbers[-1])}: {problem}]"
        else:
            yield from (f"[page {number}]\n{text}" for number, text in several)


def _problem(text: str | None) -> str:
    """Return why a page has no text; "" if it has some."""
    if text is None:
        return _UNREADABLE
    return "" if text else _NO_TEXT


def _left_out(extracted: Extracted, limits: ExtractionLimits, reason: Reason) -> str:
    read, total = len(extracted.pages), extracted.total_pages
    what = "the rest" if read >= total else _span(read + 1, total)
    if reason is Reason.CHARACTERS and read < total:  # the last page may have been cut
        what = f"the rest, up to page {total},"
    return f"[{what} left out: {_why(reason, limits)}]"


def _why(reason: Reason, limits: ExtractionLimits) -> str:
    if reason is Reason.TIME:
        return f"it took longer than {limits.seconds:g} s to read"
    if reason is Reason.PAGES:
        return f"only the first {limits.max_pages} are read"
    if reason is Reason.CHARACTERS:
        return f"the text is longer than {limits.max_characters:,} characters"
    return _REASONS[reason]


def _span(first: int, last: int) -> str:
    return f"page {first}" if first >= last else f"pages {first} to {last}"
