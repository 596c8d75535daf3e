"""What a backend wants back and text cannot carry, inside strings that clients return as they are.

``cb1.`` and base64url of JSON ``{"d": dialect, "m": model, "x": state}`` travels in the signature of a thinking
block, or in the data of a redacted one (wire-contract 5.5, findings 17). So nothing has to be remembered: a restarted
bridge, or another one behind the same balancer, knows it again.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from attrs import frozen

from claude_bridge.core import strict_json

PREFIX: Final = "cb1."
MAX_STATE_BYTES: Final = 1 << 20
"""Characters; encrypted reasoning of a long answer has tens of thousands, and hostile JSON takes much memory."""

MAX_DEPTH: Final = 32
"""Levels of a state; real ones have five. It is written again inside a request, where deeper JSON could not be."""


@frozen
class OpaqueState:
    """State of an answer that ``model`` gave in ``dialect``: plain JSON values."""

    dialect: str
    model: str
    state: object


def pack(carried: OpaqueState) -> str:
    """Return the carrier, or "" for a state that is too large or too deep to travel."""
    if not _is_shallow(carried.state):
        return ""
    raw = strict_json.encode({"d": carried.dialect, "m": carried.model, "x": carried.state})
    text = PREFIX + urlsafe_b64encode(raw).rstrip(b"=").decode()
    return text if len(text) <= MAX_STATE_BYTES else ""


def unpack(text: str) -> OpaqueState | None:
    """Return what a carrier holds; None for any other text, Anthropic's own signatures among them."""
    if not text.startswith(PREFIX) or len(text) > MAX_STATE_BYTES:
        return None
    encoded = text.removeprefix(PREFIX)
    try:
        value = strict_json.decode(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except (binascii.Error, ValueError, strict_json.JsonError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("d"), str) or not isinstance(value.get("m"), str):
        return None
    carried = OpaqueState(value["d"], value["m"], value.get("x"))
    return carried if _is_shallow(carried.state) else None


def _is_shallow(state: object) -> bool:
    level = [state]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for value in level:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        if not inner:
            return True
        level = inner
    return False
