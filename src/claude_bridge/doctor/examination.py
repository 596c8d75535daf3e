"""The examination of one backend: what its checks share, and what they have found so far."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Literal

from attrs import define, field, frozen
from twisted.internet.task import deferLater

from claude_bridge.config.named_models import RoutedModel
from claude_bridge.config.schema import TRAITS, Backend, Model
from claude_bridge.config.secret import Secret
from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import (
    BackendKind,
    Circumstances,
    DialectDecision,
    NeutralRequest,
    OriginalRequest,
    Prepared,
    Target,
    UpstreamFailure,
)
from claude_bridge.core.conversation import Conversation
from claude_bridge.core.errors import BridgeError, ContextOverflow, UpstreamOverloaded, UpstreamRateLimited
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.doctor import questions
from claude_bridge.doctor.addresses import Clash
from claude_bridge.doctor.asking import Answer, Asker, Reply
from claude_bridge.doctor.finding import Finding, Level
from claude_bridge.doctor.known_prices import KnownPrices
from claude_bridge.doctor.origin import Origin
from claude_bridge.services.interfaces import ModelLists, Signposts
from claude_bridge.services.knowledge.dialect_detection import DialectDetection

PROBED: Final = "model"
"""The model's name in a request that only asks whether there is an API."""

EMPTY: Final = b"{}"
"""A request that every server refuses before a model sees it."""

_NO_HEADERS: Final[Mapping[str, str]] = {}

DEFAULT_WAIT: Final = 5.0
LONGEST_WAIT: Final = 20.0
"""Seconds to wait for a rate limit that does not say how long it lasts, and for one that says it."""

LOOKED_FOR: Final = frozenset({"schema", "tool_choice"})
"""Traits that have a check of their own."""


class Interrupted(Exception):
    """The backend answers nothing for now.

    :ivar error: what a client would be told.
    """

    def __init__(self, error: BridgeError) -> None:
        super().__init__(str(error))
        self.error = error


@frozen(kw_only=True)
class Tried:
    """What became of a conversation that depends on a trait.

    :ivar error: what a client would be told, None for a good answer.
    :ivar before: the value of the trait with which it was sent first.
    :ivar after: the value with which it was answered, or refused for good.
    """

    answer: Answer
    error: BridgeError | None
    before: str
    after: str

    @property
    def good(self) -> bool:
        """Whether it was answered as it was sent first."""
        return self.error is None and self.before == self.after

    @property
    def unclear(self) -> bool:
        """Whether it failed for a reason that says nothing about the trait."""
        return self.error is not None and (not self.answer.refused or isinstance(self.error, ContextOverflow))


@define(eq=False, kw_only=True)
class Examination:
    """One backend under examination.

    :ivar credential: what is sent to it, or None.
    :ivar brought: whether clients bring the key, because the configuration has none.
    :ivar models: the configured models of it; the first is examined.
    :ivar routed: the models of it that only routes name.
    :ivar wanted: a model that is not configured, as the command line names it, or "".
    :ivar origin: where the owner has written the backend.
    :ivar clash: the listener of the bridge that has the backend's address, or None.
    :ivar scrub: removes every known credential from a text.
    :ivar prices: what is known of prices; None if they are not looked at.
    :ivar told: called with each finding as it is made.
    :ivar over: what is left cannot be checked any more.
    :ivar listing: the response to the request for its models.
    :ivar key_in_doubt: whether a key seems to be ``asked for`` or ``not asked for``; "" if that is known.
    :ivar listed: the models that it lists.
    :ivar missing: the names of configured and routed models that it does not list.
    :ivar model: the model that is examined, as it is configured.
    :ivar is_named: whether the examined model has a name that can be written into the configuration.
    :ivar window: its context window in tokens, where known.
    :ivar takes_tools: false if every request with tools is refused.
    :ivar properties: what llama.cpp says of itself under ``/props``.
    :ivar last: the last answer that it gave.
    """

    backend: Backend
    credential: Secret | None
    kind: BackendKind
    asker: Asker
    lists: ModelLists
    detection: DialectDetection
    signposts: Signposts
    scrub: Callable[[str], str]
    origin: Origin
    clash: Clash | None = None
    brought: bool = False
    models: Sequence[Model] = ()
    routed: Sequence[RoutedModel] = ()
    wanted: str = ""
    prices: KnownPrices | None = None
    told: Callable[[Finding], None] = field(default=lambda _finding: None)
    findings: list[Finding] = field(factory=list, init=False)
    over: bool = field(default=False, init=False)
    listing: Reply | None = field(default=None, init=False)
    key_in_doubt: Literal["", "asked for", "not asked for"] = field(default="", init=False)
    listed: Sequence[ModelInfo] = field(default=(), init=False)
    missing: list[str] = field(factory=list, init=False)
    model: Model | None = field(default=None, init=False)
    is_named: bool = field(default=True, init=False)
    window: int | None = field(default=None, init=False)
    takes_tools: bool = field(default=True, init=False)
    properties: Mapping[str, Any] = field(factory=dict, init=False)
    last: Answer | None = field(default=None, init=False)
    _overrides: dict[str, Any] = field(factory=dict, init=False)
    _number: int = field(default=0, init=False)
    _check: str = field(default="", init=False)

    @property
    def section(self) -> str:
        """The section of the backend."""
        return f"backend:{self.backend.name}"

    @property
    def model_section(self) -> str:
        """The section of the model."""
        return f"model:{self.model.alias}" if self.model is not None else self.section

    @property
    def _own_section(self) -> str:
        """The alias of the examined model if a file has a section of it, else ""."""
        if self.model is None or self.model not in self.models or not self.origin.in_file:
            return ""
        return self.model.alias

    @property
    def dialect(self) -> DialectDecision:
        """The dialect as far as it is known."""
        return self.detection.dialect_of(self.backend)

    def begin(self, check: Check) -> None:
        """Attribute what is found from now on to ``check``."""
        self._number, self._check = check.number, check.name

    def ok(self, sentence: str, *, option: str = "") -> None:
        """Note that nothing is wrong; ``option`` may still be worth setting."""
        self._note("ok", sentence, self.model_section, option)

    def warn(self, sentence: str, *, section: str = "", option: str = "") -> None:
        """Note something that limits what works; ``option`` of the model's section, or of ``section``, mends it."""
        self._note("warning", sentence, section or self.model_section, option)

    def fault(self, sentence: str, *, section: str = "", option: str = "", last: bool = False) -> None:
        """Note something without which it does not work; ``last``: nothing else can be checked then."""
        self._note("fault", sentence, section or self.model_section, option)
        self.over = self.over or last

    def _note(self, level: Level, sentence: str, section: str, option: str) -> None:
        if section == self.model_section and not self.is_named:
            option = ""
        finding = Finding(
            number=self._number,
            check=self._check,
            level=level,
            sentence=self.scrub(sentence),
            subject=section if option else "",
            option=self.scrub(option),
        )
        self.findings.append(finding)
        self.told(finding)

    async def get(self, path: str) -> Reply:
        """Return the response to a GET."""
        return await self.asker.small(self.backend, self.credential, path)

    async def get_list(self, credential: Secret | None) -> Reply:
        """Return the response to the request for the models."""
        return await self.asker.small(self.backend, credential, self.kind.models_path, more=self.kind.headers)

    async def post_empty(self, credential: Secret | None) -> Reply:
        """Return the response to a request for an answer that has no content, which costs nothing."""
        return await self.asker.small(self.backend, credential, self.kind.request_path, EMPTY, self.kind.headers)

    async def post(self, path: str, body: bytes) -> Reply:
        """Return the response to a POST."""
        return await self.asker.small(self.backend, self.credential, path, body, self.kind.headers)

    @property
    def list_url(self) -> str:
        """Return the URL of the list of models."""
        return f"{self.backend.url}/{self.kind.models_path.partition('?')[0]}"

    async def json(self, path: str) -> Any:  # noqa: ANN401 - decoded JSON
        """Return the decoded response to a GET, an empty object if there is none."""
        reply = await self.get(path)
        try:
            return strict_json.decode(reply.body) if reply.good else {}
        except strict_json.JsonError:
            return {}

    async def ask(self, conversation: Conversation) -> Answer:
        """Return the answer to a conversation, and note what had to be changed for it, once for each change.

        A rate limit is waited for, once. Raises `Interrupted` if it is a longer one.
        """
        answer = await self._patiently(conversation, self.target(), again=True)
        self.window = self.window or answer.window
        if answer.finished is not None:
            for adjustment in answer.adjustments:
                self._tell_learned(adjustment.overrides if adjustment.remembered else {})
                self._overrides |= adjustment.overrides
            self.last = answer
        return answer

    async def ask_with(self, conversation: Conversation, **traits: Any) -> Answer:  # noqa: ANN401 - values of traits
        """Return the answer to a conversation that is sent with these traits, and not again in another way."""
        return await self._patiently(conversation, self.target(**traits), again=False)

    async def ask_as_client(self, body: Mapping[str, Any], headers: Mapping[str, str] = _NO_HEADERS) -> Answer:
        """Return the answer to a request as a client would make it, of a backend whose kind passes that on.

        ``body``: without the model and `stream`. Nothing is noted of what had to be changed for it.
        """
        made = strict_json.encode({"model": self.target().model, "stream": True, **body})
        given = {name.lower(): value for name, value in (*self.kind.headers, *headers.items())}
        original = OriginalRequest(made, given)
        return await self._patiently(questions.greeting(), self.target(), again=True, original=original)

    async def first_taken(self, trait: str, values: Sequence[str], conversation: Conversation) -> str:
        """Return the first value of a trait with which a conversation is answered, "" if it is with none."""
        for value in values:
            answer = await self.ask_with(conversation, **{trait: value})
            if answer.finished is not None:
                return value
        return ""

    async def try_trait(self, trait: str, conversation: Conversation) -> Tried:
        """Return what becomes of a conversation that depends on a trait, and of the trait."""
        before = getattr(self.target(), trait, "")
        answer = await self.ask(conversation)
        return Tried(
            answer=answer, error=self.meaning(answer), before=before, after=getattr(answer.target, trait, before)
        )

    def assume(self, **traits: Any) -> None:  # noqa: ANN401 - values of traits
        """Ask with these traits from now on."""
        self._overrides |= traits

    async def _patiently(
        self, conversation: Conversation, target: Target, *, again: bool, original: OriginalRequest | None = None
    ) -> Answer:
        """Return the answer to a conversation; a rate limit is waited for, once. Raises `Interrupted` if it lasts."""

        async def ask() -> tuple[Answer, BridgeError | None]:
            answer = await self.asker.ask(
                *(self.kind, self.backend, self.credential, target, conversation), again=again, original=original
            )
            return answer, self._limited(answer)

        answer, limited = await ask()
        if limited is not None:
            seconds = min(limited.retry_after or DEFAULT_WAIT, LONGEST_WAIT)
            await deferLater(self.asker.clock, seconds, lambda: None)
            answer, limited = await ask()
        if limited is not None:
            raise Interrupted(limited)
        return answer

    def _limited(self, answer: Answer) -> BridgeError | None:
        """Return the error of a backend that answers nothing for now, whatever it is asked; else None."""
        error = self.meaning(answer)
        return error if isinstance(error, UpstreamRateLimited | UpstreamOverloaded) else None

    def _tell_learned(self, overrides: Mapping[str, Any]) -> None:
        """Note what a refusal has taught that no check looks for: the bridge would learn it as well."""
        for name, value in overrides.items():
            if name not in LOOKED_FOR and name not in self._overrides and name in TRAITS:
                option = f"{name} = {_as_option(value)}"
                self.ok(f"learned from a refused request; `{option}` saves the bridge that request", option=option)

    def knows(self, trait: str) -> bool:
        """Return whether the backend's kind has a trait, so that its option may be set."""
        return trait in self.kind.traits(self.kind.undecided.dialect.name, "")

    def target(self, **overrides: Any) -> Target:  # noqa: ANN401 - traits
        """Return the target for the model that is examined, with what its refusals have taught."""
        model = self.model or Model(alias=PROBED, name=PROBED)
        return self.kind.target(
            self.dialect.dialect.name,
            model.name,
            {**model.overrides, **self._overrides, **overrides},
            context_window=self.window,
            window_configured=model.context_window is not None,
            max_output_tokens=model.max_output_tokens,
            strip_attribution=self.backend.strip_attribution,
        )

    def meaning(self, answer: Answer) -> BridgeError | None:
        """Return what a client would be told of an answer, None if it is a good one."""
        if answer.failure is None:
            return answer.error
        return self._explained(answer.failure, answer.prepared)

    def meaning_of(self, reply: Reply) -> BridgeError | None:
        """Return what a client would be told of a response, None for a status 200 or a request that is not complete."""
        if reply.error is not None:
            return reply.error
        return self._explained(self.failure(reply), None, reply.url)

    def failure(self, reply: Reply) -> UpstreamFailure:
        """Return the failure that a response reports."""
        return self.kind.read_refusal(reply.status, reply.headers, reply.body, now=time.time())

    def _explained(self, failure: UpstreamFailure, prepared: Prepared | None, url: str = "") -> BridgeError:
        target = self.target()
        asked = prepared if prepared is not None else target.prepare(NeutralRequest(questions.greeting()))
        circumstances = Circumstances(
            backend=self.backend.name,
            url=url or f"{self.backend.url}/{asked.path}",
            model=target.model,
            forwarded=False,
            estimate=0,
            scrub=self.scrub,
            names=(self.backend.name, target.model),
            section=self._own_section,
        )
        return asked.explain(failure, circumstances).error


@frozen(kw_only=True)
class Check:
    """One check.

    :ivar number: its place in the order.
    :ivar name: what it looks at, in a word.
    :ivar run: makes it.
    :ivar tokens: about how many it spends.
    :ivar thorough: whether it is left out of a quick examination.
    """

    number: int
    name: str
    run: Callable[[Examination], Awaitable[None]]
    tokens: int = 0
    thorough: bool = False


async def examine(examination: Examination, checks: Sequence[Check]) -> None:
    """Make the checks in order, until one leaves nothing else to check."""
    for check in checks:
        if examination.over:
            return
        examination.begin(check)
        try:
            await check.run(examination)
        except Interrupted as interrupted:
            examination.warn(f"{interrupted.error}: the rest was not examined, ask again later")
            examination.over = True


def _as_option(value: object) -> str:
    """Return a trait's value as the configuration writes it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
