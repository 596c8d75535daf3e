"""One client request from its arrival to its end: three loops that decide what the outcome of each attempt means.

The outer loop is over turns of the model: an extra turn (a web search, the repair of a wrong answer) begins a new one.
The middle loop is over candidates: if one fails and the client has received nothing yet, the next one is asked. The
inner loop is over ways of asking one candidate: a refusal may show how to ask differently, after an empty answer the
same request is sent once more, and what passes by itself, or with another key, is tried again.
`claude_bridge.core.retry` decides what may be tried again.

"Downstream" is the client's side, "upstream" the backend's.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import Target, UpstreamFailure
from claude_bridge.core.errors import (
    BillingRefused,
    BridgeError,
    BudgetSpent,
    InternalFault,
    InvalidRequest,
    UpstreamCredentialRefused,
)
from claude_bridge.core.events import Finished
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.core.messages_api.routing_facts import RoutingFacts
from claude_bridge.core.retry import Failed, Move, Situation, Verdict
from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.exchange.attempt import Outcome
from claude_bridge.services.exchange.attempt_log import log_adjustment, log_late_failure, log_next
from claude_bridge.services.exchange.candidates import Candidates
from claude_bridge.services.exchange.delivery import Delivery
from claude_bridge.services.exchange.open_attempt import OpenAttempt
from claude_bridge.services.exchange.opening import Opening
from claude_bridge.services.exchange.plan import Candidate, Plan
from claude_bridge.services.exchange.prompt_size import PromptSize
from claude_bridge.services.exchange.recorder import RequestRecorder
from claude_bridge.services.exchange.services import Services
from claude_bridge.services.exchange.slow_requests import log_waiting
from claude_bridge.services.interfaces import ClientResponse, Spender
from claude_bridge.services.keys.client_limits import Allowance
from claude_bridge.services.pace import HUGE

_log = Logger()


@frozen
class FailedAttempt:
    """An attempt that failed.

    :ivar attempt: None if it could not even be made.
    :ivar outcome: what the backend reported, or None.
    """

    attempt: OpenAttempt | None
    outcome: Outcome | None
    error: BridgeError


@frozen
class Answered:
    """The last turn of an answer that ended well; its usage tells how long the client's prompt really is."""

    candidate: Candidate
    target: Target
    finished: Finished


@define(eq=False, kw_only=True)
class Exchange:
    """One request. `start` it once; `cancel` it when the client leaves."""

    _services: Services
    _asked: AskedRequest
    _info: RequestInfo
    _credential: Secret | None
    _downstream: ClientResponse
    _recorder: RequestRecorder
    _allowance: Allowance | None = None
    on_end: Callable[[Exchange], None] = field(default=do_nothing)
    _prompt: PromptSize = field(init=False)
    _candidates: Candidates = field(init=False)
    _delivery: Delivery = field(init=False)
    _running: Deferred[None] | None = field(default=None, init=False)
    _log_reason: str = field(default="", init=False)
    _client_left: bool = field(default=False, init=False)
    _ended: bool = field(default=False, init=False)

    @_prompt.default
    def _measure_prompt(self) -> PromptSize:
        services = self._services
        return PromptSize(
            request=self._request,
            info=self._info,
            profiles=services.profiles,
            windows=services.windows,
            pace=services.pace,
        )

    @_delivery.default
    def _make_delivery(self) -> Delivery:
        return Delivery(self._downstream)

    @property
    def _request(self) -> MessagesRequest:
        """The client's request, decoded."""
        return self._asked.request

    @property
    def _spender(self) -> Spender:
        """Who spends what it uses."""
        return Spender(key=self._recorder.client, session=self._info.session, agent=self._info.agent)

    @property
    def _can_change_model(self) -> bool:
        """Whether another model may still answer."""
        return not self._delivery.turn and not self._downstream.content_started

    def start(self) -> None:
        """Begin; the answer, or an error, goes to the downstream."""
        self._running = Deferred.fromCoroutine(self._run())
        if self._client_left:
            self.cancel()  # the client left during the first steps

    def cancel(self) -> None:
        """Close everything: the client left. It counts as nobody's failure."""
        self._client_left = True
        if self._running is not None and not self._ended:
            self._running.cancel()  # whatever is being awaited fails with `CancelledError`

    def check(self, now: float) -> None:
        """Log what the request waits for, if it has been without an answer for long."""
        if now >= self._recorder.report_due and not self._downstream.content_started:
            log_waiting(self._recorder.request_id, self._info, self._recorder, now)

    async def _run(self) -> None:
        """Answer the request and end it, whatever happens. This is its outermost frame: no exception leaves it."""
        try:
            answered = await self._answer()
            self._end("ok")
            if answered is not None:
                self._learn(answered)
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the client must not wait for ever
            if self._client_left:
                self._end("client_left")
            else:
                self._fail(error if isinstance(error, BridgeError) else self._fault(error))
            error.__traceback__ = None  # its frames refer to the error and the exchange: a cycle for the collector

    async def _answer(self) -> Answered | None:
        """Run the turns of the model; return the only one, or None if extra turns had a part in the answer."""
        if await self._needs_no_backend():
            return None
        self._follow(await self._make_plan())
        while True:
            try:
                answered = await self._take_turn()
            except BridgeError as error:
                if isinstance(error, BudgetSpent) and error.route:
                    self._follow(self._plan_instead(error))
                    self._delivery.begin()
                    continue
                if not self._delivery.fall_back():
                    raise
                error.__traceback__ = None  # as in `_run`
                return None
            if not self._delivery.extra_turns:
                return answered
            if not self._delivery.is_pending:
                return None if self._delivery.turn else answered
            if not await self._delivery.resolve():
                return None
            self._delivery.next_turn()

    async def _take_turn(self) -> Answered | None:
        """Ask the candidates in order until one answers; those that failed are not asked in later turns either.

        None if no backend is needed, which only the clients' own API makes known later than `_answer`.
        """
        while True:
            candidate = await self._candidates.current()
            unfit = None
            if self._asked.original is not None and not candidate.kind.passes_through:
                try:
                    if await self._answered_locally(has_failed=self._candidates.has_failed):
                        return None
                except InvalidRequest as error:
                    error.__traceback__ = None  # as in `_run`
                    unfit = FailedAttempt(None, None, error)
            if unfit is None:
                answered = await self._ask(candidate)
                if answered is not None:
                    return answered
            elif self._judge(candidate, unfit).move is not Move.NEXT:
                raise await self._final_error(candidate, unfit)
            self._candidates.next()

    async def _ask(self, candidate: Candidate) -> Answered | None:
        """Return the answer of one candidate, which may be asked several times; None if the next one is to be asked."""
        while True:
            tried = await self._try(candidate)
            if isinstance(tried, Answered):
                return tried
            if tried is None:
                continue
            verdict = self._judge(candidate, tried)
            if verdict.move is Move.END:
                raise await self._final_error(candidate, tried)
            self._delivery.begin()
            if verdict.move is Move.NEXT:
                return None
            if verdict.after > 0:
                await deferLater(self._services.clock, verdict.after)

    async def _try(self, candidate: Candidate) -> Answered | FailedAttempt | None:
        """Make one attempt, and return its end; None if the same candidate is to be asked in another way."""
        attempt: OpenAttempt | None = None
        outcome: Outcome | None = None
        try:
            attempt = await self._open(candidate)
            outcome = await self._send(attempt)
            finished = self._conclude(attempt, outcome)
        except BridgeError as error:
            error.__traceback__ = None  # as in `_run`
            return FailedAttempt(attempt, outcome, error)
        except Exception:
            if attempt is not None:
                self._abort(attempt)
            raise
        if finished is None:
            return None
        if not self._delivery.turn:
            self._candidates.answered(self._services.affinity, attempt.lease.name)
        return Answered(candidate, attempt.target, finished)

    def _judge(self, candidate: Candidate, failure: FailedAttempt) -> Verdict:
        """Close an attempt that failed, or could not even be made, and return what follows."""
        attempt, outcome, error = failure.attempt, failure.outcome, failure.error
        told = outcome.retry_after if isinstance(outcome, UpstreamFailure) else None
        if attempt is not None:
            attempt.close(self._recorder, error.outcome, self._delivery.counted(attempt), error, told)
        services, backend = self._services, candidate.backend
        target = candidate.target if attempt is None else attempt.target
        # a request that cannot be read has no length, and no key is waited for with it
        tokens = 0 if isinstance(error, InvalidRequest) else self._prompt.estimate(backend.name, target)
        window = services.profiles.with_overrides(backend.name, candidate.target).context_window
        # There is no other: it was the client's, or none at all.
        only_key = isinstance(error, BillingRefused | UpstreamCredentialRefused) and not backend.has_key
        log_reason, self._log_reason = self._log_reason, ""
        verdict = self._candidates.judge(
            Failed(error=error, label=candidate.label, window=window, log_reason=log_reason),
            Situation(
                now=services.seconds(),
                attempts=self._recorder.attempts,
                others=self._candidates.others if self._can_change_model else 0,
                begun=self._delivery.begun,
                told=told,
                key_ready_in=math.inf
                if only_key
                else services.keys.ready_in(backend, self._credential, target.model, tokens),
            ),
            self._recorder.started,
        )
        if verdict.move is not Move.END:
            log_next(self._recorder.request_id, candidate, error, verdict)
        return verdict

    async def _final_error(self, candidate: Candidate, failure: FailedAttempt) -> BridgeError:
        """Return the error for the client: of all that went wrong what helps it most, with a hint if there is one.

        A budget that has nothing left ends the request whatever failed before, or leads to another route, also where
        the models after the one with the budget fail.
        """
        if isinstance(failure.error, BudgetSpent) and (failure.error.route or not failure.error.try_next):
            return failure.error
        if self._can_change_model and not self._delivery.begun:
            spent = self._candidates.other_route()
            if spent is not None:
                return spent
        ending = self._candidates.ending()
        self._log_reason = ending.log_reason
        if ending.error is not failure.error or not isinstance(failure.outcome, UpstreamFailure):
            return ending.error
        hint = self._services.hints.of(ending.error, candidate, self._credential)
        return ending.error if hint is None else await hint

    def _open(self, candidate: Candidate) -> Awaitable[OpenAttempt]:
        """Return an attempt that is ready to be sent. Its outcome must be reported to its lease, whatever happens."""
        return Opening(
            services=self._services,
            asked=self._asked,
            spender=self._spender,
            credential=self._credential,
            recorder=self._recorder,
            prompt=self._prompt,
            delivery=self._delivery,
            candidates=self._candidates,
            candidate=candidate,
        ).open()

    def _send(self, attempt: OpenAttempt) -> Deferred[Outcome]:
        """Send an attempt; the Deferred fires with its outcome."""
        self._recorder.attempt_started(attempt.attempt, attempt.candidate)
        self._delivery.announce(attempt.candidate, self._request, attempt.estimate)
        return attempt.attempt.start(self._services.client)

    def _conclude(self, attempt: OpenAttempt, outcome: Outcome) -> Finished | None:
        """Return the end of a good answer, or None if the candidate is to be asked once more; raise a failure."""
        self._downstream.attempt_producing(None)
        self._services.lessons.observe(attempt)
        if isinstance(outcome, UpstreamFailure):
            self._adjust_or_raise(attempt, outcome)
            return None
        if isinstance(outcome, BridgeError):
            raise outcome
        if self._delivery.holds_empty_answer:
            if self._candidates.retries.allow("empty"):
                self._delivery.discard()
                attempt.close(self._recorder, "empty", outcome.usage)
                return None
            self._delivery.release()
        log_late_failure(self._recorder.request_id, attempt)
        self._services.lessons.confirm(attempt, self._candidates.retries.take_confirmed())
        # the downstream's has all turns of the answer
        own = outcome.usage if self._delivery.extra_turns else self._downstream.usage
        attempt.close(self._recorder, "ok", own or self._delivery.counted(attempt))
        return outcome

    def _adjust_or_raise(self, attempt: OpenAttempt, failure: UpstreamFailure) -> None:
        """Arrange for another way of asking if the refusal shows one; otherwise raise the error for the client."""
        prepared = attempt.prepare()
        advice = prepared.adjust(failure, estimate=attempt.estimate)
        if advice.context_window is not None:
            self._services.lessons.saw_window(attempt, advice.context_window)
        adjustment = advice.adjustment
        if adjustment is not None and not self._delivery.begun and self._candidates.retries.apply(adjustment):
            log_adjustment(self._recorder.request_id, attempt, adjustment)
            attempt.close(self._recorder, "refused", None)
            return
        explainer, model = self._services.explainer, self._info.model
        explanation = explainer.explain(failure, attempt, prepared, model, self._credential)
        self._log_reason = explanation.log_reason
        raise explanation.error

    def _abort(self, attempt: OpenAttempt) -> None:
        """Close an attempt that ends without an outcome: the client left, or our own code raised."""
        attempt.stop()
        if self._client_left:
            attempt.abandon(self._recorder, self._delivery.counted(attempt))
        else:
            fault = InternalFault("internal error of the bridge")
            attempt.close(self._recorder, fault.outcome, None, fault)

    async def _needs_no_backend(self) -> bool:
        """Return whether the request was answered without a backend, which is decided later if one may get it as it is.

        A huge one is read in any case, in turns: its images are looked for.
        """
        if self._asked.original is None:
            return await self._answered_locally(has_failed=False)
        if self._info.body_bytes > HUGE:
            with suppress(InvalidRequest):  # it is for the backend to judge, if it gets the request
                await self._services.local.read(self._request, self._info)
        return False

    def _answered_locally(self, *, has_failed: bool) -> Awaitable[bool]:
        """Return whether the request was answered without a backend; ``has_failed`` is whether one has failed."""
        return self._services.local.answer(self._request, self._info, self._delivery, has_failed=has_failed)

    async def _make_plan(self) -> Plan:
        """Return the plan; raise `BudgetSpent` if a budget refuses the request, `KeyLimited` if a limit does."""
        facts, recorder = RoutingFacts(self._request, self._info), self._recorder
        plan = await self._services.planner.plan(
            self._info.model, facts, self._credential, self._spender, recorder.request_id, self._may_be_free
        )
        if self._allowance is not None:  # a request that nothing may serve counts for nothing
            self._allowance.begin(lambda: facts.tokens)
        return plan

    async def _may_be_free(self) -> bool:
        """Return whether the request needs a backend only where one gets it as it is, whose turn is not known yet."""
        if self._asked.original is None:  # `_needs_no_backend` has decided
            return False
        return await self._services.local.can_answer(self._request, self._info)

    def _plan_instead(self, spent: BudgetSpent) -> Plan:
        """Return the plan of the route that a spent budget leads to; raise the error if there is none."""
        planner, request_id, taken = self._services.planner, self._recorder.request_id, self._candidates.plan.taken
        return planner.plan_instead(spent, self._credential, self._spender, request_id, taken)

    def _follow(self, plan: Plan) -> None:
        """Begin with the models of a plan."""
        self._recorder.plan = plan
        self._candidates = Candidates.of(plan, self._services.affinity, self._recorder.requester, self._info)

    def _learn(self, answered: Answered) -> None:
        """Learn from the prompt's true length."""
        usage = answered.finished.usage
        if usage is not None:
            self._prompt.learn(answered.candidate.backend.name, answered.target, usage)

    def _fault(self, cause: BaseException) -> InternalFault:
        """Log a fault of our own and return an error without details for the client."""
        _log.failure("request {request_id} failed", Failure(cause), request_id=self._recorder.request_id, event="fault")
        return InternalFault("internal error of the bridge")

    def _fail(self, error: BridgeError) -> None:
        if self._ended:
            return
        try:
            self._downstream.fail(error)
        except Exception as fault:  # noqa: BLE001 - what is held for the request must be given back
            self._fault(fault)
        self._end(error.outcome, self._log_reason or error.message)

    def _end(self, outcome: str, reason: str = "") -> None:
        """Record the request, once, and drop what would keep it alive."""
        if self._ended:
            return
        self._ended = True
        on_end, self.on_end, self._running = self.on_end, do_nothing, None
        if self._allowance is not None:
            self._allowance.end(self._recorder.tokens)
        self._recorder.request_ended(self._info, self._downstream, outcome, reason)
        on_end(self)
