"""Can a refused request be asked differently? What a refusal teaches about a model."""

from __future__ import annotations

from typing import Final

from attrs import define, field, frozen

from claude_bridge.core.chat_completions import translation
from claude_bridge.core.chat_completions.errors import adjustments, overflow_detection
from claude_bridge.core.chat_completions.errors.adjustments import Lesson
from claude_bridge.core.chat_completions.errors.classification import UpstreamFailure
from claude_bridge.core.chat_completions.target import Target
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.errors import InvalidRequest, capability_rejected
from claude_bridge.core.tokens import overflow
from claude_bridge.services.knowledge.profiles import ModelProfile

MAX_RETRIES: Final = 4
"""Tries after the first at one candidate: a server that refuses four shapes of one request refuses it."""


@frozen(kw_only=True)
class AskAgain:
    """One more try, and what is to be remembered of the model once it helped.

    :ivar why: each reason is good for one retry: ``echo``, ``limit``, ``shrink``, ``reasoning_levels``, or another
        trait and its new value, as ``schema = bare``. Lists of levels are too many to try them all.
    :ivar max_tokens: what to ask for instead, or None to leave that to the translation.
    :ivar lesson: the trait that is other than was thought.
    :ivar refuses_reasoning: whether past reasoning is to be left out.
    :ivar limit: the largest answer, in tokens.
    """

    why: str
    max_tokens: int | None = None
    lesson: Lesson | None = None
    refuses_reasoning: bool = False
    limit: int | None = None


def remember(note: ModelProfile, retry: AskAgain) -> None:
    """Write down what a retry was based on."""
    if retry.lesson is not None:
        note.overrides[retry.lesson.trait] = retry.lesson.value
    if retry.refuses_reasoning:
        note.refuses_reasoning = True
    if retry.limit is not None:
        note.saw_limit(retry.limit)


@define
class RetryBudget:
    """How one request was changed so far because it was refused. None of it is remembered before it helped.

    A backend whose words only look like a refusal, or quote the prompt, refuses the changed request as well, and
    nothing is learned from it.

    :ivar max_tokens: what an overflow left for the answer; it holds for all later tries.
    """

    max_tokens: int | None = field(default=None, init=False)
    _used: set[str] = field(factory=set, init=False)
    _pending: list[AskAgain] = field(factory=list, init=False)

    def allow(self, why: str) -> bool:
        """Return whether one more try is allowed for this reason, and use it up."""
        if why in self._used or len(self._used) >= MAX_RETRIES:
            return False
        self._used.add(why)
        return True

    def apply(self, retry: AskAgain) -> bool:
        """Return whether a retry is allowed; if it is, it counts and shapes the request from now on."""
        if not self.allow(retry.why):
            return False
        self._pending.append(retry)
        self.max_tokens = retry.max_tokens or self.max_tokens
        return True

    def with_adjustments(self, target: Target) -> Target:
        """Return ``target`` with what is to be tried."""
        if not self._pending:
            return target
        scratch = ModelProfile()
        for retry in self._pending:
            remember(scratch, retry)
        return scratch.mended(target)

    def remember(self, note: ModelProfile) -> None:
        """Write down what was tried: the request was answered so."""
        for retry in self._pending:
            remember(note, retry)
        self._pending.clear()

    def reset(self) -> None:
        """Begin anew at another candidate: what one model refuses says nothing of the next one."""
        self._pending.clear()
        self._used.clear()


def remedy(
    failure: UpstreamFailure, sent: Translation, note: ModelProfile, *, estimate: int, window: int | None
) -> AskAgain | None:
    """Return how to ask differently after a refusal, if that can help. Only a window is written into ``note`` at once.

    ``window``: the known context window. Past reasoning that a server refuses is left out where no policy is
    configured; a smaller ``max_tokens`` is asked for where the prompt itself fits (wire-contract 5.11); another
    refusal may teach that a trait is other than was thought (`refusals`).
    """
    if sent.echoed and adjustments.refuses_reasoning(failure, sent):
        return AskAgain(why="echo", refuses_reasoning=True)
    asked = sent.max_tokens or 0
    over = overflow_detection.detect(failure, sent.body)
    if over is None:
        most = overflow_detection.max_output_limit(failure, sent.body)
        return _learned(failure, sent) if most is None or most >= asked else AskAgain(why="limit", limit=most)
    if over.window is not None and over.window >= overflow.MIN_ANSWER_TOKENS:
        note.saw_window(over.window)
    shrunk = overflow.shrunk_max_tokens(
        over, estimate=estimate, window=window, max_tokens=asked, margin=translation.margin(over.window or window or 0)
    )
    return None if shrunk is None else AskAgain(why="shrink", max_tokens=shrunk)


def missing_capability(failure: UpstreamFailure, sent: Translation) -> InvalidRequest | None:
    """Return the error that makes the client leave images out, where the refusal is for sure about these."""
    if not adjustments.refuses_images(failure, sent):
        return None
    return capability_rejected("image_block", f"the backend's model {sent.target.model} takes no images")


def _learned(failure: UpstreamFailure, sent: Translation) -> AskAgain | None:
    lesson = adjustments.lesson(failure, sent)
    if lesson is None:
        return None
    why = lesson.trait if lesson.trait == "reasoning_levels" else str(lesson)
    return AskAgain(why=why, lesson=lesson)
