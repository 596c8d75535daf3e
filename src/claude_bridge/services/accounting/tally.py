"""What has been served since the start, kept up to date with each request that ends.

Everything that shows figures of the running process reads them here: the status line's endpoint, the control socket,
the line at the end. Requests that name no model, such as lists of models, are not counted. All sums are those of the
ledger, so that both tell the same of the same records.

What is kept is bounded: models, keys and subagents beyond a number are added up as ``other``, and of sessions those
used last are kept. One that comes back gets its figures from the ledger, as after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import define, field

from claude_bridge.core.bounded import BoundedMap
from claude_bridge.services.accounting.counts import Breakdown, of_attempt
from claude_bridge.services.accounting.histogram import ANSWER_BOUNDS, FIRST_WORD_BOUNDS, Histogram, Rate
from claude_bridge.services.accounting.ledger_entries import key_of
from claude_bridge.services.accounting.sessions import Session
from claude_bridge.services.accounting.store.counts import Counts, total
from claude_bridge.services.accounting.store.entries import PastAgent
from claude_bridge.services.accounting.store.sql import NO_FAILURE
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord, SessionName

MAX_SESSIONS: Final = 5_000
MAX_AGENTS: Final = 50_000
"""Agents of all sessions, some 30 MB."""

MAX_MODELS: Final = 1_000
MAX_KEYS: Final = 1_000

_NO_FAILURE: Final = frozenset(NO_FAILURE)


@define(eq=False)
class ModelFigures:
    """The figures of one model at one backend.

    :ivar counts: a request counts at the model that was asked last.
    :ivar failed_attempts: requests to this model that failed, also where another one answered in the end.
    :ivar last_error: the outcome of the last of them, one word as in the log; "" if there was none.
    :ivar last_error_at: when that was, in Unix seconds.
    :ivar first_word: the times to the model's first word.
    :ivar answer: the times of whole answers that ended well.
    :ivar written: output tokens of the answers whose writing took a time that can be measured.
    :ivar writing_seconds: that time.
    """

    counts: Counts = field(factory=Counts)
    failed_attempts: int = 0
    last_error: str = ""
    last_error_at: float = 0.0
    first_word: Histogram = field(factory=lambda: Histogram(FIRST_WORD_BOUNDS))
    answer: Histogram = field(factory=lambda: Histogram(ANSWER_BOUNDS))
    written: int = 0
    writing_seconds: float = 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """How fast the model writes; None if that is not known."""
        return self.written / self.writing_seconds if self.writing_seconds else None

    def attempt_ended(self, record: AttemptRecord, counts: Counts) -> None:
        """Add an attempt, whose sums are ``counts``."""
        self.counts.add(counts)
        first, outcome = record.first_token_seconds, record.outcome
        if first is not None:
            self.first_word.count_one(first)
        if outcome == "ok":
            self.answer.count_one(record.seconds)
        elif outcome not in _NO_FAILURE:
            self.failed_attempts += 1
            self.last_error, self.last_error_at = outcome, record.started + record.seconds
        if first is not None and record.tokens_per_second is not None:
            self.written += counts.output
            self.writing_seconds += record.seconds - first

    def add(self, more: ModelFigures) -> None:
        """Add the figures of another model."""
        self.counts.add(more.counts)
        self.failed_attempts += more.failed_attempts
        if more.last_error_at > self.last_error_at:
            self.last_error, self.last_error_at = more.last_error, more.last_error_at
        self.first_word.add(more.first_word)
        self.answer.add(more.answer)
        self.written += more.written
        self.writing_seconds += more.writing_seconds


@define(eq=False, kw_only=True)
class Tally:
    """Implements `Records`.

    :ivar on_session: called with each session at its first request, or at its first one since it was dropped here, so
        that somebody adds what the ledger has of it. Until then `Session.is_complete` is False; without a ledger
        nobody needs to be called, and the sessions are complete.
    :ivar models: by backend and model; the names of a request for which no backend was asked are "".
    :ivar keys: by the name of the client's key, as in the ledger.
    :ivar written: output tokens of the answers of the last minute, per second.
    """

    _seconds: Callable[[], float]
    on_session: Callable[[SessionName, Session], None] | None = None
    models: Breakdown[tuple[str, str], ModelFigures] = field(
        factory=lambda: Breakdown(MAX_MODELS, ModelFigures, ModelFigures.add), init=False
    )
    keys: Breakdown[str, Counts] = field(factory=lambda: Breakdown(MAX_KEYS, Counts, Counts.add), init=False)
    written: Rate = field(factory=Rate, init=False)
    _sessions: BoundedMap[SessionName, Session] = field(factory=lambda: BoundedMap(MAX_SESSIONS), init=False)
    _agents: int = field(default=0, init=False)

    @property
    def totals(self) -> Counts:
        """The sums over all requests."""
        return total(each.counts for each in self.models.parts())

    @property
    def sessions(self) -> int:
        """How many sessions have figures."""
        return len(self._sessions)

    def attempt_ended(self, request_id: str, record: AttemptRecord) -> None:
        """Do nothing: an attempt counts with its request, when that ends."""

    def request_ended(self, record: RequestRecord) -> None:
        """Count a request for an answer of a model, with its attempts."""
        if not record.model:
            return
        failed = record.outcome not in _NO_FAILURE
        counts: Counts | None = None
        last: ModelFigures | None = None
        backend = model = ""
        for each in record.attempts:
            if last is None or each.model != model or each.backend != backend:
                backend, model = each.backend, each.model
                last = self.models.of((backend, model))
            more = of_attempt(each)
            last.attempt_ended(each, more)
            if counts is None:
                counts = more
            else:
                counts.add(more)
        if counts is None or last is None:
            counts, last = Counts(), self.models.of(("", ""))
        for sums in (counts, last.counts):
            sums.requests += 1
            sums.failed += failed
        self.keys.of(key_of(record)).add(counts)
        if counts.output:
            self.written.count(counts.output, self._seconds())
        if record.session:
            self._session_ended(SessionName(record.owner, record.session), record, counts)

    def session(self, name: SessionName) -> Session | None:
        """Return a session; None if it is not known here."""
        return self._sessions.get(name)

    def restore(self, name: SessionName, session: Session, past: Iterable[PastAgent]) -> None:
        """Add to a session what the ledger has of it from before its first request here."""
        before = len(session)
        session.restore(past)
        self._resized(name, session, before)

    def replace(self, name: SessionName, session: Session, past: Sequence[PastAgent]) -> None:
        """Set the figures of a session to what the ledger has, among which are all that were counted here."""
        before = len(session)
        session.replace(past)
        self._resized(name, session, before)

    def adopt(self, name: SessionName, past: Iterable[PastAgent]) -> Session:
        """Return a session of which the ledger alone knows; it is kept with what the ledger has."""
        session = self._sessions.get(name) or self._begin(name)
        self.restore(name, session, past)
        return session

    def tokens_per_second(self) -> float:
        """Return the output tokens of the answers that have ended in the last minute, per second."""
        return self.written.per_second(self._seconds())

    def _session_ended(self, name: SessionName, record: RequestRecord, counts: Counts) -> None:
        session = self._sessions.get(name)
        if session is None:
            session = self._begin(name)
            if self.on_session is None:
                session.is_complete = True
            else:
                self.on_session(name, session)
        before = len(session)
        session.request_ended(record, counts)
        if len(session) != before:
            self._bound_agents(len(session) - before)

    def _begin(self, name: SessionName) -> Session:
        if len(self._sessions) >= MAX_SESSIONS:
            self._drop_oldest()
        session = Session()
        self._sessions.put(name, session)
        self._agents += len(session)
        return session

    def _resized(self, name: SessionName, session: Session, before: int) -> None:
        if self._sessions.peek(name) is session:  # else it was dropped meanwhile
            self._bound_agents(len(session) - before)

    def _bound_agents(self, more: int) -> None:
        self._agents += more
        while self._agents > MAX_AGENTS:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        name, session = next(iter(self._sessions.items()))
        self._sessions.discard(name)
        self._agents -= len(session)
