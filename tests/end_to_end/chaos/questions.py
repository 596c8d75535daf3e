"""Requests whose right answer is known to the last character, by both sides, without their talking to each other.

A question names itself and says how many pieces its answer has; every piece names the question, the backend that
answered, and its own place. So no piece can be lost, doubled or come from elsewhere without being seen.
"""

from __future__ import annotations

import re
from random import Random
from typing import Any

from attrs import frozen

QUESTION = re.compile(r"chaos ([a-z0-9-]+) (\d+)")
PIECE = re.compile(r"\[([a-z0-9-]+) ([a-z]+) ")


@frozen
class Question:
    """One question; no two have the same ``token``."""

    token: str
    pieces: int

    @property
    def text(self) -> str:
        """Return what the user says."""
        return f"chaos {self.token} {self.pieces}"

    def answer(self, backend: str) -> str:
        """Return the whole answer that a backend gives."""
        return "".join(f"[{self.token} {backend} {at}/{self.pieces}]" for at in range(1, self.pieces + 1))


def chance(*names: object) -> Random:
    """Return a source of chance that always says the same for the same names."""
    return Random("/".join(map(str, names)))  # noqa: S311 - it decides what happens, and guards nothing


def asked(request: Any) -> Question:
    """Return the question in a chat completion request: the one in its last message."""
    found = QUESTION.fullmatch(request["messages"][-1]["content"])
    assert found is not None, f"the last message is not a question: {request['messages'][-1]!r}"
    return Question(found[1], int(found[2]))


def answered_by(text: str) -> str:
    """Return the backend that the beginning of an answer names; "" if there is not so much of it."""
    found = PIECE.match(text)
    return "" if found is None else found[2]
