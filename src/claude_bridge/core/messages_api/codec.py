"""Decoding of Messages API requests: bytes -> wire types. Checks of their content are in `parsing`."""

from __future__ import annotations

from typing import Final

import msgspec
from attrs import frozen
from msgspec import Raw

from claude_bridge.core import surrogates
from claude_bridge.core.messages_api import anthropic_types
from claude_bridge.core.strict_json import ERRORS, JsonError, explain

NOT_JSON: Final = "The request body is not valid JSON"
NOT_TEXT: Final = f"{NOT_JSON}: it is not UTF-8 text"

_request_decoder: Final = msgspec.json.Decoder(anthropic_types.MessagesRequest)
_block_decoder: Final = msgspec.json.Decoder(anthropic_types.KnownBlock)


@frozen
class LoneSurrogates(JsonError):
    """A request that may be valid but for lone surrogates, which `claude_bridge.core.surrogates` replaces."""


class _TypeOnly(msgspec.Struct):
    type: str = ""


_type_decoder: Final = msgspec.json.Decoder(_TypeOnly)


def decode_request(body: bytes) -> anthropic_types.MessagesRequest:
    """Decode a Messages request; raises `JsonError` with the field's path, as the API words it.

    Raises `LoneSurrogates` where it contains escaped surrogates and is not valid JSON as it stands.
    """
    if not _is_text(body):
        raise JsonError(NOT_TEXT)
    try:
        return _request_decoder.decode(body)
    except msgspec.ValidationError as error:
        raise JsonError(explain(error)) from None
    except ERRORS as error:
        reason = f"{NOT_JSON}: {explain(error)}"
        raise LoneSurrogates(reason) if surrogates.has_surrogates(body) else JsonError(reason) from None


def _is_text(body: bytes) -> bool:
    if body.isascii():
        return True  # most bodies are, and this check takes a tenth of the time
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


def decode_block(raw: Raw, content_path: str, index: int) -> anthropic_types.Block:
    """Decode one content block; one of an unknown type is kept as raw JSON. Path and index are for error messages."""
    try:
        block: anthropic_types.Block = _block_decoder.decode(raw)
    except ERRORS as error:
        path = f"{content_path}.{index}"
        try:
            kind = _type_decoder.decode(raw).type
        except ERRORS:
            raise JsonError(f"{path}: a content block must be an object with a `type`") from None
        if kind in anthropic_types.KNOWN_TYPES or not kind:
            raise JsonError(explain(error, path)) from None
        return anthropic_types.UnknownBlock(kind, raw)
    return block
