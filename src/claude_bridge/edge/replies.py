"""Writes everything to clients that is not a stream; the one place where an error becomes HTTP."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

from twisted.web.server import Request

from claude_bridge.core.errors import BridgeError
from claude_bridge.core.messages_api import rendering

JSON: Final = b"application/json"

PHRASES: Final[Mapping[int, bytes]] = {status.value: status.phrase.encode() for status in HTTPStatus} | {
    529: b"Overloaded"
}
"""What follows a status in the first line: Twisted has no words for 429, and 529 is Anthropic's own."""


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
    request.setResponseCode(status, PHRASES.get(status))
    request.setHeader(b"content-type", JSON)
    request.setHeader(b"content-length", b"%d" % len(body))


def set_passed_headers(request: Request, headers: Iterable[tuple[str, str]]) -> None:
    """Set the headers of a backend's response that is passed on."""
    for name, value in headers:
        request.setHeader(name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))


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
    if error.response is not None:
        set_passed_headers(request, error.response.headers)
    begin_json(request, rendering.error_body(error, request_id), error.http_status)
