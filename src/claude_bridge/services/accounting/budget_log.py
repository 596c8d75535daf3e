"""Logs which budgets are nearly spent, which are spent, and which models they do not count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from attrs import define, field
from twisted.logger import Logger

from claude_bridge.core.budgets import Counter, Limit, Who, described, spent_of
from claude_bridge.services.accounting.request_line import SESSION_CHARACTERS
from claude_bridge.services.interfaces import RequestRecord

MAX_UNPRICED: Final = 1_024
"""Models of unknown price that are told of."""

AGENT_CHARACTERS: Final = 8
"""Characters of a subagent's id in the text; the whole is in the line's fields."""

_log = Logger()


@define(eq=False)
class BudgetLog:
    """Tells each thing once: a budget's state in each period, a model for as long as the process runs."""

    _unpriced: set[tuple[str, str]] = field(factory=set, init=False)

    def tell(self, limits: Sequence[Limit], who: Who, counter: Counter) -> None:
        """Log that a budget is nearly spent, and that it is.

        ``limits`` are the budgets for what ``counter`` counts, ``who`` is whose count it is.
        """
        for limit in limits:
            spent = counter.spent.of(limit.unit)
            if spent < limit.warn_at:
                continue
            word = "is spent" if spent >= limit.amount else f"has reached {limit.warn} %"
            key = f"{limit.name}:{limit.amount}", word
            if key not in counter.told:
                counter.told.add(key)
                _log.warn(
                    "the budget {budget}{whose} {word}: {spent}",
                    event="budget",
                    budget=described(limit),
                    whose=_whose(who),
                    word=word,
                    spent=spent_of(limit, counter),
                    **dict(zip(("key", "session", "agent"), who, strict=False)),
                )

    def tell_unpriced(self, record: RequestRecord) -> None:
        """Log which models of a request are not counted by budgets in dollars, as nobody knows their price."""
        for attempt in record.attempts:
            model = attempt.backend, attempt.model
            if attempt.cost is None and attempt.usage is not None and model not in self._unpriced:
                if len(self._unpriced) >= MAX_UNPRICED:
                    return
                self._unpriced.add(model)
                _log.warn(
                    "budgets in dollars do not count {model} at backend {backend}, as its price is not known: write "
                    "[price:{backend}/{model}] with input and output",
                    event="budget-unpriced",
                    backend=attempt.backend,
                    model=attempt.model,
                )


def _whose(who: Who) -> str:
    """Return which session or subagent it is, and of which key: ``, #3f2a of alice,``; "" for the only one."""
    if not who:
        return ""
    key, session, *agents = who
    name = f"#{session[:SESSION_CHARACTERS]}"
    if agents:
        name = f"{agents[0][:AGENT_CHARACTERS]} in {name}"
    return f", {name} of {key}," if key else f", {name},"
