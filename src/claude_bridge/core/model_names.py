"""The names by which clients ask for models: the mark of published ids, long-context forms, tiers and pins."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

MARK: Final = "@claude-bridge"
"""Suffix of the model ids that clients see: Claude Code's discovery keeps only ids that contain ``claude``. It is
stripped from what clients send, so no configured name may end in it."""

AUTO: Final = "auto"
"""The name of no model: the routes alone decide."""

TIERS: Final = ("fable", "opus", "sonnet", "haiku")
"""The families of Anthropic's models; Claude Code also uses these words alone as names."""

_LONG: Final = "[1m]"
"""Suffix with which Claude Code names the form of a model with a window of 1,000,000 tokens."""

_WORDS: Final = re.compile(r"[a-z]+")


def strip_mark(model: str) -> str:
    """Return a model's name without the suffix of published ids."""
    return model.removesuffix(MARK)


def plain_name(model: str) -> str:
    """Return a model's name without the suffix of published ids and without ``[1m]``, which stands before or after."""
    name = strip_mark(model)
    if name[-len(_LONG) :].lower() == _LONG:
        name = strip_mark(name[: -len(_LONG)])
    return name


def tier(name: str) -> str:
    """Return the family that a name belongs to, or "".

    ``haiku`` is one by itself, and so is an id of Anthropic's in any form (``claude-haiku-4-5-20251001``,
    ``anthropic/claude-3-5-haiku-latest``); ``my-haiku`` is somebody's own name.
    """
    folded = name.lower()
    if folded in TIERS:
        return folded
    words = _WORDS.findall(folded) if "claude" in folded else ()
    return next((each for each in TIERS if each in words), "")


def is_clients_own(name: str) -> bool:
    """Return whether Claude Code uses a name by itself, so that no backend's list has to be asked for it."""
    folded = name.lower()
    return folded.startswith("claude-") or folded == AUTO or folded in TIERS


def pin(name: str, backends: Collection[str]) -> tuple[str, str] | None:
    """Return backend and model of ``backend/model`` or ``backend,model``, or None if a name is neither.

    The second form is what users of Claude Code Router type after ``/model``.
    """
    for separator in ("/", ","):
        backend, found, model = name.partition(separator)
        named = as_spelled(backend.strip(), backends) if found and model.strip() else None
        if named is not None:
            return named, model.strip()
    return None


def as_spelled(name: str, names: Collection[str]) -> str | None:
    """Return ``name`` in the spelling that ``names`` have: exactly, else ignoring case; None if it is not there."""
    if name in names:
        return name
    folded = name.casefold()
    return next((each for each in names if each.casefold() == folded), None)
