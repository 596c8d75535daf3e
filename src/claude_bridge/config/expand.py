"""``${VAR}``, ``${VAR:-default}`` and ``$$`` in values, and what no value may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping

_DOLLAR = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^{}$]*))?\})?")
_COMMENT = re.compile(r"(?:^|\s)[#;]")


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
            mistakes.append("a lone $: write $$ for the sign itself, ${NAME} or ${NAME:-default} for a variable")
            return ""
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            mistakes.append(f"the environment variable {name} is not set; ${{{name}:-default}} would give a default")
        return environ.get(name, "")

    text = _DOLLAR.sub(fill, line).strip()
    if _COMMENT.search(line) or _COMMENT.search(text):
        mistakes.append("holds ` #` or ` ;`: a comment stands on a line of its own")
    if not text.isprintable():
        mistakes.append("holds a control character or a line break")
    if mistakes:
        raise ValueError(*dict.fromkeys(mistakes))
    return text
