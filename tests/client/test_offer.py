"""What Claude Code is told of one bridge."""

from __future__ import annotations

from claude_bridge.client import offer
from claude_bridge.client.offered_models import OfferedModel
from tests.config.files import config_of

URL = "http://127.0.0.1:8080"
CONFIG = config_of("""
[backend:one]
url = http://one/v1
[model:glm]
name = zai/GLM
[model:small]
[route:default]
models = small
""")
WINDOW = "CLAUDE_CODE_MAX_CONTEXT_TOKENS"


def models(**windows: int | None) -> list[OfferedModel]:
    """Make the list of a bridge."""
    return [OfferedModel(name=name, label=name, window=window) for name, window in windows.items()]


class OfferTests:
    """Variables and models."""

    def test_configuration(self) -> None:
        """A configuration decides the main model, which is the first in the list; another one can be chosen."""
        assert [model.name for model in offer.of_configuration(CONFIG, URL).models] == ["small", "glm"]
        chosen = offer.of_configuration(CONFIG, URL, main="glm")
        assert [model.name for model in chosen.models] == ["glm", "small"]
        assert chosen.variables["ANTHROPIC_MODEL"] == "glm@claude-bridge"

    def test_bridge_with_a_known_configuration(self) -> None:
        """A running bridge tells the windows, its configuration which model is meant for what."""
        found = offer.of_bridge(URL, models(glm=9000, small=8000, more=7000), CONFIG)
        assert found.variables["ANTHROPIC_MODEL"] == "small@claude-bridge"
        assert found.variables[WINDOW] == "8000"
        assert [model.description for model in found.models] == [
            "small on one, 8K tokens",
            "zai/GLM on one, 9K tokens",
            "7K tokens",
        ]

    def test_bridge_with_another_configuration(self) -> None:
        """A configuration with names that the bridge does not have is not its own."""
        found = offer.of_bridge(URL, models(other=9000), CONFIG)
        assert (found.variables["ANTHROPIC_MODEL"], found.variables[WINDOW]) == ("other@claude-bridge", "9000")

    def test_choice(self) -> None:
        """`auto` is the main model where there is one, else the only one, else the one that was chosen."""
        assert offer.decided(models(a=1, auto=2)) == "auto"
        assert offer.decided(models(a=1)) == "a"
        assert offer.decided(models(a=1, b=2)) is None
        chosen = offer.of_bridge(URL, models(a=1000, b=2000), main="b")
        assert ([model.name for model in chosen.models], chosen.variables[WINDOW]) == (["b", "a"], "2000")

    def test_token(self) -> None:
        """The client's token can be put in."""
        found = offer.of_bridge(URL, models(a=1)).with_token("sk-mine")
        assert found.variables["ANTHROPIC_AUTH_TOKEN"] == "sk-mine"
