"""Questions for sessions wait until the ledger is read, and only so many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred

from claude_bridge.services.accounting import session_questions as module
from claude_bridge.services.accounting.session_questions import SessionQuestions
from claude_bridge.services.accounting.store.entries import PastAgent
from claude_bridge.services.accounting.store.errors import Broken, NewerVersion, Unavailable
from claude_bridge.services.interfaces import SessionName

ANNA = SessionName("key:anna", "s-1")
BOB = SessionName("key:bob", "s-1")
PAST = (PastAgent("", "", "", (3,) * 11, None),)

Found = dict[SessionName, tuple[PastAgent, ...]]


@define(eq=False)
class Desk:
    """Questions, and what is read for them.

    :ivar reading: what was read for, and the Deferred that the test fires.
    """

    questions: SessionQuestions = field(factory=SessionQuestions)
    reading: list[tuple[tuple[SessionName, ...], Deferred[Found]]] = field(factory=list)

    def ask(self, name: SessionName) -> list[Any]:
        """Ask; return the list that the answer comes into."""
        answers: list[Any] = []
        self.questions.ask(name).addBoth(answers.append)
        return answers

    def read(self) -> list[Any]:
        """Begin to read; return the list that has the end of that."""
        ended: list[Any] = []
        Deferred.fromCoroutine(self.questions.read(self._recall)).addBoth(ended.append)
        return ended

    def _recall(self, names: Sequence[SessionName]) -> Deferred[Found]:
        found: Deferred[Found] = Deferred()
        self.reading.append((tuple(names), found))
        return found


@pytest.fixture
def desk() -> Desk:
    """Return a desk."""
    return Desk()


class QuestionTests:
    """Those who ask."""

    def test_are_answered(self, desk: Desk) -> None:
        """Each session is read once, and all who asked for it get the same."""
        first, second, other = desk.ask(ANNA), desk.ask(ANNA), desk.ask(BOB)
        assert len(desk.questions) == 2
        ended = desk.read()
        ((names, found),) = desk.reading
        assert names == (ANNA, BOB)
        found.callback({ANNA: PAST, BOB: ()})
        assert (first, second, other, ended) == ([PAST], [PAST], [()], [None])
        assert not desk.questions

    def test_nobody(self, desk: Desk) -> None:
        """Where nobody asks nothing is read."""
        assert desk.read() == [None]
        assert desk.reading == []

    def test_while_others_are_read(self, desk: Desk) -> None:
        """Who asks for another session meanwhile waits for the next reading."""
        desk.ask(ANNA)
        desk.read()
        later = desk.ask(BOB)
        desk.reading[0][1].callback({ANNA: ()})
        assert (later, len(desk.questions)) == ([], 1)

    @pytest.mark.parametrize("error", [Unavailable("locked"), Broken("b"), NewerVersion("n"), ImportError("no sqlite")])
    def test_wait_still(self, desk: Desk, error: Exception) -> None:
        """What can succeed later is tried again, by whoever reads."""
        answers = desk.ask(ANNA)
        ended = desk.read()
        desk.reading[0][1].errback(error)
        assert (answers, ended[0].value) == ([], error)
        desk.read()
        desk.reading[1][1].callback({ANNA: PAST})
        assert answers == [PAST]

    def test_fault(self, desk: Desk) -> None:
        """A fault of ours goes to those who ask, and to nobody else."""
        first, second = desk.ask(ANNA), desk.ask(BOB)
        ended = desk.read()
        later = desk.ask(SessionName("key:anna", "s-2"))
        desk.reading[0][1].errback(ZeroDivisionError())
        assert [each.type for each in (*first, *second)] == [ZeroDivisionError] * 2
        assert (ended, later, len(desk.questions)) == ([None], [], 1)

    def test_nothing(self, desk: Desk) -> None:
        """All can be told that there is nothing."""
        first, second = desk.ask(ANNA), desk.ask(BOB)
        desk.questions.answer_nothing()
        assert (first, second, len(desk.questions)) == ([()], [()], 0)

    def test_withdrawn(self, desk: Desk) -> None:
        """What nobody waits for any more is not read, but for those who still do."""
        for name in (ANNA, BOB):
            asked = desk.questions.ask(name)
            asked.addErrback(lambda failure: failure.trap(CancelledError))
            if name == BOB:
                other = desk.ask(BOB)
            asked.cancel()
        desk.read()
        ((names, found),) = desk.reading
        found.callback({BOB: PAST})
        assert (names, other) == ((BOB,), [PAST])

    def test_withdrawn_while_it_is_read(self, desk: Desk) -> None:
        """The answer goes to nobody."""
        asked = desk.questions.ask(ANNA)
        asked.addErrback(lambda failure: failure.trap(CancelledError))
        ended = desk.read()
        asked.cancel()
        desk.reading[0][1].callback({ANNA: PAST})
        assert ended == [None]


class BoundTests:
    """Only so many wait."""

    def test_sessions(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """More sessions are refused; one that is asked for already can be asked for again."""
        monkeypatch.setattr(module, "MOST_ASKED", 1)
        first, same, other = desk.ask(ANNA), desk.ask(ANNA), desk.ask(BOB)
        assert (first, same) == ([], [])
        assert other[0].check(Unavailable)

    def test_questions_for_one(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """So are more questions for one session."""
        monkeypatch.setattr(module, "MOST_ASKING", 2)
        first, second, third = desk.ask(ANNA), desk.ask(ANNA), desk.ask(ANNA)
        assert (first, second) == ([], [])
        assert third[0].check(Unavailable)
