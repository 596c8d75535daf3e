"""The record of a request -> what the ledger keeps of it. No address, no text of an error, nothing of a prompt."""

from __future__ import annotations

from typing import Final

from claude_bridge.core.model_names import plain_name
from claude_bridge.services.accounting.store.entries import MAX_COST, MAX_TEXT, MAX_TOKENS, Attempt, Entry
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord

FORWARDED: Final = "client"
"""The name of the key where the client's own credential went to the backend; also the name of that credential."""


def entry_of(record: RequestRecord) -> Entry:
    """Return the entry of a request. Raises `ValueError` for times that are no numbers."""
    return Entry(
        request_id=_text(record.request_id),
        key=_text(key_of(record)),
        session=_text(record.session),
        agent=_text(record.agent),
        agent_type=_text(record.agent_type),
        parent=_text(record.parent),
        kind=_text(record.kind),
        model=_text(plain_name(record.model)),
        route=_text(record.route),
        started=_milliseconds(record.started),
        milliseconds=_milliseconds(record.seconds),
        first_byte=None if record.first_byte_seconds is None else _milliseconds(record.first_byte_seconds),
        status=record.status,
        outcome=_text(record.outcome),
        attempts=tuple(_attempt(each) for each in record.attempts),
        owner=writable(record.owner),
    )


def key_of(record: RequestRecord) -> str:
    """Return the name of the key that a request is booked under."""
    if record.client:
        return record.client
    return FORWARDED if any(each.credential == FORWARDED for each in record.attempts) else ""


def session_text(session: str) -> str:
    """Return the id of a session as it is kept."""
    return _text(session)


def writable(text: str) -> str:
    """Return a text that any database takes."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _attempt(record: AttemptRecord) -> Attempt:
    usage = record.usage
    return Attempt(
        backend=_text(record.backend),
        model=_text(record.model),
        credential=_text(record.credential),
        started=_milliseconds(record.started),
        milliseconds=_milliseconds(record.seconds),
        first_token=None if record.first_token_seconds is None else _milliseconds(record.first_token_seconds),
        status=record.status,
        outcome=_text(record.outcome),
        input=None if usage is None else _count(usage.input_tokens),
        cache_read=None if usage is None else _count(usage.cache_read_tokens),
        cache_write=None if usage is None else _count(usage.cache_write_tokens),
        output=None if usage is None else _count(usage.output_tokens),
        thinking=None if usage is None or usage.thinking_tokens is None else _count(usage.thinking_tokens),
        estimated=usage is not None and usage.estimated,
        cost=None if record.cost is None else max(0, min(record.cost, MAX_COST)),
        price_from=_text(record.price_from),
    )


def _text(text: str) -> str:
    """Return a name that any database takes, no longer than is kept."""
    return writable(text[:MAX_TEXT])


def _count(tokens: int) -> int:
    return max(0, min(tokens, MAX_TOKENS))


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))
