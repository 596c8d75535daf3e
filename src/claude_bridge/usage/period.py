"""The time that is asked about: `today`, `week`, `month`, `all`, a date, or how long ago. All of it in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from claude_bridge.services.accounting.store.removal import HOURS_KEPT

WORDS: Final = ("today", "week", "month", "all")

_AGO: Final = re.compile(r"(\d{1,5})([hdw])", re.ASCII)
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def beginning(text: str, now: datetime) -> datetime:
    """Return the beginning of the period.

    ``today``, ``week`` and ``month`` are those of the calendar; a week begins on Monday. Raises `ValueError`.
    """
    return max(_EPOCH, _beginning(text, now))


def beginning_of_sums(text: str, now: datetime) -> datetime:
    """Return the beginning of the period as sums have it: a whole hour, a whole day if that is too long ago for hours.

    Raises `ValueError`.
    """
    found = _hour(beginning(text, now))
    return _day(found) if found < oldest_hour(now) else found


def oldest_hour(now: datetime) -> datetime:
    """Return the first hour that still has sums of its own."""
    return _hour(now) - timedelta(hours=HOURS_KEPT)


def _beginning(text: str, now: datetime) -> datetime:
    today = _day(now)
    named = {
        "today": today,
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "all": _EPOCH,
    }
    if text in named:
        return named[text]
    if ago := _AGO.fullmatch(text):
        before = now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        return before if ago[2] == "h" else _day(before)
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):  # the latter in the first or last hours that a date can have
        words = ", ".join(WORDS)
        raise ValueError(f"{text} is not a time: {words}, a date (2026-11-30), or how long ago (24h, 7d, 4w)") from None


def milliseconds(time: datetime) -> int:
    """Return a time in Unix milliseconds."""
    return round(time.timestamp() * 1000)


def moment(unix_milliseconds: int) -> str:
    """Return a time for a person, in UTC."""
    return datetime.fromtimestamp(unix_milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _day(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)
