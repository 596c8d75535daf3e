"""Questions for what the ledger has of sessions, which wait until it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from attrs import define, field
from twisted.internet.defer import Deferred, fail
from twisted.python.failure import Failure

from claude_bridge.services.accounting.store.entries import PastAgent
from claude_bridge.services.accounting.store.errors import Broken, NewerVersion, Unavailable
from claude_bridge.services.interfaces import SessionName

MOST_ASKED: Final = 5_000
"""Sessions that are asked for at the same time."""

MOST_ASKING: Final = 100
"""Questions for one session that wait."""

Recall = Callable[[Sequence[SessionName]], Deferred[dict[SessionName, tuple[PastAgent, ...]]]]
"""Reads what was written of sessions."""


@define(eq=False)
class SessionQuestions:
    """The questions that are not answered yet."""

    _asked: dict[SessionName, list[Deferred[Sequence[PastAgent]]]] = field(factory=dict, init=False)

    def __len__(self) -> int:
        """Return how many sessions are asked for."""
        return len(self._asked)

    def ask(self, name: SessionName) -> Deferred[Sequence[PastAgent]]:
        """Return a Deferred of what the ledger has of a session; it may be cancelled.

        Fails with `Unavailable` at once if too many questions wait, and after a fault of ours in reading.
        """
        asking = self._asked.get(name)
        if len(self._asked) >= MOST_ASKED if asking is None else len(asking) >= MOST_ASKING:
            return fail(Unavailable("too many questions for sessions wait"))
        waiting: Deferred[Sequence[PastAgent]] = Deferred(partial(self._withdraw, name))
        self._asked.setdefault(name, []).append(waiting)
        return waiting

    async def read(self, recall: Recall) -> None:
        """Answer what is asked by now, each session once.

        Raises `Broken`, `Unavailable`, `NewerVersion` and `ImportError`, and then all wait still. A fault of ours would
        come again: it goes to those who ask.
        """
        names = tuple(self._asked)
        if not names:
            return
        try:
            found = await recall(names)
        except (Broken, Unavailable, NewerVersion, ImportError):
            raise
        except Exception:  # noqa: BLE001 - whoever asks logs it
            failure = Failure()
            for each in self._taken(names):
                each.errback(failure)
        else:
            self._answer(found)

    def answer_nothing(self) -> None:
        """Answer each question that the ledger has nothing."""
        self._answer(dict.fromkeys(self._asked, ()))

    def _answer(self, found: Mapping[SessionName, Sequence[PastAgent]]) -> None:
        for name, past in found.items():
            for each in self._taken((name,)):
                each.callback(past)

    def _taken(self, names: Sequence[SessionName]) -> list[Deferred[Sequence[PastAgent]]]:
        """Remove the questions for some sessions, and return them in the order in which they came."""
        return [each for name in names for each in self._asked.pop(name, ())]

    def _withdraw(self, name: SessionName, cancelled: Deferred[Sequence[PastAgent]]) -> None:
        waiting = self._asked[name]
        waiting.remove(cancelled)
        if not waiting:
            del self._asked[name]
