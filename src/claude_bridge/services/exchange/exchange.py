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
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from operator import attrgetter

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import (
    Circumstances,
    Prepared,
    Target,
    UpstreamFailure,
)
from claude_bridge.core.errors import (
    BillingRefused,
    BridgeError,
    BudgetSpent,
    InternalFault,
    InvalidRequest,
    UpstreamCredentialRefused,
)
from claude_bridge.core.events import Finished, Usage
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.memory_weight import note_passed_on
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.core.messages_api.routing_facts import RoutingFacts
from claude_bridge.core.retry import Failed, Move, Situation, Verdict
from claude_bridge.services.accounting.recorder import FOR_KEY, IN_QUEUE, READING_DOCUMENTS, RequestRecorder
from claude_bridge.services.backend_slots import Slot
from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.exchange.attempt import Attempt, Outcome
from claude_bridge.services.exchange.candidates import Candidates
from claude_bridge.services.exchange.delivery import Delivery
from claude_bridge.services.exchange.extra_turns import extra_turns
from claude_bridge.services.exchange.outgoing import upstream_request, upstream_url
from claude_bridge.services.exchange.plan import Candidate, Plan
from claude_bridge.services.exchange.prompt_size import PromptSize
from claude_bridge.services.exchange.services import Services
from claude_bridge.services.exchange.slow_requests import log_waiting
from claude_bridge.services.fetch import shown
from claude_bridge.services.interfaces import (
    ClientResponse,
    Spender,
    TurnOwner,
)
from claude_bridge.services.keys.client_limits import Allowance
from claude_bridge.services.keys.key_ring import Lease
from claude_bridge.services.pace import HUGE

_log = Logger()


@frozen(kw_only=True)
class OpenAttempt:
    """An attempt, and what it was made from.

    :ivar slot: its place among the streams of the backend.
    :ivar asked: the client's request, with everything that extra turns add.
    :ivar estimate: our estimate of the prompt's tokens.
    :ivar max_tokens: what an overflow left for the answer, or None.
    :ivar documents: base64 text of a PDF -> its text.
    """

    candidate: Candidate
    target: Target
    lease: Lease
    slot: Slot
    asked: AskedRequest
    estimate: int
    max_tokens: int | None
    documents: Mapping[str, str]
    attempt: Attempt

    def prepare(self) -> Prepared:
        """Prepare the upstream request again: it is as large as the client's, so it is not kept for a refusal."""
        return _prepare(self.asked, self.target, self.estimate, self.max_tokens, self.documents)


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
    _work_done: frozenset[Hashable] = field(default=frozenset(), init=False)  # an empty set of its own is 216 bytes
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
                    planner, request_id = self._services.planner, self._recorder.request_id
                    self._follow(planner.plan_instead(error, self._credential, self._spender, request_id))
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

    async def _make_plan(self) -> Plan:
        """Return the plan; raise `BudgetSpent` if a budget refuses the request, `KeyLimited` if a limit does."""
        facts, recorder = RoutingFacts(self._request, self._info), self._recorder
        plan = await self._services.planner.plan(
            self._info.model, facts, self._credential, self._spender, recorder.request_id
        )
        if self._allowance is not None:  # a request that nothing may serve counts for nothing
            self._allowance.begin(lambda: facts.tokens)
        return plan

    def _follow(self, plan: Plan) -> None:
        """Begin with the models of a plan."""
        self._recorder.plan = plan
        self._candidates = Candidates.of(plan, self._services.affinity, self._recorder.requester, self._info)

    async def _needs_no_backend(self) -> bool:
        """Return whether the request was answered without a backend, which is decided later if one may get it as it is.

        A huge one is read in any case, in turns: its images are looked for.
        """
        if self._asked.original is None:
            return await self._answered_locally(has_failed=False)
        if self._info.body_bytes > HUGE:
            with suppress(InvalidRequest):  # it is for the backend to judge, if it gets the request
                await self._read()
        return False

    async def _read(self) -> None:
        """Read the request's messages, in turns of the reactor if there are many."""
        reading = self._services.pace.read(self._request, self._info.body_bytes)
        if reading is not None:
            await reading

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
            self._close(attempt, error.outcome, self._delivery.counted(attempt.attempt, attempt.estimate), error, told)
        services, backend = self._services, candidate.backend
        target = candidate.target if attempt is None else attempt.target
        # a request that cannot be read has no length, and no key is waited for with it
        tokens = 0 if isinstance(error, InvalidRequest) else self._prompt.estimate(backend.name, target)
        window = services.profiles.with_overrides(backend.name, candidate.target).context_window
        # There is no other: it was the client's, or none at all.
        only_key = isinstance(error, BillingRefused | UpstreamCredentialRefused) and not backend.has_key
        can_change_model = not self._delivery.turn and not self._downstream.content_started
        log_reason, self._log_reason = self._log_reason, ""
        verdict = self._candidates.judge(
            Failed(error=error, label=candidate.label, window=window, log_reason=log_reason),
            Situation(
                now=services.seconds(),
                attempts=self._recorder.attempts,
                others=self._candidates.others if can_change_model else 0,
                begun=self._delivery.begun,
                told=told,
                key_ready_in=math.inf
                if only_key
                else services.keys.ready_in(backend, self._credential, target.model, tokens),
            ),
            self._recorder.started,
        )
        if verdict.move is not Move.END:
            self._log_retry(candidate, error, verdict)
        return verdict

    def _log_retry(self, candidate: Candidate, error: BridgeError, verdict: Verdict) -> None:
        _log.info(
            "{label}: {outcome}; {move}",
            event="failed-attempt",
            request_id=self._recorder.request_id,
            label=candidate.label,
            backend=candidate.backend.name,
            model=candidate.target.model,
            outcome=error.outcome,
            move="trying again" if verdict.move is Move.AGAIN else "trying the next model",
            after=round(verdict.after, 3),
        )

    async def _final_error(self, candidate: Candidate, failure: FailedAttempt) -> BridgeError:
        """Return the error for the client: of all that went wrong what helps it most, with a hint if there is one.

        A budget that has nothing left ends the request whatever failed before, or leads to another route.
        """
        if isinstance(failure.error, BudgetSpent) and (failure.error.route or not failure.error.try_next):
            return failure.error
        ending = self._candidates.ending()
        self._log_reason = ending.log_reason
        if ending.error is not failure.error or not isinstance(failure.outcome, UpstreamFailure):
            return ending.error
        hint = self._services.hints.of(ending.error, candidate, self._credential)
        return ending.error if hint is None else await hint

    @property
    def _request(self) -> MessagesRequest:
        """The client's request, decoded."""
        return self._asked.request

    @property
    def _spender(self) -> Spender:
        """Who spends what it uses."""
        return Spender(key=self._recorder.client, session=self._info.session, agent=self._info.agent)

    async def _open(self, candidate: Candidate) -> OpenAttempt:
        """Return an attempt that is ready to be sent. Its outcome must be reported to its lease, whatever happens."""
        pending = self._prompt.pending_documents(candidate.target)
        if pending:
            await self._read_documents(candidate, pending)
        services, backend = self._services, candidate.backend
        profile = services.profiles.profile(backend.name, candidate.target.model)
        target = self._candidates.retries.with_adjustments(profile.with_overrides(candidate.target))
        await self._work_ahead(candidate, target)
        estimate = self._prompt.check(backend.name, target, profile, is_only=not self._candidates.others)
        slot = services.slots.acquire(backend, self._recorder.requester)
        if isinstance(slot, Deferred):
            self._recorder.waits(candidate, IN_QUEUE)
            slot = await self._queued(candidate, estimate, slot)
        lease: Lease | None = None
        try:
            token = services.keys.token(backend)
            if token is not None:
                self._delivery.announce(candidate, self._request, estimate)
                self._recorder.waits(candidate, FOR_KEY)
                await token
            services.budgets.reserve(
                self._recorder.request_id,
                self._spender,
                backend,
                target.model,
                estimate,
                has_begun=self._delivery.turn > 0,
                has_fallen=self._candidates.plan.because_of_budget,
            )
            lease = services.keys.lease(
                backend, self._credential, model=target.model, prefer=self._candidates.place.key, tokens=estimate
            )
            lease.begin()
            return self._prepare_attempt(candidate, target, lease, slot, estimate)
        except BaseException:
            slot.release()
            services.budgets.give_up(self._recorder.request_id)
            if lease is not None:
                lease.abandoned()
            raise

    def _queued(self, candidate: Candidate, estimate: int, slot: Deferred[Slot]) -> Deferred[Slot]:
        """Announce that the request waits for a slot, which is given up if that fails."""
        try:
            self._delivery.announce(candidate, self._request, estimate)
        except Exception:
            slot.addErrback(do_nothing)
            slot.cancel()
            raise
        return slot

    def _prepare_attempt(
        self, candidate: Candidate, target: Target, lease: Lease, slot: Slot, estimate: int
    ) -> OpenAttempt:
        """Return the attempt of a candidate that may be asked."""
        services, documents = self._services, self._prompt.texts
        max_tokens = self._candidates.retries.max_tokens_for(target)
        if candidate.kind.passes_through:
            asked = self._asked
            self._delivery.pass_through()
            note_passed_on(self._request)
        else:
            asked = self._delivery.request(self._asked, estimate)
        prepared = _prepare(asked, target, estimate, max_tokens, documents)
        self._delivery.sent(prepared)
        if prepared.dropped_keywords:
            self._log_dropped_keywords(candidate, prepared.dropped_keywords)
        reader = prepared.reader(services.answer_limits, services.random_bytes)
        request = upstream_request(
            candidate.backend, prepared, lease.secret, services.user_agent, forwarded=lease.forwarded
        )
        attempt = Attempt(candidate.kind, reader, self._delivery, request, services.seconds, services.unix_time)
        return OpenAttempt(
            candidate=candidate,
            target=target,
            lease=lease,
            slot=slot,
            asked=asked,
            estimate=estimate,
            max_tokens=max_tokens,
            documents=documents,
            attempt=attempt,
        )

    def _send(self, attempt: OpenAttempt) -> Deferred[Outcome]:
        """Send an attempt; the Deferred fires with its outcome."""
        self._recorder.attempt_started(attempt.attempt, attempt.candidate)
        self._delivery.announce(attempt.candidate, self._request, attempt.estimate)
        return attempt.attempt.start(self._services.client)

    async def _read_documents(self, candidate: Candidate, documents: list[str]) -> None:
        """Read documents, in base64, that a candidate needs as text."""
        estimate = self._prompt.estimate(candidate.backend.name, candidate.target)
        self._delivery.announce(candidate, self._request, estimate)
        self._recorder.waits(candidate, READING_DOCUMENTS)
        if self._info.body_bytes > HUGE:
            await self._services.pace.next_turn()  # their digests take as long as the estimate
        client = TurnOwner(self._recorder.requester, self._info.session)
        reading = [self._services.documents.text(each, client) for each in documents]
        texts: list[str] = await gatherResults(reading, consumeErrors=True)
        self._prompt.add_texts(dict(zip(documents, texts, strict=True)))

    async def _work_ahead(self, candidate: Candidate, target: Target) -> None:
        """Do what the kind of backend does to a large request before it is prepared, in turns of the reactor."""
        work = target.preparation(self._asked)
        if work is None or work.key in self._work_done:
            return
        self._work_done |= {work.key}
        ready = Deferred.fromCoroutine(self._services.pace.finish(work.step))
        if not ready.called:
            self._delivery.announce(candidate, self._request, self._prompt.estimate(candidate.backend.name, target))
        await ready

    def _conclude(self, attempt: OpenAttempt, outcome: Outcome) -> Finished | None:
        """Return the end of a good answer, or None if the candidate is to be asked once more; raise a failure."""
        self._downstream.attempt_producing(None)
        self._observe(attempt)
        if isinstance(outcome, UpstreamFailure):
            self._adjust_or_raise(attempt, outcome)
            return None
        if isinstance(outcome, BridgeError):
            raise outcome
        if self._delivery.holds_empty_answer:
            if self._candidates.retries.allow("empty"):
                self._delivery.discard()
                self._close(attempt, "empty", outcome.usage)
                return None
            self._delivery.release()
        self._log_late_failure(attempt)
        self._confirm_adjustments(attempt)
        # the downstream's has all turns of the answer
        own = outcome.usage if self._delivery.extra_turns else self._downstream.usage
        self._close(attempt, "ok", own or self._delivery.counted(attempt.attempt, attempt.estimate))
        return outcome

    def _adjust_or_raise(self, attempt: OpenAttempt, failure: UpstreamFailure) -> None:
        """Arrange for another way of asking if the refusal shows one; otherwise raise the error for the client."""
        services, backend, target = self._services, attempt.candidate.backend, attempt.target
        prepared = attempt.prepare()
        advice = prepared.adjust(failure, estimate=attempt.estimate)
        if advice.context_window is not None:
            services.profiles.profile(backend.name, target.model).saw_window(advice.context_window)
        adjustment = advice.adjustment
        if adjustment is not None and not self._delivery.begun and self._candidates.retries.apply(adjustment):
            _log.info(
                "backend {backend} rejected {what} for {model}; retried {how}",
                event="retried",
                request_id=self._recorder.request_id,
                backend=backend.name,
                model=target.model,
                why=adjustment.why,
                what=adjustment.rejected,
                how=adjustment.instead,
            )
            self._close(attempt, "refused", None)
            return
        circumstances = Circumstances(
            backend=backend.name,
            url=shown(upstream_url(backend, prepared)),
            model=self._info.model,
            forwarded=attempt.lease.forwarded,
            estimate=attempt.estimate,
            scrub=self._scrub,
            names=services.redactor.words,
            section=attempt.candidate.section,
        )
        explanation = prepared.explain(failure, circumstances)
        self._log_reason = explanation.log_reason
        raise explanation.error

    def _observe(self, attempt: OpenAttempt) -> None:
        """Use what the answer reveals about a backend whose dialect is not decided yet."""
        backend, detection = attempt.candidate.backend, self._services.detection
        if detection.is_undecided(backend):
            detection.observe(backend, attempt.attempt.clues())

    def _confirm_adjustments(self, attempt: OpenAttempt) -> None:
        """Remember the adjustments with which the request was answered."""
        adjustments = self._candidates.retries.take_confirmed()
        if adjustments:
            profile = self._services.profiles.profile(attempt.candidate.backend.name, attempt.target.model)
            for adjustment in filter(attrgetter("remembered"), adjustments):
                profile.learn(adjustment)

    async def _answered_locally(self, *, has_failed: bool) -> bool:
        """Read the request and answer it if it needs no backend; return whether this was one. Raises `InvalidRequest`.

        If a backend has failed that might have searched the web, its error says more than that the bridge cannot.
        """
        services = self._services
        await self._read()
        if not self._delivery.extra_turns:
            limits = services.config.limits
            self._delivery.needs(extra_turns(self._request, services.search, limits, services.random_bytes))
        parsing.check_supported(self._request)
        events = parsing.local_answer(self._request, searches=services.search is not None)
        if events is None:
            return False
        if has_failed and self._request.max_tokens != 0:
            raise InvalidRequest(parsing.NO_WEB_SEARCH)
        self._downstream.attempt_started(
            served_by="claude-bridge/local", model=self._info.model, show_reasoning=False, input_tokens=0
        )
        self._downstream.emit(events)
        return True

    def _learn(self, answered: Answered) -> None:
        """Learn from the prompt's true length."""
        usage = answered.finished.usage
        if usage is not None:
            self._prompt.learn(answered.candidate.backend.name, answered.target, usage)

    def _scrub(self, text: str) -> str:
        """Return ``text`` without known credentials. The client's own may have been displaced: it is learned again."""
        if self._credential is not None:
            self._services.redactor.learn(self._credential.reveal())
        return self._services.redactor(text)

    def _log_dropped_keywords(self, candidate: Candidate, dropped: frozenset[str]) -> None:
        """Log which keywords were dropped from the tools' schemas, once for each new keyword."""
        backend, model = candidate.backend.name, candidate.target.model
        profile = self._services.profiles.profile(backend, model)
        if not dropped <= profile.dropped_keywords:
            profile.dropped_keywords |= dropped
            _log.info(
                "tool schemas for {model} at backend {backend} are sent without {keys}",
                event="slimmed",
                model=model,
                backend=backend,
                keys=", ".join(sorted(profile.dropped_keywords)),
            )

    def _log_late_failure(self, attempt: OpenAttempt) -> None:
        """Log the kind of an error that came after the finish reason; its text may quote the prompt."""
        failure = attempt.attempt.late_failure
        if failure is not None:
            _log.warn(
                "{model} at backend {backend}: error after the end of an answer, which was delivered unchanged: {why}",
                event="late_failure",
                request_id=self._recorder.request_id,
                backend=attempt.candidate.backend.name,
                model=attempt.candidate.target.model,
                why=attempt.prepare().describe(failure),
            )

    def _close(
        self,
        attempt: OpenAttempt,
        outcome: str,
        usage: Usage | None,
        error: BridgeError | None = None,
        told: float | None = None,
    ) -> None:
        """Record an attempt that has ended, and report the outcome to its lease.

        ``told``: the seconds that the backend said to wait.
        """
        attempt.slot.release()
        if error is None:
            attempt.lease.succeeded(0 if usage is None else usage.prompt_tokens + usage.output_tokens)
        else:
            attempt.lease.failed(error, retry_after=told)
        self._recorder.attempt_ended(attempt.attempt, attempt.candidate, attempt.lease.name, outcome, usage)

    def _abort(self, attempt: OpenAttempt) -> None:
        """Close an attempt that ends without an outcome: the client left, or our own code raised."""
        attempt.attempt.close()
        attempt.slot.release()
        if self._client_left:
            attempt.lease.abandoned()
            usage = self._delivery.counted(attempt.attempt, attempt.estimate)
            self._recorder.attempt_ended(attempt.attempt, attempt.candidate, attempt.lease.name, "client_left", usage)
        else:
            fault = InternalFault("internal error of the bridge")
            self._close(attempt, fault.outcome, None, fault)

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


def _prepare(
    asked: AskedRequest, target: Target, estimate: int, max_tokens: int | None, documents: Mapping[str, str]
) -> Prepared:
    return target.prepare(asked, estimate=estimate, max_tokens=max_tokens, documents=documents)
