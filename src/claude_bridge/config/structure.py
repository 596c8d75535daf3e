"""Sections of raw lines -> `Config`, by cattrs, with every mistake of every key at once.

attrs runs validators only when all fields of a class could be read, so each field's hook runs its
own. A section with mistakes is built again without the keys that are wrong, so that the rules
between sections (`rules`) can be checked in the same pass. The only module that knows cattrs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import Attribute, define, evolve, field, fields, frozen
from cattrs import ClassValidationError, Converter, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override

from claude_bridge.config.fields import read_field
from claude_bridge.config.ini import Lines
from claude_bridge.config.problems import Problem
from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.secret import SecretSource
from claude_bridge.config.sections import KINDS, Kind, find_kind, key_of, unknown_key
from claude_bridge.core import kinds as backend_kinds

_NAME = ":name"
"""The key that carries a section's NAME to its field: `ini` accepts no such key."""


@frozen
class Draft:
    """A configuration as far as it could be read; ``broken`` are the (section, key) that have their default instead."""

    config: Config
    problems: tuple[Problem, ...]
    broken: frozenset[tuple[str, str]]


@define
class _Drafting:
    _converter: Converter
    parts: dict[str, Any] = field(factory=dict)
    problems: list[Problem] = field(factory=list)
    broken: set[tuple[str, str]] = field(factory=set)

    def take(self, section: str, entries: Mapping[str, Lines]) -> None:
        """Read one section."""
        try:
            kind, name = find_kind(section)
        except ValueError as error:
            self.problems.append(Problem(section, "", str(error)))
            return
        value = self._build(kind, section, name, entries)
        if isinstance(value, Backend):
            value = evolve(value, url=backend_kinds.KINDS[value.kind].base(value.url))
        if kind.name_field:
            self.parts.setdefault(kind.target, {})[name] = value
        else:
            self.parts[kind.target] = value

    def _build(self, kind: Kind, section: str, name: str, entries: Mapping[str, Lines]) -> object:
        given = dict(entries)
        named = {_NAME: name} if kind.name_field else {}
        try:
            return self._converter.structure(given | named, kind.schema)
        except ClassValidationError as error:
            for key, message in _mistakes(error, kind):
                self._complain(section, key, message)
                given.pop(key, None)
            return self._converter.structure(given | named, kind.schema)

    def _complain(self, section: str, key: str, message: str) -> None:
        self.problems.append(Problem(section, key, message))
        self.broken.add((section, key))


def structure(sections: Mapping[str, Mapping[str, Lines]], secrets: SecretSource) -> Draft:
    """Read all sections; never fails, mistakes are in `Draft.problems`."""
    drafting = _Drafting(_converter(secrets))
    for section, entries in sections.items():
        drafting.take(section, entries)
    return Draft(Config(**drafting.parts), tuple(drafting.problems), frozenset(drafting.broken))


def _mistakes(error: ClassValidationError, kind: Kind) -> Iterator[tuple[str, str]]:
    """Yield (key, message) for everything in ``error``; what is not a mistake of the file is raised."""
    noted, bare = error.group_exceptions()
    for problem, note in noted:
        if not isinstance(problem, ValueError):
            raise problem
        yield from ((key_of(note.name), message) for message in problem.args)
    for problem in bare:
        if not isinstance(problem, ForbiddenExtraKeysError):
            raise problem
        yield from ((key, unknown_key(key, kind)) for key in sorted(problem.extra_fields))


def _converter(secrets: SecretSource) -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    for kind in KINDS.values():
        attributes = {key_of(each.name): each.name for each in fields(kind.schema)}
        overrides = {
            attributes[key.name]: override(struct_hook=_hook(key, secrets), rename=key.name) for key in kind.keys
        }
        if kind.name_field:
            overrides[kind.name_field] = override(rename=_NAME)
        converter.register_structure_hook(kind.schema, make_dict_structure_fn(kind.schema, converter, **overrides))  # type: ignore[arg-type]
    return converter


def _hook(attribute: Attribute[Any], secrets: SecretSource) -> Callable[[Any, Any], Any]:
    return lambda lines, _type: read_field(attribute, lines, secrets)
