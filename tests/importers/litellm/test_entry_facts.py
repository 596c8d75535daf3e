"""Tests for `claude_bridge.importers.litellm.entry_facts`."""

from __future__ import annotations

import pytest

from tests.importers.litellm.files import deployment


class FactsTests:
    """What is known of the model."""

    @pytest.mark.parametrize(
        ("parameters", "info", "window", "most"),
        [
            ("{model: groq/m}", "{max_tokens: 8192}", None, 8192),
            ("{model: groq/m}", "{max_tokens: 8192, max_input_tokens: 131072}", 131072, 8192),
            ("{model: groq/m}", "{max_tokens: 131072, max_input_tokens: 131072}", 131072, None),
            ("{model: groq/m}", "{max_input_tokens: '200000', max_output_tokens: 64000}", 200000, 64000),
            ("{model: ollama/m, num_ctx: 32768}", "{}", 32768, None),
            ("{model: ollama/m, extra_body: {num_ctx: 4096}}", "{}", 4096, None),
        ],
    )
    def test_windows(self, parameters: str, info: str, window: int | None, most: int | None) -> None:
        """A lone ``max_tokens`` is the longest answer: as a window it could make every prompt too long."""
        facts = deployment(parameters, info).facts
        assert (facts.context_window, facts.max_output_tokens) == (window, most)

    def test_traits(self) -> None:
        """A model that sees nothing refuses images; dropped fields are dropped."""
        facts = deployment("{model: groq/m, additional_drop_params: [stop, top_p]}", "{supports_vision: false}").facts
        assert facts.traits == (("images", "refuse"), ("drop", "top_p, stop"))

    def test_price_and_budget(self) -> None:
        """Prices and budgets are the model's too."""
        facts = deployment(
            "{model: groq/m, max_budget: 5, budget_duration: 1d}",
            "{input_cost_per_token: 1e-6, output_cost_per_token: 2e-6}",
        ).facts
        assert facts.price is not None
        assert facts.budget is not None

    def test_passed_through(self) -> None:
        """What has no effect where requests are passed on is not written."""
        facts = deployment(
            "{model: anthropic/claude-x, additional_drop_params: [top_p]}",
            "{max_output_tokens: 5, supports_vision: no}",
        ).facts
        assert (facts.max_output_tokens, facts.traits) == (None, ())
