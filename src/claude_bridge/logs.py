"""What the daemon says on standard error: one JSON object a line, or short text for a person.

Fields of a JSON line, in this order: ``time`` (RFC 3339, UTC, milliseconds), ``level``, ``event`` (the keyword
``event`` of the log call, else ``log``), ``message``, then every other keyword of the call that is plain data,
then ``error`` and ``traceback`` where there was a failure. Lines without an ``event`` keyword (Twisted's own,
captured prints, warnings) carry ``logger``, the namespace they came from.

Nothing is written that was not passed through ``redact`` first.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from attrs import define, field
from twisted.application.service import MultiService
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, LogEvent, Logger, LogLevel, formatEvent
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from zope.interface import implementer

from claude_bridge.config.schema import Config, Log, LogFormat
from claude_bridge.config.secret import Secret

Redact = Callable[[str], str]
Render = Callable[[LogEvent], str]

RANKS: Final = {"debug": 0, "info": 1, "warn": 2, "error": 3, "critical": 4}
# syslog's severities, as sd-daemon(3) wants them in front of a line
PRIORITIES: Final = {"debug": 7, "info": 6, "warn": 4, "error": 3, "critical": 2}

# journald cuts lines at 48 KiB (LineMax=), which would leave half an object in each part.
MAX_LINE: Final = 40 * 1024
# A traceback's last frames say most; this many characters are some eighty frames.
MAX_TRACEBACK: Final = 8_000
# Longer strings are payload, not a message.
MAX_TEXT: Final = 4_000
# A line that would still be too long shows this much of each text; escaped to ASCII that is at most twelve times as
# many bytes.
SHORT_TEXT: Final = 800
MAX_ITEMS: Final = 100
# Keys and most values of log lines are the same few words again and again: what redaction makes of them is kept.
SHORT_WORD: Final = 64
REMEMBERED: Final = 2_000
MAX_DEPTH: Final = 4
# Shorter strings occur in ordinary words and even in our own field names; blanking them would blank everything.
SHORTEST_SECRET: Final = 4

_OURS = frozenset({"time", "level", "event", "message", "error", "traceback", "logger"})
# What twisted.python.log puts into every event of its own.
_LEGACY = frozenset({"system", "isError", "failure", "why", "format", "printed"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
# Credentials that nobody told us of, by the shapes they travel in.
_CREDENTIAL_SHAPES = r"\b(?:[Bb]earer|BEARER)\s+[A-Za-z0-9._~+/=-]{8,}|\bsk-[A-Za-z0-9_-]{12,}"
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def redaction(secrets: Iterable[Secret]) -> Redact:
    """Make a function that blanks ``secrets``, however they are spelled, and anything shaped like a credential."""
    known: set[str] = set()
    for secret in secrets:
        known.update(_spellings(secret.reveal()))
    longest_first = sorted(known, key=len, reverse=True)
    pattern = re.compile("|".join([*map(re.escape, longest_first), _CREDENTIAL_SHAPES]))
    # Looking for these first costs a tenth of what the pattern costs, and nearly every string has none of them.
    hints = (*longest_first, "sk-", "earer", "EARER")

    def search(text: str) -> str:
        return pattern.sub("***", text) if any(hint in text for hint in hints) else text

    remembered = lru_cache(REMEMBERED)(search)

    def redact(text: str) -> str:
        return remembered(text) if len(text) <= SHORT_WORD else search(text)

    return redact


def _spellings(secret: str) -> Iterator[str]:
    """Give a secret as it is, and as it looks inside a repr, a JSON text or a URL."""
    quoted = (quote(secret, errors="replace"), quote(secret, safe="", errors="replace"))
    for text in (secret, secret.strip(), repr(secret)[1:-1], json.dumps(secret)[1:-1], *quoted):
        if len(text) >= SHORTEST_SECRET:
            yield text


def secrets_of(config: Config) -> Iterator[Secret]:
    """Give every secret that ``config`` holds; header values of a backend count, since they often are one."""
    for backend in config.backends.values():
        if backend.api_key is not None:
            yield backend.api_key
        for _, value in backend.headers:
            yield Secret(value)
    for key in config.keys.values():
        yield key.secret
    if config.web_search.api_key is not None:
        yield config.web_search.api_key


def level_of(event: LogEvent) -> str:
    """Give the level's name; an event without one is information."""
    level: LogLevel = event.get("log_level") or LogLevel.info
    return str(level.name)


def message_of(event: LogEvent) -> str:
    """Give the formatted message, without the traceback that ``twisted.python.log.err`` would put into it."""
    if event.get("log_namespace") == "log_legacy" and failure_of(event) is not None:
        return str(event.get("why") or "Unhandled Error")
    return formatEvent(event)


def failure_of(event: LogEvent) -> Failure | None:
    """Give the failure that the event is about; ``twisted.python.log`` keeps it under another key."""
    failure = event.get("log_failure", event.get("failure"))
    return failure if isinstance(failure, Failure) else None


def event_of(event: LogEvent) -> str | None:
    """Give the keyword ``event`` of the log call, if there was one."""
    name = event.get("event")
    return name if isinstance(name, str) and name else None


def json_line(event: LogEvent, redact: Redact) -> str:
    """Render ``event`` as one JSON object in ASCII, never longer than `MAX_LINE`."""
    name = event_of(event)
    fields: dict[str, object] = {
        "time": _timestamp(event.get("log_time")),
        "level": level_of(event),
        "event": _clean(name or "log", redact, MAX_TEXT),
        "message": _clean(message_of(event), redact, MAX_TEXT),
    }
    if name is None:
        fields["logger"] = _clean(str(event.get("log_namespace", "")), redact, MAX_TEXT)
    fields.update(_keywords(event, redact))
    fields.update(_failure(event, redact))
    line = _encode(fields)
    if len(line) <= MAX_LINE:
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
    text = redact(text)
    if len(text) > limit:
        text = text[: limit - 1] + "\u2026"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _keywords(event: LogEvent, redact: Redact) -> Iterator[tuple[str, object]]:
    """Give the log call's own keywords, as far as they are plain data."""
    for key, value in list(event.items())[:MAX_ITEMS]:
        if not key.startswith("log_") and key not in _OURS and key not in _LEGACY:
            if type(value) is str:
                yield redact(key), _clean(value, redact, MAX_TEXT)
                continue
            for plain in _plain(value, redact, MAX_DEPTH):
                yield redact(key), plain


def _plain(value: object, redact: Redact, depth: int) -> Iterator[object]:
    """Give ``value`` as JSON can carry it, or nothing: objects, bytes and secrets have no place in a log."""
    match value:
        case None | bool():
            yield value
        case int() if abs(value) < 2**63:  # readers of logs use 64 bits
            yield int(value)
        case float():
            yield float(value) if math.isfinite(value) else str(value)
        case str():
            yield _clean(str(value), redact, MAX_TEXT)
        case Mapping() if depth:
            pairs = ((_clean(str(key), redact, MAX_TEXT), item) for key, item in list(value.items())[:MAX_ITEMS])
            yield {key: plain for key, item in pairs for plain in _plain(item, redact, depth - 1)}
        case list() | tuple() | set() | frozenset() if depth:
            yield [plain for item in list(value)[:MAX_ITEMS] for plain in _plain(item, redact, depth - 1)]
        case _:
            return


def _failure(event: LogEvent, redact: Redact) -> dict[str, str]:
    """Give ``error`` and ``traceback`` of the failure in ``event``, if there is one."""
    failure = failure_of(event)
    if failure is None:
        return {}
    kind = getattr(failure.type, "__name__", str(failure.type))
    trace = redact(failure.getTraceback())
    return {
        "error": _clean(f"{kind}: {failure.getErrorMessage()}", redact, MAX_TEXT),
        "traceback": _clean(trace[-MAX_TRACEBACK:], redact, MAX_TRACEBACK),
    }


_COLOURS = {"debug": "2", "info": "32", "warn": "33", "error": "31", "critical": "1;31"}


def text_line(event: LogEvent, redact: Redact, *, colour: bool) -> str:
    """Render ``event`` for a person: local time, level, event, message; a traceback follows, indented.

    Control characters are escaped, so that nothing a client or a backend sent can forge a line or move the cursor.
    """
    seconds = event.get("log_time")
    moment = datetime.fromtimestamp(seconds if isinstance(seconds, int | float) else 0, tz=UTC).astimezone()
    level = level_of(event)
    shown = f"\x1b[{_COLOURS[level]}m{level:<8}\x1b[0m" if colour else f"{level:<8}"
    name = _visible(_clean(event_of(event) or "log", redact, MAX_TEXT))
    message = _visible(_clean(message_of(event), redact, MAX_TEXT))
    lines = [f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03d} {shown} {name:<16} {message}"]
    failure = _failure(event, redact)
    if failure:
        lines += [f"    {_visible(text)}" for text in failure["traceback"].rstrip("\n").split("\n")]
    return "\n".join(lines)


def _visible(text: str) -> str:
    """Spell control characters out."""
    return _CONTROL.sub(lambda found: repr(found.group())[1:-1], text)


@define
class LineWriter:
    """Writes whole lines to a file descriptor and never waits for, or fails because of, whoever reads it.

    A pipe may take part of a line, or nothing: the rest, never more than one line, goes in front of the next one, so
    that lines stay whole. Until then further lines are dropped and counted. A descriptor in blocking mode blocks,
    as everywhere.

    :ivar lost: how many lines could not be written so far.
    """

    descriptor: int
    lost: int = 0
    _write: Callable[[int, bytes], int] = os.write
    _rest: bytes = b""
    # Twisted logs from its thread pool too; re-entrant because a signal may arrive while a line is written.
    _lock: threading.RLock = field(factory=threading.RLock, repr=False)

    def write_line(self, text: str) -> None:
        """Write ``text`` and a line end with one system call, or drop it."""
        line = text.encode("utf-8", "replace") + b"\n"
        with self._lock:
            try:
                written = self._write(self.descriptor, self._rest + line)
            except OSError:  # nobody reads, nobody will read, or the disk is full: there is nobody to tell
                written = 0
            if written < len(self._rest):
                self._rest = self._rest[written:]
                self.lost += 1
            else:
                self._rest = (self._rest + line)[written:]


@implementer(ILogObserver)
@define
class LineObserver:
    """Renders every event that is important enough and writes it.

    :ivar minimum: the least important level to write.
    :ivar prefixed: put systemd's ``<N>`` in front of each line.
    """

    _writer: LineWriter
    _render: Render
    minimum: str = "info"
    prefixed: bool = False
    _reported: int = 0

    def __call__(self, event: LogEvent) -> None:
        """Take one event."""
        level = level_of(event)
        if RANKS[level] < RANKS[self.minimum]:
            return
        lost = self._writer.lost
        self._put(level, self._render(event))
        if self._writer.lost == lost > self._reported:
            self._tell_lost(lost, event)

    def _tell_lost(self, lost: int, event: LogEvent) -> None:
        """Say how many lines are missing, now that lines pass again."""
        note = {"event": "log-lines-lost", "lost": lost - self._reported, "log_time": event.get("log_time")}
        format_ = "{lost} log lines could not be written"
        self._reported = lost
        self._put("warn", self._render({**note, "log_level": LogLevel.warn, "log_format": format_}))

    def _put(self, level: str, text: str) -> None:
        """Write the lines of one event."""
        for line in text.split("\n"):
            self._writer.write_line(f"<{PRIORITIES[level]}>{line}" if self.prefixed else line)


def under_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Tell whether ``descriptor`` leads to the journal: ``$JOURNAL_STREAM`` names its device and inode."""
    try:
        found = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def coloured(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Tell whether to use colour: only on a terminal, and not against ``$NO_COLOR`` or ``TERM=dumb``."""
    wanted = not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return wanted and os.isatty(descriptor)


def for_a_person(form: LogFormat, descriptor: int) -> bool:
    """Tell whether ``form`` means text on ``descriptor``."""
    return form == "text" or (form == "auto" and os.isatty(descriptor))


def observer(log: Log, redact: Redact, environ: Mapping[str, str], descriptor: int = 2) -> LineObserver:
    """Make the observer that ``log`` asks for."""
    colour = coloured(descriptor, environ)

    def as_text(event: LogEvent) -> str:
        return text_line(event, redact, colour=colour)

    def as_json(event: LogEvent) -> str:
        return json_line(event, redact)

    return LineObserver(
        LineWriter(descriptor),
        as_text if for_a_person(log.format, descriptor) else as_json,
        minimum=log.level,
        prefixed=under_journal(descriptor, environ),
    )


def twistd_descriptor(logfile: str | None, *, nodaemon: bool) -> int:
    """Give the descriptor that twistd's own options ask for.

    ``--logfile=-`` is standard output; a daemon without ``--logfile`` writes ``twistd.log``, as twistd does, since
    its standard error is about to become ``/dev/null``. Raises `OSError` if the file cannot be opened.
    """
    if logfile == "-":
        return sys.__stdout__.fileno() if sys.__stdout__ else 1
    if not logfile and nodaemon:
        return 2
    return os.open(logfile or "twistd.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


class LoggedService(MultiService):
    """The top service: makes twistd log to ``observer`` from its first line on.

    twistd asks the application for an `ILogObserver` component before it writes anything, and buffers what was
    logged until then. The application exists only when the service gets its parent, hence here. An explicit
    ``twistd --logger`` still wins, by twistd's own rule.

    A child that cannot listen ends the process with one line and status 1, where twistd would print a traceback.
    """

    _log = Logger()

    def __init__(self, observer: ILogObserver) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted does not annotate it
        self._observer = observer

    def setServiceParent(self, parent: object) -> None:  # noqa: N802 - Twisted's name
        """Hand the observer to the application, then join it."""
        if isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self._observer)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]  # the same

    def privilegedStartService(self) -> None:  # noqa: N802 - Twisted's name
        """Start the children; this is when ports are bound."""
        try:
            super().privilegedStartService()  # type: ignore[no-untyped-call]  # the same
        except (CannotListenError, OSError) as error:
            self._log.error("cannot start: {reason}", event="start-failed", reason=str(error))
            raise SystemExit(1) from None
