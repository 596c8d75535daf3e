"""What `claude-bridge setup` changed in a settings file, kept in the state directory so that `undo` can take it back.

A receipt has the values that stood there before, among them other programs' keys: only its owner may read it. Of what
was written it has digests alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Final, Literal

import cattrs
from attrs import field, frozen

from claude_bridge.client import staged_file
from claude_bridge.client.settings_text import InvalidSettings, Path, spelled, value_at

VERSION: Final = 1

State = Literal["ours", "before", "changed", "removed"]
"""What became of a member that was set: it has our value, the one from before, another one, or it is gone."""


class DamagedReceipt(Exception):
    """A receipt that cannot be read; the message says which."""


@frozen
class ChangedMember:
    """A member of the settings that was set.

    :ivar ours: digests of the values that it was given, more than one after several set-ups.
    :ivar was: its value before, as it was spelled; None if there was none.
    """

    path: Path
    ours: tuple[str, ...]
    was: str | None = field(repr=False)

    def is_ours(self, value: object) -> bool:
        """Return whether a value is one that the member was given."""
        return digest(value) in self.ours

    def state(self, text: str) -> State:
        """Return what became of the member in the settings ``text``."""
        try:
            now, value = spelled(text, self.path), value_at(text, self.path)
        except InvalidSettings:  # what should contain it is no object any more
            return "changed"
        if now == self.was:
            return "before"
        if now is None:
            return "removed"
        return "ours" if self.is_ours(value) else "changed"


@frozen(kw_only=True)
class Receipt:
    """What was changed in one settings file.

    :ivar settings: its path.
    :ivar members: the members that were set, in the order in which they were.
    :ivar objects: as in `settings_text.Edit`.
    :ivar made: whether there was no file.
    :ivar blank: the content of a file that was empty.
    :ivar folders: the folders that were created for it, the outer ones first.
    :ivar published: the names of models that the bridge published.
    :ivar model: the value of ``model`` before, as it was spelled; None if there was none.
    :ivar chosen: the main model that the command line named; None if the configuration decided it.
    """

    settings: str
    members: tuple[ChangedMember, ...] = ()
    objects: tuple[tuple[Path, str | None], ...] = ()
    made: bool = False
    blank: str | None = None
    folders: tuple[str, ...] = ()
    published: tuple[str, ...] = ()
    model: str | None = None
    chosen: str | None = None

    def member(self, path: Path) -> ChangedMember | None:
        """Return what was changed at a path, or None."""
        return next((member for member in self.members if member.path == path), None)


def digest(value: object) -> str:
    """Return a digest of a decoded JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def receipt_file(state: str, settings: FilePath) -> FilePath:
    """Return the path of the receipt of a settings file in the state directory."""
    name = hashlib.sha256(str(settings.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return FilePath(state, f"setup-{name}.json")


def load(path: FilePath) -> Receipt | None:
    """Return the receipt in a file, or None if there is none. Raises `OSError` and `DamagedReceipt`."""
    content = staged_file.read(path)
    if content is None:
        return None
    try:
        found = json.JSONDecoder().decode(content.decode())
        if found["version"] != VERSION:
            raise DamagedReceipt(f"{path} is of another version of claude-bridge: undo with that version")
        return cattrs.structure(found["receipt"], Receipt)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, cattrs.BaseValidationError) as error:
        raise DamagedReceipt(f"{path} is damaged; remove it, and the settings by hand") from error


def encoded(receipt: Receipt) -> bytes:
    """Return the content of a receipt's file."""
    return json.dumps({"version": VERSION, "receipt": cattrs.unstructure(receipt)}, indent=1).encode() + b"\n"


def save(path: FilePath, receipt: Receipt) -> None:
    """Write a receipt, if it is not what the file has already. Raises `OSError`."""
    content = encoded(receipt)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if staged_file.read(path) != content:
        staged_file.stage(path, content).commit()


def merged_objects(
    old: tuple[tuple[Path, str | None], ...], new: tuple[tuple[Path, str | None], ...]
) -> tuple[tuple[Path, str | None], ...]:
    """Return the objects of two set-ups, the outer ones first; of one that is in both, the newer."""

    def both() -> Iterator[tuple[Path, str | None]]:
        newer = {path for path, _ in new}
        yield from (each for each in old if each[0] not in newer)
        yield from new

    return tuple(sorted(both(), key=lambda each: len(each[0])))
