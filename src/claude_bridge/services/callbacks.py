"""Callbacks: one that does nothing, and timers that may have been called already."""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall


def do_nothing(*_: object) -> None:
    """Do nothing: stands where nobody listens, or no longer does."""


def stop_timer(timer: IDelayedCall | None) -> None:
    """Cancel ``timer`` if it still runs."""
    if timer is not None and timer.active():
        timer.cancel()
