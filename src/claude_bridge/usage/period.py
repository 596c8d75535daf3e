"""The time that is asked about: `today`, `week`, `month`, `last-month`, `all`, a month, a date, or how long ago.

All of it in UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from claude_bridge.services.accounting.store.removal import HOURS_KEPT

WORDS: Final = ("today", "week", "month", "last-month", "all")

_AGO: Final = re.compile(r"(\d{1,5})([hdw])", re.ASCII)
_MONTH: Final = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def beginning(text: str, now: datetime) -> datetime:
    """Return the beginning of the period.

    ``today``, ``week``, ``month`` and ``last-month`` are those of the calendar; a week begins on Monday. Raises
    `ValueError`.
    """
    return max(_EPOCH, _beginning(text, now))


def beginning_of_sums(text: str, now: datetime) -> datetime:
    """Return the beginning of the period as sums have it: a whole hour, a whole day if that is too long ago for hours.

    Raises `ValueError`.
    """
    found = _hour(beginning(text, now))
    return _day(found) if found < oldest_hour(now) else found


def own_end(text: str, now: datetime) -> datetime | None:
    """Return the end of a period that has one by its name, as a month has; None for one that lasts until now.

    The end is the first moment that is not in it.
    """
    if text == "last-month":
        return _day(now).replace(day=1)
    if _MONTH.fullmatch(text):
        return _next_month(_beginning(text, now))
    return None


def end_of_sums(end: datetime, since: datetime, now: datetime) -> datetime:
    """Return the end of a period as sums have it: of those by hour a whole hour, of those by day a whole day.

    :param since: its beginning, by `beginning_of_sums`; where that is too long ago for hours, there are only days.
    """
    return _day(end) if since < oldest_hour(now) else _hour(end)


def oldest_hour(now: datetime) -> datetime:
    """Return the first hour that still has sums of its own."""
    return _hour(now) - timedelta(hours=HOURS_KEPT)


def _beginning(text: str, now: datetime) -> datetime:
    today = _day(now)
    named = {
        "today": today,
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "last-month": (today.replace(day=1) - timedelta(days=1)).replace(day=1),
        "all": _EPOCH,
    }
    if text in named:
        return named[text]
    if ago := _AGO.fullmatch(text):
        before = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return before if ago[2] == "h" else _day(before)
    month = _MONTH.fullmatch(text)
    try:
        found = datetime(int(month[1]), int(month[2]), 1, tzinfo=UTC) if month else datetime.fromisoformat(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter in the first or last hours that a date can have
        words = ", ".join(WORDS)
        raise ValueError(
            f"{text} is not a time: {words}, a month (2026-11), a date (2026-11-30), or how long ago (24h, 7d, 4w)"
        ) from None


def milliseconds(time: datetime) -> int:
    """Return a time in Unix milliseconds."""
    return round(time.timestamp() * 1000)


def moment(unix_milliseconds: int) -> str:
    """Return a time for a person, in UTC."""
    return datetime.fromtimestamp(unix_milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _day(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _next_month(first: datetime) -> datetime:
    try:
        return (first + timedelta(days=31)).replace(day=1)
    except OverflowError:  # after the last month that a date can have
        return datetime.max.replace(tzinfo=UTC)


def _hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)
