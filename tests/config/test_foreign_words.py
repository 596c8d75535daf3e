"""Words of other tools."""

from __future__ import annotations

import pytest

from claude_bridge.config.foreign_words import instead_of_section, meant, meant_section
from claude_bridge.config.sections import KINDS


class MeantTests:
    """A word is understood for what the place allows."""

    @pytest.mark.parametrize("word", ["base_url", "base-url", "baseURL", "API_BASE"])
    def test_spellings(self, word: str) -> None:
        """Case, dashes and underscores make no difference."""
        assert meant(word, ("dialect", "url")) == "url"

    def test_the_place_decides(self) -> None:
        """One word means a name in one place and a list of names in another, and nothing in a third."""
        assert meant("model", ("backend", "name")) == "name"
        assert meant("model", ("models",)) == "models"
        assert meant("model", ("url",)) is None

    def test_every_key_exists(self) -> None:
        """Whatever a word is said to mean can be written somewhere."""
        keys = {key.name for kind in KINDS.values() for key in kind.keys}
        for word in (
            "base_url",
            "max_tokens",
            "num_ctx",
            "port",
            "timeout",
            "log_level",
            "cors",
            "auth",
            "provider",
            "https_proxy",
        ):
            assert meant(word, keys) in keys

    def test_sections(self) -> None:
        """Sections have other names elsewhere too, and what is meant exists."""
        assert meant_section("providers") == "backend"
        assert meant_section("Model-List") == "model"
        assert meant_section("nonsense") is None
        assert {meant_section(word) for word in ("providers", "alias", "router", "users", "general", "logging")} <= set(
            KINDS
        )


class InsteadTests:
    """What this version does not have."""

    def test_section(self) -> None:
        """A section of a later version is known as such, until it is there."""
        assert instead_of_section("Admin") is not None
        assert instead_of_section("backend") is None
        assert [word for word in ("admin", "traces", "inspect") if word in KINDS] == []
