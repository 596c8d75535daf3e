"""A configuration of version 0.1.0 means what it meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_bridge.config.load import parse
from claude_bridge.config.named_models import which_model
from claude_bridge.config.schema import DIRECT, Config
from claude_bridge.testing.fakes import FixedFacts
from tests.config.files import PEM, reading

FILE = Path(__file__).parents[1] / "fixtures" / "claude_bridge" / "0.1.0.ini"


def config() -> Config:
    """Read it."""
    files = reading({"/etc/claude-bridge/ca.pem": PEM})
    return parse(FILE.read_text("utf-8"), {"CHUTES_API_KEY": "sk-of-the-owner"}, files)


class FirstVersionTests:
    """The file with every key of that version."""

    def test_values(self) -> None:
        """Its values are what they were, and what came later changes nothing."""
        read = config()
        chutes, local = read.backends["chutes"], read.backends["local"]
        assert [key.secret.reveal() for key in chutes.api_key if key.secret is not None] == ["sk-of-the-owner"]
        assert (chutes.proxy.server, chutes.max_streams, local.api_key) == (None, None, ())
        assert (local.dialect, local.first_byte_timeout, local.max_connections) == ("vllm", 900.0, 63)
        assert (read.breaker.failures, read.limits.max_streams, read.log.level) == (4, 3999, "debug")
        assert read.models["local-large"].overrides["drop"] == ("temperature", "top_p")

    @pytest.mark.parametrize(
        ("name", "alias", "pinned", "route"),
        [
            ("local-large", "local-large", "", ""),
            ("haiku", "haiku", "", ""),
            ("chutes/zai-org/GLM-4.5-Air", "", "zai-org/GLM-4.5-Air", ""),
            ("claude-opus-5-5", "", "", "default"),
            ("claude-haiku-4-5-20251001", "", "", "default"),
            ("anything", "", "", "default"),
        ],
    )
    @pytest.mark.parametrize("facts", [FixedFacts(), FixedFacts(background="tier haiku", image=True, tokens=10**6)])
    def test_names(self, name: str, alias: str, pinned: str, route: str, facts: FixedFacts) -> None:
        """Configured names are themselves, and all others go to the default route, whatever kind of request it is."""
        choice = which_model(config()).choose(name, facts)
        meant = choice.meant
        assert ("" if meant is None else meant.alias, "" if meant is None else meant.model) == (alias, pinned)
        assert choice.route == route

    def test_route(self) -> None:
        """Its route has one model, and the limits that all requests have."""
        route = config().routes["default"]
        assert (route.models, route.match, route.when) == (("local-large",), (), ())
        assert (route.patience, route.max_attempts) == (DIRECT.patience, DIRECT.max_attempts)
