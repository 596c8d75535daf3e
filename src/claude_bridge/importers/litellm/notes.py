"""What is told of a file, each thing once: the same of several models is one line with the first of their paths."""

from __future__ import annotations

import re
from typing import Final

from attrs import Factory, define, frozen

from claude_bridge.importers.draft import ImportedConfiguration

_INDEX: Final = re.compile(r"\[\d+\]")


@frozen
class _Kind:
    pattern: str
    meaning: str
    lost: bool


@define
class Notes:
    """Collects what is told."""

    _paths: dict[_Kind, dict[str, None]] = Factory(dict)

    def lose(self, path: str, meaning: str) -> None:
        """Note something that is not carried over; ``meaning`` says what follows, without secrets."""
        self._note(path, meaning, lost=True)

    def remark(self, path: str, meaning: str) -> None:
        """Note something that is not needed here, or has another form."""
        self._note(path, meaning, lost=False)

    def write(self, draft: ImportedConfiguration) -> None:
        """Write all of it into a draft, in the order in which it was first noted."""
        for kind, paths in self._paths.items():
            first, *others = paths
            told = f"{first} (and {len(others)} more)" if others else first
            (draft.lose if kind.lost else draft.remark)(told, kind.meaning)

    def _note(self, path: str, meaning: str, *, lost: bool) -> None:
        kind = _Kind(_INDEX.sub("[]", path), meaning, lost)
        self._paths.setdefault(kind, {})[path] = None
