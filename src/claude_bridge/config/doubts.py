"""Warnings about what is valid but probably not what was meant; never a reason not to start.

Among it are keys written out in a file that others can read. As in `problems`, no message quotes a value that could be
a key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import Attribute

from claude_bridge.config.backend_keys import COMMAND, BackendKey
from claude_bridge.config.backend_urls import misdirected
from claude_bridge.config.expand import OFF, has_variable, quoted
from claude_bridge.config.fields import plain_type
from claude_bridge.config.ini import Lines
from claude_bridge.config.problems import Problem
from claude_bridge.config.proxy import proxy
from claude_bridge.config.schema import TRAITS, Config
from claude_bridge.config.secret import Secret
from claude_bridge.config.sections import KINDS, find_kind
from claude_bridge.config.variables import ALONE, DEFAULT_BACKEND, SECTION, set_variables
from claude_bridge.core import kinds as backend_kinds
from claude_bridge.core.redaction import carries_credential

_PATH: Final = re.compile(r"(?:~|\.{1,2})/.*|/(?:[a-z][a-z_.-]*/)+[A-Za-z0-9_.-]+")
"""The path of a file. A key in base64 may begin with a slash, but hardly with a folder in lower case."""

_ELSEWHERE: Final = re.compile(r"(?:os\.environ/|env[:.]|\{env:)\s*([A-Za-z_][A-Za-z0-9_]*)\}?")
"""How LiteLLM, opencode and others say "the variable of that name"."""

_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*_(?:KEY|TOKEN|SECRET)")
"""What a variable that holds a key is mostly called."""

_HASH: Final = re.compile(r"sha256:[0-9a-f]{64}", re.IGNORECASE)
"""What `[key:*]` has as the hash of a key."""

UNUSED_IF_PASSED: Final = frozenset({"max_output_tokens", "show_reasoning", "strip_attribution"})
"""Keys that change requests or answers, which a backend with the clients' own API gets and gives as they are."""

Sections = Mapping[str, Mapping[str, Lines]]

Mode: TypeAlias = Callable[[str], int]
"""Returns the permission bits of the file at a path; raises `OSError`."""

OTHERS: Final = 0o077
"""The permissions of group and others; ssh rejects a private key with any of them."""

_NAMED_PLACES: Final = ("file:", "credential:", COMMAND)


def doubts(config: Config, sections: Sections) -> Iterator[Problem]:
    """Yield a warning for each value that is probably not what was meant.

    ``config`` is valid; ``sections`` are those of its file, without any where there is none.
    """
    for section, key, value in _given(config, sections):
        entries = value if isinstance(value, tuple) else (value,)
        for message in dict.fromkeys(message for entry in entries for message in _value(entry)):
            yield Problem(section, key, message)
        if section.partition(":")[0] in {"backend", SECTION} and key in {"url", "BACKEND_URL"}:
            backend = config.backends[section.partition(":")[2] or DEFAULT_BACKEND]
            yield from (Problem(section, key, message) for message in misdirected(str(value), backend.kind))
    yield from _without_effect(config, sections)


def _without_effect(config: Config, sections: Sections) -> Iterator[Problem]:
    """Yield a warning for each key of a model or a backend that the backend's kind does not use."""
    for section, entries in sections.items():
        word, _, name = section.partition(":")
        if word not in {"model", "backend"}:
            continue
        backend = config.backends[name if word == "backend" else config.models[name].backend]
        kind = backend_kinds.KINDS[backend.kind]
        used = {*kind.traits(kind.undecided.dialect.name, "")}
        passed = UNUSED_IF_PASSED if kind.passes_through else frozenset()
        for key in entries:
            if key in passed or (word == "model" and key in TRAITS and key not in used):
                yield Problem(section, key, f"has no effect: backends of kind = {backend.kind} do not use it")


def unused(path: str, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Yield a warning for each variable that is ignored because there is a file at ``path``."""
    for variable in set_variables(environ, ALONE):
        told = f"has no effect: it counts only where no file is read, and {path} was; set {ALONE[variable]}"
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
    """Yield section, key and value of everything that was written explicitly."""
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
    if isinstance(entry, BackendKey):
        entry = entry.secret
    text = entry.reveal() if isinstance(entry, Secret) else entry
    if not isinstance(text, str):
        return
    if quoted(text):
        yield OFF
    elif isinstance(entry, Secret):
        yield from _key(text)


def _key(text: str) -> Iterator[str]:
    if _PATH.fullmatch(text):
        yield "looks like a file path and is used as the key itself: did you mean file:/PATH?"
    elif named := _ELSEWHERE.fullmatch(text):
        yield f"is used as the key itself: did you mean ${{{named[1]}}}?"
    elif _HASH.fullmatch(text):
        yield "looks like the hash of a key and is used as the key itself: `hash` in [key:NAME] is for that"
    elif _VARIABLE.fullmatch(text):
        yield "looks like a variable's name and is used as the key itself: did you mean ${NAME}?"


def file_mode(path: str) -> int:
    """Return the permission bits of a real file. Raises `OSError`."""
    return Path(path).stat().st_mode & 0o777


def exposed(sections: Mapping[str, Mapping[str, Lines]], path: str, mode: Mode) -> tuple[Problem, ...]:
    """Return a warning for each key that is written out in ``path``, if others can read that file.

    ``sections``: of a configuration that is valid.
    """
    found = tuple(_written_out(sections))
    if not found or not _open_to_others(path, mode):
        return ()
    message = f"is in plain text in a file that others can read: chmod 600 {path}"
    return tuple(Problem(section, key, message) for section, key in found)


def _open_to_others(path: str, mode: Mode) -> bool:
    try:
        return bool(mode(path) & OTHERS)
    except OSError:  # it was read a moment ago; whatever became of it is no fault of the configuration
        return False


def _written_out(sections: Mapping[str, Mapping[str, Lines]]) -> Iterator[tuple[str, str]]:
    for section, entries in sections.items():
        known = {key.name: key for key in KINDS[section.partition(":")[0]].keys}
        for name, lines in entries.items():
            if any(_holds_key(known[name], line) for line in lines):
                yield section, name


def _holds_key(attribute: Attribute[Any], line: str) -> bool:
    """Return whether a line is a key itself, and not a reference to one."""
    if attribute.metadata["shape"] == "header":
        name, _, value = (part.strip() for part in line.partition(":"))
        return carries_credential(name) and bool(value) and not has_variable(value)
    if attribute.metadata["shape"] == "proxy":
        server = None if has_variable(line) else proxy(line).server
        return server is not None and server.password is not None
    is_key = plain_type(attribute) in {Secret, BackendKey}
    return is_key and not has_variable(line) and not line.startswith(_NAMED_PLACES)
