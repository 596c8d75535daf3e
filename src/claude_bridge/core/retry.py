"""Rules for retries: what may be tried again, where, and how often. Sending is not done here.

The same model is asked in another way after a refusal that says how: at most `MAX_RETRIES` times, once for each reason,
and only while the client has seen nothing of the turn. The next model is asked after an error whose class allows it
(`BridgeError.try_next`), while there is one left and the client has seen nothing of the answer. What one model refused
says nothing about the next, so counting begins anew there.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import define, field

from claude_bridge.core.backend_api import Adjustment, Target, TargetT
from claude_bridge.core.errors import BridgeError

MAX_RETRIES: Final = 4
"""Retries at one candidate: a server that refuses so many forms of a request will not accept it."""


@define
class RetryBudget:
    """The changes made so far to one request because of refusals. Nothing is learned from them before one helped.

    A backend whose message only looks like such a refusal, or quotes the prompt, refuses the changed request as well,
    and nothing is learned from it.

    :ivar max_tokens: the tokens that an overflow left for the answer, for all later tries.
    """

    max_tokens: int | None = field(default=None, init=False)
    _used: frozenset[str] = field(default=frozenset(), init=False)  # an empty set of its own is 216 bytes a stream
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
        self._used = frozenset()


def may_try_next(error: BridgeError, *, others: int, begun: bool) -> bool:
    """Return whether the next candidate may be asked after an error.

    :param others: how many candidates are left.
    :param begun: whether the client has seen something of the answer, so that it cannot begin anew.
    """
    return error.try_next and others > 0 and not begun
