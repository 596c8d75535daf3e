"""Budgets where none are configured."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from claude_bridge.config.schema import Backend
from claude_bridge.services.interfaces import BudgetState, Spender


class NoBudgets:
    """Implements `Budgets` and `BudgetStates`."""

    def check(self, spender: Spender) -> None:
        """Do nothing."""

    def reserve(
        self,
        request_id: str,
        spender: Spender,
        backend: Backend,
        model: str,
        tokens: int,
        *,
        has_begun: bool = False,
        taken: Collection[str] = (),
    ) -> None:
        """Do nothing."""

    def give_up(self, request_id: str) -> None:
        """Do nothing."""

    def states(self, spender: Spender) -> Sequence[BudgetState]:  # noqa: ARG002 - the seam's shape
        """Return nothing."""
        return ()


NO_BUDGETS: Final = NoBudgets()
