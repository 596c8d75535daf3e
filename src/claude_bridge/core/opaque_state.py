"""Strings that clients return as they are, so that nothing has to be remembered: base64url behind a prefix.

``cb1.`` carries what a backend wants back and text cannot carry, as JSON ``{"d": dialect, "m": model, "x": state}``, in
the signature of a thinking block or in the data of a redacted one. A restarted bridge, or another one behind the same
balancer, knows it again.

``cbs1.`` carries the text of a search result in its ``encrypted_content``, so that a later turn still has what was
found. It is nobody's secret, only opaque enough that no client shows it to a person. Anthropic's own strings in these
places are for its servers alone.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from attrs import frozen

from claude_bridge.core import strict_json

STATE_PREFIX: Final = "cb1."
MAX_STATE_BYTES: Final = 1 << 20
"""Characters; encrypted reasoning of a long answer has tens of thousands, and hostile JSON takes much memory."""

MAX_DEPTH: Final = 32
"""Levels of a state; real ones have five. It is written again inside a request, where deeper JSON could not be."""

SNIPPET_PREFIX: Final = "cbs1."
MAX_SNIPPET_BYTES: Final = 1 << 16
"""Characters that are opened: ours have a few thousand."""


def base64url(data: bytes) -> str:
    """Return base64url without padding, which is legal in ids and URLs."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Return what `base64url` was given. Raises `ValueError` for some of what it cannot have made."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@frozen
class OpaqueState:
    """State of an answer that ``model`` gave in ``dialect``: plain JSON values."""

    dialect: str
    model: str
    state: object


def pack_state(carried: OpaqueState) -> str:
    """Return the carrier, or "" for a state that is too large or too deep to travel."""
    if not _is_shallow(carried.state):
        return ""
    raw = strict_json.encode({"d": carried.dialect, "m": carried.model, "x": carried.state})
    text = STATE_PREFIX + base64url(raw)
    return text if len(text) <= MAX_STATE_BYTES else ""


def unpack_state(text: str) -> OpaqueState | None:
    """Return what a carrier holds; None for any other text, Anthropic's own signatures among them."""
    if not text.startswith(STATE_PREFIX) or len(text) > MAX_STATE_BYTES:
        return None
    try:
        value = strict_json.decode(from_base64url(text.removeprefix(STATE_PREFIX)))
    except (ValueError, strict_json.JsonError):
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


def pack_snippet(text: str) -> str:
    """Return the text as a client gets it; lone surrogates become question marks."""
    return SNIPPET_PREFIX + base64url(text.encode("utf-8", "replace"))


def unpack_snippet(content: object) -> str:
    """Return the text that `pack_snippet` got; "" for anything else, Anthropic's own among it."""
    if not isinstance(content, str) or not content.startswith(SNIPPET_PREFIX) or len(content) > MAX_SNIPPET_BYTES:
        return ""
    try:
        return from_base64url(content.removeprefix(SNIPPET_PREFIX)).decode()
    except ValueError:
        return ""
