"""Budgets of LiteLLM: an amount, and the time for which it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from claude_bridge.importers.litellm.notes import Notes
from claude_bridge.importers.litellm.table import Table

_PERIODS: Final = {
    **dict.fromkeys(("1h", "60m", "3600s"), "hour"),
    **dict.fromkeys(("1d", "24h", "daily"), "day"),
    **dict.fromkeys(("7d", "1w", "weekly"), "week"),
    **dict.fromkeys(("30d", "31d", "1mo", "monthly"), "month"),
}
"""``budget_duration`` -> the time that the bridge knows; LiteLLM's begins when it is set, the bridge's by the
calendar."""


def read_budget(table: Table, notes: Notes) -> tuple[Decimal, str] | None:
    """Return the budget of a table, dollars and the time for which they are; None if there is none to carry over."""
    amount, duration = table.number("max_budget"), table.text("budget_duration")
    if amount is None or amount <= 0:
        return None
    per = _PERIODS.get((duration or "").lower())
    if per is None:
        notes.lose(table.at("max_budget"), "a budget is for an hour, a day, a week or a month here")
        return None
    return amount, per
