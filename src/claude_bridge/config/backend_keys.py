"""One line of a backend's ``api_key``: a secret or a command that prints one, then ``weight=N``, ``rpm=N``, ``tpm=N``.

No message quotes the line: it holds a key.
"""

from __future__ import annotations

import re
import shlex
from pathlib import PurePosixPath
from typing import Final

from attrs import evolve, field, frozen

from claude_bridge.config.secret import HIDDEN, Secret, SecretSource

COMMAND: Final = "command:"
"""How a line begins that names a command instead of a key."""

MAX_WEIGHT: Final = 1000
MAX_REQUESTS: Final = 100_000
"""Requests a minute: some 1,700 a second, more than one daemon sends."""
MAX_TOKENS: Final = 1_000_000_000

_LAST_OPTION: Final = re.compile(r"(|.*\s)(weight|rpm|tpm)=(\S*)")
_NUMBER: Final = re.compile(r"(\d{1,12})([KM]?)", re.ASCII | re.IGNORECASE)
_FACTORS: Final = {"": 1, "K": 1000, "M": 1000**2}
_MOST: Final = {"weight": MAX_WEIGHT, "rpm": MAX_REQUESTS, "tpm": MAX_TOKENS}


@frozen(kw_only=True)
class BackendKey:
    """One key of a backend's own.

    :ivar secret: the key; None for one that ``command`` prints.
    :ivar command: the absolute path of a program, and its arguments; empty where there is a ``secret``.
    :ivar weight: its share of the requests, relative to that of the backend's other keys.
    :ivar rpm: the most requests a minute; None for no limit.
    :ivar tpm: the most tokens a minute, prompts and answers; None for no limit.
    """

    secret: Secret | None = None
    command: tuple[str, ...] = field(default=(), repr=False)
    weight: int = 1
    rpm: int | None = None
    tpm: int | None = None

    @property
    def sent(self) -> tuple[Secret | None, tuple[str, ...]]:
        """Return what decides which key is sent: it is equal for entries that differ only in their options."""
        return self.secret, self.command


def read_backend_key(text: str, secrets: SecretSource) -> BackendKey:
    """Return the key that a line describes. Raises `ValueError` with one argument a mistake."""
    source, options, mistakes = _split_options(text)
    key = BackendKey()
    try:
        if source.startswith(COMMAND):
            key = BackendKey(command=_command(source.removeprefix(COMMAND), secrets))
        else:
            key = BackendKey(secret=secrets.load(source))
    except ValueError as error:
        mistakes += error.args
    if mistakes:
        raise ValueError(*mistakes)
    return evolve(key, weight=options.get("weight", 1), rpm=options.get("rpm"), tpm=options.get("tpm"))


def show_backend_key(key: BackendKey) -> str:
    """Return the line of a key as a dump shows it: secrets, and arguments, which may hold one, as stars."""
    words = [HIDDEN]
    if key.command:
        program, *arguments = key.command
        words = [COMMAND + shlex.quote(program), *([HIDDEN] if arguments else [])]
    words += [f"weight={key.weight}"] if key.weight != 1 else []
    words += [f"{name}={value}" for name in ("rpm", "tpm") if (value := getattr(key, name)) is not None]
    return " ".join(words)


def _split_options(text: str) -> tuple[str, dict[str, int], list[str]]:
    """Return the text before the options, the options, and what is wrong with them."""
    options: dict[str, int] = {}
    mistakes: list[str] = []
    while match := _LAST_OPTION.fullmatch(text):
        text, name, value = match[1].rstrip(), match[2], match[3]
        if name in options:
            mistakes.append(f"duplicate {name}")
        options[name] = number = _number(value)
        if not 1 <= number <= _MOST[name]:
            mistakes.append(f"{name} must be a whole number from 1 to {_MOST[name]:,}")
    return text, options, mistakes


def _number(text: str) -> int:
    """Return a number, which K or M may follow, or 0 if it is none."""
    match = _NUMBER.fullmatch(text)
    return int(match[1]) * _FACTORS[match[2].upper()] if match is not None else 0


def _command(text: str, secrets: SecretSource) -> tuple[str, ...]:
    try:
        program, *arguments = shlex.split(text)
    except ValueError:  # of `shlex`, or no word at all
        raise ValueError("command: needs a program and its arguments, with quotes closed as in a shell") from None
    if HIDDEN in arguments:
        raise ValueError(f"{HIDDEN} is what a dump shows instead of the command's arguments: put them back")
    if "/" in program and not PurePosixPath(program).is_absolute():
        raise ValueError("command: needs the absolute path of a program, or the name of one on PATH")
    found = secrets.find(program)
    if found is None:
        where = "it is not there, or may not be executed" if "/" in program else "there is none of that name on PATH"
        raise ValueError(f"command: names a program that cannot be run: {where}")
    return (found, *arguments)
