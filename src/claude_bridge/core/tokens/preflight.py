"""Refuses a prompt that cannot fit before it is sent, in the wording that makes the client compact.

Most servers refuse it themselves, and more exactly than an estimate can: they are only spared a prompt that is
certainly too long. Ollama truncates silently (``Traits.truncates``). Its source, as of 0.32: the chat handler drops
messages from the front, all but the system's and the last, until the prompt has no more than ``num_ctx`` tokens; what
is still too long loses its middle, down to half of the window (or is a 400 if the model cannot shift its context). It
ignores ``max_tokens``, but at the end of the window it drops half of the context and goes on with the answer. So there
a prompt must leave room for an answer too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from claude_bridge.core.errors import ContextOverflow
from claude_bridge.core.tokens.overflow import MIN_ANSWER_TOKENS, Overflow, canonical

CAREFUL_COUNT_FROM: Final = 0.8
"""Part of the window above which a rough estimate is followed by a careful count, which takes time."""

REFUSAL_FACTOR: Final = 1.05
"""Times the window that a count must exceed if the backend would refuse by itself (docs/chat-completions.md 3.3)."""

UNCALIBRATED_FACTOR: Final = 1.75
"""The same before any true count was seen: the estimator may be wrong by 40 %, so what it takes for this much too long
does not fit whatever the model's tokenizer is."""

MIN_WHOLE_PROMPT_RATIO: Final = 0.5
"""Part of the rough estimate, which errs upwards by a quarter; a true count below it is that of a truncated prompt."""


class Windowed(Protocol):
    """A model, as far as the length of its prompts is concerned.

    :ivar context_window: tokens, prompt and answer together, where calibration.
    :ivar truncates: whether the backend silently truncates a prompt that is too long.
    """

    @property
    def context_window(self) -> int | None:
        """Return the window."""

    @property
    def truncates(self) -> bool:
        """Whether prompts are silently truncated."""


class Calibration(Protocol):
    """How the bridge's counts relate to true ones; a profile of `claude_bridge.services.knowledge.profiles` is one.

    :ivar ratio: true tokens / rough estimate.
    :ivar count_ratio: true tokens / careful count.
    :ivar answers: the number of true counts that they were compared with; if it is 0, the ratios are 1.
    """

    ratio: float
    count_ratio: float
    answers: int


def overflow_refusal(
    target: Windowed,
    *,
    rough: int,
    max_tokens: int | None,
    calibration: Calibration,
    count: Callable[[], int],
    is_only: bool = True,
) -> ContextOverflow | None:
    """Return the error for a prompt that is too long for ``target``, or None if it is to be sent.

    :param rough: the estimate from the size, not yet corrected by the ratio.
    :param max_tokens: what the client asks for.
    :param count: counts the prompt carefully, not corrected either. It is called only if the rough estimate comes near
        the window, as it takes 10 ms for a large conversation; it may raise errors of the request.
    :param is_only: whether no other model can answer instead.

    As long as there was no true count to compare with, only a prompt that would be truncated is refused, or one that
    is longer by far and may go to another model.
    """
    window = target.context_window
    if window is None or (is_only and not target.truncates and not calibration.answers):
        return None
    longest = _longest(target, window, max_tokens)
    # Where prompts are truncated, true counts may be those of truncated ones, so a low ratio is not trusted.
    ratio = max(calibration.ratio, 1.0) if target.truncates else calibration.ratio
    if rough * ratio <= CAREFUL_COUNT_FROM * longest:
        return None
    counted = round(count() * calibration.count_ratio)
    factor = REFUSAL_FACTOR if calibration.answers else UNCALIBRATED_FACTOR
    if counted <= (longest if target.truncates else longest * factor):
        return None
    overflow = Overflow(prompt_tokens=counted, window=longest)
    return canonical(overflow, estimate=counted, window=longest, max_tokens=max_tokens or 0)


def counted_whole_prompt(target: Windowed, *, rough: int, true: int) -> bool:
    """Return whether a true count is that of the whole prompt, so that ratios can be learned from it."""
    return not target.truncates or (target.context_window is not None and true >= MIN_WHOLE_PROMPT_RATIO * rough)


def _longest(target: Windowed, window: int, max_tokens: int | None) -> int:
    """Return the tokens that a prompt may have."""
    if not target.truncates:
        return window
    answer = MIN_ANSWER_TOKENS if max_tokens is None else min(max_tokens, MIN_ANSWER_TOKENS)
    return max(window - answer, 1)
