"""The values of a LiteLLM file: ``os.environ/NAME``, keys that are written out, and URLs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from attrs import Factory, define, field

from claude_bridge.config.expand import expand, quoted
from claude_bridge.config.secret import Secret, checked
from claude_bridge.importers.header_secrets import is_secret_header
from claude_bridge.importers.litellm.table import Table
from claude_bridge.importers.names import UniqueNames, is_variable, variable_name
from claude_bridge.importers.placeholders import is_placeholder
from claude_bridge.importers.text import KEY_SOURCES, Text, Variable, plain

REFERENCE: Final = "os.environ/"

_ANY_REFERENCE: Final = re.compile(r"os\.environ/([A-Za-z_][A-Za-z0-9_]*)")
_SHELL: Final = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)(?::?-[^{}]*)?\}|([A-Za-z_][A-Za-z0-9_]*))")
"""How templates of such files name variables; LiteLLM itself does not know it."""


@define
class Values:
    """Reads values.

    :ivar given: the variables that the file itself sets (``environment_variables``).
    :ivar used: those of them that something refers to.
    """

    given: Mapping[str, str] = field(repr=False)
    used: set[str] = Factory(set)
    _names: UniqueNames = Factory(UniqueNames)
    _reserved: set[str] = Factory(set)
    _written: dict[Secret, Text] = field(factory=dict, repr=False)

    @classmethod
    def of(cls, variables: Table, text: str) -> Values:
        """Return a reader for a file with this text, and with these ``environment_variables``."""
        found = {name: variables.text(name) or "" for name in variables.entries}
        values = cls({name: value for name, value in found.items() if value and _reference(value) is None})
        values.reserve(_ANY_REFERENCE.findall(text))
        return values

    def reserve(self, names: Iterable[str]) -> None:
        """Keep names of variables from standing for keys that are written out."""
        for name in names:
            if name and name not in self._reserved:
                self._reserved.add(name)
                self._names.take_variable(name)

    def plain(self, written: str, sample: str = "") -> Text:
        """Return a value that is no secret; ``sample`` is one that a variable in it could have."""
        name = _reference(written)
        if name is None:
            return plain(written)
        given = self._given(name)
        return Text(parts=(Variable(name, sample),)) if given is None else plain(given)

    def secret(self, written: str, wanted: str, path: str) -> Text | None:
        """Return a key, None for a placeholder.

        :param wanted: a name for the variable that may stand for a key that is written out.
        :param path: where the key is in the file.
        """
        text = self.resolved(written)
        return None if text is not None and is_placeholder(text) else self.client_secret(written, wanted, path)

    def resolved(self, written: str) -> str | None:
        """Return a value as far as the file has it; None for one that is in a variable of the environment."""
        name = _reference(written)
        return written if name is None else self._given(name)

    def is_sendable(self, written: str) -> bool:
        """Return whether a key, as far as the file has it, can be sent in a header and written into an INI file."""
        text = self.resolved(written)
        if text is None:
            return True
        try:
            return bool(checked(text)) and fits_a_line(text) and not text.startswith(KEY_SOURCES)
        except ValueError:
            return False

    def client_secret(self, written: str, wanted: str, path: str, sample: str = "") -> Text:
        """Return a key that clients send; it stays what it is, however much it looks like a placeholder."""
        name = _reference(written)
        text = written if name is None else self._given(name)
        if text is None:
            return Text(parts=(Variable(name or "", sample),))
        secret = Secret(text)
        if secret not in self._written:
            variable = name or self._names.take_variable(variable_name(wanted))
            where = path if name is None else f"environment_variables.{name}"
            self._written[secret] = Text(parts=(secret,), instead=variable, sample=sample, path=where)
        return self._written[secret]

    def header(self, name: str, written: str, path: str) -> Text:
        """Return the value of a header, which is a secret if its name or its form says so."""
        given = self.resolved(written)
        is_secret = is_secret_header(name, "" if given is None else given)
        return self.client_secret(written, name, path) if is_secret else self.plain(written, "x")

    def variable(self, name: str) -> Text | None:
        """Return the key in a variable that the file does not name, None if the file sets it to a placeholder."""
        return self.secret(f"{REFERENCE}{name}", name, "")

    def _given(self, name: str) -> str | None:
        """Return what the file sets a variable to, or None."""
        if name in self.given:
            self.used.add(name)
        return self.given.get(name)


def _reference(written: str) -> str | None:
    """Return the variable that a whole value refers to, or None."""
    if written.startswith(REFERENCE):
        name = written.removeprefix(REFERENCE).strip()
        return name if is_variable(name) else None
    match = _SHELL.fullmatch(written)
    return None if match is None else match[1] or match[2]


def fits_a_line(text: str) -> bool:
    """Return whether a value of an INI file can be this text."""
    try:
        expand(text.replace("$", "$$"), {})
    except ValueError:
        return False
    return bool(text) and text == text.strip() and not quoted(text)


def is_reference(written: str) -> bool:
    """Return whether a value refers to a variable."""
    return _reference(written) is not None


def host(url: Text) -> str:
    """Return the host of a URL, "" if that is in a variable."""
    first = url.parts[0]
    try:
        return (urlsplit(first).hostname or "").lower() if isinstance(first, str) else ""
    except ValueError:
        return ""
