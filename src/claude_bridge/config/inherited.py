"""Sockets that systemd hands over: where they are bound, which their endpoint string does not tell."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from claude_bridge.config.listeners import Listener, is_loopback


def is_local(listener: Listener) -> bool | None:
    """Return whether nobody but programs on this machine can connect to a socket of the kind ``systemd``.

    None where no such socket was passed to this process: then nothing can be reached either, and a start fails.
    """
    descriptor = _descriptor(listener.parameters)
    return None if descriptor is None else _is_local(descriptor)


def _descriptor(parameters: Mapping[str, str]) -> int | None:
    """Find the descriptor where Twisted's endpoint will: it takes what is told of it out of the environment."""
    from twisted.internet.endpoints import _SystemdParser  # noqa: PLC0415 - only who has such an endpoint needs it

    passed = _SystemdParser._sddaemon  # noqa: SLF001 - guarded by a test
    if "name" in parameters:
        return passed.inheritedNamedDescriptors().get(parameters["name"])
    descriptors, index = passed.inheritedDescriptors(), int(parameters["index"])
    return descriptors[index] if index < len(descriptors) else None


def _is_local(descriptor: int) -> bool:
    """Look where a socket is bound. What is no socket, or of a kind that we do not know, may be reached by anybody."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as passed:
            family, address = passed.family, passed.getsockname()
    except OSError:
        return False
    if family == socket.AF_UNIX:
        return True
    return family in {socket.AF_INET, socket.AF_INET6} and is_loopback(address[0])
