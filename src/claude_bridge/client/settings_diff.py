"""The difference between two versions of a settings file, for people to read: no key or password is in it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from typing import Final

from claude_bridge.core.redaction import HIDDEN

_STRING: Final = r'"(?:[^"\\]|\\.)*"'
_MEMBER: Final = re.compile(rf"({_STRING})(\s*:\s*)({_STRING})")
_SECRET_NAME: Final = re.compile(r"key|token(?!s)|secret|passw|auth|credential|cookie|header", re.IGNORECASE)
_SECRET_TEXT: Final = re.compile(
    r"(?:sk|pk|gsk|xai|ghp|hf|nvapi|pplx|csk|cpk)[-_][\w.-]{6,}"
    r"|bearer\s+[^\s\"\\]+"
    r"|eyJ[\w-]{8,}[\w.-]*"
    r"|(?<=://)[^\s\"/@]+(?=@)",
    re.IGNORECASE,
)
_NO_SECRET: Final = re.compile(r'"(?:\d{0,8}|true|false|unused)"')


def settings_diff(before: str, after: str, name: str) -> str:
    """Return a unified diff of two versions of the file ``name``; "" if they are equal."""
    old = _hidden(before, lambda _: HIDDEN)
    known = {value for _, _, value in _MEMBER.findall(before)}
    new = _hidden(after, lambda value: HIDDEN if value in known else f"{HIDDEN} (new)")
    lines = difflib.unified_diff(
        _lines(old), _lines(new), fromfile=name, tofile=f"{name} (after claude-bridge setup)", lineterm=""
    )
    return "".join(f"{line}\n" for line in lines)


def _hidden(text: str, mask: Callable[[str], str]) -> str:
    def member(found: re.Match[str]) -> str:
        name, colon, value = found.groups()
        if _NO_SECRET.fullmatch(value) or not _SECRET_NAME.search(name):
            return found[0]
        return f'{name}{colon}"{mask(value)}"'

    return _SECRET_TEXT.sub(HIDDEN, _MEMBER.sub(member, text))


def _lines(text: str) -> list[str]:
    """Return the lines of a text, line ends and byte order mark left out."""
    return text.removeprefix("\ufeff").splitlines()
