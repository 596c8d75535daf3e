"""Sums over requests, the same as the ledger keeps, and collections of them whose size is bounded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

from attrs import define, field

from claude_bridge.core.bounded import BoundedMap
from claude_bridge.services.accounting.store.entries import MAX_COST, MAX_TOKENS
from claude_bridge.services.interfaces import AttemptRecord

KeyT = TypeVar("KeyT")
PartT = TypeVar("PartT")


@define
class Counts:
    """Sums over requests, named as in the ledger, in its order.

    :ivar requests: requests of clients; `failed` are those that ended with an error.
    :ivar attempts: requests to backends.
    :ivar input: tokens of prompts that were neither read from a cache nor written into one.
    :ivar cost: pico-dollars of the attempts whose price is known, which are `priced`.
    :ivar unpriced: attempts that used tokens at a price that is not known.
    """

    requests: int = 0
    failed: int = 0
    attempts: int = 0
    input: int = 0
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    thinking: int = 0
    cost: int = 0
    priced: int = 0
    unpriced: int = 0

    @property
    def prompt(self) -> int:
        """The tokens of all prompts."""
        return self.input + self.cache_read + self.cache_write

    @property
    def known_cost(self) -> int | None:
        """The cost in pico-dollars, as far as prices are known; None if none is."""
        return self.cost if self.priced else None

    def add(self, more: Counts) -> None:
        """Add other sums."""
        self.requests += more.requests
        self.failed += more.failed
        self.attempts += more.attempts
        self.input += more.input
        self.cache_read += more.cache_read
        self.cache_write += more.cache_write
        self.output += more.output
        self.thinking += more.thinking
        self.cost += more.cost
        self.priced += more.priced
        self.unpriced += more.unpriced


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


def total(parts: Iterable[Counts]) -> Counts:
    """Return the sum of some sums."""
    found = Counts()
    for each in parts:
        found.add(each)
    return found


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
        if self.other is None:
            self.other = self._make()
        self._add(self.other, part)
