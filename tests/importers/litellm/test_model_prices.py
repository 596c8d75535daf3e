"""Tests for `claude_bridge.importers.litellm.model_prices`."""

from __future__ import annotations

from decimal import Decimal

import pytest

from claude_bridge.config.price_values import amount, tier
from claude_bridge.importers.draft import Finding, ImportedConfiguration
from claude_bridge.importers.litellm.model_prices import read_price
from claude_bridge.importers.litellm.notes import Notes
from tests.importers.litellm.files import table_of


class PriceTests:
    """Costs per token become prices per million tokens."""

    def test_all(self) -> None:
        """Every notation of a number is read; what parameters say comes before the model's facts."""
        info = table_of(
            "{input_cost_per_token: 3e-06, output_cost_per_token: '0.000015', cache_read_input_token_cost: 0.0000003, "
            "cache_creation_input_token_cost: 3.75e-6, output_cost_per_reasoning_token: 1e-5, "
            "input_cost_per_token_above_200k_tokens: 6e-6, output_cost_per_token_above_200k_tokens: 2.25e-5, "
            "input_cost_per_token_above_128k_tokens: 4e-6, input_cost_per_image: 1}"
        )
        price = read_price(table_of("input_cost_per_token: 0.000002"), info, Notes())
        assert price is not None
        assert (price.input, price.output) == (Decimal(2), Decimal(15))
        assert (price.cache_read, price.cache_write, price.reasoning) == (Decimal("0.3"), Decimal("3.75"), Decimal(10))
        assert price.above == ("128K input 4", "200K input 6 output 22.5")
        assert [*info.rest()] == ["input_cost_per_image"]

    def test_finest(self) -> None:
        """An amount has no more digits than a configuration may have."""
        price = read_price(
            table_of("{input_cost_per_token: 1.23456789012e-7, output_cost_per_token: 0}"), table_of("{}"), Notes()
        )
        assert price is not None
        assert amount(f"{price.input.normalize():f}") == Decimal("0.123457")

    @pytest.mark.parametrize("written", ["{input_cost_per_token: -1, output_cost_per_token: 1}", "{a: 1}", "{}"])
    def test_none(self, written: str) -> None:
        """Without costs, or with some that cannot be, there is no price."""
        assert read_price(table_of(written), table_of("{}"), Notes()) is None

    def test_half(self) -> None:
        """Half a price is reported."""
        notes, draft = Notes(), ImportedConfiguration(tool="LiteLLM", source_words="a file")
        assert read_price(table_of("{output_cost_per_token: 1e-6}", "x"), table_of("{}", "y"), notes) is None
        notes.write(draft)
        assert draft.findings == [Finding("x.*_cost_per_token", "a price needs both an input and an output here")]

    def test_tier_is_valid(self) -> None:
        """A tier is written as a configuration has it."""
        price = read_price(
            table_of(
                "{input_cost_per_token: 1e-6, output_cost_per_token: 1e-6, "
                "cache_read_input_token_cost_above_200k_tokens: 1e-9}"
            ),
            table_of("{}"),
            Notes(),
        )
        assert price is not None
        assert tier(price.above[0]).prices == (("cache_read", Decimal("0.001")),)
