"""Renders an event of `twisted.logger`: as one JSON object, or as short text for a person.

Fields of a JSON line, in this order: ``time`` (RFC 3339, UTC, milliseconds), ``level``, ``event`` (the keyword
``event`` of the log call, else ``log``), ``message``, then every other keyword of the call that is plain data,
then ``error`` and ``traceback`` where there was a failure. Lines without an ``event`` keyword (Twisted's own,
captured prints, warnings) carry ``logger``, the namespace they came from.

Every value passes through ``redact``. The names of the fields are ours and do not: people search by them.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Final

from twisted.logger import LogEvent, LogLevel, formatEvent
from twisted.python.failure import Failure

from claude_bridge.config.secret import MAX_SECRET_CHARACTERS
from claude_bridge.core import strict_json
from claude_bridge.core.redaction import shorten

Redact = Callable[[str], str]
# journald cuts lines at 48 KiB (LineMax=), which would leave half an object in each part.
MAX_LINE_BYTES: Final = 40 * 1024
# A traceback's last frames say most; this many characters are some eighty frames.
MAX_TRACEBACK_CHARACTERS: Final = 8_000
# Longer strings are payload, not a message.
MAX_TEXT_CHARACTERS: Final = 4_000
# A line that would still be too long shows this much of each text; escaped to ASCII that is at most twelve times as
# many bytes.
SHORT_TEXT: Final = 800
MAX_ITEMS: Final = 100
MAX_DEPTH: Final = 4
_OURS = frozenset({"time", "level", "event", "message", "error", "traceback", "logger"})
# What twisted.python.log puts into every event of its own.
_LEGACY = frozenset({"system", "isError", "failure", "why", "format", "printed"})
_any_encoder: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)
_DELETE: Final = b"\x7f"  # `json` escapes it, msgspec does not
_LEFT_OUT: Final = object()
_MOST: Final = 2**63 - 1
"""Readers of logs use 64 bits."""

SMALLEST_PLAIN: Final = 1e-4
SMALLEST_LARGE: Final = 1e16
"""Numbers below the one, and from the other on, have an exponent in Python, which msgspec spells in another way."""

READY: Final = "{log_text}"
"""The format of a message that is ready as ``log_text``, as the one of each request is: it is not formatted again."""

MAX_NAMES: Final = 1000
"""Names of keywords that are remembered; the log calls have some hundred."""


class _WithExponent(float):
    """A number that only `json` may write; msgspec refuses classes that it does not know."""


def level_of(event: LogEvent) -> str:
    """Return the level's name; an event without one is information."""
    level: LogLevel = event.get("log_level") or LogLevel.info
    return str(level.name)


def message_of(event: LogEvent) -> str:
    """Return the formatted message, without the traceback that ``twisted.python.log.err`` would put into it."""
    if event.get("log_namespace") == "log_legacy" and failure_of(event) is not None:
        return str(event.get("why") or "Unhandled Error")
    if event.get("log_format") == READY and type(event.get("log_text")) is str:
        return str(event["log_text"])
    return formatEvent(event)


def failure_of(event: LogEvent) -> Failure | None:
    """Return the failure that the event is about; ``twisted.python.log`` keeps it under another key."""
    failure = event.get("log_failure", event.get("failure"))
    return failure if isinstance(failure, Failure) else None


def event_of(event: LogEvent) -> str | None:
    """Return the keyword ``event`` of the log call, if there was one."""
    name = event.get("event")
    return name if isinstance(name, str) and name else None


def json_line(event: LogEvent, redact: Redact) -> str:
    """Render ``event`` as one JSON object in ASCII, never longer than `MAX_LINE_BYTES`."""
    name = event_of(event)
    fields: dict[str, object] = {
        "time": _timestamp(event.get("log_time")),
        "level": level_of(event),
        "event": _clean(name or "log", redact, MAX_TEXT_CHARACTERS),
        "message": _clean(message_of(event), redact, MAX_TEXT_CHARACTERS),
    }
    if name is None:
        fields["logger"] = _clean(str(event.get("log_namespace", "")), redact, MAX_TEXT_CHARACTERS)
    fields.update(_keywords(event, redact))
    fields.update(_failure(event, redact))
    line = _encode(fields)
    if len(line) <= MAX_LINE_BYTES:
        return line
    core = ("time", "level", "event", "message", "logger", "error", "traceback")
    short = {key: str(fields[key])[:SHORT_TEXT] for key in core if key in fields}
    return _encode({**short, "truncated": True})


def _timestamp(seconds: object) -> str:
    """Format seconds since the epoch by RFC 3339."""
    moment = datetime.fromtimestamp(seconds if isinstance(seconds, int | float) else 0, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clean(text: str, redact: Redact, limit: int) -> str:
    """Blank secrets, then bound the length, then replace what UTF-8 cannot carry."""
    if len(text) > limit:
        text = redact(shorten(text, limit + MAX_SECRET_CHARACTERS))  # what is cut off anyway need not be searched
        text = text if len(text) <= limit else text[: limit - 1] + "\u2026"
    else:
        text = redact(text)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _keywords(event: LogEvent, redact: Redact) -> dict[str, object]:
    """Return the log call's own keywords, as far as they are plain data."""
    found: dict[str, object] = {}
    for key, value in islice(event.items(), MAX_ITEMS):
        if _is_keyword(key):
            plain = _plain(value, redact, MAX_DEPTH)
            if plain is not _LEFT_OUT:
                found[key] = plain
    return found


@lru_cache(maxsize=MAX_NAMES)
def _is_keyword(key: str) -> bool:
    """Return whether a key of an event is a keyword of the log call."""
    return not key.startswith("log_") and key not in _OURS and key not in _LEGACY


def _plain(value: object, redact: Redact, depth: int) -> object:
    """Return ``value`` as JSON can carry it, or `_LEFT_OUT`: objects, bytes and secrets have no place in a log."""
    if type(value) is str:  # this is done for each value of each request's line, so what most are comes first
        return _clean(value, redact, MAX_TEXT_CHARACTERS)
    if value is None or type(value) is bool:
        return value
    match value:
        case int() if -_MOST <= value <= _MOST:
            return int(value)
        case float():
            return _number(float(value))
        case str():
            return _clean(str(value), redact, MAX_TEXT_CHARACTERS)
        case Mapping() if depth:
            pairs = (
                (_clean(str(key), redact, MAX_TEXT_CHARACTERS), _plain(item, redact, depth - 1))
                for key, item in list(value.items())[:MAX_ITEMS]
            )
            return {key: plain for key, plain in pairs if plain is not _LEFT_OUT}
        case list() | tuple() | set() | frozenset() if depth:
            items = (_plain(item, redact, depth - 1) for item in list(value)[:MAX_ITEMS])
            return [plain for plain in items if plain is not _LEFT_OUT]
        case _:
            return _LEFT_OUT


def _number(value: float) -> object:
    """Return a number that msgspec writes as `json` does, or refuses; text for what is not finite."""
    if SMALLEST_PLAIN <= value < SMALLEST_LARGE or value == 0.0:
        return value
    if not math.isfinite(value):
        return str(value)
    return value if SMALLEST_PLAIN <= -value < SMALLEST_LARGE else _WithExponent(value)


def _encode(fields: Mapping[str, object]) -> str:
    """Return ``fields`` as JSON in ASCII: by msgspec, ten times as fast, where it writes the same as `json`."""
    try:
        line = strict_json.encode(fields)
    except (TypeError, UnicodeEncodeError):  # a number with an exponent, or half a character in a name
        return _any_encoder.encode(fields)
    return line.decode("ascii") if line.isascii() and _DELETE not in line else _any_encoder.encode(fields)


def _failure(event: LogEvent, redact: Redact) -> dict[str, str]:
    """Return ``error`` and ``traceback`` of the failure in ``event``, if there is one."""
    failure = failure_of(event)
    if failure is None:
        return {}
    kind = getattr(failure.type, "__name__", str(failure.type))
    trace = redact(failure.getTraceback())
    return {
        "error": _clean(f"{kind}: {failure.getErrorMessage()}", redact, MAX_TEXT_CHARACTERS),
        "traceback": _clean(trace[-MAX_TRACEBACK_CHARACTERS:], redact, MAX_TRACEBACK_CHARACTERS),
    }


_COLOURS = {"debug": "2", "info": "32", "warn": "33", "error": "31", "critical": "1;31"}
_PLAIN = "0"
_FIRST_ERROR = 400


REQUEST: Final = "request"
"""The event of a request's end, whose line says all by itself."""


@lru_cache(maxsize=2)
def _clock(second: int) -> str:
    """Return local date and time; the lines of a busy bridge come many in a second."""
    return f"{datetime.fromtimestamp(second, tz=UTC).astimezone():%Y-%m-%d %H:%M:%S} "


def text_line(event: LogEvent, redact: Redact, *, colour: bool, dated: bool = True) -> str:
    """Render ``event`` for a person: local date and time, level, event, message; a traceback follows, indented.

    The line of a request has a level only where somebody must act. Without ``dated`` there is no date and no time,
    for a reader that has its own.

    What is not to be seen is spelled out, so that nothing a client or a backend sent can forge a line, move the cursor
    or turn the line around.
    """
    seconds = event.get("log_time")
    clock = _clock(int(seconds) if isinstance(seconds, int | float) else 0) if dated else ""
    level, name = level_of(event), event_of(event) or "log"
    message = _visible(_clean(message_of(event), redact, MAX_TEXT_CHARACTERS))
    if name == REQUEST and level == "info":
        lines = [f"\x1b[{_colour(level, event)}m{clock}\x1b[0m{message}" if colour else f"{clock}{message}"]
    else:
        shown = f"\x1b[{_colour(level, event)}m{level:<8}\x1b[0m" if colour else f"{level:<8}"
        known = "" if name == REQUEST else f"{_visible(_clean(name, redact, MAX_TEXT_CHARACTERS)):<16} "
        lines = [f"{clock}{shown} {known}{message}"]
    failure = _failure(event, redact)
    if failure:
        lines += [f"    {_visible(text)}" for text in failure["traceback"].rstrip("\n").split("\n")]
    return "\n".join(lines)


def _colour(level: str, event: LogEvent) -> str:
    """Choose the level's colour; green is for what went well, which an error of the client's own did not."""
    status = event.get("status")
    failed = level == "info" and isinstance(status, int) and status >= _FIRST_ERROR
    return _PLAIN if failed else _COLOURS[level]


def _visible(text: str) -> str:
    """Spell out control characters, and format characters such as those that turn the order of letters around."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or unicodedata.category(each) == "Zs" else repr(each)[1:-1] for each in text
    )
