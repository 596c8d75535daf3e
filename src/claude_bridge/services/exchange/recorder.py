"""Makes the records of one request: one for each attempt and, at its end, its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, evolve, field

from claude_bridge.core.events import Usage
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.services.accounting.prices import NO_PRICES, AttemptPrices
from claude_bridge.services.exchange.attempt import Attempt
from claude_bridge.services.exchange.plan import Candidate, Plan
from claude_bridge.services.interfaces import AttemptRecord, ClientResponse, Records, RequestRecord

FIRST_REPORT: Final = 10.0
"""Seconds without an answer after which it is logged what a request waits for."""

PREPARED: Final = "being prepared"
IN_QUEUE: Final = "waiting in the backend's queue (max_streams)"
FOR_KEY: Final = "waiting for the backend's key"
READING_DOCUMENTS: Final = "reading documents"
BETWEEN_ATTEMPTS: Final = "waiting for the next attempt"


@define(kw_only=True)
class RequestRecorder:
    """Collects times and outcomes of one request.

    :ivar client: the name of its ``[key:NAME]``, else "".
    :ivar peer: the client's address.
    :ivar owner: whose session it is.
    :ivar seconds: the monotonic clock, for durations.
    :ivar unix_time: the wall clock, for dates.
    :ivar prices: know what attempts cost.
    :ivar started: when the request began, by the monotonic clock.
    :ivar plan: the models that may answer, once it is made.
    :ivar asked: the candidate whose turn it is, once there is one.
    :ivar attempt: the attempt under way, if any.
    :ivar waits_for: what the request waits for while there is none, in a few words.
    :ivar report_due: when to log what the request waits for, by the monotonic clock.
    """

    records: Records
    request_id: str
    seconds: Callable[[], float]
    unix_time: Callable[[], float]
    started: float
    client: str = ""
    peer: str = ""
    owner: str = ""
    prices: AttemptPrices = NO_PRICES
    plan: Plan | None = field(default=None, init=False)
    asked: Candidate | None = field(default=None, init=False)
    attempt: Attempt | None = field(default=None, init=False)
    waits_for: str = field(default=PREPARED, init=False)
    report_due: float = field(init=False)
    _attempt_started: float = field(default=0.0, init=False)
    _attempts: tuple[AttemptRecord, ...] = field(default=(), init=False)

    @report_due.default
    def _make_report_due(self) -> float:
        return self.started + FIRST_REPORT

    @property
    def requester(self) -> str:
        """Who makes the request: the name of the client's key, else its address."""
        return self.client or self.peer

    @property
    def attempts(self) -> int:
        """The number of attempts that have ended."""
        return len(self._attempts)

    @property
    def tokens(self) -> int | None:
        """The tokens of the attempts that have ended, prompts and answers; None if an answer's are not known."""
        if any(each.usage is None and each.outcome == "ok" for each in self._attempts):
            return None
        usages = (each.usage for each in self._attempts if each.usage is not None)
        return sum(usage.prompt_tokens + usage.output_tokens for usage in usages)

    def waits(self, candidate: Candidate, waits_for: str) -> None:
        """Note what an attempt at ``candidate`` waits for before it can be made."""
        self.asked, self.waits_for = candidate, waits_for

    def attempt_started(self, attempt: Attempt, candidate: Candidate) -> None:
        """Note when an attempt began."""
        self.asked, self.attempt = candidate, attempt
        self._attempt_started = self.seconds()
        self.prices.expect(candidate.backend, candidate.target.model)

    def attempt_ended(
        self, attempt: Attempt, candidate: Candidate, credential: str, outcome: str, usage: Usage | None
    ) -> None:
        """Record an attempt that has ended; ``credential`` is the credential's name, never a part of it."""
        self.attempt, self.waits_for = None, BETWEEN_ATTEMPTS
        seconds, first = self.seconds() - self._attempt_started, attempt.first_event
        word = attempt.first_token
        cost = self.prices.cost(candidate.backend, candidate.target.model, usage)
        record = AttemptRecord(
            backend=candidate.backend.name,
            model=candidate.target.model,
            credential=credential,
            started=self.unix_time() - seconds,
            seconds=seconds,
            first_event_seconds=None if first is None else first - self._attempt_started,
            status=attempt.status,
            outcome=outcome,
            usage=usage and evolve(usage, raw={}),  # the backend's own object may be large, and records may wait long
            first_token_seconds=None if word is None else word - self._attempt_started,
            cost=cost.amount,
            price_from=cost.price_from,
        )
        self._attempts += (record,)
        self.records.attempt_ended(self.request_id, record)

    def request_ended(self, info: RequestInfo, downstream: ClientResponse, outcome: str, reason: str = "") -> None:
        """Record the request; ``reason`` says why it failed."""
        seconds, first = self.seconds() - self.started, downstream.first_byte
        self.records.request_ended(
            RequestRecord(
                request_id=self.request_id,
                kind=info.kind,
                model=info.model,
                session=info.session,
                agent=info.agent,
                client=self.client,
                peer=self.peer,
                reason=reason,
                streamed=info.streamed,
                started=self.unix_time() - seconds,
                seconds=seconds,
                first_byte_seconds=None if first is None else first - self.started,
                status=downstream.status,
                outcome=outcome,
                body_bytes=info.body_bytes,
                attempts=self._attempts,
                route="" if self.plan is None else self.plan.route.name,
                first_choice=self._first_choice(),
                agent_type=info.agent_type,
                parent=info.parent,
                owner=self.owner,
            )
        )

    def _first_choice(self) -> str:
        """Return the plan's first model as ``backend/model``, if another one was asked last; else ""."""
        if self.plan is None or not self._attempts or len(self.plan.steps) == 1:
            return ""
        first, last = self.plan.steps[0].name, self._attempts[-1]
        # by the letters' case alone they may differ: a step is named as in the file, an attempt as the backend lists it
        return "" if first.casefold() == f"{last.backend}/{last.model}".casefold() else first
