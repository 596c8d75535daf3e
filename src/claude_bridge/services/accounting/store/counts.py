"""Sums over requests, as the ledger keeps them and the process counts them."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define


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


def total(parts: Iterable[Counts]) -> Counts:
    """Return the sum of some sums."""
    found = Counts()
    for each in parts:
        found.add(each)
    return found
