"""What answers and refusals teach about models and their servers."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from claude_bridge.core.backend_api import Adjustment
from claude_bridge.services.exchange.open_attempt import OpenAttempt
from claude_bridge.services.knowledge.dialect_detection import DialectDetection
from claude_bridge.services.knowledge.profiles import ModelProfiles


@frozen
class Lessons:
    """Enters what an attempt has shown where it is looked up for the next one."""

    _profiles: ModelProfiles
    _detection: DialectDetection

    def observe(self, attempt: OpenAttempt) -> None:
        """Use what the answer reveals about a backend whose dialect is not decided yet."""
        backend, detection = attempt.candidate.backend, self._detection
        if detection.is_undecided(backend):
            detection.observe(backend, attempt.attempt.clues())

    def saw_window(self, attempt: OpenAttempt, context_window: int) -> None:
        """Remember the model's context window, in tokens, that a refusal named."""
        self._profiles.profile(attempt.candidate.backend.name, attempt.target.model).saw_window(context_window)

    def confirm(self, attempt: OpenAttempt, adjustments: Sequence[Adjustment]) -> None:
        """Remember the adjustments with which a request was answered, but for those that are for one request only."""
        if adjustments:
            profile = self._profiles.profile(attempt.candidate.backend.name, attempt.target.model)
            for adjustment in adjustments:
                if adjustment.remembered:
                    profile.learn(adjustment)
