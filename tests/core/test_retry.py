"""Tests for `claude_bridge.core.retry`: what may be tried again, where, and how often."""

from __future__ import annotations

import pytest
from attrs import evolve

from claude_bridge.core.backend_api import Adjustment
from claude_bridge.core.chat_completions.backend import ChatTarget
from claude_bridge.core.errors import BridgeError, CircuitOpen, InternalFault, InvalidRequest, UpstreamTimeout
from claude_bridge.core.retry import MAX_RETRIES, RetryBudget, may_try_next

TARGET = ChatTarget(model="m", reasoning_echo="current_turn")
SCHEMA = Adjustment(why="schema = bare", overrides={"schema": "bare"})
ECHO = Adjustment(why="echo", refuses_reasoning=True)
LIMIT = Adjustment(why="limit", max_output_tokens=900)


class RetryBudgetTests:
    """What is tried for one request, and when it is remembered."""

    def test_each_reason_is_good_for_one_retry(self) -> None:
        """What was tried and refused is not tried again."""
        tries = RetryBudget()
        assert tries.apply(SCHEMA)
        assert not tries.apply(SCHEMA)
        assert tries.allow("empty")
        assert not tries.allow("empty")

    def test_retries_are_bounded(self) -> None:
        """A server that finds something else to refuse each time gets no more than four more requests."""
        tries = RetryBudget()
        assert [tries.allow(str(number)) for number in range(MAX_RETRIES + 2)] == [True] * MAX_RETRIES + [False] * 2
        assert not tries.apply(SCHEMA)
        assert tries.with_adjustments(TARGET) == TARGET

    def test_lessons_shape_this_request(self) -> None:
        """All that was taken together is what is tried next."""
        tries = RetryBudget()
        dropped = {"drop": ("temperature",)}
        for retry in (
            SCHEMA,
            Adjustment(why="drop", overrides=dropped),
            Adjustment(why="limit", max_output_tokens=900),
            ECHO,
        ):
            assert tries.apply(retry)
        wanted = evolve(TARGET, schema="bare", drop=("temperature",), max_output_tokens=900, reasoning_echo="never")
        assert tries.with_adjustments(TARGET) == wanted

    def test_later_lesson_on_one_trait_wins(self) -> None:
        """Where the first cure did not help, the second one is tried instead."""
        tries = RetryBudget()
        assert tries.apply(Adjustment(why="schema = moonshot", overrides={"schema": "moonshot"}))
        assert tries.apply(SCHEMA)
        assert tries.with_adjustments(TARGET) == evolve(TARGET, schema="bare")

    def test_limit_is_only_lowered(self) -> None:
        """A limit that is configured lower stays."""
        tries = RetryBudget()
        assert tries.apply(Adjustment(why="limit", max_output_tokens=900))
        assert tries.with_adjustments(evolve(TARGET, max_output_tokens=500)).max_output_tokens == 500

    def test_shrunk_answer_holds(self) -> None:
        """What an overflow left for the answer is asked for in all later tries, wherever they go."""
        tries = RetryBudget()
        assert tries.apply(Adjustment(why="shrink", max_tokens=2000))
        assert tries.apply(SCHEMA)
        tries.reset()
        assert tries.max_tokens == 2000

    def test_confirmed_once(self) -> None:
        """What was tried is given out when the request was answered, in order, and then forgotten."""
        tries = RetryBudget()
        for retry in (SCHEMA, LIMIT, ECHO):
            assert tries.apply(retry)
        assert tries.take_confirmed() == [SCHEMA, LIMIT, ECHO]
        assert tries.take_confirmed() == []
        assert tries.with_adjustments(TARGET) == TARGET

    def test_shrunk_answer_is_no_larger_than_the_limit(self) -> None:
        """Of what an overflow left and what the model gives the smaller is asked for."""
        tries = RetryBudget()
        assert tries.max_tokens_for(TARGET) is None
        assert tries.apply(Adjustment(why="shrink", max_tokens=2000))
        assert tries.max_tokens_for(TARGET) == 2000
        assert tries.max_tokens_for(evolve(TARGET, max_output_tokens=500)) == 500

    def test_another_choice_begins_anew(self) -> None:
        """What one model refused is neither tried with the next one nor remembered of it."""
        tries = RetryBudget()
        assert tries.apply(SCHEMA)
        tries.reset()
        assert tries.with_adjustments(TARGET) == TARGET
        assert tries.take_confirmed() == []
        assert tries.apply(SCHEMA)


class ElsewhereTests:
    """Whether another candidate is asked."""

    @pytest.mark.parametrize(
        ("error", "expected"),
        [
            (UpstreamTimeout("x"), True),
            (CircuitOpen("x"), True),
            (InvalidRequest("x"), False),
            (InternalFault("x"), False),
        ],
    )
    def test_by_error(self, error: BridgeError, expected: bool) -> None:
        """What a backend did may be done better by another; the request's own faults stay."""
        assert may_try_next(error, others=1, begun=False) is expected

    def test_nobody_left(self) -> None:
        """Somebody must be there to be asked."""
        assert not may_try_next(UpstreamTimeout("x"), others=0, begun=False)

    def test_begun(self) -> None:
        """What the client has seen cannot be begun anew."""
        assert not may_try_next(UpstreamTimeout("x"), others=1, begun=True)
