"""Klein's resource, with a table of its own for the paths without variables: almost every request is for one of them.

Klein adapts the request, binds its map and matches the path anew each time (docs/twisted.md 2.4). Here the endpoint is
found by method and path, and executed as Klein does it: cancelled when the client leaves, with errors given to the
handlers that were registered with Klein. Whatever is not in the table (another method, a variable, an escape, a
trailing slash) is left to Klein.

A route writes its response itself, and returns nothing or an awaitable of nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from klein import Klein
from klein.resource import KleinResource
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.python import log
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.server import NOT_DONE_YET

from claude_bridge.edge.request import BridgeRequest

ErrorHandlers = list[tuple[list[type[Exception]], Any]]
"""The exceptions that a handler was registered for, and the handler."""


class ExactPathResource(KleinResource):
    """The resource of an application whose routes are all declared."""

    def __init__(self, app: Klein) -> None:
        super().__init__(app)
        self._execute: Callable[..., Any] = app.execute_endpoint
        self._endpoints = exact_endpoints(app)

    def render(self, request: IRequest) -> int:  # type: ignore[override]  # Klein returns the same, and says less
        """Execute the endpoint of an exact path; leave any other request to Klein."""
        asked = cast(BridgeRequest, request)
        endpoint = self._endpoints.get((asked.method, asked.path))
        if endpoint is None:
            return cast(int, super().render(request))
        running: Deferred[Any] = maybeDeferred(self._execute, endpoint, request)
        running.addBoth(self._end, asked)
        if not asked.is_over:
            asked.cancel_when_client_leaves(running)
        return NOT_DONE_YET

    def _end(self, result: object, request: BridgeRequest) -> None:
        """Pass a failure of the route to the error handlers, then finish the response."""
        handled: Deferred[Any] = succeed(None)
        if isinstance(result, Failure):
            handled = maybeDeferred(self._give_to_handlers, result, request, self._app._error_handlers)  # noqa: SLF001 - guarded by a test
        handled.addCallback(_finish, request)
        handled.addErrback(_log_unwritten)
        if isinstance(result, Failure):
            handled.addBoth(lambda _: _forget_frames(result))

    def _give_to_handlers(
        self, failure: Failure, request: BridgeRequest, handlers: ErrorHandlers
    ) -> Deferred[Any] | None:
        """Call the first handler for the failure; if the handler fails itself, the ones after it are asked."""
        if request.is_over:
            if not failure.check(CancelledError):
                log.err(failure, "Unhandled Error Processing Request.")
            return None
        for position, (exceptions, handler) in enumerate(handlers, 1):
            if failure.check(*exceptions):
                handled: Deferred[Any] = maybeDeferred(self._app.execute_error_handler, handler, request, failure)
                return handled.addErrback(self._give_to_handlers, request, handlers[position:])
        request.processingFailed(failure)
        return None


def exact_endpoints(app: Klein) -> dict[tuple[bytes, bytes], str]:
    """Return what Klein answers with for each method and path of the routes without variables."""
    matched = app.url_map.bind("")
    return {
        (method.encode(), rule.rule.encode()): matched.match(rule.rule, method)[0]
        for rule in app.url_map.iter_rules()
        if not rule.arguments
        for method in rule.methods or ()
    }


def _forget_frames(failure: Failure) -> None:
    """Drop the traceback: its frames refer to the failure and to the request's body, a cycle for the collector.

    `Failure.cleanFailure` would do this too, but pytest-twisted replaces it, so that no test could see it.
    """
    failure.tb = None
    if failure.value is not None:
        failure.value.__traceback__ = None


def _finish(_done: object, request: BridgeRequest) -> None:
    """Finish the response unless the route has done so, or the client is gone."""
    if not request.is_over:
        request.finish()


def _log_unwritten(failure: Failure) -> None:
    log.err(failure, "Unhandled Error writing response")
