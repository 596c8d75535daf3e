"""Finds the figures of a session: in the tally, with what only the ledger knows from before a restart."""

from __future__ import annotations

from attrs import define
from twisted.internet.defer import Deferred, succeed

from claude_bridge.services.accounting.sessions import Session
from claude_bridge.services.accounting.tally import Tally
from claude_bridge.services.interfaces import SessionName


@define(eq=False, kw_only=True)
class SessionHistory:
    """The sessions of the process."""

    _tally: Tally

    def find(self, name: SessionName) -> Deferred[Session | None]:
        """Return a session; None for one that is not known. The Deferred never fails."""
        return succeed(self._tally.session(name))
