"""What a model cannot do, said so that the client takes it out and asks again.

Claude Code knows a 400 whose message has ``capability_rejected: NAME``: it drops what NAME stands for, once, and
remembers that for the session (wire-contract 1.11). NAME ends where no letter, digit, ``_``, ``:``, ``.`` or ``-``
follows (seen in Claude Code 2.1.330): with a colon behind it, it is no name, and the session never recovers.
"""

from __future__ import annotations

from typing import Literal

from claude_bridge.core.errors import InvalidRequest

Capability = Literal["mid_conv_system", "image_block", "document_block"]
"""Names that Claude Code 2.1.330 knows and that the bridge has a use for."""


def rejected(capability: Capability, why: str) -> InvalidRequest:
    """Return the refusal; ``why`` is a plain sentence for the person at a client that knows no such names."""
    return InvalidRequest(f"capability_rejected: {capability} ({why})")
