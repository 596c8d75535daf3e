"""A prompt that is too long for its model, in the words on which clients act.

Claude Code compacts its conversation, or asks for fewer tokens, only when it reads one of two canonical texts.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from claude_bridge.core.errors import ContextOverflow

MIN_ANSWER_TOKENS: Final = 1024
"""Tokens; a retry that leaves less for the answer is not worth its prompt (wire-contract 5.11)."""

CLIENT_MARGIN: Final = 1000
"""Tokens that Claude Code keeps free when it lowers max_tokens after the second canonical text."""


@frozen(kw_only=True)
class Overflow:
    """What an overflow error says, in tokens; None where it does not say.

    :ivar completion_tokens: what was asked for as the answer.
    :ivar window: the limit named: of the context, or of the prompt alone where the server limits that.
    :ivar total_tokens: prompt and completion together, where only their sum is told.
    :ivar at_least: ``prompt_tokens`` is a lower bound (vLLM stops counting at the limit).
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    window: int | None = None
    total_tokens: int | None = None
    at_least: bool = False

    def prompt(self, *, max_tokens: int) -> int | None:
        """Return the exact size of the prompt, told or worked out of the sum, or None."""
        completion = self.completion_tokens or max_tokens
        told = None if self.at_least else self.prompt_tokens
        if self.total_tokens is None or self.total_tokens <= completion:
            return told
        # What is "in the messages" leaves the tools out; the sum does not.
        return max(told or 0, self.total_tokens - completion)


def canonical(overflow: Overflow, *, estimate: int, window: int | None, max_tokens: int) -> ContextOverflow:
    """Return ``overflow`` in one of the two canonical texts.

    :param estimate: the bridge's own count of the prompt, used where the backend gave none.
    :param window: the configured window, likewise.
    :param max_tokens: what the attempt asked for.

    The text about ``max_tokens`` is given only when it is known for sure that asking for less helps, or that nothing
    else can: it makes the client lower the number and not compact. A prompt that leaves fewer than 1,024 tokens for
    the answer counts as too long, against the longest prompt that would not.
    """
    limit = overflow.window or window
    prompt = overflow.prompt(max_tokens=max_tokens)
    if prompt is None and limit is not None and (overflow.completion_tokens or 0) >= limit:
        prompt = max(estimate, overflow.prompt_tokens or 0, 1)
    if limit is not None and prompt is not None and prompt < limit:
        longest = limit - MIN_ANSWER_TOKENS - CLIENT_MARGIN
        completion = max(overflow.completion_tokens or max_tokens, limit - prompt + 1)
        if prompt <= longest:
            return _both_too_long(prompt, completion, limit)
        limit = max(longest, 1)
    needed = max(prompt or max(estimate, overflow.prompt_tokens or 0), 2)
    limit = limit or needed - 1
    return ContextOverflow(f"prompt is too long: {max(needed, limit + 1)} tokens > {limit} maximum")


def shrunk_max_tokens(
    overflow: Overflow, *, estimate: int, window: int | None, max_tokens: int, margin: int
) -> int | None:
    """Return the ``max_tokens`` for one more try, or None where asking for less cannot help.

    The arguments are those of `canonical`; ``margin`` is what to leave free beside prompt and answer.
    """
    limit = overflow.window or window
    if limit is None:
        return None
    prompt = overflow.prompt(max_tokens=max_tokens)
    if prompt is None:
        prompt = max(estimate, overflow.prompt_tokens or 0)
    room = limit - prompt - margin
    return room if MIN_ANSWER_TOKENS <= room < max_tokens else None


def _both_too_long(prompt: int, completion: int, limit: int) -> ContextOverflow:
    return ContextOverflow(
        f"input length and `max_tokens` exceed context limit: {prompt} + {completion} > {limit}, "
        f"decrease input length or `max_tokens` and try again"
    )
