"""Has CPython keep the names of a class's attributes once, and not again in each instance.

CPython makes one table of names for all instances of a class, but closes it after the first instances: each new one
takes away a place for a further name (docs/twisted.md 2.5). If many clients come at the same time, the table is closed
before any of their requests was answered, and then every request has a table of its own, which takes 1.3 KB.
"""

from __future__ import annotations

from collections.abc import Iterable


def share_names(kind: type, names: Iterable[str]) -> None:
    """Make a first instance of ``kind`` that has all ``names``, so that the later ones find them in the table.

    More than 29 do not fit. Must be called before there is any instance.
    """
    first: object = object.__new__(kind)
    for name in names:
        object.__setattr__(first, name, None)
