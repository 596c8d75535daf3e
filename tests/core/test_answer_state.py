"""Tests for `claude_bridge.core.answer_state`.

By what each state is left is tested with the readers.
"""

from __future__ import annotations

import pytest

from claude_bridge.core.answer_state import (
    ANSWERING,
    AWAITING_FIRST_EVENT,
    DONE,
    FAILED,
    FINISHING,
    UNDECIDED,
    WHOLE_JSON,
    AnswerState,
)
from claude_bridge.core.errors import InternalFault

STEPS = {
    (UNDECIDED, AWAITING_FIRST_EVENT),
    (UNDECIDED, WHOLE_JSON),
    (AWAITING_FIRST_EVENT, ANSWERING),
    (AWAITING_FIRST_EVENT, DONE),
    (WHOLE_JSON, ANSWERING),
    (ANSWERING, FINISHING),
    (ANSWERING, DONE),
    (FINISHING, DONE),
    *((state, FAILED) for state in AnswerState if state is not DONE),
}
"""Every arrow of the picture."""


class AnswerStateTests:
    """The picture at the top of the module."""

    @pytest.mark.parametrize("before", AnswerState)
    @pytest.mark.parametrize("after", AnswerState)
    def test_steps(self, before: AnswerState, after: AnswerState) -> None:
        """Exactly the steps that it shows can be made."""
        if (before, after) in STEPS:
            assert before.followed_by(after) is after
            return
        with pytest.raises(InternalFault, match=f"cannot become {after.name} that is {before.name}"):
            before.followed_by(after)
