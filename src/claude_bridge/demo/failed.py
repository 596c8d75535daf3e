"""The one exception of the demonstration."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen


@frozen
class DemoFailed(Exception):
    """Something that may well happen did: no network, no disk, a child that died. ``str()`` is for the user.

    :ivar tail: the last lines of whoever failed.
    """

    message: str
    tail: Iterable[str] = ()

    def __str__(self) -> str:
        """Return the message, and the lines below it."""
        return "\n".join([self.message, *(f"    {line}" for line in self.tail)])
