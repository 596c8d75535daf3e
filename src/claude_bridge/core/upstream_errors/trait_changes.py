"""Learns from a refusal which trait of a model is different from what was assumed, by the rules of a kind of backend.

A rule applies only if the request had the part that it is about, so that nothing is learned from a server's help text,
and only if the words do not stand in the request, as they are then the user's (`quotations`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, Generic, Protocol, TypeVar

from attrs import frozen

from claude_bridge.core.backend_api import Adjustment, UpstreamFailure
from claude_bridge.core.upstream_errors.quotations import Quotations, without_quoted_input
from claude_bridge.core.upstream_errors.refusal_words import IMAGES

STATUSES: Final = frozenset({400, 404, 415, 422, 500, 501, 502})
"""OpenRouter answers 404 for what no provider supports, llama.cpp 500 for images, llama-cpp-python 500 for anything; an
error inside a stream without a status counts as 502."""


class SentRequest(Protocol):
    """A request that was refused."""

    @property
    def body(self) -> bytes:
        """Return its bytes."""

    @property
    def target(self) -> object:
        """Return what it was for, with a field for each trait."""


SentT = TypeVar("SentT", bound=SentRequest)


@frozen(kw_only=True)
class TraitChange:
    """A trait that is different from what was assumed."""

    trait: str
    value: Any

    def __str__(self) -> str:
        """Return it as in the configuration."""
        return f"{self.trait} = {self.value}"


@frozen
class Rule(Generic[SentT]):
    """One kind of refusal.

    :ivar concerns: returns whether the request had what the words are about.
    :ivar instead: returns the trait's next value for the words, or None if there is none.
    """

    trait: str
    words: re.Pattern[str]
    concerns: Callable[[SentT], object]
    instead: Callable[[SentT, str], Any]


def trait_change(failure: UpstreamFailure, sent: SentT, rules: Iterable[Rule[SentT]]) -> TraitChange | None:
    """Return the change that a refusal implies, or None. Check for overflows first, as their words may be similar.

    The change is only a guess until a request succeeds with it.
    """
    if failure.status not in STATUSES:
        return None
    text, quotations = without_quoted_input(f"{failure.code} {failure.message}"), Quotations(sent.body)
    for rule in rules:
        if rule.concerns(sent) and quotations.find_own(rule.words, text):
            value = rule.instead(sent, text)
            if value is not None and value != getattr(sent.target, rule.trait):
                return TraitChange(trait=rule.trait, value=value)
    return None


def adjustment_for(change: TraitChange | None) -> Adjustment | None:
    """Return how to ask again after a change, or None if there is none."""
    if change is None:
        return None
    why = change.trait if change.trait == "reasoning_levels" else str(change)
    return Adjustment(why=why, overrides={change.trait: change.value})


def refuses_images(failure: UpstreamFailure, body: bytes, image_part: bytes) -> bool:
    """Return whether the server certainly says that the model accepts no images.

    ``image_part`` is in every body with an image, and in no text of one, whose quotes are escaped. This is not
    remembered: the client leaves them out from then on, and the server may get a projector later.
    """
    if failure.status not in STATUSES or image_part not in body:
        return False
    return Quotations(body).find_own(IMAGES, without_quoted_input(failure.message)) is not None
