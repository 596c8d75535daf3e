"""Promises of what the doctor knows of prices."""

from __future__ import annotations

import sys

import pytest

from claude_bridge.core.listed_prices import ListedPrice
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.prices import Price
from claude_bridge.doctor.known_prices import KnownPrices, tells_its_cost
from tests.services.exchange.stage import configured

CONFIG = configured("[backend:box]\nurl = http://box/v1\n[price:glm]\ninput = 1\noutput = 2\n")


def test_order() -> None:
    """The configuration comes before the backend's list; what nobody says is unknown."""
    box, prices = CONFIG.backends["box"], KnownPrices(CONFIG)
    listed = ListedPrice(price=Price(input=5, output=5))
    prices.learn(box, [ModelInfo(id=name, listed_price=listed) for name in ("glm", "small")])
    assert prices.price(box, "GLM") == (Price(input=1_000_000, output=2_000_000), "configuration")
    assert prices.price(box, "small") == (listed.price, "list")
    assert prices.price(box, "other") == (None, "")


@pytest.mark.parametrize(("dialect", "tells"), [("openrouter", True), ("xai", True), ("vllm", False)])
def test_answers(dialect: str, tells: bool) -> None:
    """Some vendors' answers say what they cost."""
    assert tells_its_cost(dialect) is tells


def test_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package with many vendors' prices is asked for vendors alone, and may be missing."""
    monkeypatch.setitem(sys.modules, "genai_prices", None)
    config = configured("[backend:openai]\nurl = https://api.openai.com/v1\n[backend:box]\nurl = http://box/v1\n")
    prices = KnownPrices(config)
    assert prices.price(config.backends["box"], "gpt-4o-mini") == (None, "")
    assert prices.has_library
    assert prices.price(config.backends["openai"], "gpt-4o-mini") == (None, "")
    assert not prices.has_library


@pytest.mark.parametrize(
    ("budget", "is_one"),
    [
        ("for = model glm\namount = 1", True),
        ("for = model box/glm-4.5\namount = 1", True),
        ("for = model glm\ntokens = 1", False),
        ("for = all\namount = 1", False),
        ("for = model box/other\namount = 1", False),
    ],
)
def test_budget(budget: str, *, is_one: bool) -> None:
    """A budget in dollars for a model is found by the backend's own name of it."""
    config = configured(
        f"[backend:box]\nurl = http://box/v1\n[model:glm]\nname = GLM-4.5\n[budget:b]\nper = day\n{budget}\n"
    )
    assert KnownPrices(config).has_budget(config.backends["box"], "GLM-4.5") is is_one
