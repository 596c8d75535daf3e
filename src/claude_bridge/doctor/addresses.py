"""Whether the bridge listens where a backend does, and where it may listen instead."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import urlsplit

from attrs import frozen

from claude_bridge.config.listeners import MAX_PORT, is_loopback, listener

_ANYWHERE = frozenset({"", "0.0.0.0", "::"})


@frozen(kw_only=True)
class Clash:
    """A listener of the bridge at the address of a backend.

    :ivar instead: its endpoint string with a port that is free in the configuration.
    :ivar port: that port.
    """

    instead: str
    port: int


def find_clash(listen: Sequence[str], url: str, others: Sequence[str] = ()) -> Clash | None:
    """Return the listener that has the address of the backend at ``url``, None if there is none.

    :param listen: endpoint strings.
    :param others: the addresses of the other backends.
    """
    host, port = _place(url)
    taken = {_place(each)[1] for each in (url, *others)} | {_port(each) for each in listen}
    for text in listen:
        if _port(text) == port and _reaches(listener(text).interface, host):
            free = _free(port, taken)
            instead = re.sub(rf"(?<=[:=]){port}(?=:|$)", str(free), text, count=1).removesuffix(":backlog=1024")
            return Clash(instead=instead, port=free)
    return None


def _reaches(interface: str, host: str) -> bool:
    """Return whether what listens at ``interface`` is what answers at ``host``; only names of this machine count."""
    if is_loopback(host):
        return is_loopback(interface) or interface in _ANYWHERE
    return interface == host


def _port(text: str) -> int | None:
    port = listener(text).parameters.get("port", "")
    return int(port) if port.isdecimal() else None


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)


def _free(port: int, taken: Collection[int | None]) -> int:
    """Return the next port that nothing in the configuration has."""
    free: Iterator[int] = (each for each in (*range(port + 1, MAX_PORT), *range(1024, port)) if each not in taken)
    return next(free)
