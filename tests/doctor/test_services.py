"""Promises of the services of one run."""

from __future__ import annotations

from typing import Any

import pytest_twisted

from claude_bridge.config.secret import Secret
from claude_bridge.doctor.services import make_services
from tests.services.exchange.stage import configured

TWO = "[backend:a]\nurl = http://a/v1\napi_key = own-key-of-backend-a\n[backend:b]\nurl = http://b/v1\n{more}"
CLIENT = Secret("the-token-of-a-client")


class CredentialTests:
    """Each backend gets what the bridge would send."""

    @pytest_twisted.ensureDeferred
    async def test_own_and_brought(self, reactor: Any) -> None:
        """The own key comes first; the client's goes to the only backend without one."""
        services = make_services(configured(TWO.format(more="")), reactor)
        a, b = services.config.backends.values()
        assert await services.credential(a, CLIENT) == Secret("own-key-of-backend-a")
        assert await services.credential(b, CLIENT) == CLIENT
        assert (await services.examination(a, CLIENT)).brought is False
        assert (await services.examination(b, CLIENT)).brought is True
        await services.close()

    @pytest_twisted.ensureDeferred
    async def test_nothing_is_forwarded(self, reactor: Any) -> None:
        """Where clients' keys stay here, none is sent."""
        more = "[server]\ncredentials = none"
        services = make_services(configured(TWO.format(more=more)), reactor)
        assert await services.credential(services.config.backends["b"], CLIENT) is None
        await services.close()


class ModelTests:
    """Which models are examined."""

    @pytest_twisted.ensureDeferred
    async def test_named(self, reactor: Any) -> None:
        """By alias, by name, or as the backend calls it; else all that are configured."""
        more = "[model:x]\nbackend = b\nname = X\n[model:y]\nbackend = b\nname = Y"
        services = make_services(configured(TWO.format(more=more)), reactor)
        b = services.config.backends["b"]

        async def names(model: str) -> list[str]:
            made = await services.examination(b, None, model=model)
            return [each.name for each in made.models] or [f"not configured: {made.wanted}"]

        assert await names("") == ["X", "Y"]
        assert await names("y") == ["Y"]
        assert await names("X") == ["X"]
        assert await names("Z") == ["not configured: Z"]
        await services.close()
