"""Tests for `claude_bridge.services.affinity`."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.task import Clock

from claude_bridge.services.affinity import AWAY_SECONDS, IDLE_SECONDS, MAX_SESSIONS, NOWHERE, Affinity, Conversation

MAIN = Conversation("me", "session", "")


class AffinityTests:
    """A conversation stays where its prefix is cached."""

    def setup_method(self) -> None:
        """Make an empty one."""
        self.clock = Clock()
        self.affinity = Affinity(self.clock.seconds)

    def where(self, conversation: Conversation = MAIN) -> tuple[str, str]:
        """Return step and key."""
        place = self.affinity.place(conversation)
        return place.step, place.key

    def test_stays(self) -> None:
        """It goes where it was answered last, while it goes on."""
        assert self.affinity.place(MAIN) is NOWHERE
        for _ in range(10):
            self.affinity.answered(MAIN, "box/m", "box/2", is_first_choice=True)
            self.clock.advance(IDLE_SECONDS - 1)
            assert self.where() == ("box/m", "box/2")
        self.clock.advance(2)
        assert self.affinity.place(MAIN) is NOWHERE

    def test_each_for_itself(self) -> None:
        """Subagents, other sessions, other people and side jobs have places of their own."""
        self.affinity.answered(MAIN, "box/m", "box", is_first_choice=True)
        others = [evolve(MAIN, agent="a"), evolve(MAIN, session="b"), evolve(MAIN, owner="you")]
        others.append(evolve(MAIN, route="side"))
        assert [self.affinity.place(each) for each in others] == [NOWHERE] * 4

    def test_comes_back(self) -> None:
        """Away from its first choice it stays some minutes, then tries that again, and if it fails stays again."""
        for _ in range(3):
            self.affinity.answered(MAIN, "spare/m", "spare", is_first_choice=False)
            for _ in range(2):
                self.clock.advance(AWAY_SECONDS / 2)
                assert self.where() == ("spare/m", "spare")
                self.affinity.answered(MAIN, "spare/m", "spare", is_first_choice=False)
            self.clock.advance(1)
            assert self.affinity.place(MAIN) is NOWHERE
        self.affinity.answered(MAIN, "box/m", "box", is_first_choice=True)
        self.clock.advance(AWAY_SECONDS * 2)
        assert self.where() == ("box/m", "box")

    def test_bounded(self) -> None:
        """The oldest conversations are forgotten first."""
        for number in range(MAX_SESSIONS + 1):
            self.affinity.answered(evolve(MAIN, session=str(number)), "s", "k", is_first_choice=True)
        assert self.affinity.place(evolve(MAIN, session="0")) is NOWHERE
        assert self.where(evolve(MAIN, session=str(MAX_SESSIONS))) == ("s", "k")
