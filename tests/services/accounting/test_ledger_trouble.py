"""The log says what is wrong with the ledger, once and then seldom."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from attrs import define, field
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogPublisher
from zope.interface import provider

from claude_bridge.services.accounting.ledger_trouble import TELL_SECONDS, LedgerTrouble, tell_replaced


@define(eq=False)
class Desk:
    """What is told, and the lines of the log."""

    clock: Clock = field(factory=Clock)
    trouble: LedgerTrouble = field(init=False)
    lines: list[str] = field(factory=list)

    @trouble.default
    def _make_trouble(self) -> LedgerTrouble:
        return LedgerTrouble("/l.sqlite", self.clock.seconds)

    def told(self) -> list[str]:
        """Return the lines since the last time."""
        lines, self.lines = self.lines, []
        return lines


@pytest.fixture
def desk() -> Iterator[Desk]:
    """Yield a desk."""
    made = Desk()

    @provider(ILogObserver)
    def keep(event: LogEvent) -> None:
        if event.get("event") == "ledger":
            made.lines.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(keep)
    yield made
    globalLogPublisher.removeObserver(keep)


class TroubleTests:
    """Writes that fail."""

    def test_once_a_minute(self, desk: Desk) -> None:
        """A trouble that lasts is told at first and once a minute, with what waits and what is lost."""
        desk.trouble.begins("disk full", waiting=2, lost=0)
        desk.clock.advance(TELL_SECONDS - 1)
        desk.trouble.begins("disk full", waiting=3, lost=1)
        desk.clock.advance(1)
        desk.trouble.begins("locked", waiting=4, lost=1)
        first, second = desk.told()
        assert first.startswith("accounts cannot be written to /l.sqlite: disk full; ")
        assert first.endswith(", 2 wait in memory to be written, 0 are lost")
        assert "locked" in second
        assert second.endswith(", 4 wait in memory to be written, 1 are lost")
        assert (desk.trouble.reason, desk.trouble.lasts) == ("locked", True)

    def test_is_over(self, desk: Desk) -> None:
        """Its end is told, with what was lost since that was told last."""
        desk.trouble.begins("disk full", waiting=2, lost=1)
        desk.trouble.ends(lost=4)
        _, *told = desk.told()
        assert told == ["accounts are written to /l.sqlite again", "3 requests are not in the accounts"]
        assert (desk.trouble.reason, desk.trouble.lasts) == ("", False)
        desk.trouble.ends(lost=4)
        assert desk.told() == []

    def test_begins_again(self, desk: Desk) -> None:
        """The next trouble is told at once."""
        desk.trouble.begins("disk full", waiting=2, lost=0)
        desk.trouble.ends(lost=0)
        desk.told()
        desk.trouble.begins("disk full", waiting=2, lost=0)
        assert len(desk.told()) == 1

    def test_lost_without_trouble(self, desk: Desk) -> None:
        """Records that could not be written are told also where all others can."""
        desk.trouble.ends(lost=1)
        assert desk.told() == ["1 requests are not in the accounts"]


class SentenceTests:
    """What happens once."""

    def test_refused(self, desk: Desk) -> None:
        """Where nothing is kept any more the reason stays; writes are not waited for."""
        desk.trouble.refused("it is newer")
        assert desk.told() == ["no accounts are kept in /l.sqlite: it is newer"]
        assert (desk.trouble.reason, desk.trouble.lasts) == ("it is newer", False)

    def test_replaced(self, desk: Desk) -> None:
        """A file that somebody took away is told with what that means, and is no trouble."""
        tell_replaced("/l.sqlite")
        (line,) = desk.told()
        assert line.startswith("/l.sqlite was removed or replaced while it was in use; accounts go on in the file")
        assert not desk.trouble.lasts

    def test_set_aside(self, desk: Desk) -> None:
        """A damaged file is told with its new name, and is no trouble any more."""
        desk.trouble.set_aside("malformed", "l.sqlite.broken")
        assert desk.told() == [
            "/l.sqlite is damaged (malformed); it was renamed to l.sqlite.broken, and a new one is begun"
        ]
        assert not desk.trouble.lasts

    @pytest.mark.parametrize(
        ("waiting", "under_way", "told"),
        [
            (2, 0, ["2 requests are not in the accounts, as /l.sqlite could not be written"]),
            (2, 1, ["3 requests may not be in the accounts, as /l.sqlite could not be written"]),
            (0, 0, []),
        ],
    )
    def test_left(self, desk: Desk, waiting: int, under_way: int, told: list[str]) -> None:
        """What is left at the end is told; what hangs may still succeed."""
        desk.trouble.left(waiting, under_way)
        assert desk.told() == told
