"""Can a refused request be asked differently? What a refusal teaches about a model."""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen

from claude_bridge.core import request
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.faults import overflow, refusals
from claude_bridge.core.faults.failures import UpstreamFailure
from claude_bridge.core.messages import capabilities
from claude_bridge.core.request import Translation
from claude_bridge.services.learned import Note

# DeepSeek: "must be passed back"; Moonshot: "thinking is enabled but reasoning_content is missing".
_MISSED: Final = re.compile(
    r"(?:must|should|has to|have to|needs? to) (?:be (?:passed|sent|given|provided|included|present|kept|returned|set)|"
    r"have|contain|include)|(?<!not )\b(?:required|requires|missing)\b|(?:cannot|can't|may not|must not) be "
    r"(?:empty|null|blank|omitted)"
)


@frozen(kw_only=True)
class Retry:
    """One more try.

    :ivar why: each reason is good for one retry a request: ``echo``, ``limit``, ``shrink``, or a trait and its new
        value, as ``schema = bare``.
    :ivar max_tokens: what to ask for instead, or None to leave that to the translation.
    """

    why: str
    max_tokens: int | None = None


def remedy(
    failure: UpstreamFailure, sent: Translation, note: Note, *, estimate: int, window: int | None
) -> Retry | None:
    """Learn from a refusal, and say how to ask differently, if that can help.

    ``window``: the known context window. Past reasoning that a server refuses is left out for the life of the
    process, where no policy is configured; a smaller ``max_tokens`` is asked for where the prompt itself fits
    (wire-contract 5.11); another refusal may teach that a trait is other than was thought (`refusals`).
    """
    if sent.echoed and _refuses_reasoning(failure):
        note.refuses_reasoning = True
        return Retry(why="echo")
    asked = sent.max_tokens or 0
    over = overflow.detect(failure)
    if over is None:
        most = overflow.max_output_limit(failure)
        if most is None or most >= asked:
            return _learned(failure, sent, note)
        note.max_output_tokens = most
        return Retry(why="limit")
    if over.window is not None and over.window >= overflow.LEAST_ANSWER:
        note.saw_window(over.window)
    shrunk = overflow.shrunk_max_tokens(
        over, estimate=estimate, window=window, max_tokens=asked, margin=request.margin(over.window or window or 0)
    )
    return None if shrunk is None else Retry(why="shrink", max_tokens=shrunk)


def missing_capability(failure: UpstreamFailure, sent: Translation) -> InvalidRequest | None:
    """Give the error that makes the client leave images out, where the refusal is for sure about these."""
    if not refusals.refuses_images(failure, sent):
        return None
    return capabilities.rejected("image_block", f"the backend's model {sent.target.model} takes no images")


def _learned(failure: UpstreamFailure, sent: Translation, note: Note) -> Retry | None:
    lesson = refusals.lesson(failure, sent)
    if lesson is None:
        return None
    note.overrides[lesson.trait] = lesson.value
    return Retry(why=str(lesson))


def _refuses_reasoning(failure: UpstreamFailure) -> bool:
    """Tell whether the field is what the server will not have, and not what it misses."""
    text = failure.message.lower()
    return failure.status in {400, 422} and "reasoning_content" in text and _MISSED.search(text) is None
