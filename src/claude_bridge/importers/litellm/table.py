"""One mapping of a LiteLLM file, which remembers what of it was used, so that the rest can be reported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from attrs import Factory, define, field

from claude_bridge.importers.litellm.yaml_reader import Scalar, Tree, join, texts

_EMPTY: Final = ("", "none", "null")
_TRUE: Final = frozenset({"true", "yes", "on", "1"})
_FALSE: Final = frozenset({"false", "no", "off", "0"})


@define
class Table:
    """A mapping of the file.

    :ivar path: where it is, such as ``model_list[0].litellm_params``.
    :ivar entries: its keys and values.
    """

    path: str
    entries: Mapping[str, Tree] = field(factory=dict)
    _used: set[str] = Factory(set)

    def at(self, key: str) -> str:
        """Return the path of a key."""
        return join(self.path, key)

    def tree(self, key: str) -> Tree | None:
        """Return what a key has, None if that is nothing (``null``, or an empty text)."""
        self._used.add(key)
        found = self.entries.get(key)
        return None if is_nothing(found) else found

    def text(self, key: str) -> str | None:
        """Return the text of a key as it is written; None for a mapping or list, which is then left for the report."""
        found = self.tree(key)
        if isinstance(found, Scalar):
            return found.text.strip()
        self._give_back(key, found)
        return None

    def texts(self, key: str) -> tuple[str, ...]:
        """Return the texts of a key that has one or a list of them."""
        return tuple(each.strip() for each in texts(self.tree(key)))

    def flag(self, key: str) -> bool | None:
        """Return yes or no; None for anything else, which is then left for the report."""
        found = self.tree(key)
        if isinstance(found, Scalar):
            word = found.text.strip().lower()
            if word in _TRUE | _FALSE:
                return word in _TRUE
        self._give_back(key, found)
        return None

    def number(self, key: str) -> Decimal | None:
        """Return a number, also one in quotes; None for anything else, which is then left for the report."""
        found = self.tree(key)
        number = decimal(found)
        if number is None:
            self._give_back(key, found)
        return number

    def whole(self, key: str, most: int) -> int | None:
        """Return a whole number from 1 to ``most``; None for anything else, which is then left for the report."""
        number = self.number(key)
        if number is None or number != int(number) or not 1 <= number <= most:
            self._give_back(key, self.entries.get(key))
            return None
        return int(number)

    def table(self, key: str) -> Table:
        """Return the mapping that a key has, or an empty one."""
        found = self.tree(key)
        if isinstance(found, dict):
            return Table(self.at(key), found)
        self._give_back(key, found)
        return Table(self.at(key))

    def tables(self, key: str) -> tuple[Table, ...]:
        """Return the mappings in the list that a key has."""
        found = self.tree(key)
        if not isinstance(found, list):
            self._give_back(key, found)
            return ()
        return tuple(
            Table(f"{self.at(key)}[{number}]", each) for number, each in enumerate(found) if isinstance(each, dict)
        )

    def ignore(self, *keys: str) -> None:
        """Note keys as dealt with."""
        self._used.update(keys)

    def leave(self, key: str) -> None:
        """Note a key as not dealt with after all."""
        self._used.discard(key)

    def rest(self) -> Iterator[str]:
        """Yield the keys that have something and were not used, in the order of the file."""
        for key, tree in self.entries.items():
            if key not in self._used and not is_nothing(tree):
                yield key

    def _give_back(self, key: str, found: Tree | None) -> None:
        if found is not None:
            self._used.discard(key)


def is_nothing(tree: Tree | None) -> bool:
    """Return whether a value is none: ``null``, an empty text, list or mapping."""
    if isinstance(tree, Scalar):
        return tree.value is None or not tree.text.strip()
    return not tree


def is_off(tree: Tree | None) -> bool:
    """Return whether a value is none, or says no."""
    return is_nothing(tree) or (isinstance(tree, Scalar) and (tree.value is False or tree.text.lower() in _EMPTY))


def decimal(tree: Tree | None) -> Decimal | None:
    """Return the number that a scalar is, also as a text; None if it is none."""
    if not isinstance(tree, Scalar) or isinstance(tree.value, bool):
        return None
    try:
        number = Decimal(tree.text.strip().replace("_", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < Decimal(10) ** 15 else None
