"""Tests for `claude_bridge.services.accounting.library_prices`, with the real package where it says so."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any, cast

import pytest
from attrs import define, evolve, field
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent

from claude_bridge.config.schema import Backend
from claude_bridge.core.prices import Price, Tier
from claude_bridge.services.accounting.library_prices import MAX_WAITING, LibraryPrices, Look, look_up, price_of

VENDOR = Backend(name="vendor", url="https://vendor.example/v1")
PRICE = Price(input=1, output=2)


@define
class Thread:
    """Runs what it is given when it is told to."""

    waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = field(factory=list)

    def __call__(self, call: Callable[[], Any]) -> Deferred[Any]:
        """Take a call."""
        done: Deferred[Any] = Deferred()
        self.waiting.append((call, done))
        return done

    def run(self) -> None:
        """Run all calls."""
        waiting, self.waiting = self.waiting, []
        for call, done in waiting:
            maybeDeferred(call).chainDeferred(done)


def asked(look: Look, thread: Thread, events: list[LogEvent]) -> LibraryPrices:
    """Return prices that were asked for one model."""
    prices = LibraryPrices(thread, look, log=Logger(observer=cast(ILogObserver, events.append), namespace="test"))
    prices.expect(VENDOR, "m")
    return prices


def raises(error: Exception) -> Look:
    """Return a look-up that fails."""

    def look(_url: str, _model: str) -> Price | None:
        raise error

    return look


class LibraryPricesTests:
    """A package that takes time."""

    def test_found(self) -> None:
        """Nothing waits for it: the price is there after the thread has run, and is looked up once."""
        calls, thread, events = [], Thread(), list[LogEvent]()

        def look(url: str, model: str) -> Price:
            calls.append((url, model))
            return PRICE

        prices = asked(look, thread, events)
        prices.expect(VENDOR, "m")
        assert (prices.find(VENDOR, "m"), prices.revision, calls) == (None, 0, [])
        thread.run()
        prices.expect(VENDOR, "m")
        thread.run()
        assert (prices.find(VENDOR, "m"), prices.revision) == (PRICE, 1)
        assert calls == [("https://vendor.example/v1", "m")]

    def test_not_known(self) -> None:
        """A model that the package does not know is not looked up again."""
        thread = Thread()
        prices = asked(lambda _url, _model: None, thread, [])
        thread.run()
        prices.expect(VENDOR, "m")
        assert (prices.find(VENDOR, "m"), prices.revision, thread.waiting) == (None, 0, [])

    @pytest.mark.parametrize(
        ("error", "told"),
        [
            (ModuleNotFoundError("No module named 'genai_prices'"), []),
            (
                TypeError("calc_price() got an unexpected keyword"),
                [
                    (
                        "the package genai-prices does not work here, so it is not asked any more: "
                        "calc_price() got an unexpected keyword"
                    )
                ],
            ),
        ],
    )
    def test_failure(self, error: Exception, told: list[str]) -> None:
        """A package that is not there, or fails, is not asked again; a failure is logged once, its absence is not."""
        thread, events = Thread(), list[LogEvent]()
        prices = asked(raises(error), thread, events)
        prices.expect(VENDOR, "n")
        thread.run()
        prices.expect(VENDOR, "o")
        assert (prices.absent, thread.waiting) == (True, [])
        assert [formatEvent(event) for event in events] == told

    def test_server_at_home(self) -> None:
        """A server at home is no vendor, so the package is not even imported for it."""
        thread = Thread()
        LibraryPrices(thread).expect(evolve(VENDOR, url="http://127.0.0.1:8000/v1"), "gpt-4o")
        assert thread.waiting == []

    def test_bound(self) -> None:
        """Ever new names make no queue without an end."""
        thread = Thread()
        prices = LibraryPrices(thread)
        for number in range(2 * MAX_WAITING):
            prices.expect(VENDOR, str(number))
        assert len(thread.waiting) == MAX_WAITING


class LookUpTests:
    """The real package."""

    def test_vendor(self) -> None:
        """A vendor is known by its address, a model by the vendor's name for it, and the price is all of it."""
        price = look_up("https://api.x.ai/v1", "grok-4")
        assert price is not None
        assert 0 < (price.cache_read or 0) < price.input < price.output

    def test_tiers(self) -> None:
        """Prices of long prompts are tiers of ours."""
        price = look_up("https://generativelanguage.googleapis.com/v1beta/openai", "gemini-2.5-pro")
        assert price is not None
        (tier,) = price.tiers
        assert tier.above == 200_000
        assert (tier.input or 0) > price.input

    @pytest.mark.parametrize(
        ("url", "model"),
        [
            ("https://llm.chutes.ai/v1", "zai-org/GLM-4.5-Air"),
            ("https://api.x.ai/v1", "no-such-model"),
            ("https://openrouter.ai.example.org/", "z-ai/glm-4.6"),
        ],
    )
    def test_not_known(self, url: str, model: str) -> None:
        """Other vendors and other models have no price."""
        assert look_up(url, model) is None or "openrouter" in url

    def test_absent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without the package the import fails, which the caller expects."""
        monkeypatch.setitem(sys.modules, "genai_prices", None)
        with pytest.raises(ModuleNotFoundError):
            look_up("https://api.x.ai/v1", "grok-4")


@define
class Tiered:
    """The package's price with tiers."""

    base: Decimal
    tiers: list[Any]


@define
class TierOfTheirs:
    """One of them."""

    start: int
    price: Decimal


class PriceOfTests:
    """The package's prices as ours."""

    def test_parts(self) -> None:
        """Every part has its name; what does not concern tokens of text is left out."""
        prices = {"input_mtok": Decimal("0.6"), "output_mtok": Decimal("2.2"), "cache_read_mtok": Decimal("0.11")}
        more = {"cache_write_mtok": Decimal(1), "output_reasoning_mtok": Decimal(3), "web_searches_kcount": Decimal(5)}
        assert price_of(prices | more) == Price(
            input=600_000, output=2_200_000, cache_read=110_000, cache_write=1_000_000, reasoning=3_000_000
        )

    def test_tiers(self) -> None:
        """Tiers of several parts that begin at the same length are one."""
        given = Tiered(Decimal(1), [TierOfTheirs(200_000, Decimal(2))])
        assert price_of({"input_mtok": given, "output_mtok": given}) == Price(
            input=10**6, output=10**6, tiers=(Tier(above=200_000, input=2 * 10**6, output=2 * 10**6),)
        )

    @pytest.mark.parametrize(
        "prices",
        [
            {},
            {"input_mtok": Decimal(1)},
            {"input_mtok": Decimal(1), "output_mtok": Decimal(1), "requests_kcount": Decimal(5)},
            {"input_mtok": Decimal(-1), "output_mtok": Decimal(1)},
        ],
    )
    def test_part_of_a_price(self, prices: dict[str, Any]) -> None:
        """Part of a price is none."""
        assert price_of(prices) is None
