"""Tests for `claude_bridge.testing.answers`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.testing import answers
from claude_bridge.testing.answers import PIECE, Answer, End, Pause, Repeat, Send, Stall


class AnswerTests:
    """What an answer's steps become."""

    def test_ends_by_itself(self) -> None:
        """An answer whose steps run out is finished, so that nobody has to write `End`."""
        assert list(Answer(steps=(Send(b"x"), Pause(1.0))).performed()) == [Send(b"x"), Pause(1.0), End()]

    def test_may_be_given_twice(self) -> None:
        """The same answer can be queued for several requests."""
        answer = Answer(steps=[Send(b"x"), Stall()])
        assert list(answer.performed()) == list(answer.performed())

    @pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1, 3 * PIECE])
    def test_divides_large_writes(self, size: int) -> None:
        """A large write is divided so that the socket can ask for a pause in its middle, and nothing is lost."""
        data = bytes(range(256)) * (size // 256 + 1)
        sent = [step for step in Answer(steps=(Send(data[:size]),)).performed() if isinstance(step, Send)]
        assert b"".join(step.data for step in sent) == data[:size]
        assert max(len(step.data) for step in sent) <= PIECE

    @given(st.binary(min_size=1, max_size=200), st.integers(0, 3000))
    def test_repeats_exactly(self, data: bytes, times: int) -> None:
        """`Repeat` gives the bytes so many times, no more and no fewer, in writes of a bounded size."""
        sent = [step for step in Answer(steps=(Repeat(data, times),)).performed() if isinstance(step, Send)]
        assert b"".join(step.data for step in sent) == data * times
        assert all(len(step.data) <= PIECE for step in sent)


class ExportsTests:
    """What is promised to outsiders."""

    def test_names(self) -> None:
        """The names that scripts of others use stay."""
        assert answers.__all__ == ["Answer", "Cut", "End", "Pause", "Repeat", "Send", "Stall", "Step"]
