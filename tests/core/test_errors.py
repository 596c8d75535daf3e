"""What a client may be told: classes that carry their own answer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

import pytest

from claude_bridge.core import errors
from claude_bridge.core.errors import BridgeError

# wire-contract 1.8, and design 6 for what it leaves open
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


class ErrorTests:
    """One error."""

    def test_text_is_the_message(self) -> None:
        """The message is what is read, without its headers."""
        assert str(errors.UpstreamRateLimited("wait a little", retry_after=3.0)) == "wait a little"

    def test_headers_are_left_open(self) -> None:
        """Nothing is said about trying again unless somebody knows."""
        error = errors.NotFound("model: x")

        assert (error.retry_after, error.should_retry) == (None, None)

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (errors.UpstreamTimeout("x"), "upstream_timeout"),
            (errors.ContextOverflow("x"), "context_overflow"),
            (errors.NotFound("x"), "not_found"),
        ],
    )
    def test_outcome_is_named_after_the_class(self, error: BridgeError, outcome: str) -> None:
        """Records and logs name an error in words that can be searched for."""
        assert error.outcome == outcome

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
