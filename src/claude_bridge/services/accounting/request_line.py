"""The sentence of the log about one request, for people: who asked, who answered, how much and how fast.

::

    main #3f2a glm -> chutes  12,180 in (11,904 cached) 2,465 out  13.4 s  first 0.9 s  184 tok/s  $0.0042
    main #3f2a glm -> chutes  failed: 502 upstream_cut  3.0 s: the backend closed the connection

It is formatted for every request, so it is made of a few f-strings and nothing else.
"""

from __future__ import annotations

from typing import Final

from claude_bridge.core.events import Usage
from claude_bridge.core.model_names import plain_name
from claude_bridge.core.prices import dollars
from claude_bridge.services.accounting.costs import request_cost
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord

SESSION_CHARACTERS: Final = 4
"""Characters of a session's id in the line: enough for a person to tell a day's sessions apart."""

_FIRST_ERROR: Final = 400


def request_line(record: RequestRecord) -> str:
    """Return the line of a request that has ended."""
    attempts = record.attempts
    last = attempts[-1] if attempts else None
    line = request_name(record.kind, record.session, record.model)
    if last is not None:
        line += _answered_by(record, last)
    outcome = record.outcome
    if outcome != "ok":
        line += _ending(record.status, outcome)
    elif last is None:
        line += "  ok"
    if last is not None and last.usage is not None:
        line += _tokens(last.usage)
    line += f"  {record.seconds:.1f} s"
    if record.first_byte_seconds is not None and record.streamed:
        line += f"  first {record.first_byte_seconds:.1f} s"
    rate = None if last is None else last.tokens_per_second
    if rate is not None:
        line += f"  {rate:.0f} tok/s"
    cost = request_cost(attempts)
    if cost is not None:
        line += f"  {dollars(cost)}"
    if record.client:
        line += f"  for {record.client}"
    return f"{line}: {record.reason}" if record.reason else line


def request_name(kind: str, session: str, model: str) -> str:
    """Return what a person recognises a request by: its kind, the beginning of its session's id, the model's name."""
    name = kind
    if session:
        name += f" #{session[:SESSION_CHARACTERS]}"
    if model:
        name += f" {plain_name(model)}"
    return name.lstrip()


def _answered_by(record: RequestRecord, last: AttemptRecord) -> str:
    """Return the backend that was asked last, with its model where the client did not name it, and what led there."""
    if not record.route and len(record.attempts) == 1:
        return f" -> {last.backend}"
    label, notes = f"{last.backend}/{last.model}", []
    if record.route:
        notes.append(f"route {record.route}")
    failed = dict.fromkeys(f"{each.backend}/{each.model}" for each in record.attempts)
    del failed[label]
    if failed:
        notes.append(f"{', '.join(failed)} failed")
    if record.first_choice and record.first_choice not in failed:
        notes.append(f"instead of {record.first_choice}")
    if len(record.attempts) > len(failed) + 1:
        notes.append(f"{len(record.attempts)} attempts")
    return f" -> {label if record.route else last.backend} ({', '.join(notes)})"


def _ending(status: int, outcome: str) -> str:
    """Return how a request ended that did not end well; the status alone may say 200."""
    if outcome == "client_left":
        return "  client left"
    return f"  failed: {status} {outcome}" if status >= _FIRST_ERROR else f"  broken off: {outcome}"


def _tokens(usage: Usage) -> str:
    cached = usage.cache_read_tokens
    if cached:
        return f"  {usage.prompt_tokens:,} in ({cached:,} cached) {usage.output_tokens:,} out"
    return f"  {usage.prompt_tokens:,} in {usage.output_tokens:,} out"
