"""Logs one line for each request, at its end (docs/design.md 8): never any prompt text, never a key."""

from __future__ import annotations

from attrs import define, field
from twisted.logger import Logger

from claude_bridge.core.prices import in_dollars
from claude_bridge.services.accounting.costs import request_cost
from claude_bridge.services.accounting.request_line import request_line
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord

_OK = 200
_NOT_FOUND = 404
_FIRST_SERVER_ERROR = 500
_NO_PROBLEM = frozenset({"ok", "client_left"})
_LEFT_TO_CLIENTS = frozenset({"invalid_request", "context_overflow", "method_not_allowed", "upstream_rate_limited"})
"""Errors that clients handle by themselves: they shorten the prompt, leave something out or wait. With all others
somebody must act: a key, a name, a url or a permission is wrong, or a backend does not work."""


@define
class RequestLog:
    """Implements `Records` on a logger.

    :ivar detailed: also write a line for each attempt (level ``debug``).
    """

    detailed: bool = False
    _log: Logger = field(factory=Logger)

    def attempt_ended(self, request_id: str, record: AttemptRecord) -> None:
        """Write an attempt's line, if `detailed`; the request's line summarises them."""
        if not self.detailed:
            return
        self._log.debug(
            "{request_id} attempt at {backend}/{model}: {outcome}",
            event="attempt",
            request_id=request_id,
            backend=record.backend,
            model=record.model,
            credential=record.credential,
            status=record.status,
            outcome=record.outcome,
            seconds=round(record.seconds, 3),
            cost_usd=in_dollars(record.cost),
            price_from=record.price_from,
        )

    def request_ended(self, record: RequestRecord) -> None:
        """Write the request's line, as a warning if somebody must act, also after a status of 200."""
        last = record.attempts[-1] if record.attempts else None
        fields = _fields(record)
        if last is not None:
            fields |= _attempt_fields(last)
        if record.first_choice:
            fields["first_choice"] = record.first_choice
        write = self._log.warn if _needs_action(record) else self._log.info
        # formatted here: Twisted's formatter takes seven times as long, and this line is written for every request
        write("{log_text}", log_text=request_line(record), **fields)


def _needs_action(record: RequestRecord) -> bool:
    if record.status == _OK:
        return record.outcome not in _NO_PROBLEM
    if record.status >= _FIRST_SERVER_ERROR:
        return True
    if record.status == _NOT_FOUND:  # an unknown model or a wrong url of a backend, not just an unknown path of ours
        return bool(record.model or record.attempts)
    return record.outcome not in _NO_PROBLEM | _LEFT_TO_CLIENTS


def _fields(record: RequestRecord) -> dict[str, object]:
    return {
        "event": "request",
        "request_id": record.request_id,
        "status": record.status,
        "outcome": record.outcome,
        "kind": record.kind,
        "model": record.model,
        "attempts": len(record.attempts),
        "streamed": record.streamed,
        "session": record.session,
        "agent": record.agent,
        "client": record.client,
        "peer": record.peer,
        "body_bytes": record.body_bytes,
        "seconds": round(record.seconds, 3),
        "first_byte_seconds": _rounded(record.first_byte_seconds),
        "reason": record.reason or None,
        "route": record.route,
        "cost_usd": in_dollars(request_cost(record.attempts)),
    }


def _attempt_fields(last: AttemptRecord) -> dict[str, object]:
    usage = last.usage
    return {
        "backend": last.backend,
        "upstream_model": last.model,
        "credential": last.credential,
        "first_event_seconds": _rounded(last.first_event_seconds),
        "tokens_per_second": _rounded(last.tokens_per_second),
        "input_tokens": usage.input_tokens if usage is not None else None,
        "cache_read_tokens": usage.cache_read_tokens if usage is not None else None,
        "cache_write_tokens": usage.cache_write_tokens if usage is not None else None,
        "output_tokens": usage.output_tokens if usage is not None else None,
        "thinking_tokens": usage.thinking_tokens if usage is not None else None,
        "estimated": usage.estimated if usage is not None else None,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
