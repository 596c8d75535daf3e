"""Admission control and everything below it among fakes: the test plays backend and client."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from claude_bridge.config.load import parse
from claude_bridge.config.schema import DIRECT, Backend, Config
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import BackendKind, OriginalRequest
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.client_request import AskedRequest
from claude_bridge.core.messages_api.request_info import request_info
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.redaction import Redactor
from claude_bridge.core.routing import Facts
from claude_bridge.services.affinity import Affinity
from claude_bridge.services.backend_slots import BackendSlots
from claude_bridge.services.breaker import NoBreaker
from claude_bridge.services.exchange.admission import AdmissionControl
from claude_bridge.services.exchange.catalogue import Catalogue
from claude_bridge.services.exchange.count_tokens import TokenCounting
from claude_bridge.services.exchange.exchange import Exchange
from claude_bridge.services.exchange.hints import Hints
from claude_bridge.services.exchange.plan import Candidate
from claude_bridge.services.exchange.resolver import CandidateResolver
from claude_bridge.services.exchange.services import Services
from claude_bridge.services.interfaces import ModelLists, Requester
from claude_bridge.services.keys.client_limits import ClientLimits
from claude_bridge.services.keys.key_ring import KeyRing
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.services.knowledge.window_warnings import WindowWarnings
from claude_bridge.services.pace import Pace
from claude_bridge.services.sweep import PeriodicSweep
from claude_bridge.testing.chat import chat_stream, chunk, events
from claude_bridge.testing.fakes import (
    FakeCall,
    FakeClientResponse,
    FakeUpstreamClient,
    FixedCounters,
    FixedFacts,
    FixedLists,
    FixedSignposts,
    HeldDocuments,
    HeldSearch,
    KeptRecords,
    NotedBreaker,
)

ONE = """
[server]
credentials = none

[backend:box]
url = http://box:8000/v1

[model:glm]
backend = box
name = zai/GLM
context_window = 100000

[route:default]
models = glm
"""

ROUTED = (
    ONE.replace("models = glm", "models = glm, second")
    + "[backend:spare]\nurl = http://spare:8000/v1\n"
    + "[model:second]\nbackend = spare\nname = Second\ncontext_window = 200000\n"
)
"""The same with a second model at another backend."""

LONGEST_PAUSE = DIRECT.patience
"""Seconds after which the same model is asked again, if it is at all."""

DOCUMENT = {
    "type": "document",
    "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
    "title": "Report",
}

HELLO = chat_stream(text="Hello there")
EMPTY = events([chunk({"role": "assistant", "content": ""}), chunk({}, finish="stop")])


def configured(text: str) -> Config:
    """Read a configuration; nothing of this machine's environment is in it."""
    return parse(text, {}, lambda path: path.encode())


def models(*names: str) -> tuple[ModelInfo, ...]:
    """Make a backend's list."""
    return tuple(ModelInfo(id=name) for name in names)


def asking(**more: Any) -> dict[str, Any]:
    """Make the fields of a small request."""
    return {"model": "glm", "max_tokens": 8000, "stream": True, "messages": [{"role": "user", "content": "hi"}]} | more


def refusal(message: str, **more: Any) -> bytes:
    """Make the body of an OpenAI error."""
    return json.dumps({"error": {"message": message, "type": "invalid_request_error", "code": None, **more}}).encode()


def resolving(
    config: Config,
    lists: ModelLists | None = None,
    detection: DialectDetection | None = None,
    clock: Clock | None = None,
) -> CandidateResolver:
    """Make a resolver of names."""
    seconds = (clock or Clock()).seconds
    keys = KeyRing(config, NoBreaker(), seconds=seconds)
    return CandidateResolver(config, lists or FixedLists(), keys, detection or DialectDetection(KINDS), KINDS, seconds)


NO_FACTS = FixedFacts()


async def candidates(
    resolver: CandidateResolver,
    model: str,
    credential: Secret | None = None,
    facts: Facts = NO_FACTS,
    client: str = "",
) -> tuple[Candidate, ...]:
    """Return all candidates of the plan for a client's request, in order."""
    plan = await resolver.plan(model, credential, facts, client)
    return tuple([await plan.candidate(step) for step in plan.steps])


@define
class HangingLists:
    """Lists that never come.

    :ivar asked: the backends that were asked, in order.
    """

    asked: list[str] = field(factory=list)
    revision: int = 0

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:  # noqa: ARG002 - as the seam
        """Never answer."""
        self.asked.append(backend.name)
        return Deferred()

    def renewed(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:
        """Never answer."""
        return self.fetch(backend, credential)

    def known(self, backend: Backend, credential: Secret | None) -> tuple[ModelInfo, ...]:  # noqa: ARG002 - as the seam
        """Know nothing."""
        return ()


class BrokenLists(HangingLists):
    """Lists with a bug."""

    def fetch(self, backend: Backend, credential: Secret | None) -> Deferred[tuple[ModelInfo, ...]]:
        """Fail."""
        del backend, credential
        raise RuntimeError("secret detail")


@define
class Stage:
    """Everything that a run needs, each part within the test's reach.

    :ivar headers: those of the requests, for backends that are passed them.
    :ivar ticks: makes the sweep check, when it is advanced by a second; the time that it tells is `clock`'s.
    """

    config: Config = field(factory=lambda: configured(ONE))
    clock: Clock = field(factory=Clock)
    ticks: Clock = field(factory=Clock)
    client: FakeUpstreamClient = field(factory=FakeUpstreamClient)
    lists: ModelLists = field(factory=FixedLists)
    breaker: Any = field(factory=NotedBreaker)
    profiles: ModelProfiles = field(factory=lambda: ModelProfiles(time.time))
    records: KeptRecords = field(factory=KeptRecords)
    kinds: Mapping[str, BackendKind] = KINDS
    detection: DialectDetection = field(init=False)
    affinity: Affinity = field(init=False)
    documents: HeldDocuments = field(factory=HeldDocuments)
    signposts: FixedSignposts = field(factory=FixedSignposts)
    search: HeldSearch | None = None
    counters: FixedCounters = field(factory=FixedCounters)
    downstream: FakeClientResponse = field(factory=FakeClientResponse)
    new_downstream: Callable[[], FakeClientResponse] = FakeClientResponse
    headers: Mapping[str, str] = field(factory=dict)
    admission: AdmissionControl = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Build it."""
        self.detection = DialectDetection(self.kinds)
        self.affinity = Affinity(self.clock.seconds)
        seconds = self.clock.seconds
        keys = KeyRing(self.config, self.breaker, seconds=seconds)
        services = Services(
            config=self.config,
            client=self.client,
            resolver=CandidateResolver(self.config, self.lists, keys, self.detection, self.kinds, seconds),
            keys=keys,
            affinity=self.affinity,
            profiles=self.profiles,
            records=self.records,
            detection=self.detection,
            documents=self.documents,
            windows=WindowWarnings(time.monotonic),
            slots=BackendSlots(self.clock),
            pace=Pace(self.clock),
            hints=Hints(keys=keys, lists=self.lists, signposts=self.signposts),
            search=self.search,
            clock=self.clock,
            seconds=seconds,
            unix_time=lambda: 1_700_000_000.0 + self.clock.seconds(),
            random_bytes=bytes,
            redactor=Redactor(["owners-secret"]),
            user_agent="claude-bridge/test",
        )
        counts = TokenCounting(
            resolver=services.resolver,
            keys=keys,
            profiles=self.profiles,
            tokenizers=self.counters,
            documents=self.documents,
            pace=services.pace,
        )
        catalogue = Catalogue(self.config, services.resolver, self.profiles)
        self.admission = AdmissionControl(
            services,
            catalogue,
            counts,
            limits=ClientLimits(seconds),
            sweep=PeriodicSweep(self.ticks, seconds=seconds),
            needs_originals=any(self.kinds[each.kind].passes_through for each in self.config.backends.values()),
        )

    def run(self, credential: str | None = None, *, client: str = "", **more: Any) -> Exchange:
        """Start a request of a client with a new downstream; ``more`` are fields of its body."""
        self.downstream = self.new_downstream()
        body = json.dumps(asking(**more)).encode()
        asked = parsing.decode(body)
        original = OriginalRequest(body, self.headers) if self.admission.needs_originals else None
        run = self.admission.open_exchange(
            AskedRequest(asked, "", original),
            request_info(asked, {}, len(body)),
            self.downstream,
            client=Requester(credential=None if credential is None else Secret(credential), name=client),
            request_id="req_1",
        )
        run.start()
        return run

    def fail(self, *body: bytes, **how: Any) -> None:
        """Answer each attempt of the one request like this until no other follows."""
        failed = None
        while self.admission.active and self.call is not failed:
            failed = self.call
            failed.answer(*body, **how)
            self.clock.advance(LONGEST_PAUSE)

    @property
    def call(self) -> FakeCall:
        """Return the newest upstream request."""
        return self.client.last

    @property
    def sent(self) -> Any:
        """Return the body of the newest upstream request."""
        return json.loads(self.call.request.body)

    @property
    def error(self) -> Any:
        """Return the one error that the client got."""
        (error,) = self.downstream.errors
        return error

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Return the outcomes of the one finished request's attempts, its own last."""
        (record,) = self.records.requests
        return (*(attempt.outcome for attempt in record.attempts), record.outcome)


class DeafDownstream(FakeClientResponse):
    """A downstream with a bug where it learns who answers."""

    def attempt_started(self, *, served_by: str, model: str, show_reasoning: bool, input_tokens: int) -> None:
        """Break."""
        del served_by, model, show_reasoning, input_tokens
        raise RuntimeError("bug")
