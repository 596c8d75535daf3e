"""Parses how long a backend asks to wait, in headers and sentences and all their notations.

Everything is in seconds; what cannot be parsed is None, and nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_NUMBER = r"[0-9]{1,13}(?:\.[0-9]{1,9})?"
_PLAIN_NUMBER = re.compile(_NUMBER)
_UNIT = r"ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?"
_PART = re.compile(rf"\s?({_NUMBER})\s?({_UNIT})(?![a-z])")
_SECONDS_PER_UNIT = {"ms": 0.001, "mi": 60.0, "m": 60.0, "s": 1.0, "se": 1.0, "h": 3600.0, "ho": 3600.0}
_SECONDS_PER_DAY = 86400.0
# Days, hours, minutes, seconds.
_MAX_PARTS = 4
_ASKED_IN_WORDS = re.compile(r"(?:try again|retry|wait)(?: in| after| for)?(?: about)? (?=[0-9])")
# RFC 9110's preferred form; nobody sends the two obsolete ones any more.
_HTTP_DATE = re.compile(r"[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
# A reset that is a number beyond these is a point in time: Unix seconds, or milliseconds (OpenRouter).
_UNIX_SECONDS = 10**9
_UNIX_MILLISECONDS = 10**12
_TOO_MANY_REQUESTS = 429


def duration(text: str) -> float | None:
    """Return the seconds of "6m0s", "350ms" or "3.5 seconds" at the start of ``text``, or of a plain number."""
    text = text.strip().lower()
    total, at = 0.0, 0
    for _ in range(_MAX_PARTS):
        part = _PART.match(text, at)
        if part is None:
            break
        total += float(part[1]) * _seconds_per(part[2])
        at = part.end()
    return total if at else _plain_number(text)


def in_headers(status: int, headers: Mapping[str, str], *, now: float) -> float | None:
    """Return the wait that response headers (names in lower case) ask for; ``now`` is in Unix seconds.

    ``retry-after-ms`` is finer than ``retry-after``. The ``x-ratelimit-reset-*`` headers come with every answer of
    some servers, so they count for 429 only.
    """
    if (milliseconds := _plain_number(headers.get("retry-after-ms", ""))) is not None:
        return milliseconds / 1000
    if (seconds := _retry_after(headers.get("retry-after", ""), now)) is not None:
        return seconds
    return _reset(headers, now) if status == _TOO_MANY_REQUESTS else None


def in_words(message: str) -> float | None:
    """Return the seconds in "try again in 3.5s" and the like in an error message, or None."""
    text = message.lower()
    asked = _ASKED_IN_WORDS.search(text)
    if asked is None:
        return None
    part = _PART.match(text, asked.end())
    return duration(text[part.start() :]) if part else None


def _seconds_per(unit: str) -> float:
    """Return the seconds of a unit that `_PART` has matched."""
    if unit.startswith("milli"):
        return _SECONDS_PER_UNIT["ms"]
    return _SECONDS_PER_UNIT.get(unit[:2], _SECONDS_PER_DAY)


def _plain_number(text: str) -> float | None:
    """Return the value of a text that is a number and nothing else, or None."""
    number = _PLAIN_NUMBER.fullmatch(text.strip())
    return float(number[0]) if number else None


def _retry_after(text: str, now: float) -> float | None:
    """Return the seconds in RFC 9110's header: a number or a date; some servers send fractions and units."""
    text = text.strip()
    if not _HTTP_DATE.fullmatch(text):
        return duration(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:  # the 40th of February
        return None


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the longest reset of the limits that are used up, or of all limits if none is reported as used up."""
    prefix = "x-ratelimit-reset"
    resets = {name.removeprefix(prefix): text for name, text in headers.items() if name.startswith(prefix)}
    spent = [text for kind, text in resets.items() if headers.get(f"x-ratelimit-remaining{kind}", "").strip() == "0"]
    waits = [wait for text in spent or resets.values() if (wait := _reset_seconds(text, now)) is not None]
    return max(waits, default=None)


def _reset_seconds(text: str, now: float) -> float | None:
    """Return the seconds until a reset, given as a duration or as the Unix time when it ends."""
    number = _plain_number(text)
    if number is None or number < _UNIX_SECONDS:
        return duration(text)
    return max(0.0, (number / 1000 if number >= _UNIX_MILLISECONDS else number) - now)
