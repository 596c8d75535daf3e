"""What is valid and probably not what was meant: worth a warning, never a reason not to start.

As in `problems`, no message quotes a value that could be a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from claude_bridge.config.backend_urls import misdirected
from claude_bridge.config.expand import OFF, quoted
from claude_bridge.config.ini import Lines
from claude_bridge.config.problems import Problem
from claude_bridge.config.schema import Config
from claude_bridge.config.secret import Secret
from claude_bridge.config.sections import find_kind
from claude_bridge.config.variables import ALONE, DEFAULT_BACKEND, SECTION, set_variables

_PATH: Final = re.compile(r"(?:~|\.{1,2})/.*|/(?:[a-z][a-z_.-]*/)+[A-Za-z0-9_.-]+")
"""The path of a file. A key in base64 may begin with a slash, but hardly with a folder in lower case."""

_ELSEWHERE: Final = re.compile(r"(?:os\.environ/|env[:.]|\{env:)\s*([A-Za-z_][A-Za-z0-9_]*)\}?")
"""How LiteLLM, opencode and others say "the variable of that name"."""

_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*_(?:KEY|TOKEN|SECRET)")
"""What a variable that holds a key is mostly called."""

Sections = Mapping[str, Mapping[str, Lines]]


def doubts(config: Config, sections: Sections) -> Iterator[Problem]:
    """Yield a warning for each value that is probably not what was meant.

    ``config`` is valid; ``sections`` are those of its file, without any where there is none.
    """
    for section, key, value in _given(config, sections):
        entries = value if isinstance(value, tuple) else (value,)
        for message in dict.fromkeys(message for entry in entries for message in _value(entry)):
            yield Problem(section, key, message)
        if section.partition(":")[0] in {"backend", SECTION} and key in {"url", "BACKEND_URL"}:
            yield from (Problem(section, key, message) for message in misdirected(str(value)))


def unused(path: str, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning for each variable that would count if there were no file at ``path``."""
    for variable in set_variables(environ, ALONE):
        told = f"does nothing here: it counts only where no file is read, and {path} was; set {ALONE[variable]}"
        yield Problem(SECTION, variable, told)


def empty(path: str, sections: Sections, config: Config) -> Iterator[Problem]:
    """Yield a warning if a file sets nothing."""
    if not any(sections.values()):
        yield Problem("", path, f"sets nothing; {_default(config)}")


def nothing_found(searched: Iterable[str], config: Config) -> Problem:
    """Return the warning for a start with neither a file nor a ``BACKEND_URL``."""
    places = ", ".join(searched)
    return Problem("", "", f"no file was found ({places}) and BACKEND_URL is not set; {_default(config)}")


def _default(config: Config) -> str:
    backends = ", ".join(f"{backend.name}, {backend.url}" for backend in config.backends.values())
    return f"the only backend is {backends}"


def _given(config: Config, sections: Sections) -> Iterator[tuple[str, str, object]]:
    """Yield section, key and value of everything that somebody wrote."""
    for section, entries in sections.items():
        kind, name = find_kind(section)
        held = getattr(config, kind.target)
        part = held[name] if kind.name_field else held
        yield from ((section, key, getattr(part, key)) for key in entries)
    made = config.backends.get(DEFAULT_BACKEND)
    if made is not None and f"backend:{DEFAULT_BACKEND}" not in sections:
        yield SECTION, "BACKEND_URL", made.url
        yield SECTION, "BACKEND_API_KEY", made.api_key
    if not sections:
        yield from ((SECTION, "MODEL", name) for name in config.models)


def _value(entry: object) -> Iterator[str]:
    text = entry.reveal() if isinstance(entry, Secret) else entry
    if not isinstance(text, str):
        return
    if quoted(text):
        yield OFF
    elif isinstance(entry, Secret):
        yield from _key(text)


def _key(text: str) -> Iterator[str]:
    if _PATH.fullmatch(text):
        yield "looks like the path of a file and is taken as the key itself: did you mean file:/PATH?"
    elif named := _ELSEWHERE.fullmatch(text):
        yield f"is taken as the key itself: did you mean ${{{named[1]}}}?"
    elif _VARIABLE.fullmatch(text):
        yield "looks like the name of a variable and is taken as the key itself: did you mean ${NAME}?"
