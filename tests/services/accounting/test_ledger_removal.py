"""What is old is removed every hour, in pieces."""

from __future__ import annotations

import pytest
from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from claude_bridge.services.accounting.ledger_removal import FIRST_SECONDS, SECONDS, LedgerRemoval
from claude_bridge.services.accounting.store.errors import Broken, NewerVersion, Unavailable
from tests.services.accounting.test_ledger import KeptWrites

NOW, KEEP = 1e9, 50.0


@define(eq=False)
class Desk:
    """A removal, and the database."""

    clock: Clock = field(factory=Clock)
    writer: KeptWrites = field(factory=KeptWrites)
    removal: LedgerRemoval = field(init=False)

    @removal.default
    def _make_removal(self) -> LedgerRemoval:
        return LedgerRemoval(self.clock.seconds)

    def go_on(self) -> int:
        """Let it go on; return how often something was removed by now."""
        ended: list[None] = []
        going_on = Deferred.fromCoroutine(self.removal.go_on(self.writer, NOW, KEEP))
        going_on.addCallback(ended.append)
        assert ended == [None]
        return len(self.writer.removals)


class RemovalTests:
    """When it removes."""

    def test_every_hour(self) -> None:
        """Ten minutes after the start, then an hour later."""
        desk = Desk()
        desk.clock.advance(FIRST_SECONDS - 1)
        assert desk.go_on() == 0
        desk.clock.advance(1)
        assert desk.go_on() == 1
        desk.clock.advance(SECONDS - 1)
        assert desk.go_on() == 1
        desk.clock.advance(1)
        assert desk.go_on() == 2
        assert desk.writer.removals == [(NOW, KEEP)] * 2

    def test_in_pieces(self) -> None:
        """While there is more each call removes a piece."""
        desk = Desk()
        desk.clock.advance(FIRST_SECONDS)
        desk.writer.left_to_remove = 2
        assert [desk.go_on() for _ in range(4)] == [1, 2, 3, 3]

    @pytest.mark.parametrize("error", [Unavailable("locked"), Broken("malformed"), NewerVersion("newer")])
    def test_trouble(self, error: Exception) -> None:
        """A removal that fails is no fault, and is tried again in an hour."""
        desk = Desk()
        desk.clock.advance(FIRST_SECONDS)
        desk.writer.removal_trouble = error
        assert [desk.go_on(), desk.go_on()] == [1, 1]
        desk.clock.advance(SECONDS)
        assert desk.go_on() == 2
