"""A key that somebody types, tried at once: one that was mistyped is asked for again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from claude_bridge.children import ExpectedFailure
from claude_bridge.client.http_probe import KeyNeeded
from claude_bridge.client.person import TRIES, Person

_T = TypeVar("_T")


def typed_key(person: Person, question: str, whose: str, attempt: Callable[[str], _T]) -> tuple[str, _T] | None:
    """Return a key that is accepted, and what was got with it; None if none was typed, or nobody is there.

    :param whose: who wants it, for a person.
    :param attempt: asks for something with a key; raises `KeyNeeded` for one that is refused.

    Raises `ExpectedFailure` after the last of several that were refused.
    """
    refused = f"{whose} does not accept this key"
    for tried in range(1, TRIES + 1):
        key = person.secret(question)
        if not key:
            return None
        try:
            return key, attempt(key)
        except KeyNeeded:
            if tried < TRIES:
                person.tell(refused)
    raise ExpectedFailure(refused)
