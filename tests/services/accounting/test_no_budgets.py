"""Where no budgets are configured nothing is limited."""

from __future__ import annotations

from claude_bridge.services.accounting.no_budgets import NoBudgets
from claude_bridge.services.interfaces import BudgetStates, Spender


def test_no_budget_holds() -> None:
    """Nobody has a budget."""
    budgets: BudgetStates = NoBudgets()
    assert list(budgets.states(Spender(key="anna", session="s-1"))) == []
