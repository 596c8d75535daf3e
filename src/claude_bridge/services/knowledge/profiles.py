"""What backends reveal about their models while requests are answered; `store` keeps it across restarts.

The number of profiles is bounded, because model names may come from clients.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from attrs import asdict, define, evolve, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.core.backend_api import Adjustment, TargetT
from claude_bridge.core.bounded import BoundedMap
from claude_bridge.core.events import MAX_TOKEN_COUNT, Usage
from claude_bridge.core.tokens.estimator import rough_tokens
from claude_bridge.services.callbacks import do_nothing

MAX_MODELS: Final = 1000
"""Profiles that are kept; the least recently used is dropped first. A thousand of them take 0.3 MB."""

SAMPLED: Final = 50
"""One of this many prompts is counted carefully, besides the first few and those of `GROWN` length."""

GROWN: Final = 0.05
"""A prompt that is longer or shorter by this fraction than the last one that was counted carefully is counted too: its
content may be of another kind. In a conversation that costs little, since the counts of its older texts are cached
(`core.tokens`)."""

_log = Logger()

_DAY: Final = 86_400.0

WINDOW_SECONDS: Final = _DAY
"""How long a window or a limit from a refusal is believed: since nothing that exceeds it is sent, we would not notice
that it has grown."""

UNPROVED_SECONDS: Final = 3600.0
"""How long a window is believed that was named only once: after that a longer prompt may prove or disprove it."""

_FIRST: Final = 3
_WEIGHT: Final = 0.5
"""Weight of the newest answer: the content of a conversation changes with each turn, and the next turn is most like the
last one. In shuffled sessions the error after ten turns was 4.8 % at worst with 0.3, and 3.0 % with 0.5."""
_BOUNDS: Final = (0.5, 2.0)
_FAR_FUTURE: Final = 1e11


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value <= MAX_TOKEN_COUNT


def _is_time(value: object) -> bool:
    return type(value) in {int, float} and 0 <= value < _FAR_FUTURE  # type: ignore[operator]


def _is_ratio(value: object) -> bool:
    return type(value) in {int, float} and _BOUNDS[0] <= value <= _BOUNDS[1]  # type: ignore[operator]


_KEPT: Final[Mapping[str, Callable[[object], bool]]] = {
    "context_window": _is_count,
    "window_at": _is_time,
    "window_proved": lambda value: value is True,
    "listed": _is_count,
    "max_output_tokens": _is_count,
    "limit_at": _is_time,
    "refuses_reasoning": lambda value: value is True,
    "ratio": _is_ratio,
    "count_ratio": _is_ratio,
    "answers": _is_count,
    "used": _is_time,
}
"""The fields of a profile that outlive a restart, each with the check that a value must pass to be restored."""


@define
class ModelProfile:
    """What is known of one model at one backend.

    :ivar context_window: the window that an error of the backend named.
    :ivar window_at: when it did, in Unix seconds.
    :ivar window_proved: whether another error named the same window more than `UNPROVED_SECONDS` after the first.
    :ivar max_output_tokens: the limit of an answer that an error named.
    :ivar limit_at: when it did, in Unix seconds.
    :ivar listed: the window in the backend's list, when the list last had one.
    :ivar overrides: traits that turned out different from what was assumed, by name. They do not outlive a restart: a
        server that was fixed meanwhile is asked again, at the cost of one refusal.
    :ivar dropped_keywords: keywords that were dropped from tools' schemas, as last logged.
    :ivar used: when the profile was last requested, in Unix seconds.
    :ivar ratio: true prompt tokens / our rough estimate, a moving average between 0.5 and 2.
    :ivar count_ratio: true prompt tokens / our careful count, likewise.
    :ivar answers: the number of answers with true counts.
    :ivar counted_at: our rough estimate of the prompt that was last counted carefully; 0 after a restart.
    """

    context_window: int | None = None
    max_output_tokens: int | None = None
    refuses_reasoning: bool = False
    ratio: float = 1.0
    count_ratio: float = 1.0
    answers: int = 0
    counted_at: int = 0
    window_at: float = 0.0
    window_proved: bool = False
    limit_at: float = 0.0
    listed: int | None = None
    used: float = 0.0
    overrides: dict[str, Any] = field(factory=dict)
    dropped_keywords: frozenset[str] = frozenset()

    def saw_window(self, tokens: int) -> None:
        """Note a window that an error of the backend, or its tokenizer, has just named."""
        later = self.used - self.window_at > UNPROVED_SECONDS
        self.window_proved = tokens == self.context_window and (self.window_proved or later)
        self.context_window, self.window_at = tokens, self.used

    def forget_window(self) -> None:
        """Forget the window that was named."""
        self.context_window, self.window_at, self.window_proved = None, 0.0, False

    def believed_window(self) -> int | None:
        """Return the window that prompts must fit into; None if there is none, or if it has yet to be proved."""
        return self.context_window if self.window_proved or self._since(self.window_at) <= UNPROVED_SECONDS else None

    def saw_limit(self, tokens: int) -> None:
        """Note a limit of an answer that an error of the backend has just named."""
        self.max_output_tokens, self.limit_at = tokens, self.used

    def forget_what_is_old(self) -> None:
        """Forget a window and a limit that were named more than a day ago."""
        if self.context_window is not None and self._since(self.window_at) > WINDOW_SECONDS:
            self.forget_window()
        if self.max_output_tokens is not None and self._since(self.limit_at) > WINDOW_SECONDS:
            self.max_output_tokens, self.limit_at = None, 0.0

    def window(self, listed: int | None) -> int | None:
        """Return the window to use: the lower one of what a backend's list says and what its errors said."""
        if listed is not None and listed != self.listed:
            if self.listed is not None:
                self.forget_window()  # the server was restarted with another window
            self.listed = listed
        believed = None if self.context_window is None else self.believed_window()
        if believed is None:
            return listed
        return believed if listed is None else min(listed, believed)

    def _since(self, then: float) -> float:
        """Return the seconds since ``then``, positive also if ``then`` is in the future: the clock was set back."""
        return abs(self.used - then)

    def learn_count(self, careful: int, true: int, weight: float) -> None:
        """Update the count ratio by our careful count of a prompt and its true length."""
        self.count_ratio = _averaged(self.count_ratio, true, careful, weight)

    def learn(self, adjustment: Adjustment) -> None:
        """Note an adjustment that a refusal suggested, after a request with it was answered."""
        self.overrides.update(adjustment.overrides)
        self.refuses_reasoning = self.refuses_reasoning or adjustment.refuses_reasoning
        if adjustment.max_output_tokens is not None:
            self.saw_limit(adjustment.max_output_tokens)

    def estimate(self, roughly: int) -> int:
        """Return a rough estimate, corrected by the true lengths of the model's prompts."""
        return int(roughly * self.ratio)

    def with_overrides(self, target: TargetT) -> TargetT:
        """Return ``target`` with what was learned.

        A configured window stays. A listed one gives way to a lower one that an error named: lists often give the
        model's largest window while the server, or one of a router's providers, runs with less (Ollama, OpenRouter).
        If the error meant the prompt alone, that errs on the safe side. The number is believed for a day, as long as
        the list does not change and no longer prompt was answered. After an hour one longer prompt is let through: if
        the same number is named again, the day starts again and nothing more is let through; if it is not, the number
        was false, or somebody had made it up.

        A limit of the answer only lowers what is configured or listed, and is believed for a day, too. Reasoning is
        left out after a refusal unless a policy is configured. A learned trait wins even over a configured one: it was
        stored because a request was answered with it and none without.
        """
        self.forget_what_is_old()
        window = target.context_window if target.window_configured else self.window(target.context_window)
        adjusted = target
        if self.overrides or self.refuses_reasoning or self.max_output_tokens:
            adjusted = target.adjusted(
                self.overrides, refuses_reasoning=self.refuses_reasoning, max_output_tokens=self.max_output_tokens
            )
        return adjusted if window == target.context_window else adjusted.with_window(window)

    def to_values(self) -> dict[str, Any]:
        """Return what differs from a new profile as plain values.

        Times are rounded to the day or second, ratios to three digits: the same knowledge gives the same values.
        """
        rounded = evolve(
            self,
            ratio=round(self.ratio, 3),
            count_ratio=round(self.count_ratio, 3),
            window_at=self.window_at // 1,
            limit_at=self.limit_at // 1,
            used=self.used // _DAY * _DAY,
        )
        return asdict(rounded, filter=lambda each, value: each.name in _KEPT and value != each.default)

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> ModelProfile:
        """Return the profile that `to_values` gave. Invalid values are ignored: anybody may have changed the file."""
        return cls(**{name: values[name] for name, fits in _KEPT.items() if name in values and fits(values[name])})  # type: ignore[arg-type]


def _log_failed_count(failure: Failure) -> None:
    _log.failure("a prompt could not be counted", failure, event="fault")


@define
class ModelProfiles:
    """Profiles by backend and model.

    :ivar on_change: called whenever a profile was requested, and so may change.
    """

    _unix_time: Callable[[], float]
    on_change: Callable[[], None] = field(default=do_nothing, init=False)
    _profiles: BoundedMap[tuple[str, str], ModelProfile] = field(factory=lambda: BoundedMap(MAX_MODELS), init=False)

    def profile(self, backend: str, model: str) -> ModelProfile:
        """Return the profile of a model, a new one if there is none."""
        profile = self._profiles.get((backend, model))
        if profile is None:
            profile = ModelProfile()
            self.put(backend, model, profile)
        profile.used = self._unix_time()
        self.on_change()
        return profile

    def put(self, backend: str, model: str, profile: ModelProfile) -> None:
        """Store a profile as the most recently used one."""
        self._profiles.put((backend, model), profile)

    def shared(self, backends: Collection[str]) -> ModelProfiles:
        """Return another collection with the same profiles of the models of ``backends``, and no others.

        What is learned through either collection is known to both; a new profile of one is not in the other.
        """
        shared = ModelProfiles(self._unix_time)
        for backend, model, profile in self.profiles():
            if backend in backends:
                shared.put(backend, model, profile)
        return shared

    def limits(self, backend: str, model: str, listed: int | None) -> tuple[int | None, int | None]:
        """Return the window and the longest answer of a model, in tokens, as far as they are known and still believed.

        Nothing changes: neither does a model that was only listed get a profile, nor does its profile count as used.

        :param listed: the window that the backend's list gives now; if None, the one that it gave last is taken.
        """
        known = self._profiles.peek((backend, model))
        if known is None:
            return listed, None
        profile = evolve(known, used=self._unix_time())
        profile.forget_what_is_old()
        return profile.window(profile.listed if listed is None else listed), profile.max_output_tokens

    def profiles(self) -> Iterator[tuple[str, str, ModelProfile]]:
        """Return every backend, model and profile, the least recently used first."""
        return ((backend, model, profile) for (backend, model), profile in self._profiles.items())

    def with_overrides(self, backend: str, target: TargetT) -> TargetT:
        """Return ``target`` with what was learned of its model; see `ModelProfile.with_overrides`."""
        return self.profile(backend, target.model).with_overrides(target)

    def estimate(self, backend: str, model: str, roughly: int) -> int:
        """Return a rough estimate, corrected by the true lengths of the model's prompts."""
        return self.profile(backend, model).estimate(roughly)

    def corrected_count(self, backend: str, model: str, careful: int) -> int:
        """Return a careful count, corrected by the true lengths of the model's prompts."""
        return max(1, round(careful * self.profile(backend, model).count_ratio))

    def prompt_counted(
        self, backend: str, model: str, roughly: int, usage: Usage, count_carefully: Callable[[], Deferred[int]]
    ) -> None:
        """Learn from a true count; ``count_carefully`` counts the same prompt here, and is called only now and then."""
        true = usage.prompt_tokens
        if usage.estimated or not true or roughly < rough_tokens(1000):
            return
        profile = self.profile(backend, model)
        if profile.context_window is not None and true > profile.context_window:
            profile.forget_window()
        weight = max(_WEIGHT, 1 / (profile.answers + 1))
        profile.ratio = _averaged(profile.ratio, true, roughly, weight)
        sampled = profile.answers < _FIRST or profile.answers % SAMPLED == 0 or _grown(profile.counted_at, roughly)
        profile.answers += 1
        if sampled:
            profile.counted_at = roughly
            count_carefully().addCallback(profile.learn_count, true, weight).addErrback(_log_failed_count)


def _grown(before: int, now: int) -> bool:
    return abs(now - before) > GROWN * before


def _averaged(ratio: float, true: int, guessed: int, weight: float) -> float:
    """Return the moving average after one more value; the first has the full weight."""
    low, high = _BOUNDS
    seen = min(true, MAX_TOKEN_COUNT) / max(1, guessed)
    return min(high, max(low, ratio + weight * (seen - ratio)))
