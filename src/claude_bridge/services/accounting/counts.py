"""What an attempt adds to the sums that the ledger keeps, and collections of sums whose size is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from attrs import define, field

from claude_bridge.core.bounded import BoundedMap
from claude_bridge.services.accounting.store.counts import Counts
from claude_bridge.services.accounting.store.entries import MAX_COST, MAX_TOKENS
from claude_bridge.services.interfaces import AttemptRecord

KeyT = TypeVar("KeyT")
PartT = TypeVar("PartT")


def of_attempt(record: AttemptRecord) -> Counts:
    """Return what an attempt adds to sums, no more than the ledger takes of it."""
    usage, cost = record.usage, record.cost
    if cost is not None and cost > MAX_COST:
        cost = MAX_COST
    priced = int(cost is not None)
    if usage is None:
        return Counts(0, 0, 1, 0, 0, 0, 0, 0, cost or 0, priced)
    given, read, written = usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens
    answered, thought = usage.output_tokens, usage.thinking_tokens or 0
    if given + read + written + answered + thought > MAX_TOKENS:
        given, read, written, answered, thought = (
            min(each, MAX_TOKENS) for each in (given, read, written, answered, thought)
        )
    return Counts(0, 0, 1, given, read, written, answered, thought, cost or 0, priced, 1 - priced)


@define(eq=False)
class Breakdown(Generic[KeyT, PartT]):
    """Figures by name, of which only those used last have an entry: those of all others are added up in `other`.

    :ivar max_entries: how many names have an entry.
    :ivar other: the figures of the names that have lost theirs; None if none has.
    """

    max_entries: int
    _make: Callable[[], PartT]
    _add: Callable[[PartT, PartT], None]
    other: PartT | None = field(default=None, init=False)
    _parts: BoundedMap[KeyT, PartT] = field(init=False)

    @_parts.default
    def _make_parts(self) -> BoundedMap[KeyT, PartT]:
        return BoundedMap(self.max_entries)

    def of(self, name: KeyT) -> PartT:
        """Return the figures of a name, new ones if there are none; they count as used."""
        found = self._parts.get(name)
        return self._begin(name) if found is None else found

    def others(self) -> PartT:
        """Return `other`, which is made if there is none."""
        if self.other is None:
            self.other = self._make()
        return self.other

    def find(self, name: KeyT) -> PartT | None:
        """Return the figures of a name, or None."""
        return self._parts.peek(name)

    def named(self) -> Iterator[tuple[KeyT, PartT]]:
        """Yield names and their figures, those used last first."""
        return reversed(tuple(self._parts.items()))

    def parts(self) -> Iterator[PartT]:
        """Yield all figures, `other` among them."""
        yield from (part for _, part in self._parts.items())
        if self.other is not None:
            yield self.other

    def __len__(self) -> int:
        return len(self._parts)

    def _begin(self, name: KeyT) -> PartT:
        if len(self._parts) >= self.max_entries:
            self._fold(next(iter(self._parts)))
        made = self._make()
        self._parts.put(name, made)
        return made

    def _fold(self, name: KeyT) -> None:
        part = self._parts.peek(name)
        self._parts.discard(name)
        if part is None:
            return
        self._add(self.others(), part)
