"""The first three checks of a backend: whether it is reached, at which path, with which key.

They are all that the start of the daemon needs, which therefore loads no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from claude_bridge.doctor.checks import key, reaching
from claude_bridge.doctor.examination import Check

REACHING: Final[Sequence[Check]] = (
    Check(number=1, name="address", run=reaching.address),
    Check(number=1, name="connection", run=reaching.connection),
    Check(number=2, name="path", run=reaching.path),
    Check(number=3, name="key", run=key.key),
)
