"""The time that is asked about: `today`, `week`, `month`, `all`, a date, or how long ago. All of it in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

WORDS: Final = ("today", "week", "month", "all")

_AGO: Final = re.compile(r"(\d{1,5})([hdw])", re.ASCII)
_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def since(text: str, now: datetime) -> datetime:
    """Return the beginning of the period, a whole hour.

    ``today``, ``week`` and ``month`` are those of the calendar; a week begins on Monday. Raises `ValueError`.
    """
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    named = {
        "today": today,
        "week": today - timedelta(days=today.weekday()),
        "month": today.replace(day=1),
        "all": _EPOCH,
    }
    if text in named:
        return named[text]
    if ago := _AGO.fullmatch(text):
        return max(_EPOCH, _hour(now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})))
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        words = ", ".join(WORDS)
        raise ValueError(f"{text} is no time: {words}, a date (2026-11-30), or how long ago (24h, 7d, 4w)") from None
    return max(_EPOCH, _hour(found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)))


def milliseconds(time: datetime) -> int:
    """Return a time in Unix milliseconds."""
    return round(time.timestamp() * 1000)


def moment(unix_milliseconds: int) -> str:
    """Return a time for a person, in UTC."""
    return datetime.fromtimestamp(unix_milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def _hour(time: datetime) -> datetime:
    return time.replace(minute=0, second=0, microsecond=0)
