"""Names like the one that was asked for, out of those that there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import nlargest
from typing import Final

MAX_NAMES: Final = 5
"""Names that are told; where there are no more, all are."""

MAX_NAME_CHARACTERS: Final = 200
"""Characters of a name that are looked at, and told."""

_TRIGRAM: Final = 3


def nearest_names(name: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return the names most like ``name``, best first, or any where none is like it.

    They are compared by the threes of letters that they share: the time for 5,000 names is some 30 ms, where a
    comparison letter by letter takes half a second.
    """
    wanted = _trigrams(name)

    def likeness(other: str) -> float:
        parts = _trigrams(other)
        return len(wanted & parts) / (len(wanted | parts) or 1)

    return tuple(nlargest(MAX_NAMES, dict.fromkeys(other[:MAX_NAME_CHARACTERS] for other in names), key=likeness))


def name_list(near: Sequence[str], many: int) -> str:
    """Return a phrase that lists names, and how many more there are."""
    more = many - len(near)
    return ", ".join(near) + (f" and {more} more" if more > 0 else "")


def _trigrams(name: str) -> set[str]:
    text = f" {name[:MAX_NAME_CHARACTERS].casefold()} "
    return {text[at : at + _TRIGRAM] for at in range(len(text) - _TRIGRAM + 1)}
