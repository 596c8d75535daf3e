"""``${VAR}``, ``${VAR:-default}`` and ``$$`` in values, and what no value may hold.

INI files have no quotes: what people bring along from YAML, TOML or a shell becomes part of the value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_DOLLAR = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}$]*))?\})?")
_COMMENT = re.compile(r"(?:^|\s)[#;]")

_AMOUNT = re.compile(r"\$?\s*[\d.,]+\s*\$?", re.ASCII)

_LONE: Final = "a lone $: write $$ for the sign itself, ${NAME} or ${NAME:-default} for a variable"
_LONE_IN_AMOUNT: Final = (
    "amounts are written without a sign of the currency, such as 5.00; elsewhere $$ is the "
    "sign itself, and ${NAME} a variable"
)
_UNSET: Final = "the environment variable {0} is not set; ${{{0}:-default}} would give a default"
_IS_UNSET: Final = re.compile(r"the environment variable (\w+) is not set;")

OFF: Final = "is in quotes, which are a part of the value here: take the quotes off"

_CLOSING: Final = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019"}
"""Opening quote -> closing quote; word processors and web pages turn straight ones into the last two."""


def has_variable(line: str) -> bool:
    """Return whether a line takes something out of a variable; ``$$`` is the sign itself."""
    return any(found["name"] for found in _DOLLAR.finditer(line))


def expand(line: str, environ: Mapping[str, str]) -> str:
    """Fill in the variables of one line and strip it.

    As in a shell, ``:-`` also replaces a variable that is set to nothing; what a variable holds is not looked at
    again. Raises `ValueError` with one argument a mistake.
    """
    mistakes: list[str] = []

    def fill(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if match["dollar"]:
            return "$"
        if name is None:
            mistakes.append(_LONE_IN_AMOUNT if _AMOUNT.fullmatch(line.strip()) else _LONE)
            return ""
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            mistakes.append(_UNSET.format(name))
        return environ.get(name, "")

    text = _DOLLAR.sub(fill, line).strip()
    if _COMMENT.search(line) or _COMMENT.search(text):
        mistakes.append("contains ` #` or ` ;`: comments after a value are not supported, move it to its own line")
    if not text.isprintable():
        mistakes.append("contains a control character or a line break")
    if mistakes:
        raise ValueError(*dict.fromkeys(mistakes))
    return text


def in_running_process(mistake: str) -> str:
    """Return the message of a mistake as it is for a process that runs, whose variables are those of its start."""
    return _IS_UNSET.sub(
        r"the environment variable \1 is not set in the running bridge, which has the variables of its start: restart "
        "it, or give a key as file:/PATH or credential:NAME;",
        mistake,
    )


def quoted(text: str) -> bool:
    """Return whether one pair of quotes stands around all of ``text``: not around each of several words in it."""
    closing = _CLOSING.get(text[:1])
    return closing is not None and len(text) > 1 and text.find(closing, 1) == len(text) - 1
