"""What is said of a model's window."""

from __future__ import annotations

import pytest
from attrs import evolve

from claude_bridge.client.offered_models import OfferedModel
from claude_bridge.client.window_warning import NEEDED_TOKENS, window_warning
from tests.config.files import config_of

ROUTED = "[backend:b]\n[model:m]\n[model:n]\n[route:default]\nmodels = m\n[route:i]\nmodels = n\nwhen = image\n"


def warning(text: str | None = ROUTED, name: str = "m", window: int | None = None, **variables: str) -> str:
    """Return what is said of a model of a configuration in c.ini; without a text there is no file."""
    config = evolve(config_of(text or ""), source="environment" if text is None else "c.ini with HOST_PORT")
    return window_warning(OfferedModel(name=name, label=name, window=window), config, [{}, variables])


class UnknownTests:
    """A window that is not known."""

    TOLD = "the window of {} is not known, and Claude Code assumes 1,000,000 tokens: "

    @pytest.mark.parametrize(
        ("text", "name", "told"),
        [
            (ROUTED, "m", "set `context_window` in [model:m] of c.ini"),
            (ROUTED, "auto", "set `context_window` in [model:n] and [model:m] of c.ini"),
            (ROUTED, "b/x", "add a section [model:NAME] with `backend = b`, `name = x` and `context_window` to c.ini"),
            ("[backend:b]\n", "o/X", "add a section [model:NAME] with `name = o/X` and `context_window` to c.ini"),
            (None, "m", "set CLAUDE_CODE_MAX_CONTEXT_TOKENS to it"),
        ],
    )
    def test_where(self, text: str | None, name: str, told: str) -> None:
        """It is to be set in the model's section of the file; without a file in a variable."""
        assert warning(text, name) == self.TOLD.format(name) + told

    def test_elsewhere(self) -> None:
        """Of a bridge elsewhere the file is not known."""
        told = (
            "set CLAUDE_CODE_MAX_CONTEXT_TOKENS to it here, or `context_window` in [model:m] of the bridge's configura"
        )
        assert told in window_warning(OfferedModel(name="m", label="m"), None, [])

    def test_said(self) -> None:
        """Whoever has set the variable knows it."""
        assert warning(CLAUDE_CODE_MAX_CONTEXT_TOKENS="50000") == ""


class KnownTests:
    """A window that is known."""

    @pytest.mark.parametrize(("window", "small"), [(8192, True), (NEEDED_TOKENS - 1, True), (NEEDED_TOKENS, False)])
    def test_small(self, window: int, small: bool) -> None:
        """One that Claude Code's instructions fill is warned of, and no other."""
        assert warning(window=window).startswith(f"m has a window of {window:,} tokens, and ") == small
        assert bool(warning(window=window)) == small


class ThenTests:
    """What is to be done after the cure."""

    def test_setup(self) -> None:
        """A changed file or server is not all; a variable is."""
        for window in (None, 8192):
            model = OfferedModel(name="m", label="m", window=window)
            for config in (evolve(config_of(ROUTED), source="c.ini"), None):
                assert window_warning(model, config, [], "then do it").endswith(", then do it")
        nowhere = evolve(config_of(""), source="environment")
        assert window_warning(OfferedModel(name="m", label="m"), nowhere, [], "then do it").endswith("_TOKENS to it")
