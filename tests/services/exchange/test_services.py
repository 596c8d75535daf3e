"""Tests for `claude_bridge.services.exchange.services`."""

from __future__ import annotations

from attrs import evolve

from claude_bridge.core.backend_api import AnswerLimits
from tests.services.exchange.stage import ONE, Stage, configured

LIMITED = f"{ONE}[limits]\nmax_event = 1000\nmax_held_arguments = 2000\nmax_answer = 3000\n"


class ServicesTests:
    """What is made from the configuration."""

    def test_answer_limits(self) -> None:
        """An answer may hold what ``[limits]`` says, also after another part was exchanged."""
        services = Stage(configured(LIMITED)).admission.services
        expected = AnswerLimits(max_event=1000, max_held_arguments=2000, max_answer=3000)
        assert services.answer_limits == expected
        assert evolve(services, user_agent="another/1").answer_limits == expected
