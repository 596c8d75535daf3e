"""Promises of the warning about unknown windows."""

from __future__ import annotations

import pytest
from attrs import evolve
from twisted.logger import capturedLogs

from claude_bridge.core.target import Target
from claude_bridge.services.windows import MOST_TOLD, WindowWarnings

CUTS = Target(model="m", truncates=True)


def told(*checks: tuple[str, Target]) -> list[tuple[str, str]]:
    """Let targets be checked and give backend and model of each warning."""
    warnings = WindowWarnings()
    with capturedLogs() as logged:
        for backend, target in checks:
            warnings.check(backend, target)
    return [(event["backend"], event["model"]) for event in logged if event.get("event") == "window-unknown"]


class WindowWarningsTests:
    """One line in the log, for whoever can set the number."""

    def test_once(self) -> None:
        """Each model at each backend is told of once."""
        assert told(("a", CUTS), ("a", CUTS), ("b", CUTS), ("a", evolve(CUTS, model="n"))) == [
            ("a", "m"),
            ("b", "m"),
            ("a", "n"),
        ]

    @pytest.mark.parametrize("target", [evolve(CUTS, truncates=False), evolve(CUTS, context_window=4096)])
    def test_no_cause(self, target: Target) -> None:
        """A backend that refuses by itself, or a known window, is no cause."""
        assert told(("a", target)) == []

    def test_bounded(self) -> None:
        """Made-up model names do not fill the log."""
        assert len(told(*(("a", evolve(CUTS, model=str(number))) for number in range(2 * MOST_TOLD)))) == MOST_TOLD
