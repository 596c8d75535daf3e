"""Errors for a prompt that is too long for its model, in the wording that clients act upon.

Claude Code compacts its conversation, or asks for fewer tokens, only on one of two canonical texts.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from claude_bridge.core.errors import ContextOverflow

MIN_ANSWER_TOKENS: Final = 1024
"""Tokens; a retry that leaves less for the answer is not worth sending (docs/chat-completions.md 3.3)."""

CLIENT_MARGIN: Final = 1000
"""Tokens that Claude Code keeps free when it lowers max_tokens after the second canonical text."""


@frozen(kw_only=True)
class Overflow:
    """The numbers in an overflow error, in tokens; None for those that it does not contain.

    :ivar completion_tokens: the tokens that were requested for the answer.
    :ivar window: the limit of the context, or of the prompt alone where the server limits that.
    :ivar total_tokens: prompt and completion together, where only their sum is given.
    :ivar at_least: whether ``prompt_tokens`` is a lower bound (vLLM stops counting at the limit).
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    window: int | None = None
    total_tokens: int | None = None
    at_least: bool = False

    def prompt(self, *, max_tokens: int) -> int | None:
        """Return the exact size of the prompt, given or computed from the sum, or None."""
        completion = self.completion_tokens or max_tokens
        exact = None if self.at_least else self.prompt_tokens
        if self.total_tokens is None or self.total_tokens <= completion:
            return exact
        # The number "in the messages" leaves the tools out; the sum does not.
        return max(exact or 0, self.total_tokens - completion)


def canonical(overflow: Overflow, *, estimate: int, window: int | None, max_tokens: int) -> ContextOverflow:
    """Return the error for ``overflow`` with one of the two canonical texts.

    :param estimate: the bridge's own count of the prompt, used if the backend gave none.
    :param window: the configured window, likewise.
    :param max_tokens: what the attempt asked for.

    The text about ``max_tokens`` makes the client lower that number and not compact, so it is used only if asking for
    less will certainly help, or nothing else can. A prompt that leaves fewer than 1,024 tokens for the answer counts as
    too long, and the limit in the text is then the longest prompt that would leave enough.
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
    """Return the ``max_tokens`` for one more try, or None if asking for less cannot help.

    The arguments are those of `canonical`; ``margin`` is what to leave free besides prompt and answer.
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
