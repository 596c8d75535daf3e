"""A secret string that cannot be printed by accident."""

from __future__ import annotations

import hashlib
import hmac
from typing import final

from attrs import field, frozen


@final
@frozen(repr=False, eq=False)
class Secret:
    """A credential. ``repr``, ``str`` and formatting show nothing; `reveal` is the only way in."""

    _value: str = field(converter=str)

    def reveal(self) -> str:
        """Return the secret itself, for the one place that sends it."""
        return self._value

    def matches(self, candidate: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self._value.encode(), candidate.encode())

    def fingerprint(self) -> str:
        """Return a short name that tells two credentials apart and reveals neither (a cache key, not for logs)."""
        return hashlib.sha256(b"claude-bridge\0" + self._value.encode()).hexdigest()[:16]

    def __bool__(self) -> bool:
        """Return whether there is anything in it."""
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        """Equal when the hidden values are."""
        return isinstance(other, Secret) and self.matches(other._value)

    def __hash__(self) -> int:
        """Hash by value, salted by Python itself."""
        return hash(self._value)

    def __repr__(self) -> str:
        """Show nothing."""
        return ""
