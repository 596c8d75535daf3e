"""Tests for `claude_bridge.importers.litellm.budgets`."""

from __future__ import annotations

from decimal import Decimal

import pytest

from claude_bridge.importers.draft import ImportedConfiguration
from claude_bridge.importers.litellm.budgets import read_budget
from claude_bridge.importers.litellm.notes import Notes
from tests.importers.litellm.files import lost, table_of


class BudgetTests:
    """An amount, and the time for which it is."""

    @pytest.mark.parametrize(
        ("duration", "per"),
        [("1h", "hour"), ("1d", "day"), ("24h", "day"), ("7d", "week"), ("30d", "month"), ("1mo", "month")],
    )
    def test_read(self, duration: str, per: str) -> None:
        """Times that the bridge knows."""
        table = table_of(f"{{max_budget: '10.5', budget_duration: {duration}}}")
        assert read_budget(table, Notes()) == (Decimal("10.5"), per)

    @pytest.mark.parametrize("written", ["{max_budget: 1}", "{max_budget: 1, budget_duration: 10d}"])
    def test_no_such_time(self, written: str) -> None:
        """Another time is reported."""
        notes, draft = Notes(), ImportedConfiguration(tool="LiteLLM", source_words="a file")
        assert read_budget(table_of(written, "x"), notes) is None
        notes.write(draft)
        assert [*lost(draft)] == ["x.max_budget"]

    @pytest.mark.parametrize("written", ["{}", "{max_budget: ~, budget_duration: ~}", "{max_budget: 0}"])
    def test_none(self, written: str) -> None:
        """None is none."""
        assert read_budget(table_of(written), Notes()) is None
