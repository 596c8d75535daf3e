"""Logs what a request waits for when it has run for long without an answer, so that the log is not silent meanwhile.

One check for all requests of a configuration, once a second; a request costs a few words of memory, and a comparison
at each check.
"""

from __future__ import annotations

from typing import Final

from twisted.logger import Logger

from claude_bridge.core.messages_api.request_info import RequestInfo
from claude_bridge.services.accounting.request_line import request_name
from claude_bridge.services.exchange.recorder import RequestRecorder

NEXT_REPORT: Final = 60.0
"""Seconds from one line about a request to the next one."""

_log = Logger()


def log_waiting(request_id: str, info: RequestInfo, recorder: RequestRecorder, now: float) -> None:
    """Log what a request waits for; it is due again a minute later. ``now`` is in seconds, by the monotonic clock."""
    recorder.report_due = now + NEXT_REPORT
    candidate, seconds = recorder.asked, now - recorder.started
    _log.info(
        "{name}  no answer after {seconds:.0f} s: {doing}",
        event="waiting",
        request_id=request_id,
        name=request_name(info.kind, info.session, info.model) + (f" -> {candidate.label}" if candidate else ""),
        kind=info.kind,
        model=info.model,
        session=info.session,
        backend=None if candidate is None else candidate.backend.name,
        upstream_model=None if candidate is None else candidate.target.model,
        seconds=round(seconds, 3),
        doing=doing(recorder, streamed=info.streamed),
    )


def doing(recorder: RequestRecorder, *, streamed: bool) -> str:
    """Return what a request without an answer waits for. ``streamed``: the client is to get the answer as it comes."""
    attempt = recorder.attempt
    if attempt is None:
        return recorder.waits_for
    if attempt.first_token is not None:
        return "thinking" if streamed else "writing, for a client that wants the answer in one piece"
    reading = attempt.reading
    if reading is not None and reading.read is not None:
        return f"reading: {reading.read:,} of {reading.usage.prompt_tokens:,} tokens"
    return "the backend has not begun to answer" if attempt.first_event is None else "reading or thinking"
