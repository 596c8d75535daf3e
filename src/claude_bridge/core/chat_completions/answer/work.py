"""What may be done over what one read brings, before the reactor must have its turn."""

from __future__ import annotations

from typing import Final

from attrs import define

MAX_WORK_UNITS: Final = 60_000
"""Work for one read, in halves of a microsecond. A whole call that is valid takes none; one of 0.5 MB, more than a
model may write, some 45,000 where it has to be mended; 64 KiB of prose in which calls are looked for some 10,000."""


@define
class Work:
    """A budget that the parts of one answer share. Whoever feeds them fills it up with each read.

    Where nothing is left, text passes as it is: only a backend gone mad comes so far, and what it sends is no JSON.
    """

    left: int = MAX_WORK_UNITS
