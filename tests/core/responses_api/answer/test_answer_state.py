"""Tests for `claude_bridge.core.responses_api.answer.answer_state`."""

from __future__ import annotations

import pytest

from claude_bridge.core.errors import InternalFault
from claude_bridge.core.responses_api.answer.answer_state import ANSWERING, DONE, FAILED, UNDECIDED, AnswerState


class StateTests:
    """The steps of the diagram."""

    def test_steps(self) -> None:
        """Those that it shows are taken, any other is a mistake of ours."""
        assert ANSWERING.followed_by(DONE) is DONE
        with pytest.raises(InternalFault, match="cannot become ANSWERING that is DONE"):
            DONE.followed_by(ANSWERING)

    def test_ends(self) -> None:
        """Every answer that is not done can fail, and none that is done."""
        for state in set(AnswerState) - {DONE}:
            assert state.followed_by(FAILED) is FAILED
        with pytest.raises(InternalFault):
            DONE.followed_by(FAILED)
        with pytest.raises(InternalFault):
            UNDECIDED.followed_by(DONE)
