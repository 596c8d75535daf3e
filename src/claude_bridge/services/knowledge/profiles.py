"""What backends reveal about their models while they work; `store` keeps it across restarts.

Bounded, because model names may come from clients.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, Final

from attrs import asdict, define, evolve, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from claude_bridge.core.backend_api import Adjustment, TargetT
from claude_bridge.core.events import MAX_TOKEN_COUNT, Usage
from claude_bridge.core.tokens.estimator import rough_tokens

MAX_MODELS: Final = 1000
"""Models remembered; the longest unused is forgotten first. A thousand notes are 0.3 MB."""

SAMPLED: Final = 50
"""Of so many answers one is counted with care, besides the first few and those of `GROWN` prompts."""

GROWN: Final = 0.05
"""A prompt that is by so much longer or shorter than the one last counted with care is counted too: it may be made of
other stuff. In a conversation that costs little, for the counts of its older texts are remembered (`core.tokens`)."""

_log = Logger()

_DAY: Final = 86_400.0

WINDOW_SECONDS: Final = _DAY
"""How long a window or a limit from a refusal is believed: as nothing that exceeds it is sent, nobody would see it
grow."""

UNPROVED_SECONDS: Final = 3600.0
"""How long a window is believed that was named once: then a longer prompt may go out and prove or disprove it."""

_FIRST: Final = 3
_WEIGHT: Final = 0.5
"""Of the newest answer: what a conversation is made of changes with each turn, and the next one is most like the last.
In shuffled sessions the error after ten turns was 4.8 % at worst with 0.3, and 3.0 % with 0.5."""
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
"""What of a note outlives a restart, and what a value must be to be taken back."""


@define
class ModelProfile:
    """What is known of one model at one backend.

    :ivar context_window: as an error of the backend's named it.
    :ivar window_at: when it did, in Unix seconds.
    :ivar window_proved: whether another error named the same one more than `UNPROVED_SECONDS` after the first.
    :ivar max_output_tokens: the largest answer, as an error named it.
    :ivar limit_at: when it did, in Unix seconds.
    :ivar listed: the window in the backend's list, when that last had one.
    :ivar overrides: traits that refusals showed to be other than was thought, by name. They are not kept: a server
        that was mended meanwhile is asked anew, at the price of one refusal.
    :ivar dropped_keywords: what schemas lost on the way, as it was last logged.
    :ivar used: when somebody last asked for the note, in Unix seconds.
    :ivar ratio: true prompt tokens / our rough estimate, a moving average within 0.5 and 2.
    :ivar count_ratio: true prompt tokens / our careful count, likewise.
    :ivar answers: how many answers with true counts there were.
    :ivar counted_at: our rough estimate of the prompt that was last counted with care; 0 after a restart.
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
        """Take a window that an error of the backend's, or its counter, named just now."""
        later = self.used - self.window_at > UNPROVED_SECONDS
        self.window_proved = tokens == self.context_window and (self.window_proved or later)
        self.context_window, self.window_at = tokens, self.used

    def forget_window(self) -> None:
        """Believe the window no more."""
        self.context_window, self.window_at, self.window_proved = None, 0.0, False

    def believed_window(self) -> int | None:
        """Return the window that nothing longer than is sent for now; None without one, or where it must be proved."""
        return self.context_window if self.window_proved or self._since(self.window_at) <= UNPROVED_SECONDS else None

    def saw_limit(self, tokens: int) -> None:
        """Take a largest answer that an error of the backend's named just now."""
        self.max_output_tokens, self.limit_at = tokens, self.used

    def forget_what_is_old(self) -> None:
        """Believe a window and a limit no more that were named a day ago."""
        if self._since(self.window_at) > WINDOW_SECONDS:
            self.forget_window()
        if self._since(self.limit_at) > WINDOW_SECONDS:
            self.max_output_tokens, self.limit_at = None, 0.0

    def _since(self, then: float) -> float:
        """Return the seconds since then; a time to come is as far away as one that was: the clock was set."""
        return abs(self.used - then)

    def counted(self, carefully: int, true: int, weight: float) -> None:
        """Take our careful count of a prompt of which the backend told the true length."""
        self.count_ratio = _averaged(self.count_ratio, true, carefully, weight)

    def learn(self, adjustment: Adjustment) -> None:
        """Take what a refusal taught, once a request was answered that was changed so."""
        self.overrides.update(adjustment.overrides)
        self.refuses_reasoning = self.refuses_reasoning or adjustment.refuses_reasoning
        if adjustment.max_output_tokens is not None:
            self.saw_limit(adjustment.max_output_tokens)

    def with_overrides(self, target: TargetT) -> TargetT:
        """Return ``target`` with the traits and the limit that refusals taught; see `ModelProfiles.with_overrides`."""
        if not (self.overrides or self.refuses_reasoning or self.max_output_tokens):
            return target
        return target.adjusted(
            self.overrides, refuses_reasoning=self.refuses_reasoning, max_output_tokens=self.max_output_tokens
        )

    def kept(self) -> dict[str, Any]:
        """Return what differs from a new note as plain values; times to the day or second, ratios to the per mille.

        So the same knowledge gives the same values, and a note that was only used does not.
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
    def restored(cls, values: Mapping[str, object]) -> ModelProfile:
        """Make a note of what `kept` gave, out of a file that anybody may have changed: what does not fit is new."""
        return cls(**{name: values[name] for name, fits in _KEPT.items() if name in values and fits(values[name])})  # type: ignore[arg-type]


def _not_counted(failure: Failure) -> None:
    _log.failure("a prompt could not be counted", failure, event="fault")


def _unheard() -> None:
    """Do nothing."""


@define
class ModelProfiles:
    """Notes by backend and model.

    :ivar changed: called whenever a note was asked for, and so may change.
    """

    _unix_time: Callable[[], float] = time.time
    changed: Callable[[], None] = field(default=_unheard, init=False)
    _notes: OrderedDict[tuple[str, str], ModelProfile] = field(factory=OrderedDict, init=False)

    def profile(self, backend: str, model: str) -> ModelProfile:
        """Return the note on a model, a new one if there is none."""
        note = self._notes.get((backend, model)) or ModelProfile()
        self.remember(backend, model, note)
        note.used = self._unix_time()
        self.changed()
        return note

    def remember(self, backend: str, model: str, note: ModelProfile) -> None:
        """Take a note as the one used last."""
        key = (backend, model)
        self._notes[key] = note
        self._notes.move_to_end(key)
        if len(self._notes) > MAX_MODELS:
            self._notes.popitem(last=False)

    def shared(self, backends: Collection[str]) -> ModelProfiles:
        """Return profiles of their own that share the notes on the models of ``backends``, and have no others.

        What is learned by way of either is known to both; a new note of one is not the other's.
        """
        shared = ModelProfiles(self._unix_time)
        for backend, model, note in self.profiles():
            if backend in backends:
                shared.remember(backend, model, note)
        return shared

    def profiles(self) -> Iterator[tuple[str, str, ModelProfile]]:
        """Return every backend, model and note, the longest unused first."""
        return ((backend, model, note) for (backend, model), note in self._notes.items())

    def with_overrides(self, backend: str, target: TargetT) -> TargetT:
        """Return ``target`` with what was learned.

        A configured window stays. A listed one gives way to a lower one that an error named: lists often tell the
        model's largest window while the server runs with less, or while some of a router's providers do (Ollama,
        OpenRouter). An error may mean the prompt alone, which errs on the safe side. The number is believed for a
        day, and no longer than the list's own stays as it is, nor after a longer prompt was answered. After an hour
        one longer prompt is let through: where the same number is named again, the day begins anew and nothing more
        is let through; where it is not, the number was false, or of somebody else's making.

        A limit of the answer only ever lowers what is configured or listed, and is believed for a day, too.
        Reasoning is left out after a refusal unless a policy is configured. A trait that was refused is what the
        refusal taught, even if it is configured: it was remembered because a request got through with it and none
        did without.
        """
        note = self.profile(backend, target.model)
        note.forget_what_is_old()
        window = target.context_window if target.window_configured else _window(note, target.context_window)
        adjusted = note.with_overrides(target)
        return adjusted if window == target.context_window else adjusted.with_window(window)

    def estimate(self, backend: str, model: str, roughly: int) -> int:
        """Correct a rough estimate by what the model's prompts turned out to be."""
        return int(roughly * self.profile(backend, model).ratio)

    def counted(self, backend: str, model: str, carefully: int) -> int:
        """Correct a careful count by what the model's prompts turned out to be."""
        return max(1, round(carefully * self.profile(backend, model).count_ratio))

    def prompt_counted(
        self, backend: str, model: str, roughly: int, usage: Usage, carefully: Callable[[], Deferred[int]]
    ) -> None:
        """Learn from a true count; ``carefully`` counts the same prompt here, and is asked only now and then."""
        true = usage.prompt_tokens
        if usage.estimated or not true or roughly < rough_tokens(1000):
            return
        note = self.profile(backend, model)
        if note.context_window is not None and true > note.context_window:
            note.forget_window()
        weight = max(_WEIGHT, 1 / (note.answers + 1))
        note.ratio = _averaged(note.ratio, true, roughly, weight)
        sampled = note.answers < _FIRST or note.answers % SAMPLED == 0 or _grown(note.counted_at, roughly)
        note.answers += 1
        if sampled:
            note.counted_at = roughly
            carefully().addCallback(note.counted, true, weight).addErrback(_not_counted)


def _window(note: ModelProfile, listed: int | None) -> int | None:
    """Decide between what a backend's list says and what its errors said."""
    if listed is not None and note.listed not in {None, listed}:
        note.forget_window()  # the server was started anew, with another window
    note.listed = listed or note.listed
    return _least(listed, note.believed_window())


def _grown(before: int, now: int) -> bool:
    return abs(now - before) > GROWN * before


def _averaged(ratio: float, true: int, guessed: int, weight: float) -> float:
    """Move the average towards what was just seen; all the way for the first."""
    low, high = _BOUNDS
    seen = min(true, MAX_TOKEN_COUNT) / max(1, guessed)
    return min(high, max(low, ratio + weight * (seen - ratio)))


def _least(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return min(known) if known else None
