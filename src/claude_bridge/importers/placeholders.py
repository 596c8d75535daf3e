"""Whether something is a key, or what people write where a key is asked for and none is needed."""

from __future__ import annotations

import re
from typing import Final

from claude_bridge.config.hidden import is_placeholder as is_known_word

_VENDOR: Final = re.compile(
    r"(?:sk|gsk|nvapi|hf|csk|xai|ak)[-_](?:or[-_])?(?:v1[-_])?(?:ant[-_]|proj[-_])?", re.IGNORECASE
)
"""How keys of vendors begin, which placeholders imitate."""

_FILLER: Final = re.compile(
    r"[xX*.\-_0]+|(?:your|my|the|insert|enter|paste|add)[-_ ].*|.*(?:placeholder|redacted|change[-_]?me).*",
    re.IGNORECASE,
)


def is_placeholder(text: str) -> bool:
    """Return whether ``text`` is no key: ``dummy``, ``EMPTY``, ``sk-xxx``, ``your-api-key``, or nothing at all."""
    bare = _VENDOR.sub("", text.strip(), count=1) if _VENDOR.match(text.strip()) else text.strip()
    return (
        not bare
        or not bare.isascii()
        or any(is_known_word(each) or _FILLER.fullmatch(each) for each in (text.strip(), bare))
    )
