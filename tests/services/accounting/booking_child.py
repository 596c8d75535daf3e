"""A process that books requests until it is killed: ``python -m tests.services.accounting.booking_child FILE``.

It prints how many it has booked, and when, fifty times a second.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any, Final

from attrs import evolve
from twisted.internet import reactor as running
from twisted.internet.task import LoopingCall

from claude_bridge.core.events import Usage
from claude_bridge.services.accounting.ledger import BufferedLedger
from claude_bridge.services.accounting.ledger_database import in_file
from claude_bridge.services.interfaces import AttemptRecord, RequestRecord

PER_TICK: Final = 9
TICKS: Final = 50
"""A second."""

ATTEMPT = AttemptRecord(
    backend="chutes",
    model="GLM",
    credential="client",
    started=0.0,
    seconds=1.0,
    first_event_seconds=0.2,
    status=200,
    outcome="ok",
    usage=Usage(100, 20, 900),
    first_token_seconds=0.3,
    cost=1_234_567,
    price_from="file",
)
RECORD = RequestRecord(
    request_id="req",
    kind="main",
    model="glm",
    session="s",
    agent="",
    client="",
    streamed=True,
    started=0.0,
    seconds=1.0,
    first_byte_seconds=0.3,
    status=200,
    outcome="ok",
    body_bytes=100,
    attempts=(ATTEMPT,),
)


def main(path: str) -> None:
    """Book until the end."""
    reactor: Any = running
    ledger = BufferedLedger(path=path, keep=9e9, clock=reactor, unix_time=time.time, open_writer=in_file(path, reactor))
    booked = 0

    def tick() -> None:
        nonlocal booked
        for _ in range(PER_TICK):
            booked += 1
            attempt = evolve(ATTEMPT, started=time.time(), model=f"m{booked % 5}")
            ledger.request_ended(
                evolve(
                    RECORD,
                    request_id=f"req_{booked}",
                    started=time.time(),
                    session=f"s{booked % 7}",
                    agent=f"a{booked % 3}",
                    attempts=(attempt,) * (1 + booked % 2),
                )
            )
        os.write(1, f"{booked} {time.monotonic()}\n".encode())

    LoopingCall(tick).start(1 / TICKS)
    reactor.run()


if __name__ == "__main__":
    main(sys.argv[1])
