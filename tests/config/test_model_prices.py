"""Tests for `claude_bridge.config.model_prices`."""

from __future__ import annotations

import pytest

from claude_bridge.config.model_prices import ConfiguredPrices, known_names
from claude_bridge.core.prices import Price, Tier
from tests.config.files import config_of, mistakes

MODELS = """
[backend:chutes]
url = https://llm.chutes.ai/v1
[backend:home]
url = http://127.0.0.1:8000/v1
[model:glm]
backend = chutes
name = zai-org/GLM-4.5-Air
[model:qwen]
backend = home
"""


def found(prices: str, backend: str, model: str) -> int | None:
    """Return the price of input of a backend's model, in pico-dollars."""
    price = ConfiguredPrices(config_of(MODELS + prices)).find(backend, model)
    return None if price is None else price.input


class FindTests:
    """Which price is that of a model."""

    @pytest.mark.parametrize("name", ["glm", "GLM", "chutes/zai-org/GLM-4.5-Air", "zai-org/GLM-4.5-Air"])
    def test_names(self, name: str) -> None:
        """A section is named after an alias, a model at a backend, or a model; the backend may spell it otherwise."""
        prices = f"[price:{name}]\ninput = 1\noutput = 2"
        assert found(prices, "chutes", "zai-org/GLM-4.5-Air") == found(prices, "chutes", "zai-org/glm-4.5-air") == 10**6
        assert found(prices, "home", "qwen") is None

    def test_every_backend(self) -> None:
        """A name without a backend holds at all of them, but one with the backend comes first, wherever it stands."""
        prices = "[price:qwen3]\ninput = 1\noutput = 2\n[price:home/qwen3]\ninput = 3\noutput = 4"
        assert found(prices, "chutes", "qwen3") == 10**6
        assert found(prices, "home", "qwen3") == 3 * 10**6

    def test_alias_first(self) -> None:
        """An alias is looked for before a backend: what people name is what they mean."""
        prices = "[model:home/qwen]\nbackend = chutes\nname = other\n[price:home/qwen]\ninput = 1\noutput = 2"
        assert found(prices, "chutes", "other") == 10**6
        assert found(prices, "home", "qwen") is None

    def test_alias_like_a_model_of_a_backend(self) -> None:
        """A route that names an alias has no other model in mind: what that might be called is no known name."""
        models = (
            "[model:home/other]\nbackend = chutes\nname = mine\n[route:r]\nmodels = home/other, home/second\nmatch = x"
        )
        names = [*known_names(config_of(MODELS + models))]
        assert ("mine" in names, "second" in names, "other" in names) == (True, True, False)

    def test_whole_price(self) -> None:
        """Every key of the section counts."""
        text = """[price:glm]
input = 0.30
cache_read = 0.06
cache_write = 0.35
output = 1.10
reasoning = 2
above =
    200K input 0.60 output 2.20
    1M input 1.20
"""
        assert ConfiguredPrices(config_of(MODELS + text)).find("chutes", "zai-org/GLM-4.5-Air") == Price(
            input=300_000,
            cache_read=60_000,
            cache_write=350_000,
            output=1_100_000,
            reasoning=2_000_000,
            tiers=(Tier(above=200_000, input=600_000, output=2_200_000), Tier(above=10**6, input=1_200_000)),
        )


class RuleTests:
    """What is wrong with prices, and what is doubtful."""

    def test_missing(self) -> None:
        """A price without one of its two main parts would count some tokens as free."""
        assert mistakes(f"{MODELS}[price:glm]\ninput = 0") == [
            "[price:glm] output: is missing: dollars per million tokens, 0 for what costs nothing"
        ]
        assert mistakes(f"{MODELS}[price:glm]\ninput = x\noutput = 1") == [
            "[price:glm] input: must be dollars per million tokens, such as 0.30"
        ]

    def test_two_lines_for_one_length(self) -> None:
        """Nobody could say which of them holds."""
        text = "[price:glm]\ninput = 0\noutput = 0\nabove =\n    200K input 1\n    200000 input 2"
        assert mistakes(MODELS + text) == ["[price:glm] above: has two lines for the same number of tokens"]

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("glm", []),
            ("GLM", []),
            ("zai-org/glm-4.5-air", []),
            ("chutes/anything", []),
            ("llama", []),
            ("glm4", ["[price:glm4]: no [model:*] has this name, did you mean glm?"]),
        ],
    )
    def test_unknown(self, name: str, told: list[str]) -> None:
        """A NAME that nothing in the file has is doubtful: it may be a backend's own name, or a slip of the pen."""
        routes = "[route:default]\nmodels = home/llama, glm\n"
        config = config_of(f"{MODELS}{routes}[price:{name}]\ninput = 1\noutput = 2")
        assert [str(each).partition("? ")[0] + "?" for each in config.warnings] == told

    def test_nothing_to_compare_with(self) -> None:
        """Where the file names no model, the NAME can only be a backend's."""
        assert config_of("[price:gpt-5]\ninput = 1\noutput = 2").warnings == ()

    def test_two_for_one_model(self) -> None:
        """The second price of a model would never be used."""
        text = "[price:chutes/zai-org/GLM-4.5-Air]\ninput = 1\noutput = 2\n[price:glm]\ninput = 3\noutput = 4"
        assert [str(each) for each in config_of(MODELS + text).warnings] == [
            "[price:chutes/zai-org/GLM-4.5-Air]: has no effect: [price:glm] is for the same model"
        ]
        assert found(text, "chutes", "zai-org/GLM-4.5-Air") == 3 * 10**6
