"""Tests for `claude_bridge.services.accounting.prices`: who says what an attempt cost."""

from __future__ import annotations

from typing import cast

from attrs import define, evolve, field
from twisted.logger import ILogObserver, LogEvent, Logger, formatEvent

from claude_bridge.config.model_prices import ConfiguredPrices
from claude_bridge.config.schema import Backend
from claude_bridge.core.events import Usage
from claude_bridge.core.listed_prices import ListedPrice
from claude_bridge.core.model_list import ModelInfo
from claude_bridge.core.prices import Price
from claude_bridge.services.accounting.prices import MAX_LISTED, NO_PRICES, UNKNOWN, Cost, ListedPrices, Pricing
from tests.config.files import config_of

BOX = Backend(name="box", url="https://box.example/v1")
USAGE = Usage(10, 1, 100, raw={"prompt_tokens": 110})
REPORTED = evolve(USAGE, raw={"prompt_tokens": 110, "cost": 0.5})
CONFIGURED = "[backend:box]\nurl = https://box.example/v1\n[price:m]\ninput = 1\noutput = 2\n"


def listed(name: str, rate: int | None, found: str = "pricing.prompt in dollars a token") -> ModelInfo:
    """Return an entry of a list with a price."""
    price = None if rate is None else Price(input=rate, output=rate)
    return ModelInfo(id=name, listed_price=ListedPrice(price, found))


@define
class FixedSlow:
    """Implements `SlowPrices`.

    :ivar price: what arrives when `arrive` is called.
    """

    price: Price = field(factory=lambda: Price(input=3, output=3))
    revision: int = 0
    expected: list[str] = field(factory=list)

    def expect(self, backend: Backend, model: str) -> None:
        """Note the name."""
        self.expected.append(f"{backend.name}/{model}")

    def find(self, backend: Backend, model: str) -> Price | None:
        """Return the price once it has arrived."""
        return self.price if self.revision and f"{backend.name}/{model}" in self.expected else None


@define
class Sources:
    """All sources together."""

    text: str = ""
    events: list[LogEvent] = field(factory=list)
    lists: ListedPrices = field(init=False)
    slow: FixedSlow = field(factory=FixedSlow)
    pricing: Pricing = field(init=False)

    @lists.default
    def _make_lists(self) -> ListedPrices:
        return ListedPrices(log=Logger(observer=cast(ILogObserver, self.events.append), namespace="test"))

    @pricing.default
    def _make_pricing(self) -> Pricing:
        return Pricing(ConfiguredPrices(config_of(self.text)), self.lists, self.slow)

    def cost(self, usage: Usage | None = USAGE, model: str = "m") -> Cost:
        """Return what an attempt cost."""
        return self.pricing.cost(BOX, model, usage)


class OrderTests:
    """Whose word counts."""

    def test_configuration_first(self) -> None:
        """What the owner has written counts against everybody else's word."""
        sources = Sources(CONFIGURED)
        sources.lists.learn(BOX, [listed("m", 7)])
        assert sources.cost(REPORTED) == Cost(110 * 1_000_000 + 2_000_000, "configuration")

    def test_answer_second(self) -> None:
        """The answer knows best what was charged for it."""
        sources = Sources()
        sources.lists.learn(BOX, [listed("m", 7)])
        assert sources.cost(REPORTED) == Cost(500_000_000_000, "answer")

    def test_list_third(self) -> None:
        """The price of a list counts where the answer says nothing, in whatever case it has the name."""
        sources = Sources()
        sources.lists.learn(BOX, [listed("M", 7), listed("other", 9)])
        assert sources.cost() == Cost(111 * 7, "list")

    def test_library_fourth(self) -> None:
        """The library is asked only for a model that nobody else has a price for, and counts once it has answered."""
        sources = Sources(CONFIGURED)
        sources.pricing.expect(BOX, "m")
        sources.pricing.expect(BOX, "n")
        assert sources.slow.expected == ["box/n"]
        assert sources.cost(model="n") == UNKNOWN
        sources.slow.revision = 1
        assert sources.cost(model="n") == Cost(111 * 3, "genai-prices")
        assert sources.pricing.price(BOX, "n") == (sources.slow.price, "genai-prices")

    def test_unknown(self) -> None:
        """What nobody has said is unknown, not nothing; so is an attempt without tokens."""
        assert Sources().cost() == UNKNOWN == Cost(None, "")
        assert Sources(CONFIGURED).cost(None) == UNKNOWN
        assert NO_PRICES.cost(BOX, "m", REPORTED) == UNKNOWN
        NO_PRICES.expect(BOX, "m")

    def test_no_slow_source(self) -> None:
        """There need not be a library."""
        pricing = Pricing(ConfiguredPrices(config_of("")), ListedPrices())
        pricing.expect(BOX, "m")
        assert pricing.cost(BOX, "m", USAGE) == UNKNOWN


class ListedPricesTests:
    """The prices of the backends' lists."""

    def test_new_list(self) -> None:
        """A new list changes the price; what it leaves out stays as it was."""
        sources = Sources()
        assert sources.cost() == UNKNOWN
        sources.lists.learn(BOX, [listed("m", 7), listed("n", 5)])
        assert sources.cost() == Cost(111 * 7, "list")
        sources.lists.learn(BOX, [listed("m", 8)])
        assert (sources.cost(), sources.cost(model="n")) == (Cost(111 * 8, "list"), Cost(111 * 5, "list"))

    def test_another_address(self) -> None:
        """A backend that has moved is another one."""
        lists = ListedPrices()
        lists.learn(BOX, [listed("m", 7)])
        assert lists.find(evolve(BOX, url="https://other.example/v1"), "m") is None

    def test_said_once(self) -> None:
        """The first list with something like a price is logged, whether it was understood or not, and no other."""
        sources = Sources()
        sources.lists.learn(BOX, [ModelInfo(id="a")])
        assert sources.events == []
        sources.lists.learn(BOX, [listed("m", 7), listed("n", None, "price with x is not understood"), listed("o", 7)])
        sources.lists.learn(BOX, [listed("m", 7)])
        assert [formatEvent(event) for event in sources.events] == [
            (
                "backend box: its list has a price for 2 of 3 models: pricing.prompt in dollars a token; "
                "price with x is not understood"
            )
        ]

    def test_bound(self) -> None:
        """A backend that lists ever new names does not fill the memory."""
        lists = ListedPrices()
        for number in range(5):
            lists.learn(BOX, [listed(f"{number}-{each}", 1) for each in range(MAX_LISTED // 3)])
        assert lists.find(BOX, "0-0") is None
        assert lists.find(BOX, "4-0") is not None
