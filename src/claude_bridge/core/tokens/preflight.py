"""Refuses a prompt that cannot fit before a backend gets it, in the words that make the client compact.

Most servers say so themselves, and better than an estimate can: they are only spared a prompt that is surely too long.
Ollama says nothing (``Traits.truncates``). Its source, as of 0.32: the chat handler drops messages from the front, all
but the system's and the last, until the prompt has no more than ``num_ctx`` tokens; what is still too long loses its
middle, down to half of the window (or is a 400 where the model cannot shift its context). ``max_tokens`` is not looked
at, but an answer that reaches the end of the window makes it forget half of the context and go on. So there a prompt
must leave room for an answer too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from claude_bridge.core.errors import ContextOverflow
from claude_bridge.core.tokens.overflow import MIN_ANSWER_TOKENS, Overflow, canonical

CAREFUL_COUNT_FROM: Final = 0.8
"""Part of the window that a rough estimate must fill before the prompt is counted with care, which takes time."""

REFUSAL_FACTOR: Final = 1.05
"""How far beyond the window a count must be where the backend would refuse by itself (wire-contract 5.11)."""

MIN_WHOLE_PROMPT_RATIO: Final = 0.5
"""A true count below this part of the rough estimate, which errs upwards by a quarter: the prompt was cut."""


class Windowed(Protocol):
    """A model, as far as the length of its prompts goes.

    :ivar context_window: tokens, prompt and answer together, where known.
    :ivar truncates: the backend cuts what is too long and does not say so.
    """

    @property
    def context_window(self) -> int | None:
        """Return the window."""

    @property
    def truncates(self) -> bool:
        """Return whether prompts are cut."""


class Calibration(Protocol):
    """How our counts relate to true ones; a note of `claude_bridge.services.knowledge.profiles` is one.

    :ivar ratio: true tokens / rough estimate.
    :ivar count_ratio: true tokens / careful count.
    :ivar answers: with how many true counts they were compared; 0: with none, the ratios are 1.
    """

    ratio: float
    count_ratio: float
    answers: int


def overflow_refusal(
    target: Windowed, *, rough: int, max_tokens: int | None, known: Calibration, count: Callable[[], int]
) -> ContextOverflow | None:
    """Return the refusal of a prompt that is too long for ``target``, or None where it is to be sent.

    :param rough: the estimate from the size, not yet corrected.
    :param max_tokens: what the client asks for.
    :param count: counts the prompt with care, not corrected either. It is only called where the rough estimate comes
        near the window, for it takes 10 ms for a large conversation; it may raise what is wrong with the request.

    Without any true count to compare with, only what would be cut is refused: a window is not overstepped by 40 %
    because an estimator is wrong.
    """
    window = target.context_window
    if window is None or not (target.truncates or known.answers):
        return None
    longest = _longest(target, window, max_tokens)
    # Where prompts are cut, true counts may be of cut ones: a low ratio is no reason not to look.
    ratio = max(known.ratio, 1.0) if target.truncates else known.ratio
    if rough * ratio <= CAREFUL_COUNT_FROM * longest:
        return None
    counted = round(count() * known.count_ratio)
    if counted <= (longest if target.truncates else longest * REFUSAL_FACTOR):
        return None
    told = Overflow(prompt_tokens=counted, window=longest)
    return canonical(told, estimate=counted, window=longest, max_tokens=max_tokens or 0)


def counted_whole_prompt(target: Windowed, *, rough: int, true: int) -> bool:
    """Return whether a true count is that of the whole prompt, so that ratios may be learned from it."""
    return not target.truncates or (target.context_window is not None and true >= MIN_WHOLE_PROMPT_RATIO * rough)


def _longest(target: Windowed, window: int, max_tokens: int | None) -> int:
    """Return the tokens that a prompt may have."""
    if not target.truncates:
        return window
    answer = MIN_ANSWER_TOKENS if max_tokens is None else min(max_tokens, MIN_ANSWER_TOKENS)
    return max(window - answer, 1)
