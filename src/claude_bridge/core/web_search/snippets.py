"""The text of a search result, inside the ``encrypted_content`` that clients return as it is (wire-contract 1.4).

Anthropic's own is for its servers alone. Ours is ``cbs1.`` and base64url of the text: nobody's secret, only opaque
enough that no client shows it to a person. So a later turn still has what the search had found.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

PREFIX: Final = "cbs1."

MAX_SNIPPET_BYTES: Final = 1 << 16
"""Characters that are opened: ours have a few thousand."""


def sealed(text: str) -> str:
    """Return the text as a client gets it; lone surrogates become question marks."""
    return PREFIX + urlsafe_b64encode(text.encode("utf-8", "replace")).rstrip(b"=").decode()


def opened(content: object) -> str:
    """Return back the text that `sealed` got; "" for anything else, Anthropic's own among it."""
    if not isinstance(content, str) or not content.startswith(PREFIX) or len(content) > MAX_SNIPPET_BYTES:
        return ""
    encoded = content.removeprefix(PREFIX)
    try:
        return urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except ValueError:
        return ""
