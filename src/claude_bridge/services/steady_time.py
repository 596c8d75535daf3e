"""Makes the clock of a reactor go on steadily, whatever somebody sets the machine's clock to.

Twisted's timers are due by ``time.time``: after the clock was set back by an hour, by hand or by a time server, every
timer waits an hour longer, and a silent backend is neither given up nor covered by pings.
"""

from __future__ import annotations

import time
from typing import Any


def keep_steady_time(reactor: Any) -> None:  # noqa: ANN401 - a reactor is many interfaces
    """Replace the clock of a reactor by the monotonic one, which goes on from the time that the reactor shows now.

    So timers that are there already are due when they should be. Only ``reset`` and ``delay`` of those still look at
    the old clock.
    """
    ahead = reactor.seconds() - time.monotonic()
    reactor.seconds = lambda: time.monotonic() + ahead
