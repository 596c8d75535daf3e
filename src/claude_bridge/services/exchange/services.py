"""What every exchange of one configuration needs."""

from __future__ import annotations

from collections.abc import Callable

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from claude_bridge.config.schema import Config
from claude_bridge.core.backend_api import AnswerLimits
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.redaction import Redactor
from claude_bridge.services.accounting.no_budgets import NO_BUDGETS
from claude_bridge.services.accounting.prices import NO_PRICES, AttemptPrices
from claude_bridge.services.affinity import Affinity
from claude_bridge.services.backend_slots import BackendSlots
from claude_bridge.services.exchange.explainer import Explainer
from claude_bridge.services.exchange.hints import Hints
from claude_bridge.services.exchange.lessons import Lessons
from claude_bridge.services.exchange.local_answers import LocalAnswers
from claude_bridge.services.exchange.planner import Planner
from claude_bridge.services.exchange.resolver import CandidateResolver
from claude_bridge.services.interfaces import Budgets, Documents, Records, SearchEngine, UpstreamClient
from claude_bridge.services.keys.key_ring import KeyRing
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.profiles import ModelProfiles
from claude_bridge.services.knowledge.window_warnings import WindowWarnings
from claude_bridge.services.pace import Pace


@frozen(kw_only=True)
class Services:
    """What every exchange of one configuration needs.

    :ivar windows: warns of servers that cut a prompt silently.
    :ivar seconds: a monotonic clock.
    :ivar unix_time: the wall clock.
    :ivar planner: makes the plans of requests.
    :ivar local: answers what needs no backend.
    :ivar explainer: makes the errors for clients out of what backends report.
    :ivar lessons: enters what attempts have shown.
    :ivar answer_limits: how much of an answer may be held.
    """

    config: Config
    client: UpstreamClient
    resolver: CandidateResolver
    keys: KeyRing
    affinity: Affinity
    profiles: ModelProfiles
    records: Records
    detection: DialectDetection
    documents: Documents
    windows: WindowWarnings
    slots: BackendSlots
    pace: Pace
    hints: Hints
    search: SearchEngine | None
    clock: IReactorTime
    seconds: Callable[[], float]
    unix_time: Callable[[], float]
    random_bytes: RandomBytes
    redactor: Redactor
    user_agent: str
    prices: AttemptPrices = NO_PRICES
    budgets: Budgets = NO_BUDGETS
    planner: Planner = field(init=False)
    local: LocalAnswers = field(init=False)
    explainer: Explainer = field(init=False)
    lessons: Lessons = field(init=False)
    answer_limits: AnswerLimits = field(init=False)

    @planner.default
    def _make_planner(self) -> Planner:
        return Planner(self.resolver, self.budgets)

    @local.default
    def _make_local(self) -> LocalAnswers:
        return LocalAnswers(self.pace, self.config.limits, self.search, self.random_bytes)

    @explainer.default
    def _make_explainer(self) -> Explainer:
        return Explainer(self.redactor)

    @lessons.default
    def _make_lessons(self) -> Lessons:
        return Lessons(self.profiles, self.detection)

    @answer_limits.default
    def _take_limits(self) -> AnswerLimits:
        limits = self.config.limits
        return AnswerLimits(
            max_event=limits.max_event, max_held_arguments=limits.max_held_arguments, max_answer=limits.max_answer
        )
