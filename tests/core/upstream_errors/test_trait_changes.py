"""Tests for `claude_bridge.core.upstream_errors.trait_changes`."""

from __future__ import annotations

from attrs import frozen

from claude_bridge.core.backend_api import Adjustment, UpstreamFailure
from claude_bridge.core.upstream_errors.refusal_words import any_of, refused
from claude_bridge.core.upstream_errors.trait_changes import (
    Rule,
    TraitChange,
    adjustment_for,
    refuses_images,
    trait_change,
)


@frozen
class Server:
    """What a request was for."""

    top_k: bool = True


@frozen
class Sent:
    """A request."""

    body: bytes = b'{"top_k":5}'
    target: Server = Server()


RULES = [Rule[Sent]("top_k", any_of(refused("top_k")), lambda sent: b"top_k" in sent.body, lambda _sent, _text: False)]
REFUSAL = UpstreamFailure(status=400, message="Unsupported parameter: top_k")


class ChangeTests:
    """What a refusal teaches."""

    def test_learned(self) -> None:
        """A rule whose words are there and whose field was sent."""
        assert trait_change(REFUSAL, Sent(), RULES) == TraitChange(trait="top_k", value=False)

    def test_not_sent(self) -> None:
        """Nothing is learned about what was not in the request, or is so already."""
        assert trait_change(REFUSAL, Sent(b"{}"), RULES) is None
        assert trait_change(REFUSAL, Sent(target=Server(top_k=False)), RULES) is None

    def test_of_the_user(self) -> None:
        """Words that stand in the request are the user's."""
        quoted = Sent(b'{"top_k":5,"content":"why Unsupported parameter: top_k now"}')
        assert trait_change(REFUSAL, quoted, RULES) is None

    def test_other_statuses(self) -> None:
        """A rate limit teaches nothing."""
        assert trait_change(UpstreamFailure(status=429, message=REFUSAL.message), Sent(), RULES) is None

    def test_adjustment(self) -> None:
        """The change is the reason for the retry, but for levels, which are too many to try them all."""
        assert adjustment_for(None) is None
        assert adjustment_for(TraitChange(trait="top_k", value=False)) == Adjustment(
            why="top_k = False", overrides={"top_k": False}
        )
        levels = adjustment_for(TraitChange(trait="reasoning_levels", value=("low",)))
        assert levels is not None
        assert levels.why == "reasoning_levels"


class ImageTests:
    """Models without eyes."""

    def test_only_with_an_image(self) -> None:
        """The words count only for a request that has an image."""
        failure = UpstreamFailure(status=400, message="this model does not support images")
        assert refuses_images(failure, b'{"type":"image_url"}', b'"type":"image_url"')
        assert not refuses_images(failure, b"{}", b'"type":"image_url"')
