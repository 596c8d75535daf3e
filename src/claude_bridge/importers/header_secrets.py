"""Which headers of other tools' files are secrets: the files do not say it."""

from __future__ import annotations

import re
from typing import Final

from claude_bridge.core.redaction import carries_credential

_NAME: Final = re.compile(r"auth|cookie|credential|passwd|session", re.IGNORECASE)
_SECRET: Final = re.compile(
    r"(?:bearer|basic|token|digest)\s.*"
    r"|.*\b(?:sk|pk|gsk|nvapi|hf|csk|xai|ghp|glpat|eyJ)[-_A-Za-z0-9.]{12,}.*"
    r"|(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9+/=_-]{24,}",
    re.IGNORECASE | re.DOTALL,
)
"""Values that are credentials by their form: with a scheme, with the prefix of a vendor, or long and without words."""


def is_secret_header(name: str, value: str) -> bool:
    """Return whether the value of a header is to be treated as a secret, judged by its name and its form."""
    return carries_credential(name) or _NAME.search(name) is not None or _SECRET.fullmatch(value.strip()) is not None
