"""What the body of an answer may be: an event stream, one JSON value, or a page of a proxy that is neither."""

from __future__ import annotations

from typing import Final

from claude_bridge.core import json_weight
from claude_bridge.core.errors import UpstreamProtocolError

MAX_PAGE_BYTES: Final = 32 * 1024
"""Bytes that are kept of a body that is not an event stream, enough for the head of a proxy's error page."""

BEFORE_JSON: Final = b"\xef\xbb\xbf \t\r\n"
"""Bytes that may stand before the first of a body: the byte order mark and white space."""

_SSE_FIELDS: Final = (b":", b"data:", b"event:", b"id:", b"retry:")


def check_values(data: bytes) -> None:
    """Raise `UpstreamProtocolError` for an event with more values than can be decoded in one turn."""
    if json_weight.has_too_many_values(data):
        raise UpstreamProtocolError(f"the backend sent more than {json_weight.MAX_VALUES} values in one event")


def looks_like_event_stream(body: bytes) -> bool:
    """Return whether a body, which may be cut anywhere, begins like an event stream; an empty body does."""
    start = body.lstrip(BEFORE_JSON)
    return any(start.startswith(name) or name.startswith(start) for name in _SSE_FIELDS)
