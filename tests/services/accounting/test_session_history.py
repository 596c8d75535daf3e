"""Sessions are found by their owners."""

from __future__ import annotations

from twisted.internet.task import Clock

from claude_bridge.services.accounting.session_history import SessionHistory
from claude_bridge.services.accounting.sessions import Session
from claude_bridge.services.accounting.tally import Tally
from claude_bridge.services.interfaces import SessionName
from tests.services.accounting.test_tally import ANNA, OWNED


class TallyTests:
    """What the tally has."""

    def test_found_by_its_owner(self) -> None:
        """A session is there for its owner, and for nobody else."""
        tally = Tally(seconds=Clock().seconds)
        tally.request_ended(OWNED)
        found: list[Session | None] = []
        for name in (ANNA, SessionName("key:bob", "s-1"), SessionName("", "s-1"), SessionName("key:anna", "s-2")):
            SessionHistory(tally=tally).find(name).addCallback(found.append)
        assert found == [tally.session(ANNA), None, None, None]
        assert found[0] is not None
