"""Validators of the schema: attrs calls them, and so does `fields`, which reports all of them at once."""

from __future__ import annotations

from typing import Any

from attrs import Attribute, frozen

from claude_bridge.config.problems import not_allowed


@frozen
class Between:
    """A number from ``low`` to ``high``, both allowed."""

    low: float
    high: float

    def __call__(self, _instance: object, attribute: Attribute[Any], value: float) -> None:
        """Raise `ValueError` for a number outside."""
        if not self.low <= value <= self.high:
            unit = attribute.metadata.get("unit", "")
            raise ValueError(f"must be from {self.low:,} to {self.high:,} {unit}".rstrip())


@frozen
class OneOf:
    """One of a few words."""

    words: tuple[str, ...]

    def __call__(self, _instance: object, _attribute: Attribute[Any], value: str) -> None:
        """Raise `ValueError` with the nearest word and all of them."""
        if value not in self.words:
            raise ValueError(not_allowed(value, self.words))


DAY = 86_400
WAIT = Between(0.001, DAY)
"""A time limit: 0 would fail every request, and nobody watches for more than a day."""
PAUSE = Between(0, DAY)
"""A time that may be nothing."""
SIZE = Between(1, 1024**3)
"""A size held in memory: 1 GiB, beyond which a daemon on a home server is killed anyway."""
TOTAL = Between(1, 1024**4)
"""A size held by all requests together: 1 TiB, as large servers have."""
RATE = Between(0, 1024**2)
"""Bytes a second, or no limit: a client that sends a megabyte a second is not slow."""
TOKENS = Between(1, 1_000_000_000)
"""A count of tokens: far above any window, below any overflow."""
