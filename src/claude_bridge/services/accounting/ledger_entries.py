"""The record of a request -> what the ledger keeps of it. No address, no text of an error, nothing of a prompt."""

from __future__ import annotations

from typing import Final

from claude_bridge.config.fields import FORWARDED_KEY
from claude_bridge.core.events import Usage
from claude_bridge.core.model_names import plain_name
from claude_bridge.services.accounting.store.entries import MAX_COST, MAX_TEXT, MAX_TOKENS, Attempt, Entry
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord

FORWARDED: Final = FORWARDED_KEY
"""The name of the key where the client's own credential went to the backend; also the name of that credential."""


_Tokens = tuple[int | None, int | None, int | None, int | None, int | None, bool]

_UNKNOWN: Final[_Tokens] = (None, None, None, None, None, False)


def entry_of(record: RequestRecord) -> Entry:
    """Return the entry of a request. Raises `ValueError` or `OverflowError` for times that are no numbers."""
    first_byte = record.first_byte_seconds
    return Entry(
        _text(record.request_id),
        _text(key_of(record)),
        _text(record.session),
        _text(record.agent),
        _text(record.agent_type),
        _text(record.parent),
        _text(record.kind),
        _text(plain_name(record.model)),
        _text(record.route),
        _milliseconds(record.started),
        _milliseconds(record.seconds),
        None if first_byte is None else _milliseconds(first_byte),
        record.status,
        _text(record.outcome),
        tuple([_attempt(each) for each in record.attempts]),
        writable(record.owner),
    )


def key_of(record: RequestRecord) -> str:
    """Return the name of the key that a request is booked under."""
    if record.client:
        return record.client
    for each in record.attempts:
        if each.credential == FORWARDED:
            return FORWARDED
    return ""


def session_text(session: str) -> str:
    """Return the id of a session as it is kept."""
    return _text(session)


def writable(text: str) -> str:
    """Return a text that any database takes."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _attempt(record: AttemptRecord) -> Attempt:
    first_token, cost = record.first_token_seconds, record.cost
    return Attempt(
        _text(record.backend),
        _text(record.model),
        _text(record.credential),
        _milliseconds(record.started),
        _milliseconds(record.seconds),
        None if first_token is None else _milliseconds(first_token),
        record.status,
        _text(record.outcome),
        *_tokens(record.usage),
        None if cost is None else _within(cost, MAX_COST),
        _text(record.price_from),
    )


def _tokens(usage: Usage | None) -> _Tokens:
    """Return the tokens of an attempt, and whether they are estimated."""
    if usage is None:
        return _UNKNOWN
    thinking = usage.thinking_tokens
    return (
        _within(usage.input_tokens, MAX_TOKENS),
        _within(usage.cache_read_tokens, MAX_TOKENS),
        _within(usage.cache_write_tokens, MAX_TOKENS),
        _within(usage.output_tokens, MAX_TOKENS),
        None if thinking is None else _within(thinking, MAX_TOKENS),
        usage.estimated,
    )


def _text(text: str) -> str:
    """Return a name that any database takes, no longer than is kept."""
    return text if len(text) <= MAX_TEXT and text.isascii() else writable(text[:MAX_TEXT])


def _within(number: int, most: int) -> int:
    return number if 0 <= number <= most else min(max(number, 0), most)


def _milliseconds(seconds: float) -> int:
    return int(max(seconds, 0.0) * 1000 + 0.5)
