"""The work budget for the bytes of one read, so that the reactor is not blocked for long."""

from __future__ import annotations

from typing import Final

from attrs import define

MAX_WORK_UNITS: Final = 60_000
"""Work units, of half a microsecond, for one read. A whole call that is valid takes none; one of 0.5 MB, more than a
model may write, some 45,000 if it has to be repaired; 64 KiB of prose that is scanned for calls some 10,000."""


@define
class Work:
    """A budget that the parts of one answer share. The reader renews it with each read.

    When it is used up, text passes unchanged: only a faulty backend gets that far.
    """

    left: int = MAX_WORK_UNITS
