"""Servers of others as child processes, on free ports of this machine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from tests.end_to_end.processes import Watched, killed_late

START_SECONDS = 60.0
"""Limit for a start: a second for most, ten where much is imported or read from a cold disk."""

STOP_SECONDS = 10.0


@define(eq=False)
class Peer(Watched):
    """A server that writes where it listens.

    :ivar pattern: finds its address, the first group, in a line of what it writes.
    :ivar url: the address, once it has been announced.
    """

    pattern: re.Pattern[bytes]
    url: str = field(default="", init=False)
    announced: Deferred[str] = field(factory=Deferred, init=False)

    def outReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Look for the address."""
        super().outReceived(data)
        self._look(self.out)

    def errReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Look for the address."""
        super().errReceived(data)
        self._look(self.err)

    def _look(self, written: bytearray) -> None:
        found = None if self.url else self.pattern.search(written)
        if found:
            self.url = found[1].decode()
            self.announced.callback(self.url)

    def processEnded(self, reason: Any) -> None:  # noqa: N802 - Twisted's name
        """Tell who waits for the address that it will not come."""
        super().processEnded(reason)
        if not self.announced.called:
            written = bytes(self.out + self.err)[-3000:].decode(errors="replace")
            self.announced.errback(RuntimeError(f"ended with {self.code}:\n{written}"))

    async def stop(self, reactor: Any) -> None:
        """End it."""
        self.signal("TERM")
        await killed_late(reactor, self, STOP_SECONDS)


async def start_peer(
    reactor: Any, command: Sequence[str], environ: Mapping[str, str], pattern: bytes, folder: Path | None = None
) -> Peer:
    """Start a server, in exactly this environment, and wait until it listens."""
    peer = Peer(re.compile(pattern, re.MULTILINE))
    reactor.spawnProcess(peer, command[0], list(command), env=dict(environ), path=str(folder) if folder else None)
    await peer.announced.addTimeout(START_SECONDS, reactor)
    return peer
