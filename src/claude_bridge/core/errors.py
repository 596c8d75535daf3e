"""The one tree of exceptions whose messages may reach a client.

A class says whose fault it is and what follows from it, as data: what the Anthropic API would answer (status, error
type; docs/messages-api.md 4.1), whether it counts against the backend, whether another backend may do better, and its
word in logs and records. Nothing outside this tree is ever shown to a client: it becomes a generic 500.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from attrs import field, frozen

Fault = Literal["client", "upstream", "bridge"]


@frozen
class ErrorResponse:
    """The error response of a backend that speaks the clients' own API, to be passed on as it is.

    :ivar headers: those that concern the client.
    """

    status: int
    body: bytes = field(repr=False)
    headers: tuple[tuple[str, str], ...] = ()


@frozen
class BridgeError(Exception):
    """An error that is reported to the client. Not raised itself: raise a subclass.

    :ivar message: one sentence for the person at the client; no secret, no traceback.
    :ivar retry_after: seconds for the ``retry-after`` header, or None.
    :ivar should_retry: value of ``x-should-retry``, or None to leave the header out.
    :ivar details: ``error.details`` of the body, whose ``error_code`` decides what the official SDKs do; or None.
    :ivar right_scheme: ``http`` or ``https`` where the backend's url has the other one by mistake, else "".
    :ivar response: what the client gets instead of an error of the bridge's own making, or None.
    :cvar fault: whose fault the error is.
    :cvar counts_against_backend: whether a backend's circuit breaker counts it as a failure.
    :cvar try_next: whether another backend may do better with the same request.
    :cvar outcome: its word in logs and records; it stays the same whatever the class is called.
    """

    message: str
    retry_after: float | None = field(default=None, kw_only=True)
    should_retry: bool | None = field(default=None, kw_only=True)
    details: Mapping[str, object] | None = field(default=None, kw_only=True)
    right_scheme: str = field(default="", kw_only=True)
    response: ErrorResponse | None = field(default=None, kw_only=True, repr=False)

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "api_error"
    fault: ClassVar[Fault]
    counts_against_backend: ClassVar[bool] = False
    try_next: ClassVar[bool] = False
    outcome: ClassVar[str]

    def __attrs_post_init__(self) -> None:
        """Raise `TypeError` for the base class itself."""
        if type(self) is BridgeError:
            msg = "raise a child of BridgeError"
            raise TypeError(msg)

    def __str__(self) -> str:
        """Return the message."""
        return self.message

    @property
    def http_status(self) -> int:
        """The status of the response to the client."""
        return self.status if self.response is None else self.response.status


class ClientError(BridgeError):
    """The client's request cannot be served as it is; sending it again changes nothing."""

    status = 400
    kind = "invalid_request_error"
    fault: ClassVar[Fault] = "client"
    outcome = "client_error"


class InvalidRequest(ClientError):
    """The body is not a valid Messages request (400)."""

    outcome = "invalid_request"


class UnsupportedField(InvalidRequest):
    """The request has a field that only backends with Anthropic's own API can honour (400)."""

    try_next = True


class ContextOverflow(ClientError):
    """The conversation does not fit the model's window; the message is one of the two canonical texts (400)."""

    outcome = "context_overflow"


class AuthenticationFailed(ClientError):
    """The client's credential is missing, wrong or refused upstream (401)."""

    status = 401
    kind = "authentication_error"
    outcome = "authentication_failed"


class BillingRefused(ClientError):
    """The account behind the credential has no credit left (402)."""

    status = 402
    kind = "billing_error"
    outcome = "billing_refused"


@frozen
class BudgetSpent(ClientError):
    """A budget of the bridge's own has nothing left (402).

    :ivar route: the route that is to be taken instead, or "".
    """

    route: str = field(default="", kw_only=True)

    status = 402
    kind = "billing_error"
    outcome = "budget_spent"


class ModelBudgetSpent(BudgetSpent):
    """The budget of one model has nothing left; another model may be asked (402)."""

    try_next = True


class BudgetReserved(BudgetSpent):
    """What is left of a budget is reserved for requests under way; ``retry_after`` is set (429)."""

    status = 429
    kind = "rate_limit_error"
    fault = "bridge"
    outcome = "budget_reserved"


class ModelBudgetReserved(BudgetReserved):
    """What is left of the budget of one model is reserved; another model may be asked (429)."""

    try_next = True


class PermissionDenied(ClientError):
    """The client may not do this: foreign Host or Origin, or a forwarded credential without the right (403)."""

    status = 403
    kind = "permission_error"
    outcome = "permission_denied"


class NotFound(ClientError):
    """No such path or model (404)."""

    status = 404
    kind = "not_found_error"
    outcome = "not_found"


class ModelNotAllowed(ClientError):
    """The client's key may not use the model, which the client shows as one that is not there (404)."""

    status = 404
    kind = "not_found_error"
    outcome = "not_allowed"


class MethodNotAllowed(ClientError):
    """The path exists, the method does not (405)."""

    status = 405
    outcome = "method_not_allowed"


class RequestTooSlow(ClientError):
    """The body came too slowly (408)."""

    status = 408
    kind = "timeout_error"
    outcome = "request_too_slow"


class RequestTooLarge(ClientError):
    """The body is larger than the limit (413)."""

    status = 413
    kind = "request_too_large"
    outcome = "request_too_large"


class UpstreamError(BridgeError):
    """The backend failed or could not be reached. Only these errors may count against a backend."""

    status = 502
    fault: ClassVar[Fault] = "upstream"
    try_next = True
    outcome = "upstream_error"


class UpstreamUnreachable(UpstreamError):
    """No connection to the backend (502)."""

    counts_against_backend = True
    outcome = "upstream_unreachable"


class UpstreamCut(UpstreamError):
    """The backend's answer ended before it was finished (502)."""

    counts_against_backend = True
    outcome = "upstream_cut"


class UpstreamProtocolError(UpstreamError):
    """The backend sent something that is no answer (502)."""

    counts_against_backend = True
    outcome = "upstream_protocol_error"


class UpstreamTimeout(UpstreamError):
    """The backend was silent for too long (504)."""

    status = 504
    kind = "timeout_error"
    counts_against_backend = True
    outcome = "upstream_timeout"


class UpstreamServerError(UpstreamError):
    """The backend answered 5xx, or said so inside its stream (502)."""

    counts_against_backend = True
    outcome = "upstream_server_error"


class UpstreamUnavailable(UpstreamError):
    """The backend is loading or down for now (503)."""

    status = 503
    counts_against_backend = True
    outcome = "upstream_unavailable"


class UpstreamOverloaded(UpstreamError):
    """The backend said 529 (529)."""

    status = 529
    kind = "overloaded_error"
    counts_against_backend = True
    outcome = "upstream_overloaded"


class UpstreamRateLimited(UpstreamError):
    """The backend said 429; ``retry_after`` is set (429)."""

    status = 429
    kind = "rate_limit_error"
    outcome = "upstream_rate_limited"


class KeysCooling(UpstreamError):
    """No key of the backend may be used now, each for a time that is known (429): the backend was not asked."""

    status = 429
    kind = "rate_limit_error"
    fault = "bridge"
    outcome = "keys_cooling"


class KeyUnavailable(UpstreamError):
    """The command that prints the backend's key has failed (502): the backend was not asked."""

    fault = "bridge"
    outcome = "key_unavailable"


class UpstreamMisaddressed(UpstreamError):
    """There is no endpoint of the backend's kind at its url, but something else (502)."""

    outcome = "upstream_misaddressed"


class UpstreamCredentialRefused(UpstreamError):
    """The backend refused the bridge's own credential (502): not the client's doing."""

    outcome = "upstream_credential_refused"


class UpstreamForbidden(UpstreamCredentialRefused):
    """The backend does not permit this with the bridge's own credential, which may be good for other models (502)."""


class UpstreamRefused(ClientError):
    """The backend called the request itself invalid (400)."""

    outcome = "upstream_refused"


class BridgeFault(BridgeError):
    """The bridge's own state prevents an answer."""

    fault = "bridge"
    outcome = "bridge_fault"


class BridgeOverloaded(BridgeFault):
    """Too many requests at once, or the bridge is stopping (529)."""

    status = 529
    kind = "overloaded_error"
    outcome = "bridge_overloaded"


class KeyLimited(BridgeFault):
    """The client's key has reached a limit of its own; ``retry_after`` is set (429)."""

    status = 429
    kind = "rate_limit_error"
    outcome = "key_limited"


class CircuitOpen(BridgeFault):
    """The backend's circuit breaker is open (503)."""

    status = 503
    try_next = True
    outcome = "circuit_open"


class BackendBusy(BridgeFault):
    """The backend has as many streams as it may, and too many wait, or one has waited for too long (529)."""

    status = 529
    kind = "overloaded_error"
    try_next = True
    outcome = "backend_busy"


class InternalFault(BridgeFault):
    """Something that should not happen did (500)."""

    outcome = "internal_fault"


Capability = Literal["mid_conv_system", "image_block", "document_block"]
"""What a model may lack: those names of Claude Code 2.1.330 that the bridge uses."""


def capability_rejected(capability: Capability, why: str) -> InvalidRequest:
    """Return the error that makes Claude Code remove what the model lacks and send the request again.

    It recognises a 400 whose message contains ``capability_rejected: NAME``, drops what NAME stands for, once, and
    remembers that for the session (docs/claude-code.md 5). NAME extends over letters, digits, ``_``, ``:``, ``.`` and
    ``-``: with a colon directly after it, it would not be recognised, and the session would never recover. ``why``: a
    sentence for the person at a client that does not know these names.
    """
    return InvalidRequest(f"capability_rejected: {capability} ({why})")
