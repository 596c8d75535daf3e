"""Tests for `claude_bridge.core.budget_periods`."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.budget_periods import ALWAYS, HOUR, Per, Period, period, shown

ZONES = (
    *("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns"),
    *("Australia/Lord_Howe", "Pacific/Apia", "Asia/Beirut", "America/Sao_Paulo", "Africa/Casablanca"),
)
FIRST, LAST = datetime(2001, 1, 1, tzinfo=UTC).timestamp(), datetime(2036, 1, 1, tzinfo=UTC).timestamp()
MOMENTS = st.floats(FIRST, LAST)
PERS: tuple[Per, ...] = ("hour", "day", "week", "month")


def at(text: str, zone: str = "UTC") -> float:
    """Return Unix seconds of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def local(moment: float, zone: str) -> str:
    """Return the local time."""
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M")


class PeriodTests:
    """The periods of any zone follow each other."""

    @given(MOMENTS, st.sampled_from(ZONES), st.sampled_from(PERS))
    def test_without_gap(self, moment: float, zone: str, per: Per) -> None:
        """Every moment is in its period, whose end is in the next one, and every moment of it finds the same one."""
        found = period(per, moment, ZoneInfo(zone))
        assert found.start <= moment < found.end
        after = period(per, found.end, ZoneInfo(zone))
        assert after.start == found.end
        for inside in (found.start, (found.start + found.end) / 2, math.nextafter(found.end, 0)):
            assert period(per, inside, ZoneInfo(zone)) == found

    @given(MOMENTS, st.sampled_from(ZONES))
    def test_inside_each_other(self, moment: float, zone: str) -> None:
        """A day is inside its week and its month."""
        day, week, month = (period(per, moment, ZoneInfo(zone)) for per in PERS[1:])
        for longer in (week, month):
            assert longer.start <= day.start < day.end <= longer.end

    @given(MOMENTS, st.sampled_from(ZONES))
    def test_length(self, moment: float, zone: str) -> None:
        """An hour has 3,600 seconds, a day is at most an hour and a bit longer or shorter than 24."""
        assert period("hour", moment, ZoneInfo(zone)).end - period("hour", moment, ZoneInfo(zone)).start == HOUR
        day = period("day", moment, ZoneInfo(zone))
        assert 22 * HOUR < day.end - day.start < 26 * HOUR

    def test_change_of_clocks(self) -> None:
        """A day has 23 or 25 hours where clocks are changed."""
        spring = period("day", at("2026-03-29 12:00", "Europe/Berlin"), ZoneInfo("Europe/Berlin"))
        autumn = period("day", at("2026-10-25 12:00", "Europe/Berlin"), ZoneInfo("Europe/Berlin"))
        assert (spring.end - spring.start, autumn.end - autumn.start) == (23 * HOUR, 25 * HOUR)

    def test_midnight_that_is_left_out(self) -> None:
        """A day without a midnight begins when its clocks go on."""
        day = period("day", at("2018-11-04 12:00", "America/Sao_Paulo"), ZoneInfo("America/Sao_Paulo"))
        assert local(day.start, "America/Sao_Paulo") == "2018-11-04 01:00"

    def test_day_that_is_left_out(self) -> None:
        """Samoa had no 30 December in 2011: the 31st follows the 29th."""
        day = period("day", at("2011-12-29 23:59", "Pacific/Apia"), ZoneInfo("Pacific/Apia"))
        assert local(day.end, "Pacific/Apia") == "2011-12-31 00:00"

    def test_clocks_set_back_over_midnight(self) -> None:
        """Where 00:01 became 23:01 of the day before, the new day has begun already."""
        zone = ZoneInfo("America/St_Johns")
        first_midnight = at("2010-11-07 00:00", "America/St_Johns")
        found = period("day", first_midnight + 120, zone)
        assert local(first_midnight + 120, "America/St_Johns") == "2010-11-06 23:02"
        assert found.start == first_midnight

    @pytest.mark.parametrize(
        ("zone", "start"), [("UTC", "09:00"), ("Asia/Kolkata", "09:30"), ("Asia/Kathmandu", "09:15")]
    )
    def test_hours_of_other_zones(self, zone: str, start: str) -> None:
        """An hour begins where the zone's own clocks show a full one."""
        found = period("hour", at("2026-11-30 09:40"), ZoneInfo(zone))
        assert local(found.start, "UTC") == f"2026-11-30 {start}"
        assert local(found.start, zone).endswith(":00")

    def test_week_and_month(self) -> None:
        """A week begins on Monday, a month on its first day; December is followed by January."""
        moment = at("2026-12-31 23:59")
        assert period("week", moment, UTC) == Period(at("2026-12-28"), at("2027-01-04"))
        assert period("month", moment, UTC) == Period(at("2026-12-01"), at("2027-01-01"))

    def test_session(self) -> None:
        """A session has one period."""
        assert period("session", 0.0, UTC) == ALWAYS


class ShownTests:
    """When a period starts, for people."""

    def test_in_the_zone(self) -> None:
        """The day and the time as the zone's clocks show it; for an hour the time is enough."""
        berlin = ZoneInfo("Europe/Berlin")
        assert shown(at("2026-12-01", "Europe/Berlin"), berlin, per="day") == "Tuesday 1 December at 00:00"
        assert shown(at("2026-12-01 09:00"), berlin, per="hour") == "10:00"
