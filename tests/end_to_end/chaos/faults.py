"""The ways in which a backend fails, by name; each makes one answer out of a good one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Final

from claude_bridge.testing.answers import Answer, Cut, Pause, Send, Stall, Step
from claude_bridge.testing.chat import STREAM_HEADERS, error, events, sse

Parts = tuple[bytes, ...]
Fault = Callable[[Parts, Random], Answer]

WAITS: Final = {"429, a short wait": 1, "429, a long wait": 6}
"""Seconds of Retry-After: some that are worth waiting for, and some that are not."""

UNHEARD: Final = "reset before the head"
"""After this nobody can say whether the request has been read."""

RARE: Final = 4
"""How much less often a backend limits the rate than it does anything else: it is not asked then for some time."""

SLOW_SECONDS: Final = 1.2
"""How long a slow first token takes: less than the daemon's patience in these runs, more than its ``commit_after``."""

MALFORMED: Final = b'data: {"choices": [{"index": 0, "delta": {"content": "lost\n\n'
FAILED: Final = events([{"error": {"message": "out of memory", "type": "server_error", "code": 500}}], done=False)


def _limited(wait: int | None) -> Fault:
    headers = () if wait is None else (("retry-after", str(wait)),)
    refusal = error(429, {"message": "slow down", "code": "rate_limit_exceeded"}, headers)
    return lambda _parts, _random: refusal


def _refused(status: int, message: str) -> Fault:
    return lambda _parts, _random: error(status, {"message": message, "type": "server_error"})


def _broken(*ends: Step) -> Fault:
    """Begin a good answer and break off somewhere in it, at the earliest after the head."""

    def fault(parts: Parts, random: Random) -> Answer:
        return Answer(200, STREAM_HEADERS, (Send(b""), *map(Send, parts[: _inside(parts, random)]), *ends))

    return fault


def _disturbed(*wrong: bytes) -> Fault:
    """Put something wrong into a good answer, and go on."""

    def fault(parts: Parts, random: Random) -> Answer:
        at = _inside(parts, random)
        return sse((*parts[:at], *wrong, *parts[at:]))

    return fault


def _inside(parts: Parts, random: Random) -> int:
    """Return a place before the finish reason; usage and ``[DONE]`` follow that."""
    return random.randrange(len(parts) - 2)


HARMLESS: Final[Mapping[str, Fault]] = {
    "slow first token": lambda parts, _random: Answer(
        200, STREAM_HEADERS, (Send(b""), Pause(SLOW_SECONDS), *map(Send, parts))
    ),
    "no [DONE]": lambda parts, _random: sse(parts[:-1]),
}
"""Oddities after which the answer is complete all the same."""

FAULTS: Final[Mapping[str, Fault]] = {
    "429": _limited(None),
    "429, a short wait": _limited(WAITS["429, a short wait"]),
    "429, a long wait": _limited(WAITS["429, a long wait"]),
    "500": _refused(500, "internal error"),
    "503": _refused(503, "overloaded"),
    UNHEARD: lambda _parts, _random: Answer(200, STREAM_HEADERS, (Cut(),)),
    "reset": _broken(Cut()),
    "closed": _broken(Cut(reset=False)),
    "stall before the head": lambda _parts, _random: Answer(200, STREAM_HEADERS, (Stall(),)),
    "stall": _broken(Stall()),
    "ended early": _broken(),
    "malformed chunk": _disturbed(MALFORMED),
    "error in the stream": _disturbed(*FAILED),
    **HARMLESS,
}


def chosen(random: Random) -> str:
    """Choose one of the `FAULTS`."""
    return random.choices(list(FAULTS), [1 if name.startswith("429") else RARE for name in FAULTS])[0]
