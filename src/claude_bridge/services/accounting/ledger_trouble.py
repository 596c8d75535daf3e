"""Tells the log what is wrong with the ledger's database, once and then seldom, and that it is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field
from twisted.logger import Logger

TELL_SECONDS: Final = 60.0
"""How often a lasting trouble is logged."""

_log = Logger()


def tell_replaced(path: str) -> None:
    """Log that a file that was in use is not there any more, or another one is, and that accounts go on."""
    _log.warn(
        "{path} was removed or replaced while it was in use; accounts go on in the file that is there now, without "
        "what only the other had",
        event="ledger",
        path=path,
    )


@define(eq=False)
class LedgerTrouble:
    """What is wrong with a database, if anything is.

    :ivar reason: why nothing is written, in a few words; "" if the last write has succeeded.
    """

    _path: str
    _seconds: Callable[[], float]
    reason: str = field(default="", init=False)
    _told: float | None = field(default=None, init=False)
    _lost_told: int = field(default=0, init=False)

    @property
    def lasts(self) -> bool:
        """Whether the log was told of a trouble that is not over."""
        return self._told is not None

    def begins(self, reason: str, *, waiting: int, lost: int) -> None:
        """Log why nothing can be written now, at first and once a minute.

        :param waiting: records that are kept to be written later.
        :param lost: records that were dropped since the start.
        """
        now, self.reason = self._seconds(), reason
        if self._told is not None and now - self._told < TELL_SECONDS:
            return
        self._told, self._lost_told = now, lost
        _log.warn(
            "accounts cannot be written to {path}: {reason}; requests are served all the same, {waiting} wait in "
            "memory to be written, {dropped} are lost",
            event="ledger",
            path=self._path,
            reason=reason,
            waiting=waiting,
            dropped=lost,
        )

    def ends(self, *, lost: int) -> None:
        """Log that a write has succeeded, if there was trouble, and how many records were dropped since that was told.

        :param lost: records that were dropped since the start.
        """
        self.reason = ""
        if self._told is not None:
            self._told = None
            _log.info("accounts are written to {path} again", event="ledger", path=self._path)
        if lost != self._lost_told:
            _log.warn("{count} requests are not in the accounts", event="ledger", count=lost - self._lost_told)
            self._lost_told = lost

    def refused(self, reason: str) -> None:
        """Log why nothing is kept until the next start."""
        self.reason = reason
        _log.warn("no accounts are kept in {path}: {reason}", event="ledger", path=self._path, reason=reason)

    def set_aside(self, reason: str, name: str) -> None:
        """Log that a damaged file has got another name."""
        _log.warn(
            "{path} is damaged ({reason}); it was renamed to {aside}, and a new one is begun",
            event="ledger",
            path=self._path,
            reason=reason,
            aside=name,
        )

    def left(self, waiting: int, under_way: int) -> None:
        """Log what was not written at the end; a write that hangs may still succeed."""
        if waiting or under_way:
            told = "may not be" if under_way else "are not"
            _log.warn(
                "{count} requests " + told + " in the accounts, as {path} could not be written",
                event="ledger",
                count=waiting + under_way,
                path=self._path,
            )
