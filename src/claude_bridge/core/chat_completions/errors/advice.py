"""What follows from a refused chat completion: how to send it again, and the messages for the client and the log."""

from __future__ import annotations

import re
from typing import Final

from claude_bridge.core.backend_api import Adjustment, Advice, Circumstances, Explanation, UpstreamFailure
from claude_bridge.core.chat_completions import translation
from claude_bridge.core.chat_completions.errors import adjustments
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.errors import InvalidRequest, capability_rejected
from claude_bridge.core.tokens import overflow
from claude_bridge.core.upstream_errors import classification, overflow_detection
from claude_bridge.core.upstream_errors.quotations import Quotations

_OK: Final = 200
_PAYMENT_REQUIRED: Final = 402

# Thus OpenRouter, which says what the account's credit is enough for.
_CAN_AFFORD: Final = re.compile(r"can only afford (\d{1,9})\b")


def advise(failure: UpstreamFailure, sent: Translation, *, estimate: int) -> Advice:
    """Return how to send a request again after a refusal, if that can help, and the window that it names.

    Past reasoning that a server refuses is left out if no policy is configured; ``max_tokens`` is reduced if the prompt
    itself fits (docs/chat-completions.md 3.3), or to what the account has credit for; another refusal may show that a
    trait is different from what was assumed (`adjustments`).
    """
    if sent.echoed and adjustments.refuses_reasoning(failure, sent):
        return Advice(adjustment=Adjustment(why="echo", refuses_reasoning=True))
    asked, window = sent.max_tokens or 0, sent.target.context_window
    if failure.status == _PAYMENT_REQUIRED:
        return Advice(adjustment=_affordable(failure, asked))
    over = overflow_detection.detect(failure, sent.body)
    if over is None:
        limit = overflow_detection.max_output_limit(failure, sent.body)
        if limit is None or limit >= asked:
            return Advice(adjustment=_other_trait(failure, sent))
        return Advice(adjustment=Adjustment(why="limit", max_output_tokens=limit))
    shrunk = overflow.shrunk_max_tokens(
        over, estimate=estimate, window=window, max_tokens=asked, margin=translation.margin(over.window or window or 0)
    )
    return Advice(
        adjustment=None if shrunk is None else Adjustment(why="shrink", max_tokens=shrunk),
        # a window that leaves no room for an answer must be about something else
        context_window=over.window if over.window is not None and over.window >= overflow.MIN_ANSWER_TOKENS else None,
    )


def explain(failure: UpstreamFailure, sent: Translation, circumstances: Circumstances) -> Explanation:
    """Return the error for the client, and the text for the log if the backend's message quotes the prompt."""
    over = overflow_detection.detect(failure, sent.body)
    if over is not None:
        window, asked = sent.target.context_window, sent.max_tokens or 0
        too_long = overflow.canonical(over, estimate=circumstances.estimate, window=window, max_tokens=asked)
        return Explanation(error=too_long)
    missing = missing_capability(failure, sent)
    if missing is not None:
        return Explanation(error=missing)
    error = classification.to_client(
        failure,
        backend=circumstances.backend,
        model=sent.target.model,
        forwarded=circumstances.forwarded,
        scrub=circumstances.scrub,
        names=circumstances.names,
        url=circumstances.url,
    )
    quotations = Quotations(sent.body)
    quoted = quotations.quotes(failure.message or _type_and_code(failure), (sent.target.model, circumstances.model))
    return Explanation(error=error, log_reason=_describe_without_message(failure, quotations) if quoted else "")


def describe(failure: UpstreamFailure, sent: Translation) -> str:
    """Return a description of a failure without its message: the status, and type and code if these quote nothing."""
    return _describe_without_message(failure, Quotations(sent.body))


def missing_capability(failure: UpstreamFailure, sent: Translation) -> InvalidRequest | None:
    """Return the error that makes the client leave images out, if the refusal is certainly about them, else None."""
    if not adjustments.refuses_images(failure, sent):
        return None
    return capability_rejected("image_block", f"the backend's model {sent.target.model} takes no images")


def _affordable(failure: UpstreamFailure, asked: int) -> Adjustment | None:
    """Return how to ask for an answer that the account's credit is enough for, if that is worth it."""
    found = _CAN_AFFORD.search(failure.message)
    affordable = int(found[1]) if found else 0
    if not overflow.MIN_ANSWER_TOKENS <= affordable < asked:
        return None
    return Adjustment(why="credit", max_tokens=affordable)


def _other_trait(failure: UpstreamFailure, sent: Translation) -> Adjustment | None:
    lesson = adjustments.trait_change(failure, sent)
    if lesson is None:
        return None
    why = lesson.trait if lesson.trait == "reasoning_levels" else str(lesson)
    return Adjustment(why=why, overrides={lesson.trait: lesson.value})


def _type_and_code(failure: UpstreamFailure) -> str:
    return " ".join(filter(None, (failure.type, failure.code)))


def _describe_without_message(failure: UpstreamFailure, quotations: Quotations) -> str:
    words = _type_and_code(failure)
    inside = failure.answered == _OK
    event = "an error inside its answer" if inside else str(failure.status)
    return f"backend: {event} {'' if quotations.quotes(words) else words}".rstrip()
