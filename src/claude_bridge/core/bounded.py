"""A bounded mapping: it drops the least recently used entries when there are too many or they weigh too much."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, ItemsView, Iterator
from typing import Any, Generic, TypeVar

from attrs import define, field

K = TypeVar("K")
V = TypeVar("V")


def _weightless(_key: Any, _value: Any) -> int:  # noqa: ANN401 - of any type
    return 0


@define(eq=False)
class BoundedMap(Generic[K, V]):
    """A mapping with LRU eviction, in which `get` and `put` count as uses.

    :ivar max_entries: how many entries are kept.
    :ivar max_weight: what all entries may weigh together.
    :ivar weigh: returns the weight of an entry, always the same for it; bytes in most cases.
    :ivar weight: the weight of all entries.
    """

    max_entries: int
    max_weight: int = 0
    weigh: Callable[[K, V], int] = _weightless
    weight: int = field(default=0, init=False)
    _entries: OrderedDict[K, V] = field(factory=OrderedDict, init=False)

    def get(self, key: K) -> V | None:
        """Return the value, counting that as a use, or None."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def peek(self, key: K) -> V | None:
        """Return the value, without counting that as a use, or None."""
        return self._entries.get(key)

    def put(self, key: K, value: V) -> None:
        """Store a value as the most recently used; one that weighs too much by itself is not stored."""
        self.discard(key)
        weight = self.weigh(key, value)
        if weight > self.max_weight:
            return
        self._entries[key] = value
        self.weight += weight
        while len(self._entries) > self.max_entries or self.weight > self.max_weight:
            self.discard(next(iter(self._entries)))

    def discard(self, key: K) -> None:
        """Remove an entry, if it is there."""
        if key in self._entries:
            self.weight -= self.weigh(key, self._entries.pop(key))

    def clear(self) -> None:
        """Remove all entries."""
        self._entries.clear()
        self.weight = 0

    def items(self) -> ItemsView[K, V]:
        """Return keys and values, the least recently used first."""
        return self._entries.items()

    def __iter__(self) -> Iterator[K]:
        return iter(self._entries)

    def __contains__(self, key: object) -> bool:
        return key in self._entries

    def __len__(self) -> int:
        return len(self._entries)
