"""The differences between two configurations, by section and key; values are never shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import evolve

from claude_bridge.config.schema import Config
from claude_bridge.config.sections import KINDS, Kind

AT_START: Final = (
    "[server] listen",
    "[server] state_dir",
    "[log] format",
    "[ledger] enabled",
    "[ledger] database",
)
"""What a running daemon cannot change: its sockets, its state file, the format of its log, the file of its ledger."""


def changes(old: Config, new: Config) -> tuple[str, ...]:
    """Return the differences: ``[section] key`` for each key, ``[section]`` with a word for one added or removed."""
    return tuple(each for kind in KINDS.values() for each in _of_kind(kind, old, new))


def as_far_as_possible(running: Config, wanted: Config) -> Config:
    """Return ``wanted``, but with the values of ``running`` for what a running daemon cannot change."""
    return evolve(
        wanted,
        server=evolve(wanted.server, listen=running.server.listen, state_dir=running.server.state_dir),
        log=evolve(wanted.log, format=running.log.format),
        ledger=evolve(wanted.ledger, enabled=running.ledger.enabled, database=running.ledger.database),
    )


def _of_kind(kind: Kind, old: Config, new: Config) -> Iterator[str]:
    before, after = getattr(old, kind.target), getattr(new, kind.target)
    if not kind.name_field:
        yield from _keys(kind, kind.word, before, after)
        return
    for name in {**before, **after}:
        yield from _section(kind, name, before, after)
    if before.keys() == after.keys() and list(before) != list(after):
        yield f"[{kind.word}:*] in another order"


def _section(kind: Kind, name: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    section = f"{kind.word}:{name}"
    if name not in after:
        yield f"[{section}] removed"
    elif name not in before:
        yield f"[{section}] added"
    else:
        yield from _keys(kind, section, before[name], after[name])


def _keys(kind: Kind, section: str, before: object, after: object) -> Iterator[str]:
    for key in kind.keys:
        if getattr(before, key.name) != getattr(after, key.name):
            yield f"[{section}] {key.name}"
