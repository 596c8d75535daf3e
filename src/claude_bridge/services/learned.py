"""What backends reveal about their models while they work, kept for the life of the process.

Bounded, because model names may come from clients.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from attrs import define, evolve, field

from claude_bridge.core.events import Usage
from claude_bridge.core.finish import LARGEST_COUNT
from claude_bridge.core.target import Target
from claude_bridge.core.tokens import rough

MOST_MODELS: Final = 1000
"""Models remembered; the longest unused is forgotten first. A thousand notes are 0.3 MB."""

SAMPLED: Final = 50
"""Of so many answers one is counted with care, besides the first few: it takes 10 ms for a large conversation."""

_FIRST: Final = 3
_WEIGHT: Final = 0.3
_BOUNDS: Final = (0.5, 2.0)


@define
class Note:
    """What is known of one model at one backend.

    :ivar ratio: true prompt tokens / our rough estimate, a moving average within 0.5 and 2.
    :ivar count_ratio: true prompt tokens / our careful count, likewise.
    :ivar answers: how many answers with true counts there were.
    """

    context_window: int | None = None
    max_output_tokens: int | None = None
    refuses_reasoning: bool = False
    ratio: float = 1.0
    count_ratio: float = 1.0
    answers: int = 0


@define
class Learned:
    """Notes by backend and model."""

    _notes: OrderedDict[tuple[str, str], Note] = field(factory=OrderedDict, init=False)

    def note(self, backend: str, model: str) -> Note:
        """Give the note on a model, a new one if there is none."""
        key = (backend, model)
        note = self._notes.setdefault(key, Note())
        self._notes.move_to_end(key)
        if len(self._notes) > MOST_MODELS:
            self._notes.popitem(last=False)
        return note

    def applied(self, backend: str, target: Target) -> Target:
        """Give ``target`` with what was learned.

        A known window stays: the number in a refusal may be that of one replica, or of the prompt alone, and each
        refusal can be mended by itself. A limit of the answer only ever becomes lower. Reasoning is left out after a
        refusal unless a policy is configured.
        """
        note = self.note(backend, target.model)
        refused = note.refuses_reasoning and target.reasoning_echo == "current_turn"
        return evolve(
            target,
            context_window=note.context_window if target.context_window is None else target.context_window,
            max_output_tokens=_least(target.max_output_tokens, note.max_output_tokens),
            reasoning_echo="never" if refused else target.reasoning_echo,
        )

    def estimate(self, backend: str, model: str, roughly: int) -> int:
        """Correct a rough estimate by what the model's prompts turned out to be."""
        return int(roughly * self.note(backend, model).ratio)

    def counted(self, backend: str, model: str, carefully: int) -> int:
        """Correct a careful count by what the model's prompts turned out to be."""
        return max(1, round(carefully * self.note(backend, model).count_ratio))

    def prompt_counted(
        self, backend: str, model: str, roughly: int, usage: Usage, carefully: Callable[[], int]
    ) -> None:
        """Learn from a true count; ``carefully`` counts the same prompt here, and is asked only now and then."""
        true = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
        if usage.estimated or not true or roughly < rough(1000):
            return
        note = self.note(backend, model)
        weight = max(_WEIGHT, 1 / (note.answers + 1))
        note.ratio = _averaged(note.ratio, true, roughly, weight)
        if note.answers < _FIRST or note.answers % SAMPLED == 0:
            note.count_ratio = _averaged(note.count_ratio, true, carefully(), weight)
        note.answers += 1


def _averaged(ratio: float, true: int, guessed: int, weight: float) -> float:
    """Move the average towards what was just seen; all the way for the first."""
    low, high = _BOUNDS
    seen = min(true, LARGEST_COUNT) / max(1, guessed)
    return min(high, max(low, ratio + weight * (seen - ratio)))


def _least(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return min(known) if known else None
