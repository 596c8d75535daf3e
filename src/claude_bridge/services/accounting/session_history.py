"""Finds the figures of a session: in the tally, with what only the ledger has from before a restart.

The ledger is asked once for each session: at its first request, whose client does not wait for it, or when somebody
wants to see its figures before that. What it has is added to what has come since.

A question may be refused, as when the database cannot be used and too many wait. Then the ledger is asked again when
somebody wants to see the session and all its requests were written, so not while the database cannot be used. What it
has then is the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

from attrs import define
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.defer import TimeoutError as TookTooLong
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.services.accounting.sessions import Session
from claude_bridge.services.accounting.store.entries import PastAgent
from claude_bridge.services.accounting.store.errors import Unavailable
from claude_bridge.services.accounting.tally import Tally
from claude_bridge.services.interfaces import SessionName

FIND_SECONDS: Final = 0.15
"""How long somebody who wants to see a session waits for the ledger: a status line has 0.25 s for everything."""

_log = Logger()


class EarlierSessions(Protocol):
    """The ledger, as far as it knows sessions from before a restart."""

    def recall(self, name: SessionName, *, at_once: bool = False) -> Deferred[Sequence[PastAgent]]:
        """Return what the ledger has of a session, of the records that it has got by now; nothing if that is nothing.

        What comes later is not among it, so that whoever adds that up by itself has each record once. While the
        database cannot be used the Deferred waits; it may be cancelled. It fails with `Unavailable` where too many
        wait, and after a fault of ours.

        :param at_once: somebody waits for it; else it is read with the next write.
        """

    def has_unwritten(self, name: SessionName) -> bool:
        """Return whether records of a session may wait to be written, which are not among what it has of it."""


@define(eq=False, kw_only=True)
class SessionHistory:
    """The sessions of the process, and of those before it."""

    _tally: Tally
    _ledger: EarlierSessions | None
    _clock: IReactorTime

    def __attrs_post_init__(self) -> None:
        """Have the tally tell of each session that begins, if somebody may know more of it."""
        if self._ledger is not None:
            self._tally.on_session = partial(self._begun, self._ledger)

    def find(self, name: SessionName) -> Deferred[Session | None]:
        """Return a session; None for one that is not known. The Deferred fails only if it is cancelled.

        If the ledger does not answer in time the session is as the tally has it, which may be not at all.
        """
        ledger, session = self._ledger, self._tally.session(name)
        if ledger is not None and session is not None:
            self._ask_again(ledger, name, session)
        if ledger is None or (session is not None and (session.is_complete or not session.is_asked)):
            return succeed(session)
        recalled = ledger.recall(name, at_once=True).addTimeout(FIND_SECONDS, self._clock)
        return recalled.addCallbacks(partial(self._found, name), partial(self._not_found, name))

    def _begun(self, ledger: EarlierSessions, name: SessionName, session: Session) -> None:
        session.is_asked = True
        recalled = ledger.recall(name).addCallback(partial(self._tally.restore, name, session))
        recalled.addErrback(partial(_not_answered, session))

    def _ask_again(self, ledger: EarlierSessions, name: SessionName, session: Session) -> None:
        """Ask for the whole of a session, if what was before was refused, and nothing of it is still to be written."""
        if session.is_complete or session.is_asked or ledger.has_unwritten(name):
            return
        session.is_asked = True
        recalled = ledger.recall(name, at_once=True)
        recalled.addCallback(partial(self._replace, name, session, session.counts.requests))
        recalled.addErrback(partial(_not_answered, session))

    def _replace(self, name: SessionName, session: Session, requests: int, past: Sequence[PastAgent]) -> None:
        """Set a session to what the ledger has, unless its number of requests is not what it was at the question."""
        if session.counts.requests == requests:
            self._tally.replace(name, session, past)
        else:  # what has ended since is not among it
            session.is_asked = False

    def _found(self, name: SessionName, past: Sequence[PastAgent]) -> Session | None:
        session = self._tally.session(name)
        return self._tally.adopt(name, past) if session is None and past else session

    def _not_found(self, name: SessionName, failure: Failure) -> Session | Failure | None:
        if failure.check(CancelledError):
            return failure
        if not failure.check(TookTooLong):
            _tell_fault(failure)
        return self._tally.session(name)


def _not_answered(session: Session, failure: Failure) -> None:
    session.is_asked = False
    _tell_fault(failure)


def _tell_fault(failure: Failure) -> None:
    if not failure.check(Unavailable):
        _log.failure("the earlier figures of a session are not known", failure, event="fault")
