"""What is known of a document."""

from __future__ import annotations

from claude_bridge.services.documents.reports import Extracted, Reason


class ExtractedTests:
    """What was read."""

    def test_words_do_not_show(self) -> None:
        """No log or traceback shows what stands in a document."""
        assert "private" not in repr(Extracted(pages=("private",), total_pages=1))

    def test_nothing_is_whole(self) -> None:
        """Nothing is wrong with a document unless something is said."""
        assert Extracted().reason is None


class ReasonTests:
    """Why something is missing."""

    def test_is_its_name_on_the_wire(self) -> None:
        """A reason goes through JSON as itself."""
        assert all(reason == reason.name.lower() for reason in Reason)
