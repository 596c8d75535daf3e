"""Writes everything to clients that is not a stream; the one place where an error becomes HTTP."""

from __future__ import annotations

import math
from typing import Final

from twisted.web.server import Request

from claude_bridge.core import strict_json
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.messages_api import rendering

JSON: Final = b"application/json"


def write_json(request: Request, body: bytes, status: int = 200) -> None:
    """Answer with JSON and finish the request."""
    begin_json(request, body, status)
    request.finish()


def begin_json(request: Request, body: bytes, status: int) -> None:
    """Write headers and body; the request's own body may still be arriving."""
    set_json(request, body, status)
    request.write(body)


def set_json(request: Request, body: bytes, status: int = 200) -> None:
    """Set status and headers for ``body``."""
    request.setResponseCode(status)
    request.setHeader(b"content-type", JSON)
    request.setHeader(b"content-length", b"%d" % len(body))


def write_error(request: Request, error: BridgeError, request_id: str) -> None:
    """Answer with the Anthropic error envelope and finish the request; nothing may have been sent before."""
    begin_error(request, error, request_id)
    request.finish()


def begin_error(request: Request, error: BridgeError, request_id: str) -> None:
    """Write the error's headers and body; the request is not finished."""
    if error.retry_after is not None:
        request.setHeader(b"retry-after", b"%d" % max(1, math.ceil(error.retry_after)))
    if error.should_retry is not None:
        request.setHeader(b"x-should-retry", b"true" if error.should_retry else b"false")
    begin_json(request, strict_json.encode(rendering.error_fields(error, request_id)), error.status)
