"""What the parts of a config.json share while it is read: values with references, names, and the draft."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import Factory, define, field, frozen

from claude_bridge.config.secret import Secret, checked
from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.names import UniqueNames, is_variable
from claude_bridge.importers.placeholders import is_placeholder
from claude_bridge.importers.text import KEY_SOURCES, Part, Text, Variable

_REFERENCE: Final = re.compile(r"\$\{([^}]+)\}|\$([A-Z_][A-Z0-9_]*)")
"""How the router refers to a variable."""

_FIELD: Final = re.compile(r"\{\{\s*[\w.]+\s*\}\}")
"""What a preset asks its user for."""

_MOST: Final = 10**15
"""No number of a file means more; JSON5 has infinity, and numbers that are too large for a float."""

Object = Mapping[str, Any]


@frozen(kw_only=True)
class Provider:
    """A provider that became a backend.

    :ivar name: as the config.json has it.
    :ivar backend: as the result has it.
    :ivar path: where it is in the config.json.
    :ivar aliases: model, as the provider calls it -> its name in the result.
    :ivar without_section: the models that have no section of their own in the result.
    """

    name: str
    backend: str
    path: str
    aliases: dict[str, str] = Factory(dict)
    without_section: list[str] = Factory(list)


@define(kw_only=True)
class Reading:
    """One config.json on its way to a draft.

    :ivar data: its content.
    :ivar defined: variables that the file itself sets, beside its own settings.
    :ivar used: the variables that the file refers to.
    :ivar names: what all providers will be called, in lower case.
    :ivar default_path: where the model is written that takes what nothing else takes.
    """

    data: Object
    draft: ImportedConfiguration
    keep_port: bool
    defined: dict[str, str] = field(factory=dict)
    used: set[str] = field(factory=set)
    names: set[str] = field(factory=set)
    default_path: str = "Router.default"
    providers: list[Provider] = field(factory=list)
    backends: UniqueNames = field(factory=UniqueNames)
    aliases: UniqueNames = field(factory=UniqueNames)
    variables: UniqueNames = field(factory=UniqueNames)

    def credential(self, written: str, path: str, variable: str) -> Text | None:
        """Return a credential, or None for what is none: a placeholder, or what no header can carry.

        :param variable: a name for the variable that is to have it where secrets are not written out.
        """
        found = self.secret(written, path, variable)
        if found is not None and _is_elsewhere(found.parts[0]):
            told = f"not written out: a key that begins with {', '.join(KEY_SOURCES[:3])} says here where the key is"
            self.draft.lose(path, told)
            return None
        try:
            for each in found.parts if found is not None else ():
                if isinstance(each, Secret):
                    checked(each.reveal())
        except ValueError as error:
            self.draft.lose(path, f"not a key that could be sent: {error}")
            return None
        return found

    def is_lost(self, path: str) -> bool:
        """Return whether it has been reported that what is at ``path`` is not carried over."""
        return any(each.path == path and each.lost for each in self.draft.findings)

    def secret(self, written: str, path: str, variable: str) -> Text | None:
        """Return a value that may hold a secret, or None for a placeholder; see `credential` for the parameters."""
        text = written.strip()
        if _FIELD.fullmatch(text):
            return Text(parts=(Variable(self._suggest(variable)),))
        parts = tuple(self._parts(text))
        if any(isinstance(each, Variable) for each in parts):
            secret = any(isinstance(each, str) for each in parts)
            return Text(
                parts=tuple(Secret(each) if isinstance(each, str) else each for each in parts),
                instead=self._suggest(variable) if secret else "",
                path=path,
            )
        whole = "".join(each.reveal() if isinstance(each, Secret) else str(each) for each in parts)
        return (
            None if is_placeholder(whole) else Text(parts=(Secret(whole),), instead=self._suggest(variable), path=path)
        )

    def _suggest(self, variable: str) -> str:
        return self.variables.take_variable(variable)

    def reserve_variables(self, text: str) -> None:
        """Keep the variables to which a text refers from getting another meaning."""
        for match in _REFERENCE.finditer(text):
            if (name := match[1] or match[2]) not in self.defined:
                self.variables.take_variable(name)

    def referring(self, text: str) -> str:
        """Return a text that is no secret with its references in the form ``${NAME}``."""
        return "".join(
            f"${{{each.name}}}" if isinstance(each, Variable) else each.reveal() if isinstance(each, Secret) else each
            for each in self._parts(text.strip())
        )

    def _parts(self, text: str) -> Iterator[Part]:
        at = 0
        for match in _REFERENCE.finditer(text):
            name = match[1] or match[2]
            if not is_variable(name):
                continue
            if match.start() > at:
                yield text[at : match.start()]
            self.used.add(name)
            yield Secret(self.defined[name]) if name in self.defined else Variable(name)
            at = match.end()
        if at < len(text) or not text:
            yield text[at:]

    def find(self, name: str) -> Provider | None:
        """Return the provider of a name; of several the last one, as the router does."""
        same = [each for each in self.providers if each.name == name]
        folded = [each for each in self.providers if each.name.casefold() == name.casefold()]
        return next(reversed(same or folded), None)


def _is_elsewhere(part: Part) -> bool:
    """Return whether the bridge would take a key that begins with ``part`` for the place where it is."""
    return isinstance(part, Secret) and part.reveal().startswith(KEY_SOURCES)


def number(value: object) -> float | None:
    """Return a number that may be written as a text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) if abs(value) < _MOST else None
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,15}(?:\.\d{1,9})?\s*", value, re.ASCII):
        return float(value)
    return None


def whole(value: object) -> int | None:
    """Return a whole number above 0 that may be written as a text; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found >= 1 and found == int(found) else None


def texts(value: object) -> list[str]:
    """Return the texts of a list, or a text alone as one."""
    several = value if isinstance(value, list) else [value]
    return [each.strip() for each in several if isinstance(each, str) and each.strip()]


def is_off(value: object) -> bool:
    """Return whether a setting has no effect: it says nothing, or is switched off."""
    return is_nothing(value) or (isinstance(value, dict) and value.get("enabled") is False)


def is_nothing(value: object) -> bool:
    """Return whether a setting says nothing: empty, off or not there, or all of it is."""
    if isinstance(value, dict | list):
        return all(is_nothing(each) for each in (value.values() if isinstance(value, dict) else value))
    return value in (None, "", False)
