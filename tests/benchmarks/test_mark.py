"""Marks tell requests apart."""

from __future__ import annotations

from benchmarks import mark


class MarkTests:
    """Marks and stamps."""

    def test_the_last_mark_of_a_request_counts(self) -> None:
        """A mark quoted in the history is not taken for the question's."""
        old, new = mark.mark("small", 1), mark.mark("small_sse", 2**64 - 1)

        assert mark.find(f"{old} and {new}.".encode()) == (new, "small_sse")

    def test_no_mark_is_none(self) -> None:
        """A request without a whole mark is not answered as if it had one."""
        assert mark.find(b"Hello") is None
        assert mark.find(b"Hello [[bench:small") is None

    def test_marks_and_stamps_keep_their_length(self) -> None:
        """Writing them over the blank ones leaves every content length right."""
        assert len(mark.mark("cc", 2**64 - 1)) == len(mark.blank("cc"))
        assert len(mark.stamp(2**63)) == len(mark.NO_STAMP)
        assert mark.STAMP.findall(mark.stamp(123)) == [b"%020d" % 123]
