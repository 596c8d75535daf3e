"""One client request from its plan to its end: attempts, the few retries, records.

What may live here: the decision what an attempt's outcome means, and what must be there before one can begin.
Retries happen only while the turn has shown the client nothing, a few at most (`remedy.MOST_RETRIES`): in another way
after a refusal that says how, once more after an empty answer. An extra turn (a web search) is no retry:
it is the next turn of one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.config.schema import Config
from claude_bridge.config.secret import Secret
from claude_bridge.core.chat_completions import translation
from claude_bridge.core.chat_completions.errors import classification, overflow_detection
from claude_bridge.core.chat_completions.errors.classification import UpstreamFailure
from claude_bridge.core.chat_completions.errors.quotations import Quotations
from claude_bridge.core.chat_completions.json_schema.sanitising import Shaping
from claude_bridge.core.chat_completions.target import Target
from claude_bridge.core.chat_completions.traits import SchemaLevel
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.errors import BridgeError, BridgeFault, CircuitOpen, InternalFault, UpstreamError
from claude_bridge.core.events import Event, Finished, FinishReason, ReasoningDelta, TextDelta, ToolCallStarted, Usage
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.conversation import conversation_of, shows_thinking
from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.core.redaction import Redactor
from claude_bridge.core.tokens import overflow
from claude_bridge.services.accounting.recorder import RequestRecorder
from claude_bridge.services.exchange.attempt import Attempt
from claude_bridge.services.exchange.extra_turns import ExtraTurn, extra_turns
from claude_bridge.services.exchange.hints import Hints
from claude_bridge.services.exchange.outgoing import completions_url, reader, upstream_request
from claude_bridge.services.exchange.prompt_size import PromptSize
from claude_bridge.services.exchange.remedy import RetryBudget, missing_capability, remedy
from claude_bridge.services.exchange.resolver import Candidate, CandidateResolver, Plan
from claude_bridge.services.fetch import shown
from claude_bridge.services.interfaces import (
    Admission,
    Breaker,
    ClientResponse,
    Documents,
    PushProducer,
    Records,
    SearchEngine,
    TurnOwner,
    UpstreamClient,
)
from claude_bridge.services.keys.credentials import UpstreamCredential, for_backend
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.services.knowledge.window_warnings import WindowWarnings
from claude_bridge.services.pace import Pace

T = TypeVar("T")

_OK: Final = 200

_log = Logger()


@frozen(kw_only=True)
class Services:
    """What a run needs, the same for all."""

    config: Config
    client: UpstreamClient
    planner: CandidateResolver
    breaker: Breaker
    learned: ModelProfiles
    records: Records
    detection: DialectDetection
    documents: Documents
    windows: WindowWarnings
    pace: Pace
    hints: Hints
    search: SearchEngine | None
    seconds: Callable[[], float]
    unix_time: Callable[[], float]
    random_bytes: RandomBytes
    redactor: Redactor
    user_agent: str


def _nothing() -> None:
    """Do nothing: the place of a callback that was called."""


@define(eq=False, kw_only=True)
class Exchange:
    """One request; implements `AttemptOwner`. `start` it once; `cancel` it when the client leaves."""

    _services: Services
    _request: MessagesRequest
    _info: RequestInfo
    _credential: Secret | None
    _downstream: ClientResponse
    request_id: str
    client_name: str = ""
    peer: str = ""
    on_end: Callable[[], None] = field(default=_nothing)
    _recorder: RequestRecorder = field(init=False)
    _candidates: list[Candidate] = field(factory=list, init=False)
    _extra_turns: tuple[ExtraTurn, ...] = field(default=(), init=False)
    _turn: int = field(default=0, init=False)
    _prompt: PromptSize = field(init=False)
    _awaited: Deferred[Any] | None = field(default=None, init=False)
    _candidate: Candidate | None = field(default=None, init=False)
    _target: Target | None = field(default=None, init=False)
    _resend: Callable[[], Translation] | None = field(default=None, init=False)
    _upstream: UpstreamCredential | None = field(default=None, init=False)
    _attempt: Attempt | None = field(default=None, init=False)
    _admission: Admission | None = field(default=None, init=False)
    _tries: RetryBudget = field(factory=RetryBudget, init=False)
    _shaped: set[SchemaLevel] = field(factory=set, init=False)
    _said: bool = field(default=False, init=False)
    _reason: str = field(default="", init=False)
    _ended: bool = field(default=False, init=False)

    @_recorder.default
    def _opened(self) -> RequestRecorder:
        services = self._services
        return RequestRecorder(
            records=services.records,
            request_id=self.request_id,
            seconds=services.seconds,
            unix_time=services.unix_time,
            client=self.client_name,
            peer=self.peer,
        )

    @_prompt.default
    def _measured(self) -> PromptSize:
        services = self._services
        return PromptSize(
            request=self._request,
            info=self._info,
            learned=services.learned,
            windows=services.windows,
            pace=services.pace,
        )

    def start(self) -> None:
        """Begin; everything else reaches the client through the downstream."""
        try:
            reading = self._services.pace.read(self._request, self._info.body_bytes)
        except BridgeError as error:
            self._fail(error)
            return
        if reading is None:
            self._begin()
        else:
            self._wait_for(reading, lambda _: self._begin())

    def _begin(self) -> None:
        """Go on once the request is read."""
        services = self._services
        try:
            self._extra_turns = extra_turns(
                self._request, services.search, services.config.limits, services.random_bytes
            )
            local = parsing.local_answer(self._request, searches=services.search is not None)
        except BridgeError as error:
            self._fail(error)
            return
        if local is not None:
            self._answer_locally(local)
            return
        planning = Deferred.fromCoroutine(services.planner.plan(self._info.model, self._credential))
        self._wait_for(planning, self._planned)

    def cancel(self) -> None:
        """The client left: close everything; nobody is to blame."""
        if self._ended:
            return
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt_over("client_left", self._downstream.usage)
        awaited, self._awaited = self._awaited, None
        self._end("client_left")
        if awaited is not None:
            awaited.cancel()

    def attempt_answers(self, producer: PushProducer) -> None:
        """Hold the body back when the client is slow."""
        self._downstream.attempt_producing(producer)

    def attempt_yielded(self, events: Sequence[Event]) -> None:
        """Pass events on, and end the run with the answer."""
        last = events[-1]
        if not self._said:
            self._said = any(map(_says_something, events))
            if not self._said and type(last) is Finished and self._is_worth_asking_again(last):
                return
        try:
            for extra_turn in self._extra_turns:
                events = extra_turn.filter(events)
            if events:
                self._downstream.emit(events)
        except UpstreamError as error:
            if self._attempt is not None:
                self._attempt.cancel()
            self.attempt_failed(error)
            return
        if type(last) is Finished:
            self._answered(last)

    def attempt_failed(self, outcome: BridgeError | UpstreamFailure) -> None:
        """Decide: once more in another way, at the next candidate, or the error to the client."""
        candidate, target, resend = self._candidate, self._target, self._resend
        if self._ended or candidate is None or target is None or resend is None:
            return
        self._downstream.attempt_producing(None)
        self._reveal()
        if isinstance(outcome, BridgeError):
            error: BridgeError | None = outcome
        else:
            error = self._mend_or_translate(outcome, candidate, target, resend())
        if error is None:
            return
        self._attempt_over(error.outcome, self._downstream.usage, error)
        hint = None
        if isinstance(outcome, UpstreamFailure) and not (self._candidates and isinstance(error, UpstreamError)):
            hint = self._services.hints.of(error, candidate, self._credential)
        if hint is None:
            self._fail_over(error)
        else:
            self._wait_for(hint, self._fail_over)

    def _is_worth_asking_again(self, finished: Finished) -> bool:
        """Try once more after an answer with nothing in it, for which nobody gave a reason."""
        if finished.reason is not FinishReason.STOPPED or self._candidate is None or self._begun:
            return False
        if not self._tries.allow("empty"):
            return False
        self._attempt_over("empty", finished.usage)
        self._downstream.attempt_producing(None)
        self._try()
        return True

    def _wait_for(self, awaited: Deferred[T], then: Callable[[T], None]) -> None:
        """Go on when something is there; a client that leaves cancels the wait."""

        def came(value: T) -> None:
            self._awaited = None
            if not self._ended:
                then(value)

        self._awaited = awaited
        awaited.addCallbacks(came, self._did_not_come).addErrback(self._broke)

    def _planned(self, plan: Plan) -> None:
        self._candidate, *self._candidates = plan
        self._try()

    def _did_not_come(self, failure: Failure) -> None:
        self._awaited = None
        if self._ended:  # cancelled, because the client left
            failure.cleanFailure()  # its frames lead back to here, and would keep the request alive
            return
        if isinstance(failure.value, BridgeError):
            self._fail(failure.value)
        else:
            self._broke(failure)

    def _broke(self, failure: Failure) -> None:
        """Log a fault of our own and say no more than that there was one."""
        _log.failure("request {request_id} failed", failure, request_id=self.request_id, event="fault")
        fault = InternalFault("internal error of the bridge")
        if self._attempt is not None:
            self._attempt.cancel()
        self._attempt_over(fault.outcome, None, fault)
        self._fail(fault)

    def _answer_locally(self, events: list[Event]) -> None:
        self._downstream.attempt_started(
            answers="claude-bridge/local", model=self._info.model, show_reasoning=False, input_tokens=0
        )
        self._downstream.emit(events)
        self._end("ok")

    def _try(self) -> None:
        """Start an attempt at the current candidate. This is a top of the request: nothing escapes it."""
        try:
            candidate = self._candidate
            if candidate is not None and not self._reads_documents(candidate):
                target = self._applied(candidate)
                if not self._shapes_schemas(candidate, target):
                    self._attempt_at(candidate, target)
        except BridgeError as error:
            self._attempt_over(error.outcome, None, error)
            self._fail_over(error)
        except Exception:  # noqa: BLE001 - whatever it is, the client must not wait for ever
            self._broke(Failure())

    def _fail_over(self, error: BridgeError) -> None:
        """Go on with the next candidate where another backend may do better and the client has nothing yet."""
        elsewhere = isinstance(error, UpstreamError | CircuitOpen) and not self._turn
        if elsewhere and self._candidates and not self._downstream.content_started:
            self._candidate = self._candidates.pop(0)
            self._tries.reset()
            self._try()
            return
        rescued = [event for each in self._extra_turns for event in each.fallback()] if not self._said else []
        if rescued:
            self._downstream.emit(rescued)
            self._end("ok")
        else:
            self._fail(error)

    def _reads_documents(self, candidate: Candidate) -> bool:
        """Begin to read the documents that this candidate needs as text, and return whether they must be waited for."""
        unread = self._prompt.pending_documents(candidate.target)
        if not unread:
            return False

        self._announce(candidate, self._prompt.estimate(candidate.backend.name, candidate.target))

        def read(texts: list[str]) -> None:
            self._prompt.add_texts(dict(zip(unread, texts, strict=True)))
            self._try()

        client = TurnOwner(self.client_name or self.peer, self._info.session)
        texts = [self._services.documents.text(each, client) for each in unread]
        self._wait_for(gatherResults(texts, consumeErrors=True), read)
        return True

    def _shapes_schemas(self, candidate: Candidate, target: Target) -> bool:
        """Begin to shape the schemas of the tools, and return whether that takes more than a moment."""
        level = target.schema
        if level == "none" or level in self._shaped:
            return False
        self._shaped.add(level)
        shaping = Shaping([tool.parameters for tool in conversation_of(self._request).tools], level)
        shaped = Deferred.fromCoroutine(self._services.pace.finish(shaping.step))
        if shaped.called:
            return False
        self._announce(candidate, self._prompt.estimate(candidate.backend.name, candidate.target))
        self._wait_for(shaped, lambda _: self._try())
        return True

    def _applied(self, candidate: Candidate) -> Target:
        """Return the candidate's target with all that was learned, in this request and before."""
        return self._tries.with_adjustments(
            self._services.learned.with_overrides(candidate.backend.name, candidate.target)
        )

    def _attempt_at(self, candidate: Candidate, target: Target) -> None:
        self._reason, self._target = "", target
        services, backend = self._services, candidate.backend.name
        self._prompt.check(backend, target)
        credential = for_backend(candidate.backend, services.config.server.credentials, self._credential)
        estimate = self._prompt.estimate(backend, target)
        asked, self._resend = self._translation(target, estimate)
        sent = self._resend()
        for extra_turn in self._extra_turns:
            extra_turn.sent(sent)
        self._upstream = credential
        self._note_slimmed(backend, sent)
        self._admission = services.breaker.admit(backend)  # last: whoever is admitted must report
        self._recorder.attempt_started()
        self._attempt = Attempt(
            reader(asked, target, sent, services.config.limits, services.random_bytes),
            self,
            services.seconds,
            services.unix_time,
        )
        self._announce(candidate, estimate)
        self._attempt.start(services.client, upstream_request(candidate, sent, credential, services.user_agent))

    def _announce(self, candidate: Candidate, estimate: int) -> None:
        """Tell the client's side who will answer, so that it need not wait for ever for a sign of life."""
        if not self._turn:
            self._downstream.attempt_started(
                answers=candidate.label,
                model=candidate.shown,
                show_reasoning=_shows(candidate, self._request),
                input_tokens=estimate,
            )

    def _translation(self, target: Target, estimate: int) -> tuple[MessagesRequest, Callable[[], Translation]]:
        """Return the request of this turn, as the client would have made it, and what makes the backend's of it.

        The backend's is not kept: it is as large as the client's, and only a refusal needs it a second time.
        """
        asked = self._request
        for extra_turn in self._extra_turns:
            asked = extra_turn.request(asked, estimate)
        limit, documents = self._limit(target), self._prompt.texts

        def translated() -> Translation:
            return translation.translate(
                conversation_of(asked), target, estimate=estimate, max_tokens=limit, documents=documents
            )

        return asked, translated

    def _note_slimmed(self, backend: str, sent: Translation) -> None:
        """Log what tools' schemas lost on the way, once for each set of keys: nobody should wonder where they went."""
        if not sent.slimmed:
            return
        note = self._services.learned.profile(backend, sent.target.model)
        if not sent.slimmed <= note.slimmed:
            note.slimmed |= sent.slimmed
            _log.info(
                "schemas of tools for {model} at backend {backend} go without {keys}",
                event="slimmed",
                model=sent.target.model,
                backend=backend,
                keys=", ".join(sorted(note.slimmed)),
            )

    def _limit(self, target: Target) -> int | None:
        """Return the shrunk ``max_tokens``, if an overflow shrank it; it holds for all later tries."""
        shrunk, most = self._tries.max_tokens, target.max_output_tokens
        return shrunk if shrunk is None or most is None else min(shrunk, most)

    @property
    def _begun(self) -> bool:
        """Whether this turn has shown the client something, so that nobody may begin it anew."""
        return self._said if self._turn else self._downstream.content_started

    def _mend_or_translate(
        self, failure: UpstreamFailure, candidate: Candidate, target: Target, sent: Translation
    ) -> BridgeError | None:
        """Try once more in another way and return None, or give what the client is told."""
        services, backend = self._services, candidate.backend.name
        estimate = self._prompt.estimate(backend, target)
        note = services.learned.profile(backend, target.model)
        retry = remedy(failure, sent, note, estimate=estimate, window=target.context_window)
        if retry is not None and not self._begun and self._tries.apply(retry):
            _log.info(
                "backend {backend} refused a request for {model}; asked once more: {why}",
                event="retried",
                request_id=self.request_id,
                backend=backend,
                model=target.model,
                why=retry.why,
            )
            self._attempt_over("refused", None)
            self._try()
            return None
        self._reason = self._told(failure, target, sent)
        over = overflow_detection.detect(failure, sent.body)
        if over is not None:
            self._reason, window = "", target.context_window
            return overflow.canonical(over, estimate=estimate, window=window, max_tokens=sent.max_tokens or 0)
        missing = missing_capability(failure, sent)
        if missing is not None:
            self._reason = ""
            return missing
        return classification.to_client(
            failure,
            backend=backend,
            model=target.model,
            forwarded=self._upstream is not None and self._upstream.forwarded,
            scrub=self._scrub,
            names=services.redactor.words,
            url=shown(completions_url(candidate.backend)),
        )

    def _told(self, failure: UpstreamFailure, target: Target, sent: Translation) -> str:
        """Return the kind of a refusal whose words quote the prompt; "" where the log may have its words."""
        quotations = Quotations(sent.body)
        quoted = quotations.quotes(failure.message or _words(failure), (target.model, self._info.model))
        return _kind(failure, quotations) if quoted else ""

    def _scrub(self, text: str) -> str:
        """Take out every credential we know, the client's own among them: by now others may have come instead."""
        if self._credential is not None:
            self._services.redactor.learn(self._credential.reveal())
        return self._services.redactor(text)

    def _answered(self, finished: Finished) -> None:
        """End well, unless an extra turn wants another turn before the client gets the end of its answer."""
        extra_turn = next((each for each in self._extra_turns if each.pending), None)
        self._reveal()
        self._note_late_failure()
        if self._candidate is not None and self._target is not None:
            self._tries.remember(self._services.learned.profile(self._candidate.backend.name, self._target.model))
        self._attempt_over("ok", finished.usage if self._extra_turns else self._downstream.usage)
        self._downstream.attempt_producing(None)
        if extra_turn is None:
            self._end("ok")
            self._learn(finished)
        else:
            self._settle(extra_turn)

    def _note_late_failure(self) -> None:
        """Log an error that came after the finish reason, by its kind: its words may quote the prompt."""
        failure = self._attempt.late_failure if self._attempt is not None else None
        resend = self._resend
        if failure is not None and self._candidate is not None and resend is not None:
            _log.warn(
                "{model} at backend {backend}: an error after the end of an answer, which is given as it stood: {why}",
                event="late_failure",
                request_id=self.request_id,
                backend=self._candidate.backend.name,
                model=self._candidate.target.model,
                why=_kind(failure, Quotations(resend().body)),
            )

    def _settle(self, extra_turn: ExtraTurn) -> None:
        """Let an extra turn do what it kept the end back for; then ask the model again, or let that end pass on."""

        def settled(finished: Finished | None) -> None:
            if finished is None:
                self._turn += 1
                self._said = False
                self._try()
                return
            events: Sequence[Event] = [finished]
            later = self._extra_turns[self._extra_turns.index(extra_turn) + 1 :]
            for each in later:
                events = each.filter(events)
            if events:
                self._downstream.emit(events)
            wanted = next((each for each in later if each.pending), None)
            if wanted is None:
                self._end("ok")
            else:
                self._settle(wanted)

        self._wait_for(extra_turn.resolve(self._downstream.emit), settled)

    def _reveal(self) -> None:
        """Look at what the answer says of a backend that is not known yet."""
        candidate, detection = self._candidate, self._services.detection
        if candidate is not None and self._attempt is not None and detection.is_undecided(candidate.backend):
            detection.observe(candidate.backend, self._attempt.clues())

    def _learn(self, finished: Finished) -> None:
        """Compare the prompt's true length with ours; a later turn's is not the client's prompt."""
        candidate, target = self._candidate, self._target
        if candidate is not None and target is not None and finished.usage is not None and not self._turn:
            self._prompt.learn(candidate.backend.name, target, finished.usage)

    def _attempt_over(self, outcome: str, usage: Usage | None, error: BridgeError | None = None) -> None:
        """Book the current attempt, which is over, and tell the breaker how it went."""
        admission, self._admission = self._admission, None
        if admission is not None:
            if outcome == "client_left" or isinstance(error, BridgeFault):
                admission.abandoned()
            elif error is None:
                admission.succeeded()
            else:
                admission.failed(error)
        attempt, self._attempt = self._attempt, None
        if attempt is not None and self._candidate is not None:
            credential = self._upstream.name if self._upstream is not None else "none"
            self._recorder.attempt_ended(attempt, self._candidate, credential, outcome, usage)

    def _fail(self, error: BridgeError) -> None:
        if self._ended:
            return
        self._downstream.fail(error)
        self._end(error.outcome, self._reason or error.message)

    def _end(self, outcome: str, reason: str = "") -> None:
        """Book the request, once, and let go of it: nobody else may keep it alive."""
        if self._ended:
            return
        self._ended = True
        on_end, self.on_end = self.on_end, _nothing
        self._resend = None
        self._recorder.request_ended(self._info, self._downstream, outcome, reason)
        on_end()


def _says_something(event: Event) -> bool:
    """Return whether an event brings content. Blank text or reasoning is none: it makes no block by itself."""
    return isinstance(event, ToolCallStarted) or (
        isinstance(event, TextDelta | ReasoningDelta) and bool(event.text.strip())
    )


def _words(failure: UpstreamFailure) -> str:
    return " ".join(filter(None, (failure.type, failure.code)))


def _kind(failure: UpstreamFailure, quotations: Quotations) -> str:
    """Return what a refusal was without its sentence: by status, and by type and code if these quote nothing either."""
    words = _words(failure)
    inside = failure.answered == _OK
    said = "reported an error inside its answer" if inside else f"said {failure.status}"
    return f"the backend {said} {'' if quotations.quotes(words) else words}".rstrip()


def _shows(candidate: Candidate, asked: MessagesRequest) -> bool:
    if candidate.show_reasoning == "auto":
        return shows_thinking(asked.thinking)
    return candidate.show_reasoning == "always"
