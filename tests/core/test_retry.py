"""Tests for `claude_bridge.core.retry`: what may be tried again, where, and how often."""

from __future__ import annotations

import math

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.config.schema import Route
from claude_bridge.core.backend_api import Adjustment
from claude_bridge.core.chat_completions.backend import ChatTarget
from claude_bridge.core.errors import (
    AuthenticationFailed,
    BillingRefused,
    BridgeError,
    CircuitOpen,
    ContextOverflow,
    ErrorResponse,
    InternalFault,
    InvalidRequest,
    KeysCooling,
    ModelBudgetReserved,
    ModelBudgetSpent,
    NotFound,
    PermissionDenied,
    RequestTooLarge,
    UpstreamCredentialRefused,
    UpstreamCut,
    UpstreamMisaddressed,
    UpstreamOverloaded,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRefused,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnreachable,
)
from claude_bridge.core.retry import (
    MAX_FAILURES,
    MAX_RETRIES,
    PAUSE_SECONDS,
    AttemptBudget,
    Failed,
    Move,
    RetryBudget,
    Situation,
    Verdict,
    ending,
)

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
        """What an overflow left for the answer is asked for in all later tries at the same model."""
        tries = RetryBudget()
        assert tries.apply(Adjustment(why="shrink", max_tokens=2000))
        assert tries.apply(SCHEMA)
        assert tries.max_tokens == 2000
        tries.reset()
        assert tries.max_tokens is None

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


ROUTE = Route(name="r")
OVERLOADED = UpstreamOverloaded("x", retry_after=9.0)
UNAVAILABLE = UpstreamUnavailable("x", retry_after=5.0)
REFUSED = UpstreamCredentialRefused("x", should_retry=False)
TROUBLES = [UpstreamCut("x"), UpstreamServerError("x"), UpstreamRateLimited("x"), UpstreamTimeout("x")]


def budget(route: Route = ROUTE) -> AttemptBudget:
    """Make the budget of a request that begins at 100 s."""
    return AttemptBudget(route.patience, route.max_attempts, route.max_wait, started=100.0)


def failed(error: BridgeError, label: str = "box/m", window: int | None = None) -> Failed:
    """Make a failure."""
    return Failed(error=error, label=label, window=window)


FIRST = Situation(now=100.0, attempts=1, others=1, begun=False, told=None, key_ready_in=0.0)
"""After the first attempt: another model is left, and another key may be used at once."""

NO_KEY = evolve(FIRST, key_ready_in=math.inf)


class VerdictTests:
    """What follows a failure."""

    @pytest.mark.parametrize(
        ("error", "situation", "expected"),
        [
            # what passes by itself: once more at the same model
            (UpstreamCut("x"), FIRST, Verdict(Move.AGAIN)),
            (UpstreamServerError("x"), FIRST, Verdict(Move.AGAIN, PAUSE_SECONDS)),
            (UNAVAILABLE, FIRST, Verdict(Move.AGAIN, PAUSE_SECONDS)),
            (UNAVAILABLE, evolve(FIRST, told=3.0), Verdict(Move.AGAIN, 3.0)),
            (UNAVAILABLE, evolve(FIRST, told=6.0), Verdict(Move.NEXT)),
            (OVERLOADED, evolve(FIRST, others=0), Verdict(Move.AGAIN, PAUSE_SECONDS)),
            # what does not pass: the next model
            (UpstreamServerError("x", should_retry=False), FIRST, Verdict(Move.NEXT)),
            (UpstreamTimeout("silent"), FIRST, Verdict(Move.NEXT)),
            (UpstreamUnreachable("refused"), FIRST, Verdict(Move.NEXT)),
            (UpstreamProtocolError("x"), FIRST, Verdict(Move.NEXT)),
            (UpstreamMisaddressed("x"), FIRST, Verdict(Move.NEXT)),
            (CircuitOpen("x"), FIRST, Verdict(Move.NEXT)),
            # rate limits belong to a key: another key, a short pause, or the next model
            (UpstreamRateLimited("x"), FIRST, Verdict(Move.AGAIN)),
            (UpstreamRateLimited("x"), evolve(FIRST, told=5.0, key_ready_in=5.0), Verdict(Move.AGAIN, 5.0)),
            (UpstreamRateLimited("x"), evolve(FIRST, told=5.1, key_ready_in=5.1), Verdict(Move.NEXT)),
            (UpstreamRateLimited("x"), evolve(FIRST, key_ready_in=1.0), Verdict(Move.NEXT)),
            (KeysCooling("x"), evolve(FIRST, key_ready_in=2.0), Verdict(Move.NEXT)),
            (KeysCooling("x"), evolve(FIRST, key_ready_in=2.0, others=0), Verdict(Move.AGAIN, 2.0)),
            (KeysCooling("x"), evolve(FIRST, key_ready_in=6.0, others=0), Verdict(Move.END)),
            (KeysCooling("x"), NO_KEY, Verdict(Move.NEXT)),
            # a refused key: another key, else the next model
            (REFUSED, FIRST, Verdict(Move.AGAIN)),
            (REFUSED, NO_KEY, Verdict(Move.NEXT)),
            (BillingRefused("x"), FIRST, Verdict(Move.AGAIN)),
            (BillingRefused("x"), NO_KEY, Verdict(Move.NEXT)),
            # what another model may be able to do
            (ContextOverflow("x"), FIRST, Verdict(Move.NEXT)),
            (RequestTooLarge("x"), FIRST, Verdict(Move.NEXT)),
            (NotFound("x"), FIRST, Verdict(Move.NEXT)),
            # the client's own mistakes, and ours
            (InvalidRequest("x"), FIRST, Verdict(Move.END)),
            (UpstreamRefused("content policy"), FIRST, Verdict(Move.END)),
            (AuthenticationFailed("x"), FIRST, Verdict(Move.END)),
            (PermissionDenied("x"), FIRST, Verdict(Move.END)),
            (InternalFault("x"), FIRST, Verdict(Move.END)),
            # limits
            (UpstreamTimeout("x"), evolve(FIRST, others=0), Verdict(Move.END)),
            (UpstreamCut("x"), evolve(FIRST, begun=True), Verdict(Move.END)),
            (UpstreamCut("x"), evolve(FIRST, attempts=8), Verdict(Move.END)),
            (UpstreamCut("x"), evolve(FIRST, attempts=7), Verdict(Move.AGAIN)),
            (UpstreamTimeout("x"), evolve(FIRST, now=220.0), Verdict(Move.NEXT)),
            (UpstreamTimeout("x"), evolve(FIRST, now=220.1), Verdict(Move.END)),
            (UpstreamServerError("x"), evolve(FIRST, now=219.8), Verdict(Move.NEXT)),
        ],
    )
    def test_first_failure(self, error: BridgeError, situation: Situation, expected: Verdict) -> None:
        """Each error leads where it may be helped, and within the limits of the route."""
        assert budget().judge(failed(error), situation) == expected

    def test_no_patience(self) -> None:
        """Who has no patience never waits, and still may use another key."""
        hasty = evolve(ROUTE, patience=0.0)
        assert budget(hasty).judge(failed(UpstreamServerError("x")), FIRST).move is Move.NEXT
        assert budget(hasty).judge(failed(UpstreamRateLimited("x")), FIRST) == Verdict(Move.AGAIN)

    def test_pauses_add_up(self) -> None:
        """All pauses of a request are limited together, at whatever model."""
        tries, three = budget(), evolve(FIRST, told=3.0, key_ready_in=3.0)
        limited = failed(UpstreamRateLimited("x"))
        assert [tries.judge(limited, three) for _ in range(2)] == [Verdict(Move.AGAIN, 3.0), Verdict(Move.NEXT)]
        assert tries.judge(limited, three).move is Move.NEXT
        assert tries.judge(limited, evolve(three, key_ready_in=2.0)) == Verdict(Move.AGAIN, 2.0)

    def test_each_trouble_passes_once(self) -> None:
        """A second 5xx or cut of one model is one too many, and a third failure in any case."""
        tries = budget()
        errors = [UpstreamServerError("x"), UpstreamCut("x"), UpstreamRateLimited("x"), UpstreamServerError("x")]
        moves = [tries.judge(failed(each), FIRST).move for each in errors]
        assert moves == [Move.AGAIN, Move.AGAIN, Move.NEXT, Move.AGAIN]
        tries = budget()
        assert [tries.judge(failed(UpstreamCut("x")), FIRST).move for _ in range(2)] == [Move.AGAIN, Move.NEXT]

    @given(
        st.lists(st.tuples(st.sampled_from(TROUBLES), st.floats(0, 200), st.floats(0, 10)), min_size=30, max_size=30),
        st.integers(0, 5),
    )
    def test_bounds(self, course: list[tuple[BridgeError, float, float]], others: int) -> None:
        """Whatever happens, no model fails more than three times, and nothing begins too late or too often."""
        tries, now, at_model, paused = budget(), 100.0, 0, 0.0
        for attempts, (error, seconds, key) in enumerate(course, start=1):
            now, at_model = now + seconds, at_model + 1
            situation = evolve(FIRST, now=now, attempts=attempts, others=others, told=key, key_ready_in=key)
            verdict = tries.judge(failed(error), situation)
            assert at_model <= MAX_FAILURES
            if verdict.move is Move.END:
                break
            assert attempts < ROUTE.max_attempts
            assert now + verdict.after <= 100.0 + ROUTE.max_wait
            paused += verdict.after
            assert paused <= ROUTE.patience
            if verdict.move is Move.NEXT:
                others, at_model = others - 1, 0
        assert others >= 0


class OtherRouteTests:
    """Where a model was passed over because of its budget, and those after it have failed."""

    @pytest.mark.parametrize(
        ("errors", "route"),
        [
            ([ModelBudgetSpent("x", route="own"), UNAVAILABLE], "own"),
            ([ModelBudgetReserved("x", route="own"), ContextOverflow("x")], "own"),
            ([ModelBudgetSpent("x", route="own"), ModelBudgetSpent("x", route="other"), UNAVAILABLE], "own"),
            ([ModelBudgetSpent("x"), UNAVAILABLE], None),
            ([UNAVAILABLE], None),
            ([ModelBudgetSpent("x", route="own"), AuthenticationFailed("x")], None),
            ([ModelBudgetSpent("x", route="own"), InvalidRequest("x")], None),
        ],
    )
    def test_route(self, errors: list[BridgeError], route: str | None) -> None:
        """The first budget's route is left, unless the last failure is one after which nobody else is asked."""
        budget = AttemptBudget(ROUTE.patience, ROUTE.max_attempts, ROUTE.max_wait, 0.0)
        for error in errors:
            budget.judge(Failed(error=error, label="box/m"), FIRST)
        found = budget.other_route()
        assert (None if found is None else found.route) == route


class EndingTests:
    """What the client is told when nobody has answered."""

    @pytest.mark.parametrize(
        ("errors", "status", "retry_after"),
        [
            ([UpstreamTimeout("x")], 504, None),
            ([UpstreamServerError("x"), UNAVAILABLE], 503, 5.0),
            ([UpstreamRateLimited("x", retry_after=30.0), UNAVAILABLE, UpstreamTimeout("x")], 429, 5.0),
            ([OVERLOADED, UpstreamServerError("x")], 529, 9.0),
            ([UNAVAILABLE, InvalidRequest("prefill")], 503, 5.0),
            ([UNAVAILABLE, InvalidRequest("thread", details={"error_code": "thread_unsupported_request"})], 400, None),
            ([REFUSED, UNAVAILABLE], 503, 5.0),
            ([ModelBudgetReserved("x", retry_after=5.0), REFUSED], 429, 5.0),
            ([ModelBudgetSpent("x"), REFUSED], 502, None),
            ([UNAVAILABLE, REFUSED], 503, 5.0),
            ([UpstreamServerError("x"), CircuitOpen("x", retry_after=20.0)], 502, 20.0),
            ([CircuitOpen("x", retry_after=20.0), CircuitOpen("x", retry_after=10.0)], 503, 10.0),
            ([KeysCooling("x", retry_after=4.0), CircuitOpen("x", retry_after=10.0)], 429, 4.0),
            ([REFUSED, NotFound("x")], 404, None),
            ([ContextOverflow("x"), REFUSED], 400, None),
            ([UpstreamServerError("x"), ContextOverflow("x")], 502, None),
        ],
    )
    def test_chosen(self, errors: list[BridgeError], status: int, retry_after: float | None) -> None:
        """Whatever may pass is told before what will not, with the soonest time."""
        chosen = ending([failed(each) for each in errors])
        assert (chosen.error.status, chosen.error.retry_after) == (status, retry_after)

    @pytest.mark.parametrize(
        ("other", "left"), [(7.0, ()), (99.0, (("retry-after", "17"),)), (None, (("retry-after", "17"),))]
    )
    def test_time_in_a_response(self, other: float | None, left: tuple[tuple[str, str], ...]) -> None:
        """A response that is passed on keeps its own time, unless another failure named a sooner one."""
        response = ErrorResponse(429, b"{}", (("retry-after", "17"), ("x-other", "1")))
        told = UpstreamRateLimited("a", retry_after=17.0, response=response)
        chosen = ending([failed(told, "a"), failed(UpstreamUnavailable("b", retry_after=other), "b")]).error
        assert chosen.response is not None
        assert chosen.response.headers == (*left, ("x-other", "1"))

    def test_largest_window(self) -> None:
        """If the prompt fits nowhere, the client learns what would fit the largest window."""
        failures = [
            failed(ContextOverflow("a"), "a", 100),
            failed(ContextOverflow("b"), "b", 900),
            failed(ContextOverflow("c"), "c"),
        ]
        assert ending(failures).error.message == "b"

    def test_names_the_others(self) -> None:
        """The models that failed before are named; one that failed alone says what it says."""
        one = failed(UNAVAILABLE, "box/m")
        assert ending([one, one]).error.message == "x"
        told = ending([one, one, failed(UpstreamTimeout("late"), "spare/n")])
        assert told.error.message == "late (also failed: box/m)"

    def test_same_error(self) -> None:
        """A single failure is told as it is."""
        error = UpstreamCut("x")
        assert ending([failed(error)]).error is error
