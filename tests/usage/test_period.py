"""The time that is asked about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from claude_bridge.usage.period import beginning, beginning_of_sums, end_of_sums, milliseconds, moment, own_end

NOW = datetime(2026, 11, 26, 15, 47, 12, tzinfo=UTC)
"""A Thursday."""


class SinceTests:
    """The beginning of a period."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("today", "2026-11-26 00:00"),
            ("week", "2026-11-23 00:00"),
            ("month", "2026-11-01 00:00"),
            ("last-month", "2026-10-01 00:00"),
            ("2026-11", "2026-11-01 00:00"),
            ("2026-02", "2026-02-01 00:00"),
            ("all", "1970-01-01 00:00"),
            ("2h", "2026-11-26 13:00"),
            ("7d", "2026-11-19 00:00"),
            ("2w", "2026-11-12 00:00"),
            ("840h", "2026-10-22 15:00"),
            ("841h", "2026-10-22 00:00"),
            ("99999w", "1970-01-01 00:00"),
            ("2026-10-03", "2026-10-03 00:00"),
            ("2026-11-03T04:05", "2026-11-03 04:00"),
            ("2026-11-03T04:05+02:00", "2026-11-03 02:00"),
            ("2026-10-03T04:05", "2026-10-03 00:00"),
        ],
    )
    def test_words(self, text: str, expected: str) -> None:
        """That of sums is a whole hour in UTC, long ago a whole day; weeks begin on Monday."""
        assert moment(milliseconds(beginning_of_sums(text, NOW))) == expected

    @pytest.mark.parametrize(
        "text", ["yesterday", "", "7", "2026-13-01", "2026-13", "0000-01", "2026-1", "3m", "0001-01-01T00:00+05:00"]
    )
    def test_mistakes(self, text: str) -> None:
        """What is no time is told with what is."""
        with pytest.raises(ValueError, match="today, week, month, last-month, all, a month"):
            beginning(text, NOW)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("today", "2026-11-26T00:00:00"),
            ("2h", "2026-11-26T13:47:12"),
            ("7d", "2026-11-19T00:00:00"),
            ("99999w", "1970-01-01T00:00:00"),
            ("2026-10-03T04:05:06", "2026-10-03T04:05:06"),
            ("2026-11-03T04:05+02:00", "2026-11-03T02:05:00"),
        ],
    )
    def test_exact(self, text: str, expected: str) -> None:
        """That of attempts is the moment that is named, however long ago."""
        assert beginning(text, NOW).isoformat() == f"{expected}+00:00"


class UntilTests:
    """The end of a period."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("2026-11", "2026-12-01T00:00:00"),
            ("2026-12", "2027-01-01T00:00:00"),
            ("2028-02", "2028-03-01T00:00:00"),
            ("9999-12", "9999-12-31T23:59:59.999999"),
            ("last-month", "2026-11-01T00:00:00"),
        ],
    )
    def test_of_months(self, text: str, expected: str) -> None:
        """A month ends where the next one begins."""
        end = own_end(text, NOW)
        assert end is not None
        assert end.isoformat() == f"{expected}+00:00"

    @pytest.mark.parametrize("text", ["today", "week", "month", "all", "7d", "2026-11-01"])
    def test_of_others(self, text: str) -> None:
        """Other periods last until now."""
        assert own_end(text, NOW) is None

    @pytest.mark.parametrize(
        ("since", "expected"), [("2026-11-01", "2026-11-20 04:00"), ("2026-10-01", "2026-11-20 00:00")]
    )
    def test_of_sums(self, since: str, expected: str) -> None:
        """It is a whole hour, of a period that began too long ago for hours a whole day."""
        end = datetime(2026, 11, 20, 4, 5, tzinfo=UTC)
        assert moment(milliseconds(end_of_sums(end, beginning_of_sums(since, NOW), NOW))) == expected
