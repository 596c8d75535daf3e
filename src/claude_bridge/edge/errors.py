"""Errors of routes as the Anthropic error envelope; registered by one function, which test applications call too.

What Klein and Werkzeug raise for unknown paths and wrong methods is translated. A `BridgeError` is shown to the client.
Everything else is logged with its traceback and becomes a plain 500.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from klein import Klein
from twisted.logger import Logger
from twisted.python.failure import Failure
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from claude_bridge.core import errors
from claude_bridge.core.errors import BridgeError
from claude_bridge.edge.replies import begin_error
from claude_bridge.edge.request import BridgeRequest

_log = Logger()

RecordError = Callable[[BridgeRequest, BridgeError], None]
"""Records a request that ended with an error before any backend was asked."""


def register_errors(app: Klein, record_error: RecordError) -> None:
    """Make ``app`` answer every failure in the envelope. Klein itself finishes the request after an error handler."""

    def refused(request: Any, failure: Failure) -> None:  # noqa: ANN401 - a BridgeRequest, which Klein knows only as IRequest
        error = translated(failure, request)
        if error.status == errors.MethodNotAllowed.status:
            _allow(request, failure.value)
        if request.startedWriting:
            request.abort()
            return
        begin_error(request, error, request.request_id)
        record_error(request, error)

    app.handle_errors(Exception)(refused)


def translated(failure: Failure, request: BridgeRequest) -> BridgeError:
    """Return the error that a client may see for a failure; an unexpected one is logged."""
    error = failure.value
    path = request.path.decode("utf-8", "replace")[:200]
    if isinstance(error, BridgeError):
        return error
    if isinstance(error, MethodNotAllowed):
        return errors.MethodNotAllowed(f"{request.method.decode('latin-1')} is not allowed on {path}")
    if isinstance(error, HTTPException):
        return errors.NotFound(_unknown(path))
    _log.failure("request {request_id} failed", failure, request_id=request.request_id, event="fault")
    return errors.InternalFault("internal error of the bridge")


def _unknown(path: str) -> str:
    """Return the message for an unknown path; the clients add ``/v1`` to an address that has it already."""
    hint = ": remove /v1 from ANTHROPIC_BASE_URL" if path.startswith("/v1/v1/") else ""
    return f"unknown path {path}{hint}"


def _allow(request: BridgeRequest, error: BaseException | None) -> None:
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        request.setHeader(b"allow", ", ".join(sorted(error.valid_methods)).encode())
