"""What a model's next answer will probably use and cost, judged by its last ones: budgets hold as much meanwhile."""

from __future__ import annotations

from typing import Final

from attrs import define

from claude_bridge.core.events import Usage
from claude_bridge.core.prices import Rates

FIRST_OUTPUT: Final = 500
"""Tokens of an answer that are expected of a model that has not answered yet."""

_RECENT: Final = 50
"""Answers that the mean of a model's answers looks back on."""


@define(eq=False)
class ExpectedAnswer:
    """The means of a model's last answers: what is to be expected of the next one.

    :ivar count: how many; no more than `_RECENT` have a weight.
    :ivar tokens: of an answer, without its prompt.
    :ivar usd: pico-dollars of an answer and its prompt, as far as they were known.
    :ivar prompt: tokens of a prompt, cached ones among them.
    :ivar read: those that came from the backend's cache.
    :ivar written: those that went into it.
    """

    count: int = 0
    tokens: float = FIRST_OUTPUT
    usd: float = 0.0
    prompt: float = 0.0
    read: float = 0.0
    written: float = 0.0

    def learn(self, usage: Usage, usd: int | None) -> None:
        """Add an answer; ``usd``: what it cost with its prompt, in pico-dollars."""
        if self.count < _RECENT:
            self.count += 1
        count, read, written = self.count, usage.cache_read_tokens, usage.cache_write_tokens
        self.tokens += (usage.output_tokens - self.tokens) / count
        self.prompt += (usage.input_tokens + read + written - self.prompt) / count
        self.read += (read - self.read) / count
        self.written += (written - self.written) / count
        if usd is not None:
            self.usd += (usd - self.usd) / count

    def prompt_cost(self, tokens: int, rates: Rates) -> int:
        """Return what a prompt will probably cost, in pico-dollars, if as much of it is cached as of the last ones."""
        full = tokens * rates.input
        if not self.read and not self.written:
            return full
        by_cache = self.read * (rates.cache_read - rates.input) + self.written * (rates.cache_write - rates.input)
        return max(0, full + round(tokens / self.prompt * by_cache))
