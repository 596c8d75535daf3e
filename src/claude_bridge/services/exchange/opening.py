"""Opens an attempt: what must be read, waited for and reserved before a request goes to a backend."""

from __future__ import annotations

from attrs import define
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import Preparation, Target
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.memory_weight import note_passed_on
from claude_bridge.services.backend_slots import Slot
from claude_bridge.services.callbacks import do_nothing
from claude_bridge.services.exchange.attempt import Attempt
from claude_bridge.services.exchange.candidates import Candidates
from claude_bridge.services.exchange.delivery import Delivery
from claude_bridge.services.exchange.open_attempt import OpenAttempt
from claude_bridge.services.exchange.outgoing import upstream_request
from claude_bridge.services.exchange.plan import Candidate
from claude_bridge.services.exchange.prompt_size import PromptSize
from claude_bridge.services.exchange.recorder import FOR_KEY, IN_QUEUE, READING_DOCUMENTS, RequestRecorder
from claude_bridge.services.exchange.services import Services
from claude_bridge.services.interfaces import Spender, TurnOwner
from claude_bridge.services.keys.key_ring import Lease

_log = Logger()


@define(eq=False, kw_only=True)
class Opening:
    """Opens one attempt at a candidate.

    It takes a slot, a reservation of the budgets and a lease, in this order, and releases them all if it fails. Before
    each wait the client's side is told who will answer, so that it may commit early and send pings.
    """

    _services: Services
    _asked: AskedRequest
    _spender: Spender
    _credential: Secret | None
    _recorder: RequestRecorder
    _prompt: PromptSize
    _delivery: Delivery
    _candidates: Candidates
    _candidate: Candidate

    async def open(self) -> OpenAttempt:
        """Return an attempt that is ready to be sent. Its outcome must be reported to its lease, whatever happens."""
        services, candidate, backend = self._services, self._candidate, self._candidate.backend
        pending = self._prompt.pending_documents(candidate.target)
        if pending:
            await self._read_documents(pending)
        profile = services.profiles.profile(backend.name, candidate.target.model)
        target = self._candidates.retries.with_adjustments(profile.with_overrides(candidate.target))
        work = self._prompt.pending_work(target, self._asked)
        if work is not None:
            await self._work_ahead(work, target)
        estimate = self._prompt.check(backend.name, target, profile, is_only=not self._candidates.others)
        slot = services.slots.acquire(backend, self._recorder.requester)
        if isinstance(slot, Deferred):
            slot = await self._queued(slot, estimate)
        lease: Lease | None = None
        try:
            token = services.keys.token(backend)
            if token is not None:
                self._delivery.announce(candidate, self._asked.request, estimate)
                self._recorder.waits(candidate, FOR_KEY)
                await token
            services.budgets.reserve(
                self._recorder.request_id,
                self._spender,
                backend,
                target.model,
                estimate,
                has_begun=self._delivery.turn > 0,
                taken=self._candidates.plan.taken,
            )
            lease = services.keys.lease(
                backend, self._credential, model=target.model, prefer=self._candidates.place.key, tokens=estimate
            )
            lease.begin()
            return self._prepare(target, lease, slot, estimate)
        except BaseException:
            slot.release()
            services.budgets.give_up(self._recorder.request_id)
            if lease is not None:
                lease.abandoned()
            raise

    async def _read_documents(self, documents: list[str]) -> None:
        """Read documents, in base64, that the candidate needs as text."""
        services, candidate = self._services, self._candidate
        estimate = self._prompt.estimate(candidate.backend.name, candidate.target)
        self._delivery.announce(candidate, self._asked.request, estimate)
        self._recorder.waits(candidate, READING_DOCUMENTS)
        if self._prompt.is_huge:
            await services.pace.next_turn()  # their digests take as long as the estimate
        client = TurnOwner(self._recorder.requester, self._spender.session)
        reading = [services.documents.text(each, client) for each in documents]
        texts: list[str] = await gatherResults(reading, consumeErrors=True)
        self._prompt.add_texts(dict(zip(documents, texts, strict=True)))

    async def _work_ahead(self, work: Preparation, target: Target) -> None:
        """Do what the kind of backend does to a large request before it is prepared, in turns of the reactor."""
        ready = Deferred.fromCoroutine(self._services.pace.finish(work.step))
        if not ready.called:
            estimate = self._prompt.estimate(self._candidate.backend.name, target)
            self._delivery.announce(self._candidate, self._asked.request, estimate)
        await ready

    def _queued(self, slot: Deferred[Slot], estimate: int) -> Deferred[Slot]:
        """Announce that the request waits for a slot, which is given up if that fails."""
        self._recorder.waits(self._candidate, IN_QUEUE)
        try:
            self._delivery.announce(self._candidate, self._asked.request, estimate)
        except Exception:
            slot.addErrback(do_nothing)
            slot.cancel()
            raise
        return slot

    def _prepare(self, target: Target, lease: Lease, slot: Slot, estimate: int) -> OpenAttempt:
        """Return the attempt, now that the candidate may be asked."""
        services, candidate, delivery = self._services, self._candidate, self._delivery
        documents, max_tokens = self._prompt.texts, self._candidates.retries.max_tokens_for(target)
        if candidate.kind.passes_through:
            asked = self._asked
            delivery.pass_through()
            note_passed_on(asked.request)
        else:
            asked = delivery.request(self._asked, estimate)
        prepared = target.prepare(asked, estimate=estimate, max_tokens=max_tokens, documents=documents)
        delivery.sent(prepared)
        if prepared.dropped_keywords:
            self._note_dropped_keywords(prepared.dropped_keywords)
        reader = prepared.reader(services.answer_limits, services.random_bytes)
        request = upstream_request(
            candidate.backend, prepared, lease.secret, services.user_agent, forwarded=lease.forwarded
        )
        return OpenAttempt(
            candidate=candidate,
            target=target,
            lease=lease,
            slot=slot,
            asked=asked,
            estimate=estimate,
            max_tokens=max_tokens,
            documents=documents,
            attempt=Attempt(candidate.kind, reader, delivery, request, services.seconds, services.unix_time),
        )

    def _note_dropped_keywords(self, dropped: frozenset[str]) -> None:
        """Log which keywords were dropped from the tools' schemas, once for each new keyword."""
        backend, model = self._candidate.backend.name, self._candidate.target.model
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
