"""Promises of the warning about unknown windows."""

from __future__ import annotations

import pytest
from attrs import evolve
from twisted.internet.task import Clock
from twisted.logger import capturedLogs

from claude_bridge.core.chat_completions.backend import ChatTarget
from claude_bridge.services.knowledge.window_warnings import MAX_WARNED_MODELS, PATIENCE_SECONDS, WindowWarnings

CUTS = ChatTarget(model="m", truncates=True)
KNOWN = evolve(CUTS, context_window=4096)


def told(*checks: tuple[float, str, ChatTarget]) -> list[tuple[str, str]]:
    """Let targets be checked, each after so many seconds, and give backend and model of each warning."""
    clock = Clock()
    warnings = WindowWarnings(clock.seconds)
    with capturedLogs() as logged:
        for seconds, backend, target in checks:
            clock.advance(seconds)
            warnings.check(backend, target)
    return [(event["backend"], event["model"]) for event in logged if event.get("event") == "window-unknown"]


class WindowWarningsTests:
    """One line in the log, for whoever can set the number."""

    def test_once(self) -> None:
        """Each model at each backend is told of once."""
        others = [("b", CUTS), ("a", evolve(CUTS, model="n"))]
        first = [(0.0, backend, target) for backend, target in [("a", CUTS), *others]]
        again = [(PATIENCE_SECONDS, backend, target) for _, backend, target in first]
        assert told(*first, *again, *again) == [("a", "m"), ("b", "m"), ("a", "n")]

    def test_patient(self) -> None:
        """A model that is still being loaded, which its first requests begin, is no cause."""
        assert told((0, "a", CUTS), (1, "a", CUTS), (PATIENCE_SECONDS - 1.1, "a", CUTS)) == []

    @pytest.mark.parametrize("before", [[], [(0.0, "a", CUTS)]], ids=["at once", "after the first request"])
    def test_known_before(self, before: list[tuple[float, str, ChatTarget]]) -> None:
        """A model whose window was known is unloaded after a while, and that is no cause."""
        later = [(PATIENCE_SECONDS, "a", CUTS)] * 2
        assert told(*before, (1.0, "a", KNOWN), *later) == []

    @pytest.mark.parametrize("target", [evolve(CUTS, truncates=False), KNOWN])
    def test_no_cause(self, target: ChatTarget) -> None:
        """A backend that refuses by itself, or a known window, is no cause."""
        assert told((0, "a", target), (PATIENCE_SECONDS, "a", target)) == []

    def test_bounded(self) -> None:
        """Made-up model names do not fill the log."""
        checks = [(0.0, "a", evolve(CUTS, model=str(number))) for number in range(2 * MAX_WARNED_MODELS)]
        assert len(told(*checks, (PATIENCE_SECONDS, "b", CUTS), *checks)) == MAX_WARNED_MODELS
