"""Promises of the check of prices."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from tests.doctor.stand_ins import entry, examined, served

GLM = "[model:glm]\nbackend = tower\nname = GLM\n[price:glm]\ninput = 0.30\noutput = 1.10\n"


async def told(reactor: Any, more: str, *listed: dict[str, Any], ini: str = "") -> list[str]:
    """Return what is said of prices; nothing of it is ever wrong."""
    async with served(reactor, listed=[*listed] or [entry("GLM"), entry("small")]) as server:
        found = [each for each in await examined(reactor, server.url, ini, more=more) if each.number == 7]
    assert {each.level for each in found} <= {"ok"}
    return [each.sentence for each in found]


class PriceTests:
    """One line."""

    @pytest_twisted.ensureDeferred
    async def test_known(self, reactor: Any) -> None:
        """Each configured model is there with its price and who says so; the server's list may."""
        assert await told(reactor, GLM) == ["GLM $0.30/$1.10 per M (configuration)"]
        listed = entry("small", pricing={"prompt": "0.000001", "completion": "0.000002"})
        assert await told(reactor, f"{GLM}[model:small]\nbackend = tower\n", entry("GLM"), listed) == [
            "GLM $0.30/$1.10 per M (configuration), small $1.00/$2.00 per M (list)"
        ]

    @pytest_twisted.ensureDeferred
    async def test_unknown(self, reactor: Any) -> None:
        """Without a price it is said how to set one, also of the only model that a server has."""
        more = f"{GLM}[model:small]\nbackend = tower\n"
        (sentence,) = await told(reactor, more)
        known, _, unknown = sentence.partition("; ")
        assert known == "GLM $0.30/$1.10 per M (configuration)"
        assert unknown.startswith("no price is known for small, so neither is the cost: [price:tower/small] in")
        assert (await told(reactor, "", entry("GLM")))[0].startswith("no price is known for GLM, so neither")

    @pytest_twisted.ensureDeferred
    async def test_budget(self, reactor: Any) -> None:
        """A budget in dollars for a model of unknown price is a warning: it would never be spent."""
        more = f"{GLM}[model:small]\nbackend = tower\n[budget:c]\nfor = model small\nper = day\n"
        async with served(reactor, listed=[entry("GLM"), entry("small")]) as server:
            found = [
                (each.level, each.sentence)
                for limit in ("amount = 1", "tokens = 1000")
                for each in await examined(reactor, server.url, more=f"{more}{limit}\n")
                if each.number == 7
            ]
        told = "no price is known for small, so a budget in dollars for it counts nothing"
        cure = "write [price:tower/small] with input and output, or limit the tokens"
        assert found[0] == ("warning", f"{told}: {cure}")
        assert [level for level, _ in found] == ["warning", "ok"]

    @pytest_twisted.ensureDeferred
    async def test_many(self, reactor: Any) -> None:
        """Of many models some are named."""
        more = "".join(f"[model:m{number}]\nbackend = tower\n" for number in range(8))
        listed = [entry(f"m{number}") for number in range(8)]
        assert "m0, m1, m2, m3, m4 and 3 more" in (await told(reactor, more, *listed))[0]

    @pytest_twisted.ensureDeferred
    async def test_answers(self, reactor: Any) -> None:
        """Where answers tell their cost nothing is missing."""
        ini = "dialect = openrouter\n"
        assert await told(reactor, "", entry("GLM"), ini=ini) == ["its answers say what they cost"]
