"""What may be tried again, where, and how often.

Another way of asking the same model: after a refusal that says how, `MAX_RETRIES` times at most, each reason once, and
only while the client has seen nothing of the turn. Another model: after an error whose class says so
(`BridgeError.try_next`), while there is one left and the client has seen nothing of the answer; what was tried at one
model says nothing of the next, so counting begins anew there.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import define, field

from claude_bridge.core.backend_api import Adjustment, Target, TargetT
from claude_bridge.core.errors import BridgeError

MAX_RETRIES: Final = 4
"""Tries after the first at one candidate: a server that refuses four shapes of one request refuses it."""


@define
class RetryBudget:
    """How one request was changed so far because it was refused. None of it is remembered before it helped.

    A backend whose words only look like a refusal, or quote the prompt, refuses the changed request as well, and
    nothing is learned from it.

    :ivar max_tokens: what an overflow left for the answer; it holds for all later tries.
    """

    max_tokens: int | None = field(default=None, init=False)
    _used: set[str] = field(factory=set, init=False)
    _pending: list[Adjustment] = field(factory=list, init=False)

    def allow(self, why: str) -> bool:
        """Return whether one more try is allowed for this reason, and use it up."""
        if why in self._used or len(self._used) >= MAX_RETRIES:
            return False
        self._used.add(why)
        return True

    def apply(self, adjustment: Adjustment) -> bool:
        """Return whether a retry is allowed; if it is, it counts and shapes the request from now on."""
        if not self.allow(adjustment.why):
            return False
        self._pending.append(adjustment)
        self.max_tokens = adjustment.max_tokens or self.max_tokens
        return True

    def with_adjustments(self, target: TargetT) -> TargetT:
        """Return ``target`` with what is to be tried."""
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
        """Return the adjustments of the request that was answered, once: they are true of the model."""
        confirmed, self._pending = self._pending, []
        return confirmed

    def max_tokens_for(self, target: Target) -> int | None:
        """Return the shrunk ``max_tokens``, if an overflow shrank it; it holds for all later tries."""
        shrunk, limit = self.max_tokens, target.max_output_tokens
        return shrunk if shrunk is None or limit is None else min(shrunk, limit)

    def reset(self) -> None:
        """Begin anew at another candidate: what one model refuses says nothing of the next one."""
        self._pending.clear()
        self._used.clear()


def may_try_next(error: BridgeError, *, others: int, begun: bool) -> bool:
    """Return whether the next candidate is to be asked.

    :param others: how many there still are.
    :param begun: the client has seen something of the answer, so that nobody may begin it anew.
    """
    return error.try_next and others > 0 and not begun
