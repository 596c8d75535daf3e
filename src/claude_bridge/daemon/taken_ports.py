"""Explains that a port is in use: by which program, and how to choose another.

This runs after a start has failed, before the reactor runs, so it may block, but only for a short time.
"""

from __future__ import annotations

import errno
import json
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from typing import Final

from twisted.internet.error import CannotListenError

from claude_bridge.config.listeners import Listener

PATIENCE_SECONDS: Final = 1.0
"""Seconds for the whole request: a bridge on this machine answers within milliseconds."""

MAX_ANSWER_BYTES: Final = 4096
"""Bytes read of the answer: the head and body of ``/health`` together are some 300."""

EVERYWHERE: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
"""Interface -> an address of it."""


class PortTaken(CannotListenError):
    """A port is in use; the message says what to do."""

    def __init__(self, error: CannotListenError, told: str) -> None:
        super().__init__(error.interface, error.port, error.socketError)  # type: ignore[no-untyped-call]  # Twisted's
        self.told = told

    def __str__(self) -> str:
        """Return the sentence."""
        return self.told


Ask = Callable[[Listener], bytes]
"""Asks the holder of a listener's port for ``/health`` and returns the whole answer; raises `OSError`."""


def ask_health(where: Listener) -> bytes:
    """Return the response of the program that listens there. Raise `OSError`, also if it does not answer in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    host = EVERYWHERE.get(where.interface, where.interface)
    plain = socket.create_connection((host, int(where.parameters["port"])), PATIENCE_SECONDS)
    with closing(_secured(plain) if where.scheme == "https" else plain) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while len(answer) < MAX_ANSWER_BYTES and (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            part = connection.recv(MAX_ANSWER_BYTES)
            if not part:
                break
            answer += part
        return answer


def explained(error: BaseException, where: Listener, ask: Ask = ask_health) -> BaseException:
    """Return ``error``, or one that says more if the port of ``where`` is in use."""
    port = where.parameters.get("port")
    if not isinstance(error, CannotListenError) or port is None:
        return error
    if getattr(error.socketError, "errno", None) != errno.EADDRINUSE:
        return error
    holder = (
        "another claude-bridge has it, as its /health shows"
        if _is_ours(where, ask)
        else f"`ss -ltnp 'sport = :{port}'` shows who has it"
    )
    return PortTaken(
        error,
        f"port {port} on {where.interface or 'all interfaces'} is taken: {holder}. Choose another port with "
        "`listen` in [server], HOST_PORT=PORT, or `claude-bridge run --listen PORT`",
    )


def _is_ours(where: Listener, ask: Ask) -> bool:
    try:
        head, _, body = ask(where).partition(b"\r\n\r\n")
        told = json.JSONDecoder().decode(body.decode())
    except (OSError, ValueError, RecursionError):
        return False
    return head.startswith(b"HTTP/1.") and isinstance(told, dict) and {"status", "active_requests"} <= set(told)


def _secured(plain: socket.socket) -> socket.socket:
    """Connect by TLS with any certificate: nothing secret is sent, and the response is not trusted."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(plain)
    except OSError:
        plain.close()
        raise
