"""Rules for retries: what may be tried again, where, and how often. Sending is not done here.

The same model is asked in another way after a refusal that says how: at most `MAX_RETRIES` times, once for each reason,
and only while the client has seen nothing of the turn (`RetryBudget`). What one model refused says nothing about the
next, so counting begins anew there. After a failure the same model is asked again, or the next one, or the request
ends (`AttemptBudget`); which error the client then gets is decided here too (`ending`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

from attrs import define, evolve, field, frozen

from claude_bridge.core.backend_api import Adjustment, Target, TargetT
from claude_bridge.core.errors import (
    BillingRefused,
    BridgeError,
    BudgetSpent,
    ContextOverflow,
    KeysCooling,
    NotFound,
    RequestTooLarge,
    UpstreamCredentialRefused,
    UpstreamCut,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamServerError,
    UpstreamUnavailable,
)

MAX_RETRIES: Final = 4
"""Retries at one candidate: a server that refuses so many forms of a request will not accept it."""

MAX_FAILURES: Final = 3
"""Failures of one model in one request."""

PAUSE_SECONDS: Final = 0.5
"""The pause after a 5xx that names none: enough for a worker that restarts, too short to be noticed."""

_NONE: Final[frozenset[str]] = frozenset()
"""The one empty set of all requests: each that Python makes anew takes 216 bytes."""


@define
class RetryBudget:
    """The changes made so far to one request because of refusals. Nothing is learned from them before one helped.

    A backend whose message only looks like such a refusal, or quotes the prompt, refuses the changed request as well,
    and nothing is learned from it.

    :ivar max_tokens: the tokens that an overflow left for the answer, for all later tries at the same model.
    """

    max_tokens: int | None = field(default=None, init=False)
    _used: frozenset[str] = field(default=_NONE, init=False)
    _pending: list[Adjustment] = field(factory=list, init=False)

    def allow(self, why: str) -> bool:
        """Return whether one more try is allowed for this reason; if so, it counts as used."""
        if why in self._used or len(self._used) >= MAX_RETRIES:
            return False
        self._used |= {why}
        return True

    def apply(self, adjustment: Adjustment) -> bool:
        """Return whether a retry is allowed; if so, it counts, and the adjustment applies from now on."""
        if not self.allow(adjustment.why):
            return False
        self._pending.append(adjustment)
        self.max_tokens = adjustment.max_tokens or self.max_tokens
        return True

    def with_adjustments(self, target: TargetT) -> TargetT:
        """Return ``target`` with the adjustments that are being tried."""
        if not self._pending:
            return target
        overrides: dict[str, Any] = {}
        limit = None
        for adjustment in self._pending:
            overrides.update(adjustment.overrides)
            limit = adjustment.max_output_tokens or limit
        refuses_reasoning = any(adjustment.refuses_reasoning for adjustment in self._pending)
        return target.adjusted(overrides, refuses_reasoning=refuses_reasoning, max_output_tokens=limit)

    def take_confirmed(self) -> list[Adjustment]:
        """Return the adjustments that the answered request was sent with, and forget them: they are confirmed."""
        confirmed, self._pending = self._pending, []
        return confirmed

    def max_tokens_for(self, target: Target) -> int | None:
        """Return the ``max_tokens`` to which an overflow reduced the request, or None."""
        shrunk, limit = self.max_tokens, target.max_output_tokens
        return shrunk if shrunk is None or limit is None else min(shrunk, limit)

    def reset(self) -> None:
        """Begin anew for another candidate: what one model refuses says nothing about the next one."""
        self._pending.clear()
        self._used = _NONE
        self.max_tokens = None


class Move(Enum):
    """What follows a failure: the same model is asked again, or the next one, or the request ends with an error."""

    AGAIN = "again"
    NEXT = "next"
    END = "end"


@frozen
class Verdict:
    """What follows a failure.

    :ivar after: the seconds to wait before asking again.
    """

    move: Move
    after: float = 0.0


@frozen(kw_only=True)
class Failed:
    """One failure of a request that may go on.

    :ivar label: the model that failed, ``backend/model``.
    :ivar window: its context window in tokens, as far as it is known.
    :ivar log_reason: what to log instead of the error's message; "" for the message itself.
    """

    error: BridgeError
    label: str
    window: int | None = None
    log_reason: str = ""


@frozen(kw_only=True)
class Situation:
    """The circumstances of a failure.

    :ivar now: seconds, monotonic.
    :ivar attempts: the requests that were sent to backends so far.
    :ivar others: how many models are left that may be asked instead.
    :ivar begun: the client has seen something of this turn, so that it cannot be asked for again.
    :ivar told: the seconds that the backend said to wait, or None.
    :ivar key_ready_in: the seconds until one of the backend's keys may be used for this model again; infinite if none
        ever may.
    """

    now: float
    attempts: int
    others: int
    begun: bool
    told: float | None
    key_ready_in: float


@define
class AttemptBudget:
    """Decides after each failure of one request what follows, within the limits of its route.

    The same model is asked again only after what passes: a connection that broke, a 5xx, both once, and a pause; or
    with another of the backend's keys. It fails `MAX_FAILURES` times at most, not counting keys that are refused where
    there is another. Then the next model is asked, if it may do better. What the client itself did wrong is sent
    nowhere else. All pauses of a request together are no longer than its route's ``patience``, so that a stream that
    fails in the end can mostly still fail with its true status.
    """

    _patience_left: float
    _max_attempts: int
    _max_wait: float
    _started: float
    _failures: list[Failed] = field(factory=list, init=False)
    _at_model: int = field(default=0, init=False)
    _used: frozenset[str] = field(default=_NONE, init=False)

    def judge(self, failed: Failed, situation: Situation) -> Verdict:
        """Note a failure and return what follows."""
        self._failures.append(failed)
        if not _is_of_the_key(failed.error) or situation.key_ready_in > 0:
            self._at_model += 1
        if situation.begun or situation.attempts >= self._max_attempts:
            return Verdict(Move.END)
        left = self._started + self._max_wait - situation.now
        wait = self._wait(failed.error, situation) if self._at_model < MAX_FAILURES else None
        if wait is not None and wait <= left:
            self._patience_left -= wait
            return Verdict(Move.AGAIN, wait)
        if situation.others and left >= 0 and _others_may_do_better(failed.error):
            self._at_model, self._used = 0, _NONE
            return Verdict(Move.NEXT)
        return Verdict(Move.END)

    def other_route(self) -> BudgetSpent | None:
        """Return the error of a model whose budget leads to a route, if that was passed over and may do better now."""
        if not _others_may_do_better(self._failures[-1].error):
            return None
        errors = (each.error for each in self._failures)
        return next((error for error in errors if isinstance(error, BudgetSpent) and error.route), None)

    def ending(self) -> Failed:
        """Return the failure that the client is told of: the one whose retry can help most, with the soonest time."""
        return ending(self._failures)

    def _wait(self, error: BridgeError, situation: Situation) -> float | None:
        """Return the seconds after which the same model is asked again, or None if that would not help."""
        match error:
            case UpstreamRateLimited():
                is_bearable = situation.told is not None and situation.key_ready_in <= self._patience_left
                return situation.key_ready_in if is_bearable or situation.key_ready_in <= 0 else None
            case KeysCooling():
                is_bearable = not situation.others and situation.key_ready_in <= self._patience_left
                return situation.key_ready_in if is_bearable else None
            case UpstreamCredentialRefused() | BillingRefused():
                return 0.0 if situation.key_ready_in <= 0 else None
            case UpstreamCut():
                return 0.0 if self._first("cut") else None
            case UpstreamServerError() | UpstreamUnavailable() | UpstreamOverloaded() if (
                error.should_retry is not False
            ):
                wait = PAUSE_SECONDS if situation.told is None else situation.told
                return wait if wait <= self._patience_left and self._first("5xx") else None
        return None

    def _first(self, what: str) -> bool:
        """Return whether something happens at this model for the first time."""
        known = what in self._used
        self._used |= {what}
        return not known


def ending(failures: Sequence[Failed]) -> Failed:
    """Return the failure that ends a request after all of these, in order; there is at least one.

    An error with details comes first: they tell the client how to go on without what could not be done. Else, if trying
    again can help, the client is told so: by a 429, else a 529, else the last of the temporary failures,
    with the soonest time that any of them named. A model that was not asked at all says less than one that failed. If
    nothing is temporary it is the overflow of the largest window, else the last failure.
    """
    detailed = next((each for each in failures if each.error.details is not None), None)
    if detailed is not None:
        return detailed
    temporary = [each for each in failures if each.error.fault != "client" and each.error.should_retry is not False]
    if not temporary:
        overflows = [each for each in failures if isinstance(each.error, ContextOverflow)]
        return max(overflows, key=lambda each: each.window or 0) if overflows else failures[-1]
    asked = [each for each in temporary if each.error.fault == "upstream"] or temporary
    chosen = next((each for status in (429, 529) for each in reversed(asked) if each.error.status == status), asked[-1])
    waits = [each.error.retry_after for each in temporary if each.error.retry_after is not None]
    error = _with_wait(chosen.error, min(waits)) if waits else chosen.error
    others = dict.fromkeys(each.label for each in failures if each.label != chosen.label)
    if others:
        error = evolve(error, message=f"{error.message} (also failed: {', '.join(others)})")
    return evolve(chosen, error=error)


def _with_wait(error: BridgeError, seconds: float) -> BridgeError:
    """Return an error that names a time; a later one that the backend's own response names is left out of that."""
    response = error.response
    if response is not None and error.retry_after is not None and seconds < error.retry_after:
        headers = tuple(each for each in response.headers if each[0] != "retry-after")
        response = evolve(response, headers=headers)
    return evolve(error, retry_after=seconds, response=response)


def _is_of_the_key(error: BridgeError) -> bool:
    """Return whether it was the key that failed, not the model: the next key, of which there may be many, is asked."""
    return isinstance(error, UpstreamCredentialRefused | BillingRefused)


def _others_may_do_better(error: BridgeError) -> bool:
    """Return whether another model may answer what this one did not.

    A larger window or limit may be enough, another account may have credit, and a name that a backend does not know
    came out of the configuration if there are others.
    """
    return error.try_next or isinstance(error, BillingRefused | ContextOverflow | NotFound | RequestTooLarge)
