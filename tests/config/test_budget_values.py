"""Tests for `claude_bridge.config.budget_values`."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal

import pytest

from claude_bridge.config.budget_values import (
    EVERY,
    dollar_amount,
    end,
    how_often,
    percent,
    route_of,
    scope,
    timezone,
    wrong_end,
    zone,
)
from claude_bridge.core.budgets import Scope


class ScopeTests:
    """Whom a budget is for."""

    @pytest.mark.parametrize(
        ("text", "meant"),
        [
            ("all", Scope("all")),
            ("session", Scope("session")),
            ("agent", Scope("agent")),
            ("key alice", Scope("key", "alice")),
            ("model  chutes/zai-org/GLM", Scope("model", "chutes/zai-org/GLM")),
        ],
    )
    def test_read(self, text: str, meant: Scope) -> None:
        """Each kind, and written as it was read."""
        assert scope(text) == meant
        assert scope(str(meant)) == meant

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("", "must be one of: agent, all, key, model, session"),
            ("sesion", "did you mean session?"),
            ("key", "needs the name of a key: key NAME"),
            ("model a b", "needs the name of a model"),
            ("all alice", "all takes no name"),
            ("key alice, bob", "key takes the name of one key: each further key needs a"),
            ("key alice,bob", "key takes the name of one key"),
            ("key alice bob", "key takes the name of one key"),
        ],
    )
    def test_wrong(self, text: str, told: str) -> None:
        """What is missing or too much is said."""
        with pytest.raises(ValueError, match=told):
            scope(text)


class AmountTests:
    """Dollars and percents."""

    def test_dollars(self) -> None:
        """Dollars, with up to six digits behind the point."""
        assert (dollar_amount("5.00"), dollar_amount("0.000001")) == (Decimal(5), Decimal("0.000001"))

    @pytest.mark.parametrize("text", ["", "0", "0.00", "-1", "5 $", "5,00", "1e3", "0.0000001"])
    def test_no_dollars(self, text: str) -> None:
        """Nothing is no budget, and a comma is not guessed at."""
        with pytest.raises(ValueError, match="amount of dollars above 0"):
            dollar_amount(text)

    def test_percent(self) -> None:
        """The sign may be missing."""
        assert (percent("80%"), percent("80 %"), percent("100")) == (80, 80, 100)

    @pytest.mark.parametrize("text", ["", "0%", "101%", "0.8", "%"])
    def test_no_percent(self, text: str) -> None:
        """A part of nothing, or more than everything, is none."""
        with pytest.raises(ValueError, match="from 1 to 100 %"):
            percent(text)


class PeriodTests:
    """When a budget starts again."""

    def test_read(self) -> None:
        """Each word, the one of sessions too."""
        assert [how_often(each) for each in (*EVERY, "session")] == [*EVERY, "session"]

    @pytest.mark.parametrize(("text", "near"), [("daily", "day"), ("weekly", "week"), ("hourly", "hour")])
    def test_near(self, text: str, near: str) -> None:
        """What is near is offered, never the word that only a session may have."""
        with pytest.raises(ValueError, match=f"did you mean {near}") as raised:
            how_often(text)
        assert str(raised.value).endswith(
            "(must be hour, day, week or month, and is left out with for = session or agent)"
        )

    def test_far(self) -> None:
        """What is near none is told which there are."""
        with pytest.raises(ValueError, match=r"^must be hour, day, week or month, and"):
            how_often("fortnight")


class EndTests:
    """What follows when a budget is spent."""

    def test_read(self) -> None:
        """It refuses, or leads to a route."""
        assert [end("refuse"), end("route  cheap")] == ["refuse", "route cheap"]
        assert [route_of(end("refuse")), route_of(end("route cheap"))] == ["", "cheap"]

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("refuze", "did you mean refuse?"),
            ("route", "route needs the name"),
            ("route a b", "route needs the name of one"),
            ("refuse all", "refuse takes no name"),
        ],
    )
    def test_wrong(self, text: str, told: str) -> None:
        """What is missing or too much is said."""
        with pytest.raises(ValueError, match=told):
            end(text)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("saving", "did you mean route saving? (must be refuse, or route and the name of a [route:*])"),
            ("Savings", "did you mean route saving? (must be refuse, or route and the name of a [route:*])"),
            ("zzz", "must be refuse, or route and the name of a [route:*]"),
            ("refuse", ""),
            ("route other", ""),
        ],
    )
    def test_name_without_its_word(self, text: str, told: str) -> None:
        """Whoever writes a route's name alone is offered the route; other words are told what there is."""
        assert wrong_end(end(text), ("cheap", "saving")) == told


class ZoneTests:
    """Time zones."""

    def test_known(self) -> None:
        """UTC needs no data of the machine."""
        assert zone("UTC") is UTC
        assert timezone("Europe/Berlin") == "Europe/Berlin"
        assert zone("Europe/Berlin") is zone("Europe/Berlin")

    @pytest.mark.parametrize("text", ["Europe/Berln", "Europe", "../etc/passwd", "", "/etc/localtime", "CEST+2 x"])
    def test_unknown(self, text: str) -> None:
        """Another name is refused, and no file is read by it."""
        with pytest.raises(ValueError, match="must be the name of a time zone"):
            timezone(text)
