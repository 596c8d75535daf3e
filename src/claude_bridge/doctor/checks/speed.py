"""Checks 16, 18 and 19: the count of tokens, the speed of reading, and what becomes of an answer nobody waits for."""

from __future__ import annotations

import re
from typing import Final

from twisted.internet.task import deferLater

from claude_bridge.core.events import token_count
from claude_bridge.doctor import questions
from claude_bridge.doctor.asking import Answer
from claude_bridge.doctor.examination import Examination

LINES: Final = 90
"""Lines of the long prompt: about 2,000 tokens."""

FIRST_PROMPT: Final = 30_000
"""Tokens of Claude Code's first request, roughly."""

SLOW_SECONDS: Final = 120.0
"""A first prompt that takes longer than this makes people believe that nothing happens."""

CUT: Final = 0.5
"""A prompt that a server counts with less than this part of the estimate was cut."""

LOOKS: Final = (0.3, 0.7, 2.0)
"""Seconds between the looks at a server that may go on: the first comes before the longest answer is written."""

_RUNNING: Final = {
    "sglang": re.compile(rb"^sglang:num_running_reqs\{[^}]*\} ([0-9.]+)", re.MULTILINE),
    "vllm": re.compile(rb"^vllm:num_requests_running\{[^}]*\} ([0-9.]+)", re.MULTILINE),
}
"""The number of running requests among the metrics of servers that have such."""


async def count(examination: Examination) -> None:
    """Send a prompt of 2,000 tokens, and compare the bridge's count with the server's."""
    if examination.window is not None and examination.window < LINES * 30:
        return
    answer = await examination.ask(questions.long_text(LINES))
    error = examination.meaning(answer)
    if error is not None:
        examination.fault(f"a prompt of about {answer.estimate:,} tokens is refused: {error}")
        return
    if answer.usage is None or not answer.usage.prompt_tokens:
        return
    counted = answer.usage.prompt_tokens
    if counted < answer.estimate * CUT:
        told = (
            f"a prompt of about {answer.estimate:,} tokens is counted as {counted:,}: the server silently cuts what "
            "is too long for it; give it a larger context"
        )
        if examination.knows("truncates"):
            told, option = f"{told}, set `context_window` to it and `truncates = yes`", "truncates = yes"
            examination.fault(told, option=option)
        else:
            examination.fault(told)
        return
    examination.ok(f"{counted:,} tokens by the server, {answer.estimate:,} by the bridge's estimate")


async def speed(examination: Examination) -> None:
    """Send the long prompt again, and say how fast the first was read and whether the second was remembered."""
    first = examination.last
    if first is None or first.first is None or first.estimate < LINES * 10:
        return
    again = await examination.ask(questions.long_text(LINES))
    if examination.meaning(again) is not None or again.first is None:
        return
    tokens = first.usage.prompt_tokens if first.usage is not None else first.estimate
    rate = tokens / max(first.first, 0.001)
    whole = FIRST_PROMPT / rate
    cached = _is_cached(first, again)
    told = (
        f"{rate:,.0f} tokens/s: Claude Code's first prompt, some {FIRST_PROMPT:,} tokens, takes about {_shown(whole)}; "
        f"a prompt that was read before is {'remembered' if cached else 'read again'}"
    )
    slots = token_count(examination.properties.get("total_slots"))
    if slots == 1:
        told += "; with one slot side requests push the conversation out of the cache: --parallel 2"
    if whole > SLOW_SECONDS:
        examination.warn(f"{told}. Expect waits, or take a smaller model or a faster machine")
    else:
        examination.ok(told)


def _is_cached(first: Answer, again: Answer) -> bool:
    if again.usage is not None and again.usage.cache_read_tokens:
        return True
    return again.first is not None and first.first is not None and again.first < first.first / 2


def _shown(seconds: float) -> str:
    return f"{seconds:,.0f} s" if seconds < 180 else f"{seconds / 60:,.0f} minutes"  # noqa: PLR2004 - three minutes


async def leaving(examination: Examination) -> None:
    """Leave a long answer after its first token, and look whether the server goes on; where that can be seen.

    Where it cannot, or others use the server at the same time, nothing is asked and nothing said.
    """
    if await _busy(examination) != 0:
        return
    asker = examination.asker
    begun = await asker.begin(
        examination.kind, examination.backend, examination.credential, examination.target(), questions.essay()
    )
    if not begun:
        return
    busy: int | None = None
    for seconds in LOOKS:
        await deferLater(asker.clock, seconds, lambda: None)
        busy = await _busy(examination)
        if not busy:
            break
    if busy:
        examination.warn(
            "the server keeps computing an answer whose client has left: a proxy in between keeps the connection open, "
            "so an answer that is interrupted with Esc costs its full time"
        )
    elif busy == 0:
        examination.ok("an answer ends when the client leaves")


async def _busy(examination: Examination) -> int | None:
    """Return how many requests the server works on, None if it does not tell."""
    name = examination.dialect.dialect.name
    if name in _RUNNING:
        reply = await examination.get("/metrics")
        found = _RUNNING[name].findall(reply.body) if reply.good else []
        return round(sum(map(float, found))) if found else None
    if name != "llamacpp":
        return None
    slots = await examination.json("/slots")
    if not isinstance(slots, list) or not slots:
        return None
    return sum(isinstance(slot, dict) and slot.get("is_processing") is True for slot in slots)
