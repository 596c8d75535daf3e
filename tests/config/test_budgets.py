"""Tests for `claude_bridge.config.budgets`, and for the rules of ``[budget:*]``."""

from __future__ import annotations

import pytest

from claude_bridge.config.budgets import fallback_routes, limits
from claude_bridge.core.prices import DOLLAR
from tests.config.files import config_of, mistakes

BACKEND = "[backend:chutes]\nurl = https://llm.chutes.ai/v1\n[model:glm]\nname = zai-org/GLM-4.5\n"
KEYS = "[server]\ncredentials = keys\n[key:alice]\nsecret = a-long-secret-of-alice\n"
DAY = "amount = 5\nper = day\n"


class LimitTests:
    """Budgets as they are kept."""

    def test_dollars(self) -> None:
        """An amount is kept in pico-dollars, the period with its zone."""
        text = f"{BACKEND}{KEYS}[budget:a]\nfor = key alice\namount = 2.50\nper = week\ntimezone = Asia/Kolkata\n"
        (found,) = limits(config_of(text))
        assert (found.name, found.unit, found.amount, found.warn, found.fallback) == (
            *("a", "usd", 5 * DOLLAR // 2),
            *(80, ""),
        )
        assert (found.meter.kind, found.meter.what, found.meter.per) == ("key", ("alice",), "week")
        assert str(found.meter.zone) == found.meter.timezone == "Asia/Kolkata"

    @pytest.mark.parametrize(
        ("amount", "pico_dollars"),
        [("0.000001", 10**6), ("1000000.01", 1_000_000 * DOLLAR + DOLLAR // 100), ("999999999.999999", 10**21 - 10**6)],
    )
    def test_every_amount_is_exact(self, amount: str, pico_dollars: int) -> None:
        """The smallest and the largest amount that may be written are kept to the last digit."""
        (found,) = limits(config_of(f"[budget:b]\namount = {amount}\nper = day\n"))
        assert found.amount == pico_dollars

    def test_tokens(self) -> None:
        """A session's budget has no period, and is for all sessions."""
        (found,) = limits(config_of("[budget:s]\nfor = session\ntokens = 20M\nwarn = 50%\n"))
        assert (found.unit, found.amount, found.warn, found.warn_at) == ("tokens", 20_000_000, 50, 10_000_000)
        assert (found.meter.kind, found.meter.what, found.meter.per) == ("session", (), "session")

    @pytest.mark.parametrize("name", ["glm", "GLM", "chutes/zai-org/GLM-4.5"])
    def test_model(self, name: str) -> None:
        """A model is that of an alias, or of a backend, whatever its case."""
        (found,) = limits(config_of(f"{BACKEND}[budget:m]\nfor = model {name}\n{DAY}"))
        assert found.meter.what == ("chutes", "zai-org/glm-4.5")

    def test_order_of_the_file(self) -> None:
        """The first one that is spent is told of, so the order is kept."""
        text = f"[budget:b]\n{DAY}[budget:a]\nfor = all\n{DAY}"
        assert [each.name for each in limits(config_of(text))] == ["b", "a"]

    def test_route_without_conditions(self) -> None:
        """A route that is reached only by a budget needs neither match nor when."""
        routes = "[route:default]\nmodels = glm\n[route:cheap]\nmodels = chutes/small\n"
        config = config_of(f"{BACKEND}{routes}[budget:b]\n{DAY}then = route cheap\n")
        assert fallback_routes(config) == {"cheap"}
        assert limits(config)[0].fallback == "cheap"
        (line,) = mistakes(f"{BACKEND}{routes}[budget:b]\n{DAY}")
        assert line.startswith("[route:cheap] when: is missing, so nothing ever takes this route")


class RuleTests:
    """What is wrong with a budget."""

    @pytest.mark.parametrize(
        ("budget", "told"),
        [
            ("per = day", "amount: is missing: how many dollars may be spent, or tokens = how many may be used"),
            ("amount = 1\ntokens = 1\nper = day", "tokens: is one limit too many"),
            ("amount = 1", "per: is missing: hour, day, week or month"),
            ("amount = 1\nper = session", "per: must be hour, day, week or month for all"),
            ("amount = 1\nfor = session\nper = day", "per: must be session, or left out"),
            ("amount = 1\nfor = agent\nper = hour", "per: must be session, or left out"),
            ("amount = 1\nper = day\nfor = key alise", "for: no [key:*] of that name, did you mean alice?"),
            ("amount = 1\nper = day\nfor = model gml", "for: no [model:*] of that name, nor backend/model"),
            ("amount = 1\nper = day\nfor = model x/glm", "for: no [model:*] of that name, nor backend/model"),
            ("amount = 1\nper = day\nthen = route chep", "then: no [route:*] of that name, there is none"),
            ("amount = 1\nper = day\nthen = own", "then: must be refuse, or route and the name of a [route:*]"),
            ("amount = 1\nper = daily", "per: did you mean day? (must be hour, day, week or month, and"),
            ("amount = $5\nper = day", "amount: amounts are written without a sign of the currency"),
            ("amount = 1\nper = day\nfor = key alice, bob", "for: key takes the name of one key"),
            ("amount = 0\nper = day", "amount: must be an amount of dollars above 0"),
            ("amount = 1\nper = fortnight", "per: "),
            ("amount = 1\nper = day\ntimezone = Mars", "timezone: must be the name of a time zone"),
            ("amount = 1\nper = day\nlimit = 2", "limit: unknown key, did you mean amount?"),
            ("amount = 1\nfro = all\nper = day", "fro: unknown key, did you mean for?"),
        ],
    )
    def test_mistakes(self, budget: str, told: str) -> None:
        """Each mistake is told once, with what to do."""
        (line,) = mistakes(f"{BACKEND}{KEYS}[budget:b]\n{budget}\n")
        assert line.startswith(f"[budget:b] {told}")

    def test_route_without_its_word(self) -> None:
        """A route's name alone is told once: that nothing takes this route follows from it."""
        (line,) = mistakes(f"{BACKEND}[route:saving]\nmodels = glm\n[budget:b]\n{DAY}then = saving\n")
        assert line.startswith("[budget:b] then: did you mean route saving?")

    def test_key_without_keys(self) -> None:
        """Whose request it is only a key of the bridge's own tells."""
        (line, _) = mistakes(f"{BACKEND}[key:alice]\nsecret = abc\n[budget:b]\nfor = key alice\n{DAY}")
        assert line == "[budget:b] for: key needs credentials = keys in [server]: else nobody says whose request it is"

    def test_broken_scope_is_told_once(self) -> None:
        """What follows from a scope that cannot be read is not guessed."""
        (line,) = mistakes("[budget:b]\nfor = everyone\namount = 1\n")
        assert line.startswith("[budget:b] for: must be one of")


class DoubtTests:
    """What is valid and never has an effect."""

    def test_no_price(self) -> None:
        """Dollars at models of one's own are never counted without a price."""
        budget = f"[backend:b]\nurl = http://127.0.0.1:8000/v1\n[budget:b]\n{DAY}"
        (warning,) = config_of(budget).warnings
        assert str(warning).startswith("[budget:b] amount: counts nothing, as no price is known")
        assert config_of(f"{budget}[price:m]\ninput = 1\noutput = 2\n[model:m]\n").warnings == ()
        assert config_of(f"{BACKEND}[budget:b]\n{DAY}").warnings == ()
        assert config_of(budget.replace("amount = 5", "tokens = 5")).warnings == ()

    @pytest.mark.parametrize(
        ("price", "url", "is_counted"),
        [
            ("large", "http://127.0.0.1:8000/v1", False),
            ("cheap", "http://127.0.0.1:8000/v1", True),
            ("local/Cheap-1", "http://127.0.0.1:8000/v1", True),
            ("cheap-1", "http://127.0.0.1:8000/v1", True),
            ("large", "https://api.openai.com/v1", True),
        ],
    )
    @pytest.mark.parametrize("model", ["cheap", "local/cheap-1"])
    def test_no_price_for_the_model(self, model: str, price: str, url: str, *, is_counted: bool) -> None:
        """The price of another model is no help; of a vendor's model others may know the price."""
        models = f"[backend:local]\nurl = {url}\n[model:cheap]\nname = cheap-1\n[model:large]\n"
        text = f"{models}[price:{price}]\ninput = 1\noutput = 2\n[budget:c]\nfor = model {model}\n{DAY}"
        told = f"counts nothing, as no price is known for {model}, whose backend is on this machine"
        cure = "write [price:local/cheap-1] with input and output, or limit the tokens"
        wanted = [] if is_counted else [f"[budget:c] amount: {told}: {cure}"]
        assert [str(each) for each in config_of(text).warnings] == wanted

    def test_zone_of_a_session(self) -> None:
        """A time zone without a period has no effect."""
        (warning,) = config_of("[budget:b]\nfor = agent\ntokens = 5\ntimezone = Europe/Berlin\n").warnings
        assert (warning.key, warning.message) == (
            "timezone",
            "has no effect: the budget of each agent never restarts",
        )
