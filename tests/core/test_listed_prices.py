"""Tests for `claude_bridge.core.listed_prices`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from claude_bridge.core.listed_prices import ListedPrice, listed_price
from claude_bridge.core.prices import Price

OPENROUTER = {
    "prompt": "0.0000003",
    "completion": "0.0000011",
    "request": "0",
    "image": "0.0001",
    "internal_reasoning": "0",
    "input_cache_read": "0.00000006",
    "input_cache_write": "0.00000008333333333333334",
}

ANYTHING: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["0.1", "1e-7"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["usd", "prompt", "input", "output", "unit", "currency"]), inner, max_size=4)
    ),
    max_leaves=8,
)


class ListedPriceTests:
    """Each vendor's list says it otherwise."""

    def test_openrouter(self) -> None:
        """Text in dollars a token; a zero for reasoning or caches says that there is no price apart."""
        listed = listed_price({"id": "x", "pricing": OPENROUTER})
        assert listed.price == Price(input=300_000, output=1_100_000, cache_read=60_000, cache_write=83_333)
        assert listed.found == "pricing.prompt in dollars a token"

    def test_chutes(self) -> None:
        """Chutes has dollars per million tokens, once among currencies and once alone; one of them is enough."""
        price = {
            "input": {"tao": 0.0005272253599453713, "usd": 0.104},
            "input_cache_read": {"tao": 0.00026361267997268567, "usd": 0.052},
            "output": {"tao": 0.0021089014397814854, "usd": 0.416},
        }
        pricing = {"completion": 0.416, "input_cache_read": 0.052, "prompt": 0.104}
        expected = Price(input=104_000, output=416_000, cache_read=52_000)
        both = listed_price({"id": "x", "price": price, "pricing": pricing})
        assert both == ListedPrice(expected, "price.input.usd in dollars per million tokens")
        assert listed_price({"pricing": pricing}).price == listed_price({"price": price}).price == expected

    @pytest.mark.parametrize(
        "entry",
        [
            {"pricing": {"hourly": 0, "input": 0.3, "output": 1.1, "base": 0, "finetune": 0}},  # Together
            {"metadata": {"pricing": {"input_tokens": 0.3, "output_tokens": 1.1}}},  # DeepInfra
            {"pricing": {"input": "0.0000003", "output": "0.0000011"}},  # Vercel's gateway
            {"pricing": {"prompt": 0.3, "completion": 1.1, "currency": "USD", "unit": "per_million_tokens"}},
        ],
    )
    def test_others(self, entry: dict[Any, Any]) -> None:
        """So do others."""
        assert listed_price(entry).price == Price(input=300_000, output=1_100_000)

    def test_free(self) -> None:
        """OpenRouter's free models cost nothing, and it says so."""
        assert listed_price({"pricing": {"prompt": "0", "completion": "0"}}).price == Price(input=0, output=0)

    @pytest.mark.parametrize(
        "pricing",
        [
            {"prompt": "-1", "completion": "-1"},  # OpenRouter's router, which takes any model
            {"input": 0, "output": 0, "hourly": 0},  # Together, for what it does not sell by the token
            {"prompt": "0.0000003"},
            {"prompt": "0.0000003", "completion": "0.0000011", "request": "0.005"},
            {"prompt": 2.0, "completion": 8.0, "currency": "CNY"},
            {"prompt": 2.0, "completion": 8.0, "unit": "per_character"},
            {"tiers": [{"input": 1}]},
        ],
    )
    def test_not_understood(self, pricing: dict[str, Any]) -> None:
        """What does not tell the whole price in dollars is unknown, never nothing; the log gets its keys."""
        listed = listed_price({"id": "x", "pricing": pricing})
        assert listed.price is None
        assert listed.found.startswith(f"pricing with {', '.join(pricing)} is not")

    @pytest.mark.parametrize("entry", [{}, {"pricing": None}, {"pricing": {}}, {"price": 3}, {"metadata": []}])
    def test_nothing(self, entry: dict[Any, Any]) -> None:
        """Most lists say nothing."""
        assert listed_price(entry) == ListedPrice()

    def test_odd_keys(self) -> None:
        """Keys that could not stand in a log are left out."""
        listed = listed_price({"pricing": {"a\nb": 1, "x" * 99: 1}})
        assert listed.found == "pricing with no plain keys is not understood"

    @settings(suppress_health_check=[HealthCheck.too_slow])  # they measure the machine
    @given(st.dictionaries(st.sampled_from(["price", "pricing", "metadata"]), ANYTHING))
    def test_anything(self, entry: dict[Any, Any]) -> None:
        """Nothing that a backend lists raises, or makes a price of something else than two amounts."""
        listed = listed_price(entry)
        assert listed.price is None or listed.found
