"""A quick decoder for plain chunks, of which most streams consist: nothing but text, or more arguments of one call.

Every other field that such a chunk may have is listed here with the values that mean nothing. A chunk with any other
field or value is left to the reader of all chunks, which gives the same events for plain ones too, in three times the
time.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from msgspec import Raw, Struct

from claude_bridge.core import json_weight
from claude_bridge.core.chat_completions.openai_types import EMPTY
from claude_bridge.core.strict_json import ERRORS


class _Function(Struct, forbid_unknown_fields=True, gc=False):
    arguments: str
    name: Literal[""] | None = None


class _MoreArguments(Struct, forbid_unknown_fields=True, gc=False):
    index: int
    function: _Function
    id: Literal[""] | None = None
    type: Raw = EMPTY


class PlainDelta(Struct, forbid_unknown_fields=True, gc=False):
    """The delta of a plain chunk."""

    content: str | None = None
    tool_calls: tuple[_MoreArguments] | None = None
    role: Raw = EMPTY
    reasoning_content: None = None
    reasoning: None = None
    function_call: None = None
    refusal: None = None
    audio: Raw = EMPTY


class _Choice(Struct, forbid_unknown_fields=True, gc=False):
    delta: PlainDelta
    index: Literal[0] | None = 0
    finish_reason: None = None
    stop_reason: None = None
    matched_stop: None = None
    logprobs: Raw = EMPTY
    native_finish_reason: Raw = EMPTY
    token_ids: Raw = EMPTY


class _PlainChunk(Struct, forbid_unknown_fields=True, gc=False):
    choices: tuple[_Choice]
    id: Raw = EMPTY
    object: str | None = None
    created: Raw = EMPTY
    model: str | None = None
    system_fingerprint: str | None = None
    service_tier: Raw = EMPTY
    provider: Raw = EMPTY
    obfuscation: Raw = EMPTY
    usage: None = None


_decode: Final = msgspec.json.Decoder(_PlainChunk).decode


def decode_plain(data: bytes) -> PlainDelta | None:
    """Return the delta of a chunk that means nothing besides it; None for any other data."""
    if len(data) > json_weight.MAX_UNCHECKED_BYTES:
        return None
    try:
        return _decode(data).choices[0].delta
    except ERRORS:
        return None
