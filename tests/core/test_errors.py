"""What a client may be told: classes that carry their own answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

import pytest

from claude_bridge.core import errors
from claude_bridge.core.errors import BridgeError

# docs/messages-api.md 4.1, docs/design.md 9.1
TYPES = {
    400: {"invalid_request_error"},
    401: {"authentication_error"},
    402: {"billing_error"},
    403: {"permission_error"},
    404: {"not_found_error"},
    405: {"invalid_request_error"},
    408: {"timeout_error"},
    413: {"request_too_large"},
    429: {"rate_limit_error"},
    500: {"api_error"},
    502: {"api_error"},
    503: {"api_error"},
    504: {"timeout_error"},
    529: {"overloaded_error"},
}


def classes(base: type[BridgeError] = BridgeError) -> Iterator[type[BridgeError]]:
    """Yield every class below ``base``."""
    for child in base.__subclasses__():
        yield child
        yield from classes(child)


class TreeTests:
    """The tree as a whole."""

    @pytest.mark.parametrize("kind", sorted(set(classes()), key=repr))
    def test_status_and_type_belong_together(self, kind: type[BridgeError]) -> None:
        """Each class answers with a status and an error type that the API itself pairs."""
        assert kind.kind in TYPES[kind.status]

    @pytest.mark.parametrize("kind", sorted(set(classes()), key=repr))
    def test_every_class_says_whose_fault_it_is(self, kind: type[BridgeError]) -> None:
        """Each class stands below exactly one of client, upstream and bridge."""
        sides = (errors.ClientError, errors.UpstreamError, errors.BridgeFault)

        assert sum(issubclass(kind, side) for side in sides) == 1

    def test_base_cannot_be_raised(self) -> None:
        """An error without a side cannot be made."""
        with pytest.raises(TypeError, match="child"):
            BridgeError("nobody's fault")


NOT_ASKED = {errors.KeysCooling, errors.KeyUnavailable}
"""Errors on a backend's side that say nothing about it, as it was not asked."""

WILL_PASS = {errors.BudgetReserved, errors.ModelBudgetReserved}
"""Errors among those of a client that has spent too much which trying again helps with."""

# class -> its word in logs and records, whether it counts against a backend, whether another one is asked
FOLLOWING = {
    "ClientError": ("client_error", False, False),
    "InvalidRequest": ("invalid_request", False, False),
    "UnsupportedField": ("invalid_request", False, True),
    "ContextOverflow": ("context_overflow", False, False),
    "AuthenticationFailed": ("authentication_failed", False, False),
    "BillingRefused": ("billing_refused", False, False),
    "BudgetSpent": ("budget_spent", False, False),
    "ModelBudgetSpent": ("budget_spent", False, True),
    "BudgetReserved": ("budget_reserved", False, False),
    "ModelBudgetReserved": ("budget_reserved", False, True),
    "PermissionDenied": ("permission_denied", False, False),
    "NotFound": ("not_found", False, False),
    "ModelNotAllowed": ("not_allowed", False, False),
    "MethodNotAllowed": ("method_not_allowed", False, False),
    "RequestTooSlow": ("request_too_slow", False, False),
    "RequestTooLarge": ("request_too_large", False, False),
    "UpstreamRefused": ("upstream_refused", False, False),
    "UpstreamForbidden": ("upstream_credential_refused", False, True),
    "KeysCooling": ("keys_cooling", False, True),
    "KeyUnavailable": ("key_unavailable", False, True),
    "UpstreamError": ("upstream_error", False, True),
    "UpstreamUnreachable": ("upstream_unreachable", True, True),
    "UpstreamCut": ("upstream_cut", True, True),
    "UpstreamProtocolError": ("upstream_protocol_error", True, True),
    "UpstreamTimeout": ("upstream_timeout", True, True),
    "UpstreamServerError": ("upstream_server_error", True, True),
    "UpstreamUnavailable": ("upstream_unavailable", True, True),
    "UpstreamOverloaded": ("upstream_overloaded", True, True),
    "UpstreamRateLimited": ("upstream_rate_limited", False, True),
    "UpstreamMisaddressed": ("upstream_misaddressed", False, True),
    "UpstreamCredentialRefused": ("upstream_credential_refused", False, True),
    "BridgeFault": ("bridge_fault", False, False),
    "BridgeOverloaded": ("bridge_overloaded", False, False),
    "KeyLimited": ("key_limited", False, False),
    "CircuitOpen": ("circuit_open", False, True),
    "BackendBusy": ("backend_busy", False, True),
    "InternalFault": ("internal_fault", False, False),
}


class FollowingTests:
    """What follows from an error is data on its class."""

    def test_words_stay(self) -> None:
        """Words of logs and records are part of the interface: people search and count by them."""
        told = {kind.__name__: (kind.outcome, kind.counts_against_backend, kind.try_next) for kind in classes()}
        assert told == FOLLOWING

    @pytest.mark.parametrize("kind", sorted(set(classes()), key=repr))
    def test_fault(self, kind: type[BridgeError]) -> None:
        """The side that is at fault is the branch of the tree."""
        sides = {errors.ClientError: "client", errors.UpstreamError: "upstream", errors.BridgeFault: "bridge"}
        fault = "upstream" if kind in NOT_ASKED else "client" if kind in WILL_PASS else kind.fault
        assert [word for side, word in sides.items() if issubclass(kind, side)] == [fault]


class ErrorTests:
    """One error."""

    def test_text_is_the_message(self) -> None:
        """The message is what is read, without its headers."""
        assert str(errors.UpstreamRateLimited("wait a little", retry_after=3.0)) == "wait a little"

    def test_headers_are_left_open(self) -> None:
        """Nothing is said about trying again unless somebody knows."""
        error = errors.NotFound("model: x")

        assert (error.retry_after, error.should_retry) == (None, None)

    def test_survives_being_raised_and_chained(self) -> None:
        """An error keeps its traceback and cause although it is frozen."""
        cause = ValueError("why")
        with pytest.raises(errors.InvalidRequest) as caught:
            raise errors.InvalidRequest("no") from cause

        assert caught.value.__cause__ is cause
        assert caught.value.__traceback__ is not None


class CapabilityRejectedTests:
    """Refusals that Claude Code mends by itself."""

    def test_words(self) -> None:
        """A 400 has the name that makes Claude Code take the thing out, and words for anybody else."""
        refusal = errors.capability_rejected("image_block", "this model cannot see images")
        assert (refusal.status, refusal.kind) == (400, "invalid_request_error")
        assert str(refusal) == "capability_rejected: image_block (this model cannot see images)"

    @pytest.mark.parametrize("capability", get_args(errors.Capability))
    def test_name_ends(self, capability: errors.Capability) -> None:
        """The name ends where Claude Code looks for its end: it takes ``image_block:`` for another name."""
        name = re.compile(rf"capability_rejected: {capability}(?![A-Za-z0-9_:.-])")
        assert name.search(str(errors.capability_rejected(capability, "why")))
