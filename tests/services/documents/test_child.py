"""What is known of a document."""

from __future__ import annotations

import pytest

from claude_bridge.services.documents.child import Extracted, ExtractionLimits, Reason
from claude_bridge.services.documents.extract import line_of


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


class LimitsTests:
    """What reading one document may cost."""

    def test_reach_the_child(self) -> None:
        """The child keeps exactly the limits that were configured."""
        limits = ExtractionLimits(max_pages=3, max_characters=500, seconds=0.25, memory=1 << 28)
        assert ExtractionLimits.from_arguments(limits.arguments()) == limits

    @pytest.mark.parametrize("arguments", [[], ["1", "2", "3"], ["1", "2", "x", "4"], ["0", "2", "3", "4"]])
    def test_other_arguments_are_refused(self, arguments: list[str]) -> None:
        """A child never runs with half its limits."""
        with pytest.raises(ValueError, match=r".+"):
            ExtractionLimits.from_arguments(arguments)

    @pytest.mark.parametrize("name", ["max_pages", "max_characters", "seconds", "memory"])
    def test_nothing_is_no_limit(self, name: str) -> None:
        """A limit of nothing is a mistake."""
        with pytest.raises(ValueError, match=name):
            ExtractionLimits(**{name: 0})

    @pytest.mark.parametrize("character", ["\U0001f600", '"', "\\", "\n", "é", "x"])
    def test_output_has_room(self, character: str) -> None:
        """Whatever a document's characters are, as many as may be read may also be said."""
        limits = ExtractionLimits(max_pages=50, max_characters=1000)
        pages = [line_of(("page", character * 20)) for _ in range(50)]
        rest = [line_of(("ready", None)), line_of(("total", 100_000)), line_of(("end", "characters"))]
        assert len(b"".join(pages + rest)) <= limits.output
