"""The limit of an answer that a backend is asked for, in tokens."""

from __future__ import annotations

from typing import Final

MIN_OUTPUT_TOKENS: Final = 1024
"""Tokens below which the window does not reduce ``max_tokens``: a shorter answer is useless, and the backend knows
better than the bridge's estimate whether the prompt fits."""


def clamp_max_tokens(max_tokens: int | None, estimate: int, *, window: int | None, most: int | None) -> int | None:
    """Return the ``max_tokens`` to request: never more than the model supports or the window leaves.

    What the window leaves is rounded down to whole thousands, so that the request's first bytes do not change with
    every turn.

    :param estimate: the prompt's tokens, roughly.
    :param window: the context window in tokens, where known.
    :param most: the largest answer of the model, where known.
    """
    if max_tokens is None:
        return None
    limit = max_tokens
    if most is not None:
        limit = min(limit, most)
    if window is not None:
        left = window - estimate - margin(window)
        limit = min(limit, max(MIN_OUTPUT_TOKENS, left - left % MIN_OUTPUT_TOKENS))
    return limit


def margin(window: int) -> int:
    """Return the tokens of a window to leave free: the estimate is rough, and chat templates add some tokens."""
    return max(256, window // 50)
