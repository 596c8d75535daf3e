"""Tests for `claude_bridge.doctor.price_report`."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred

from claude_bridge.config.model_prices import ConfiguredPrices
from claude_bridge.core.prices import Price, Tier
from claude_bridge.doctor.price_report import PricedModel, PriceReport, price_report
from claude_bridge.services.accounting.prices import PriceFrom
from claude_bridge.testing.backend import ScriptedBackend
from tests.services.exchange.stage import configured

PRICE = Price(input=300_000, output=1_100_000, cache_read=62_500)
LISTED = {"pricing": {"prompt": "0.000001", "completion": "0.000002"}}


async def report_on(reactor: Any, text: str, *, listed: bool = False) -> PriceReport:
    """Return the report on a configuration."""
    found: Any = price_report(configured(text), listed=listed, run=lambda work: Deferred.fromCoroutine(work(reactor)))
    report: PriceReport = await found
    return report


async def reported(reactor: Any, text: str, *, listed: bool = False) -> list[str]:
    """Return its lines."""
    return str(await report_on(reactor, text, listed=listed)).splitlines()


@pytest.mark.usefixtures("signals_kept")
class ReportTests:
    """The command's answer."""

    @pytest_twisted.ensureDeferred
    async def test_configured_models(self, reactor: Any, backend: ScriptedBackend) -> None:
        """Each model that the file names is there once, with its price and who says it."""
        backend.models, backend.model_keys = ["qwen", "glm-4.5", "other"], LISTED
        text = f"""
[backend:box]
url = {backend.url}
[backend:gone]
url = http://127.0.0.1:1/v1
[model:glm]
backend = box
name = glm-4.5
[model:lost]
backend = gone
[route:default]
models = glm, box/qwen
[price:glm]
input = 0.30
output = 1.10
above = 200K input 0.6
[price:elsewhere]
input = 2
output = 0.0625
"""
        assert await reported(reactor, text) == [
            "dollars per million tokens",
            "MODEL                     INPUT  CACHE READ  CACHE WRITE  OUTPUT  REASONING  FROM",
            "glm = box/glm-4.5          0.30        0.30         0.30    1.10       1.10  configuration",
            "  above 200,000 tokens     0.60        0.60         0.60    1.10       1.10",
            "lost = gone/lost                                                             unknown",
            "box/qwen                   1.00        1.00         1.00    2.00       2.00  list",
            "elsewhere at any backend   2.00        2.00         2.00  0.0625     0.0625  configuration",
            "backend gone: its list of models did not arrive, so its prices are not known here",
            "[price:NAME] in the configuration sets a price that is unknown",
        ]

    @pytest_twisted.ensureDeferred
    async def test_listed_models(self, reactor: Any, backend: ScriptedBackend) -> None:
        """Every other model of the lists only where it is asked for."""
        backend.models, backend.model_keys = ["qwen", "glm"], LISTED
        text = f"[backend:box]\nurl = {backend.url}\n"
        assert await reported(reactor, text) == ["no model is configured; --all shows those that the backends list"]
        found = await reported(reactor, f"{text}[model:qwen]\n", listed=True)
        assert [line.split()[0] for line in found[2:]] == ["qwen", "box/glm"]

    @pytest_twisted.ensureDeferred
    async def test_names(self, reactor: Any, backend: ScriptedBackend) -> None:
        """A price is found by backend and name in any case; models without an alias have the names of pins."""
        text = f"[backend:box]\nurl = {backend.url}\n[model:a]\nname = A1\n"
        text += "".join(f"[price:{name}]\ninput = {price}\noutput = 1\n" for name, price in (("a", 1), ("b", 2)))
        text += "[price:box/c]\ninput = 3\noutput = 1\n[model:d]\n"
        report = await report_on(reactor, text)
        known = {name: report.price_of("box", name) for name in ("a1", "B", "c", "d", "e")}
        assert {name: price and price.input for name, price in known.items()} == {
            "a1": 1_000_000, "B": 2_000_000, "c": 3_000_000, "d": None, "e": None,
        }  # fmt: skip
        assert report.price_of("other", "a1") is None
        assert sorted(report.pins(["box", "den"])) == ["box/b", "box/c", "den/b"]

    @pytest_twisted.ensureDeferred
    async def test_as_in_the_accounts(self, reactor: Any, backend: ScriptedBackend) -> None:
        """Of two prices for a model that counts which the accounts have, whichever comes first: the backend's own."""
        prices = ["[price:glm]\ninput = 1\noutput = 2\n", "[price:box/GLM]\ninput = 10\noutput = 20\n"]
        for some in (prices, prices[::-1]):
            text = f"[backend:box]\nurl = {backend.url}\n[backend:den]\nurl = {backend.url}\n{''.join(some)}"
            report, counted = await report_on(reactor, text), ConfiguredPrices(configured(text))
            for place, dollars in (("box", 10), ("den", 1)):
                price = Price(input=dollars * 10**6, output=2 * dollars * 10**6)
                assert report.price_of(place, "glm") == report.settled_price_of(place, "glm") == price
                assert counted.find(place, "glm") == price

    @pytest_twisted.ensureDeferred
    async def test_answers_that_say_what_they_cost(self, reactor: Any, backend: ScriptedBackend) -> None:
        """OpenRouter's and xAI's answers do, which counts unless the file has a price."""
        backend.models, backend.model_keys = ["listed", "priced"], LISTED
        dialects = {"router": "openrouter", "x": "xai", "box": "generic"}
        price = "input = 1\noutput = 1\n"
        text = "".join(
            f"[backend:{name}]\nurl = {backend.url}\ndialect = {dialect}\n[price:{name}/priced]\n{price}"
            for name, dialect in dialects.items()
        )
        report = await report_on(reactor, text)
        asked = [(place, name) for place in dialects for name in backend.models]
        assert [each for each in asked if report.says_cost(*each)] == [("router", "listed"), ("x", "listed")]

    def test_own_word(self) -> None:
        """Where answers say what they cost, that comes before the list, but not before the file."""
        said: list[tuple[Price | None, PriceFrom]] = [(PRICE, "configuration"), (PRICE, "list"), (None, "")]
        told = [
            next(PricedModel(shown="m", price=price, price_from=price_from, in_answers=True).rows())[-1]
            for price, price_from in said
        ]
        assert told == ["configuration", "answer, else list", "answer"]

    def test_library(self) -> None:
        """The package is named only where something is unknown and it is not there."""
        unknown = PricedModel(shown="m", price=None, price_from="")
        known = PricedModel(shown="m", price=PRICE, price_from="list")
        assert "genai-prices" in str(PriceReport(models=(known, unknown)))
        assert "genai-prices" not in str(PriceReport(models=(known, unknown), library=True))
        assert "genai-prices" not in str(PriceReport(models=(known,)))

    def test_settled(self) -> None:
        """While a list has not arrived it may have other prices than all but the file."""
        said: dict[str, PriceFrom] = {"file": "configuration", "guess": "genai-prices"}

        def look_up(backend: str, name: str) -> PricedModel:
            price = PRICE if name in said else None
            return PricedModel(shown=name, price=price, price_from=said.get(name, ""), backend=backend, name=name)

        report = PriceReport(models=(), silent=("down",), look_up=look_up)
        places = [(backend, name) for backend in ("up", "down") for name in (*said, "none")]
        settled = [place for place in places if report.settled_price_of(*place) == PRICE]
        assert settled == [("up", "file"), ("up", "guess"), ("down", "file")]

    def test_tiers(self) -> None:
        """Each length of prompt has a line of its own, the shortest first, with everything that holds there."""
        tiers = (Tier(above=10**6, output=9 * 10**6), Tier(above=200_000, input=600_000))
        price = Price(input=300_000, output=1_100_000, tiers=tiers)
        rows = list(PricedModel(shown="m", price=price, price_from="list").rows())
        assert [(row[0], row[1], row[4]) for row in rows] == [
            ("m", "0.30", "1.10"),
            ("  above 200,000 tokens", "0.60", "1.10"),
            ("  above 1,000,000 tokens", "0.60", "9.00"),
        ]
