"""The sections and the keys of each, taken from the schema, in its order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from attrs import Attribute, fields, frozen, resolve_types

from claude_bridge.config import foreign_words, schema
from claude_bridge.config.fields import FORWARDED_KEY
from claude_bridge.config.problems import nearest, suggestion
from claude_bridge.core.model_names import MARK

_PLAIN_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*)")


@frozen(kw_only=True)
class Kind:
    """One kind of section.

    :ivar word: what the header says, ``server`` or the part before the colon of ``backend:chutes``.
    :ivar target: the attribute of `schema.Config` that holds it, or the mapping of them.
    :ivar name_field: the attribute that gets NAME; empty for a section that is there once.
    :ivar example: a NAME to show in messages and tables.
    """

    word: str
    schema: type[Any]
    target: str
    name_field: str = ""
    example: str = "NAME"
    check_name: Callable[[str], None] = lambda _name: None

    @cached_property
    def keys(self) -> tuple[Attribute[Any], ...]:
        """The keys of the section, with their types resolved."""
        own = (item for item in fields(resolve_types(self.schema)) if item.name != self.name_field)
        return tuple(item if item.name == (key := key_of(item.name)) else item.evolve(name=key) for item in own)

    @property
    def header(self) -> str:
        """What to write between the brackets."""
        return f"{self.word}:{self.example}" if self.name_field else self.word


def key_of(attribute: str) -> str:
    """Return the key of an attribute of the schema: ``for`` of ``for_``."""
    return attribute.removesuffix("_")


def _check_plain(name: str) -> None:
    if not _PLAIN_NAME.fullmatch(name):
        raise ValueError("the NAME must consist of letters, digits, dots, dashes and underscores")


def _check_key(name: str) -> None:
    _check_plain(name)
    if name == FORWARDED_KEY:
        raise ValueError("the accounts use this NAME for clients whose own credential is passed on: choose another")


def _check_model(name: str) -> None:
    if not name or not name.isprintable() or any(character.isspace() for character in name):
        raise ValueError("the NAME of a model must not be empty or contain a space")
    if name.endswith(MARK):
        raise ValueError(f"the NAME of a model must not end in {MARK}: clients get that added")


KINDS: Mapping[str, Kind] = {
    kind.word: kind
    for kind in (
        Kind(word="server", schema=schema.Server, target="server"),
        Kind(word="backend", schema=schema.Backend, target="backends", name_field="name", check_name=_check_plain),
        Kind(word="model", schema=schema.Model, target="models", name_field="alias", check_name=_check_model),
        Kind(
            word="route",
            schema=schema.Route,
            target="routes",
            name_field="name",
            check_name=_check_plain,
        ),
        Kind(word="price", schema=schema.ModelPrice, target="prices", name_field="name", check_name=_check_model),
        Kind(word="budget", schema=schema.Budget, target="budgets", name_field="name", check_name=_check_plain),
        Kind(word="key", schema=schema.ClientKey, target="keys", name_field="name", check_name=_check_key),
        Kind(word="breaker", schema=schema.BreakerConfig, target="breaker"),
        Kind(word="web_search", schema=schema.WebSearch, target="web_search"),
        Kind(word="limits", schema=schema.Limits, target="limits"),
        Kind(word="log", schema=schema.Log, target="log"),
        Kind(word="ledger", schema=schema.Ledger, target="ledger"),
    )
}


def find_kind(section: str) -> tuple[Kind, str]:
    """Return kind and NAME of a section header. Raises `ValueError` for one that does not exist."""
    if section == "DEFAULT":
        raise ValueError("defaults for all sections are not supported: write each key into its own section")
    word, colon, name = section.partition(":")
    kind = KINDS.get(word)
    if kind is None and (instead := foreign_words.instead_of_section(word)):
        raise ValueError(f"this version has no such section: {instead}")
    if kind is None:
        raise ValueError(f"unknown section, {_meant(word, name)}")
    if bool(colon) != bool(kind.name_field):
        raise ValueError(f"unknown section, did you mean [{kind.header}]?")
    kind.check_name(name)
    return kind, name


def unknown_key(word: str, kind: Kind) -> str:
    """Return what to write instead of the key ``word`` in a section of this kind.

    A word of another tool for one of the section's keys comes first, then a key of another section, then the nearest.
    """
    valid = [key.name for key in kind.keys]
    if own := foreign_words.meant(word, valid):
        return f"unknown key, did you mean {own}?"
    elsewhere = [
        f"{key} in [{other.header}]"
        for other in KINDS.values()
        if (key := foreign_words.meant(word, [each.name for each in other.keys]))
    ]
    if elsewhere:
        return f"unknown key, did you mean {' or '.join(elsewhere)}?"
    return f"unknown key, {suggestion(word, valid)}"


def _meant(word: str, name: str) -> str:
    """Return what to write instead of ``word``, brackets and NAME included where the word is nearly right."""
    near = foreign_words.meant_section(word) or nearest(word, KINDS)
    if near is None:
        return suggestion(word, KINDS)
    kind = KINDS[near]
    return f"did you mean [{near}:{name or kind.example}]?" if kind.name_field else f"did you mean [{near}]?"
