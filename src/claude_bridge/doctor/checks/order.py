"""All checks of a backend, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from claude_bridge.doctor.checks import (
    fields,
    key,
    models,
    passing_through,
    price,
    server,
    speed,
    streaming,
    tools,
    window,
)
from claude_bridge.doctor.checks.first_checks import REACHING
from claude_bridge.doctor.examination import Check, Examination


async def _recognise(examination: Examination) -> None:
    server.observe(examination)
    await models.model(examination)


CHECKS: Final[Sequence[Check]] = (
    *REACHING,
    Check(number=3, name="key", run=key.without_tokens),
    Check(number=3, name="key", run=key.with_tokens, tokens=150, thorough=True),
    Check(number=4, name="model", run=_recognise),
    Check(number=5, name="server", run=server.server),
    Check(number=6, name="window", run=window.window),
    Check(number=6, name="window", run=window.refused_window, tokens=60, thorough=True),
    Check(number=6, name="window", run=window.known_window),
    Check(number=7, name="price", run=price.price),
    Check(number=8, name="streaming", run=streaming.streaming, tokens=80),
    Check(number=9, name="tools", run=tools.tools, tokens=600),
    Check(number=10, name="tool choice", run=tools.tool_choice, tokens=600),
    Check(number=11, name="results", run=tools.results, tokens=350),
    Check(number=12, name="thinking", run=fields.thinking, tokens=900),  # or the next two
    Check(number=12, name="requests", run=passing_through.requests),
    Check(number=12, name="signatures", run=passing_through.signatures),
    Check(number=13, name="max_tokens", run=fields.max_tokens, tokens=50),
    Check(number=14, name="schema", run=fields.schema, tokens=700),
    Check(number=14, name="many tools", run=fields.many_tools, tokens=3000, thorough=True),
    Check(number=15, name="image", run=fields.image, tokens=300),
    Check(number=15, name="PDF", run=fields.pdf, tokens=350, thorough=True),
    Check(number=16, name="count", run=passing_through.count),
    Check(number=16, name="count", run=speed.count, tokens=2200, thorough=True),
    Check(number=17, name="usage", run=streaming.usage),
    Check(number=18, name="speed", run=speed.speed, tokens=2200, thorough=True),
    Check(number=19, name="leaving", run=speed.leaving, tokens=200),
)


_QUICK: Final = (key.without_tokens, window.known_window)
"""Checks that say what seems to be so where a thorough one would find out and say it."""


def chosen(*, quick: bool) -> Sequence[Check]:
    """Return the checks of a quick or a whole examination."""
    if quick:
        return [check for check in CHECKS if not check.thorough]
    return [check for check in CHECKS if check.run not in _QUICK]


def tokens(checks: Sequence[Check]) -> int:
    """Return about how many tokens they spend, at most."""
    return sum(check.tokens for check in checks)
