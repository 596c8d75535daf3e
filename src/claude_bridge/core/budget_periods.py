"""The periods of budgets: hours, days, weeks and months as the clocks of a time zone show them.

Times are Unix seconds. The periods of one kind in one zone follow each other without a gap, whatever the zone does to
its clocks: a day has 23 or 25 hours where they are changed, and one that the zone leaves out altogether has none.
"""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta, tzinfo
from typing import Final, Literal, NamedTuple

Per = Literal["session", "hour", "day", "week", "month"]
"""How often a budget starts again; one for a session never does."""

HOUR: Final = 3_600
_ONE_DAY: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)
_MONTHS: Final = 12
_DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMES: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


class Period(NamedTuple):
    """A time from ``start`` on, before ``end``."""

    start: float
    end: float


ALWAYS: Final = Period(-math.inf, math.inf)


def period(per: Per, moment: float, zone: tzinfo) -> Period:
    """Return the period that a moment is in."""
    if per == "session":
        return ALWAYS
    moment = math.floor(moment)  # a datetime would round it, into the next period
    local = datetime.fromtimestamp(moment, zone)
    if per == "hour":
        return _hour(moment, local)
    first = _first_day(per, local.date())
    while moment >= (end := _midnight(_next(per, first), zone)):  # clocks that are set back over midnight
        first = _next(per, first)
    return Period(_midnight(first, zone), end)


def shown(moment: float, zone: tzinfo, *, per: Per) -> str:
    """Return when a period starts, for people: ``15:00`` for an hour, ``Tuesday 1 December at 00:00`` for others."""
    local = datetime.fromtimestamp(moment, zone)
    clock = f"{local.hour:02d}:{local.minute:02d}"
    return clock if per == "hour" else f"{_DAYS[local.weekday()]} {local.day} {_NAMES[local.month - 1]} at {clock}"


def _hour(moment: float, local: datetime) -> Period:
    """Return an hour, which begins where the zone's standard time shows a full one: all hours are equally long."""
    offset = (local.utcoffset() or timedelta()) - (local.dst() or timedelta())
    shift = offset.total_seconds() % HOUR
    start = (moment + shift) // HOUR * HOUR - shift
    return Period(start, start + HOUR)


def _first_day(per: Per, day: date) -> date:
    if per == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if per == "month" else day


def _next(per: Per, first: date) -> date:
    """Return the first day of the next period."""
    if per == "week":
        return first + _WEEK
    if per == "month":
        return date(first.year + first.month // _MONTHS, first.month % _MONTHS + 1, 1)
    return first + _ONE_DAY


def _midnight(day: date, zone: tzinfo) -> float:
    """Return when a day begins: of two midnights the first, and if there is none when its clocks go on."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
