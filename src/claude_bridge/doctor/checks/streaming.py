"""Checks 8 and 17: whether an answer comes piece by piece, and with its usage."""

from __future__ import annotations

from typing import Final

from claude_bridge.core.errors import NotFound
from claude_bridge.core.events import FinishReason
from claude_bridge.doctor import questions
from claude_bridge.doctor.asking import Answer
from claude_bridge.doctor.checks import models
from claude_bridge.doctor.examination import Examination

BUFFERED_SECONDS: Final = 1.0
"""An answer that comes in one piece at least so late was held back: a model writes a token in milliseconds."""

MIN_DELTAS: Final = 8
"""Deltas below which a single piece proves nothing."""

SECONDS_PER_DELTA: Final = 0.0005
"""No model writes faster."""

_JSON: Final = "application/json"


async def streaming(examination: Examination) -> None:
    """Ask for forty tokens, and look when the first and the last came."""
    answer = await examination.ask(questions.counting())
    error = examination.meaning(answer)
    if isinstance(error, NotFound) and models.is_missing(examination):
        name = examination.target().model
        examination.fault(f"a short question is refused, as there is no model {name}: see `model` above", last=True)
    elif error is not None:
        examination.fault(f"a short question is not answered: {error}", last=True)
    elif answer.headers.get("content-type", "").startswith(_JSON):
        examination.warn(
            "the answer comes in one piece, as JSON: the server ignores `stream`, so nothing is seen until it is done; "
            "Claude Code works, but waits"
        )
    elif _is_buffered(answer) and _is_buffered(await examination.ask(questions.counting())):
        examination.warn(
            f"the answer arrives in one piece after {answer.last:.1f} s: something in between holds it back; nginx "
            "needs `proxy_buffering off;`"
        )
    else:
        examination.ok(_told(answer))


def _is_buffered(answer: Answer) -> bool:
    if answer.first is None or answer.last is None or answer.deltas < MIN_DELTAS:
        return False
    return answer.first >= BUFFERED_SECONDS and answer.last - answer.first < answer.deltas * SECONDS_PER_DELTA


def _told(answer: Answer) -> str:
    first = f"first token after {answer.first:.2f} s" if answer.first is not None else "no text"
    usage = answer.usage
    seconds = (answer.last or 0.0) - (answer.first or 0.0)
    if usage is None or answer.pieces < MIN_DELTAS or seconds <= 0:
        return first
    return f"{first}, {usage.output_tokens / seconds:,.0f} tokens/s"


async def usage(examination: Examination) -> None:
    """Look whether the last answer said how many tokens it took."""
    answer = examination.last
    if answer is None or answer.finished is None or answer.finished.reason is FinishReason.REFUSED:
        return
    if examination.kind.passes_through and (answer.usage is None or not answer.usage.prompt_tokens):
        examination.warn("a stream does not report the prompt's tokens: Claude Code cannot see how full its context is")
    elif answer.usage is None:
        told = "no usage at the end of a stream: the token counts that Claude Code shows are estimates"
        if examination.knows("stream_options"):
            told = f"{told}; the server, or a proxy before it, drops `stream_options.include_usage`"
        examination.warn(told)
    else:
        examination.ok(f"{answer.usage.prompt_tokens:,} in, {answer.usage.output_tokens:,} out are reported")
