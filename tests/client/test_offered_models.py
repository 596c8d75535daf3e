"""The models that Claude Code can be offered."""

from __future__ import annotations

import pytest

from claude_bridge.client.offered_models import OfferedModel, configured, limits_of, published, thousands
from tests.config.files import config_of

TEXT = """
[backend:one]
url = http://one/v1
[backend:two]
url = http://two/v1
[model:glm]
backend = one
name = zai/GLM
label = The large one
context_window = 131072
[model:small]
backend = two
context_window = 8000
[route:default]
models = two/x
"""


class OfferedModelsTests:
    """What is shown of each."""

    def test_configured(self) -> None:
        """The main model comes first, then every configured name, with what it is and where."""
        found = {model.name: (model.id, model.label, model.description) for model in configured(config_of(TEXT))}
        assert found == {
            "two/x": ("two/x@claude-bridge", "two/x", "x on two"),
            "glm": ("glm@claude-bridge", "The large one", "zai/GLM on one, 131K tokens"),
            "small": ("small@claude-bridge", "small", "small on two, 8K tokens"),
        }

    def test_auto(self) -> None:
        """The name that leaves the choice to routes has the smallest window that the conversation may meet."""
        text = TEXT.replace("two/x", "glm") + "[route:seeing]\nmodels = small\nwhen = image\n"
        first = configured(config_of(text))[0]
        assert (first.name, first.window) == ("auto", 8000)
        assert first.description == "the routes of the bridge choose the model, 8K tokens"

    def test_prices(self) -> None:
        """A price that the configuration has is shown; where routes choose, only if it is the same for all."""
        prices = "[price:glm]\ninput = 0.30\noutput = 1.10\n[price:small]\ninput = 0\noutput = 0\n"
        found = {model.name: model.description for model in configured(config_of(TEXT + prices))}
        assert found == {
            "two/x": "x on two",
            "glm": "zai/GLM on one, 131K tokens, $0.30/$1.10 per M",
            "small": "small on two, 8K tokens, free",
        }
        text = TEXT.replace("two/x", "glm") + prices + "[route:seeing]\nmodels = {}\nwhen = image\n"
        assert configured(config_of(text.format("small")))[0].price == ""
        assert configured(config_of(text.format("glm")))[0].price == "$0.30/$1.10 per M"

    def test_published(self) -> None:
        """A bridge's list gives plain names, labels and sizes; what makes no sense is left out."""
        entry = {"id": "glm@claude-bridge", "display_name": "GLM", "max_input_tokens": 9000, "max_tokens": None}
        found = published({"data": [entry, {"id": 5}, "x", {"id": "b", "max_input_tokens": "many"}]})
        assert found == (OfferedModel(name="glm", label="GLM", window=9000), OfferedModel(name="b", label="b"))
        assert found[1].description == "by claude-bridge"
        assert published([]) == published({"data": {}}) == ()

    def test_limits_of_a_running_bridge(self) -> None:
        """What a bridge publishes wins over its configuration; what it does not know is that."""
        limits = limits_of([OfferedModel(name="small", label="", window=4000, longest=100)])
        models = config_of(TEXT).models
        assert [limits(models["small"]), limits(models["glm"])] == [(4000, 100), (131_072, None)]

    @pytest.mark.parametrize(
        ("tokens", "text"), [(512, "512"), (8192, "8K"), (131_072, "131K"), (1_048_576, "1M"), (1_500_000, "1500K")]
    )
    def test_thousands(self, tokens: int, text: str) -> None:
        """Windows are written as people write them."""
        assert thousands(tokens) == text
