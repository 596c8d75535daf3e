"""What a model is shown of a document."""

from __future__ import annotations

import pytest

from claude_bridge.services.documents.child import Extracted, ExtractionLimits, Reason
from claude_bridge.services.documents.notes import shown, unread

LIMITS = ExtractionLimits(max_pages=2, max_characters=400_000, seconds=20)


def show(*pages: str | None, total: int | None = None, reason: Reason | None = None) -> str:
    """Show pages."""
    return shown(Extracted(pages=pages, total_pages=len(pages) if total is None else total, reason=reason), LIMITS)


class ShownTests:
    """Text under headings, and notes."""

    def test_pages_are_numbered(self) -> None:
        """A model can say on which page something stands."""
        assert show("One", "Two\nlines") == "[page 1]\nOne\n\n[page 2]\nTwo\nlines"

    def test_page_without_text(self) -> None:
        """A scanned page is not silently missing."""
        assert show("One", "") == "[page 1]\nOne\n\n[page 2: no text (probably a scanned image)]"

    def test_scanned_document(self) -> None:
        """A document of pictures alone is said to be one, in one line."""
        assert show(*[""] * 80) == "[pages 1 to 80: no text (probably a scanned image)]"

    def test_unreadable_pages(self) -> None:
        """Pages that are damaged are told from those that are empty."""
        assert show(None, None, "", "End") == (
            "[pages 1 to 2: could not be read]\n\n[page 3: no text (probably a scanned image)]\n\n[page 4]\nEnd"
        )

    @pytest.mark.parametrize(
        ("reason", "total", "note"),
        [
            (Reason.PAGES, 340, "[pages 3 to 340 left out: only the first 2 are read]"),
            (Reason.PAGES, 3, "[page 3 left out: only the first 2 are read]"),
            (Reason.TIME, 340, "[pages 3 to 340 left out: it took longer than 20 s to read]"),
            (Reason.TIME, 2, "[the rest left out: it took longer than 20 s to read]"),
            (
                Reason.CHARACTERS,
                340,
                "[the rest, up to page 340, left out: the text is longer than 400,000 characters]",
            ),
            (Reason.CHARACTERS, 2, "[the rest left out: the text is longer than 400,000 characters]"),
            (Reason.FAILED, 5, "[pages 3 to 5 left out: the program that reads PDFs failed]"),
            (Reason.STOPPED, 5, "[pages 3 to 5 left out: the bridge is being stopped]"),
        ],
    )
    def test_what_is_left_out(self, reason: Reason, total: int, note: str) -> None:
        """What was not read is named, and why."""
        assert show("a", "b", total=total, reason=reason) == f"[page 1]\na\n\n[page 2]\nb\n\n{note}"

    @pytest.mark.parametrize(
        ("reason", "why"),
        [
            (None, "it has no pages"),
            (Reason.NOT_BASE64, "it is not valid base64"),
            (Reason.NOT_PDF, "it is not a PDF file"),
            (Reason.DAMAGED, "it is damaged"),
            (Reason.PASSWORD, "it is protected by a password"),
            (Reason.TIME, "it took longer than 20 s to read"),
            (Reason.MEMORY, "reading it takes too much memory"),
            (Reason.CROWDED, "too many other documents are waiting to be read"),
            (Reason.STOPPED, "the bridge is being stopped"),
            (Reason.FAILED, "the program that reads PDFs failed"),
        ],
    )
    def test_nothing_read(self, reason: Reason | None, why: str) -> None:
        """A document that cannot be read is a note that says so, in words for a person."""
        assert show(total=7, reason=reason) == unread(reason, LIMITS) == f"[PDF could not be read: {why}]"

    @pytest.mark.parametrize("reason", list(Reason))
    def test_every_reason_has_words(self, reason: Reason) -> None:
        """Whatever went wrong, something is said, with text and without."""
        assert show("a", total=5, reason=reason).count("left out: ") == 1
        assert len(show(reason=reason)) > len("[PDF could not be read: ]")
