"""What is logged of a request's attempts besides their records. None of it quotes the prompt."""

from __future__ import annotations

from twisted.logger import Logger

from claude_bridge.core.backend_api import Adjustment
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.retry import Move, Verdict
from claude_bridge.services.exchange.open_attempt import OpenAttempt
from claude_bridge.services.exchange.plan import Candidate

_log = Logger()


def log_next(request_id: str, candidate: Candidate, error: BridgeError, verdict: Verdict) -> None:
    """Log that a candidate failed, and whether it or the next one is asked after that."""
    _log.info(
        "{label}: {outcome}; {move}",
        event="failed-attempt",
        request_id=request_id,
        label=candidate.label,
        backend=candidate.backend.name,
        model=candidate.target.model,
        outcome=error.outcome,
        move="trying again" if verdict.move is Move.AGAIN else "trying the next model",
        after=round(verdict.after, 3),
    )


def log_adjustment(request_id: str, attempt: OpenAttempt, adjustment: Adjustment) -> None:
    """Log that a candidate refused a request and is asked in another way."""
    _log.info(
        "backend {backend} rejected {what} for {model}; retried {how}",
        event="retried",
        request_id=request_id,
        backend=attempt.candidate.backend.name,
        model=attempt.target.model,
        why=adjustment.why,
        what=adjustment.rejected,
        how=adjustment.instead,
    )


def log_late_failure(request_id: str, attempt: OpenAttempt) -> None:
    """Log the kind of an error that came after the finish reason, if one did; its text may quote the prompt."""
    failure = attempt.attempt.late_failure
    if failure is not None:
        _log.warn(
            "{model} at backend {backend}: error after the end of an answer, which was delivered unchanged: {why}",
            event="late_failure",
            request_id=request_id,
            backend=attempt.candidate.backend.name,
            model=attempt.candidate.target.model,
            why=attempt.prepare().describe(failure),
        )
