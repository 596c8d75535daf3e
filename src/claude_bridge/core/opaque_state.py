"""Opaque strings that clients send back unchanged, so that the bridge stores nothing: base64url after a prefix.

``cb1.`` carries what a backend needs back and text cannot express, as JSON ``{"d": dialect, "m": model, "x": state}``,
in the signature of a thinking block or in the data of a redacted one. A restarted bridge, or another one behind the
same load balancer, can decode it.

``cbs1.`` carries the text of a search result in its ``encrypted_content``, so that a later turn still has the result.
It is not secret, only opaque enough that no client shows it to a person. Anthropic's own strings in these fields can be
read by its servers only.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

from attrs import frozen

from claude_bridge.core import strict_json

STATE_PREFIX: Final = "cb1."
MAX_STATE_BYTES: Final = 1 << 20
"""Characters; the encrypted reasoning of a long answer has tens of thousands, and hostile JSON takes much memory."""

MAX_DEPTH: Final = 32
"""Levels of nesting of a state; real ones have five. A state is encoded again inside a request, which adds levels."""

MAX_STATE_CHARACTERS: Final = 8 << 20
"""Characters of state that are sent back, the newest: real ones have a few thousand in each turn, and hostile JSON
takes twenty times its size in memory."""

SNIPPET_PREFIX: Final = "cbs1."
MAX_SNIPPET_BYTES: Final = 1 << 16
"""Characters of the longest string that is decoded: the bridge's own have a few thousand."""


def base64url(data: bytes) -> str:
    """Return base64url text without padding, which is legal in ids and URLs."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def from_base64url(text: str) -> bytes:
    """Return the bytes that `base64url` encoded. Raises `ValueError` for most other texts."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@frozen
class OpaqueState:
    """The state of an answer by ``model`` in ``dialect``, as JSON values."""

    dialect: str
    model: str
    state: object


def pack_state(carried: OpaqueState) -> str:
    """Return the string for the client, or "" for a state that is too large or nested too deeply."""
    if not _is_shallow(carried.state):
        return ""
    raw = strict_json.encode({"d": carried.dialect, "m": carried.model, "x": carried.state})
    text = STATE_PREFIX + base64url(raw)
    return text if len(text) <= MAX_STATE_BYTES else ""


def unpack_state(text: str) -> OpaqueState | None:
    """Return the state in a string from a client; None for any other text, such as Anthropic's own signatures."""
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


def state_of(carrier: str, dialect: str, model: str) -> OpaqueState | None:
    """Return the state in a string from a client if this model gave it; those of another mean nothing to it."""
    carried = unpack_state(carrier)
    return carried if carried is not None and (carried.dialect, carried.model) == (dialect, model) else None


def _is_shallow(state: object) -> bool:
    values = [state]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for value in values:
            if isinstance(value, dict):
                inner += value.values()
            elif isinstance(value, list):
                inner += value
        if not inner:
            return True
        values = inner
    return False


def pack_snippet(text: str) -> str:
    """Return a text as an opaque string for the client; lone surrogates become question marks."""
    return SNIPPET_PREFIX + base64url(text.encode("utf-8", "replace"))


def unpack_snippet(content: object) -> str:
    """Return the text that `pack_snippet` encoded, or "" for anything else, such as Anthropic's own strings."""
    if not isinstance(content, str) or not content.startswith(SNIPPET_PREFIX) or len(content) > MAX_SNIPPET_BYTES:
        return ""
    try:
        return from_base64url(content.removeprefix(SNIPPET_PREFIX)).decode()
    except ValueError:
        return ""
