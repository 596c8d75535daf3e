"""Budgets where none are configured."""

from __future__ import annotations

from collections.abc import Sequence

from claude_bridge.services.interfaces import BudgetState, Spender


class NoBudgets:
    """Implements `BudgetStates`."""

    def states(self, spender: Spender) -> Sequence[BudgetState]:  # noqa: ARG002 - the seam's shape
        """Return nothing."""
        return ()
