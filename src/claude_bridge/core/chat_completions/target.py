"""What the translation must know about the model it translates for."""

from __future__ import annotations

from typing import Any

from attrs import fields, frozen

from claude_bridge.core.chat_completions.dialect import GENERIC, Dialect
from claude_bridge.core.chat_completions.traits import Traits


@frozen(kw_only=True)
class Target(Traits):
    """One model at one backend, as far as a request's shape depends on it: its traits, its name and its limits.

    :ivar model: the backend's own name for it.
    :ivar context_window: tokens, prompt and answer together, where known.
    :ivar window_configured: the owner said so; nothing that a backend says is believed against it.
    :ivar max_output_tokens: largest ``max_tokens`` to ask for, where known.
    """

    model: str
    dialect: Dialect = GENERIC
    context_window: int | None = None
    window_configured: bool = False
    max_output_tokens: int | None = None
    strip_attribution: bool = True


def as_fields(traits: Traits) -> dict[str, Any]:
    """Return traits by name, to make a target of."""
    return {each.name: getattr(traits, each.name) for each in fields(Traits)}
