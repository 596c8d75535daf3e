"""What a clue is worth: one that also fits another server counts for nothing."""

from __future__ import annotations

from claude_bridge.core.backend_api import Clues


def only_owner(clues: Clues, owner: str) -> str:
    """Recognise a server whose models all belong to ``owner``, an engine's own name.

    A gateway that passes on the lists of several servers has several owners, and is none of these.
    """
    return f"owned_by {owner} in its model list" if set(clues.owners) == {owner} else ""
