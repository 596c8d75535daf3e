r"""Replaces lone surrogate escapes (``\ud800``), which strict JSON decoders refuse, by U+FFFD.

Claude Code does send them (its tracker: 2108, 3277, 65155): JavaScript may cut a text inside a character. A
conversation that contains one would be stuck for ever if it were refused.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define, field

STEP: Final = 256 * 1024
"""Bytes of one step, at least two escapes: 15 ms for nothing but escapes, 0.1 ms for ordinary text."""

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_HIGH: Final = rb"\\u[dD][89abAB][0-9a-fA-F]{2}"
_LOW: Final = rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_LONE: Final = re.compile(rb"%b(?!%b)|(?<!%b)%b" % (_HIGH, _LOW, _HIGH, _LOW))
_TOKENS: Final = re.compile(rb"(?:[^\\]++|\\u[0-9a-fA-F]{4}|\\[^u])*+", re.DOTALL)
_PAIR: Final = re.compile(_HIGH + _LOW)
_ESCAPE_BYTES: Final = 6
_BACKSLASH: Final = b"\\\\"
_PLACEHOLDER: Final = b"\0\0"


@define
class Mending:
    """Replaces lone surrogates in a body, in steps.

    :ivar body: the repaired body, once `step` has returned True.
    """

    body: bytes
    _pieces: list[bytes] = field(factory=list, init=False)
    _next: int = field(default=0, init=False)

    def step(self) -> bool:
        """Process `STEP` more bytes and return whether they were the last."""
        begin, end = self._next, self._cut()
        self._pieces.append(_mend_part(self.body[begin:end]))
        self._next = end
        if end < len(self.body):
            return False
        self.body = b"".join(self._pieces)
        return True

    def _cut(self) -> int:
        """Return where the next part ends: not inside an escape, nor between the two escapes of a pair."""
        body, limit = self.body, self._next + STEP
        if limit >= len(body):
            return len(body)
        tokens = _TOKENS.match(body, self._next, limit)
        end = tokens.end() if tokens is not None else 0
        if limit - end >= _ESCAPE_BYTES:
            return limit  # an invalid escape: the body will be refused, wherever it is cut
        return end + _ESCAPE_BYTES if _PAIR.match(body, end - _ESCAPE_BYTES) else end


def has_surrogates(body: bytes) -> bool:
    """Return whether a body that is not valid JSON has escaped surrogates and no zero byte, which no JSON may have."""
    return bool(_SURROGATE.search(body)) and b"\0" not in body


def mend(body: bytes) -> bytes:
    """Return a body with lone surrogates replaced, all at once."""
    mending = Mending(body)
    while not mending.step():
        pass
    return mending.body


def _mend_part(part: bytes) -> bytes:
    r"""Return a part with lone surrogates replaced; an escaped backslash before ``ud800`` is no part of an escape."""
    if not _SURROGATE.search(part):
        return part
    masked = part.replace(_BACKSLASH, _PLACEHOLDER)  # zero bytes, which no JSON contains
    return _LONE.sub(rb"\\ufffd", masked).replace(_PLACEHOLDER, _BACKSLASH)
