"""Tests for `claude_bridge.core.reported_costs`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_bridge.core.reported_costs import reported_cost

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=70),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


class ReportedCostTests:
    """What a backend's usage object says of the cost."""

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            ({"prompt_tokens": 9}, None),
            ({"cost": 0.00014725}, 147_250_000),
            ({"cost": 0, "is_byok": False}, 0),
            ({"cost": 0}, None),
            ({"cost": "0.0"}, None),
            ({"cost": {"total_cost": 0}}, None),
            ({"estimated_cost": 0}, None),
            ({"cost_in_usd_ticks": 0}, None),
            ({"cost": 0, "is_byok": None}, None),
            ({"cost": None}, None),
            ({"cost": "0.5"}, 500_000_000_000),
            ({"cost": -1}, None),
            ({"cost": True}, None),
            ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.3}}, 300_000_000_000),
            ({"cost": {"currency": "EUR"}}, None),
            ({"estimated_cost": 1.5e-05}, 15_000_000),
            ({"cost_in_usd_ticks": 37_756_000}, 3_775_600_000),
            ({"cost_in_usd_ticks": 37_756_000.0}, 3_775_600_000),
            ({"cost_in_usd_ticks": -5}, None),
        ],
    )
    def test_named_otherwise(self, raw: dict[str, object], expected: int | None) -> None:
        """Vendors write it in several ways; what is no amount is unknown, never nothing."""
        assert reported_cost(raw) == expected

    def test_upstream_cost_is_not_added_twice(self) -> None:
        """OpenRouter repeats the cost as that of the upstream where it is in the price already."""
        raw = {"cost": 0.01, "is_byok": False, "cost_details": {"upstream_inference_cost": 0.01}}
        assert reported_cost(raw) == 10_000_000_000

    def test_own_key_at_the_provider(self) -> None:
        """With a provider's key of their own users pay that provider, and OpenRouter a fee."""
        raw: dict[str, Any] = {"cost": 0.0005, "is_byok": True, "cost_details": {"upstream_inference_cost": 0.01}}
        assert reported_cost(raw) == 10_500_000_000
        raw["cost_details"] = None
        assert reported_cost(raw) is None

    @settings(suppress_health_check=[HealthCheck.too_slow])  # they measure the machine
    @given(
        st.dictionaries(
            st.sampled_from(["cost", "cost_details", "is_byok", "estimated_cost", "cost_in_usd_ticks"]), ANYTHING
        )
    )
    def test_anything(self, raw: dict[str, object]) -> None:
        """Nothing that a backend sends raises."""
        cost = reported_cost(raw)
        assert cost is None or cost >= 0
