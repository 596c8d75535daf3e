"""Promises of inherited sockets: who can reach them is seen on them."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.endpoints import _SystemdParser, serverFromString
from twisted.internet.testing import MemoryReactorClock
from twisted.python.systemd import ListenFDs

from claude_bridge.config.inherited import is_local
from claude_bridge.config.listeners import listener

BY_NAME = "systemd:domain=INET:name=http"


def pass_on(monkeypatch: pytest.MonkeyPatch, descriptor: int) -> None:
    """Have systemd pass ``descriptor`` as the second one, named ``http``."""
    monkeypatch.setattr(_SystemdParser, "_sddaemon", ListenFDs([0, descriptor], ["other", "http"]))


def seen(monkeypatch: pytest.MonkeyPatch, one: socket.socket) -> bool | None:
    """Return whether a socket counts as local; it must still be open afterwards."""
    pass_on(monkeypatch, one.fileno())
    by_name, by_index = is_local(listener(BY_NAME)), is_local(listener("systemd:domain=INET:index=1"))
    assert by_name == by_index
    one.getsockname()
    return by_name


class ReachTests:
    """Where a socket is bound."""

    @pytest.mark.parametrize(
        ("family", "address", "local"),
        [
            (socket.AF_INET, "127.0.0.1", True),
            (socket.AF_INET, "127.8.8.8", True),
            (socket.AF_INET, "0.0.0.0", False),
            (socket.AF_INET6, "::1", True),
            (socket.AF_INET6, "::", False),
            (socket.AF_INET6, "::ffff:127.0.0.1", True),
        ],
    )
    def test_addresses(
        self, monkeypatch: pytest.MonkeyPatch, family: socket.AddressFamily, address: str, local: bool
    ) -> None:
        """Only what is bound to this machine's own addresses is local."""
        with socket.socket(family, socket.SOCK_STREAM) as one:
            one.bind((address, 0))
            assert seen(monkeypatch, one) is local

    def test_unix(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A file is this machine's."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as one:
            one.bind(str(tmp_path / "x.sock"))
            assert seen(monkeypatch, one) is True

    def test_no_socket(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """What is no socket is not taken for a safe one."""
        with (tmp_path / "file").open("w") as file:
            pass_on(monkeypatch, file.fileno())
            assert is_local(listener(BY_NAME)) is False

    def test_not_passed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nothing is known of what was not passed to this process, or under another name."""
        assert is_local(listener(BY_NAME)) is None
        assert is_local(listener("systemd:domain=INET:index=0")) is None
        pass_on(monkeypatch, 1)
        assert is_local(listener("systemd:domain=INET:name=https")) is None
        assert is_local(listener("systemd:domain=INET:index=2")) is None

    def test_twisted_looks_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Twisted takes the socket from where it was looked at."""
        with socket.socket() as one:
            pass_on(monkeypatch, one.fileno())
            endpoint: Any = serverFromString(MemoryReactorClock(), BY_NAME)
            assert endpoint.fileno == one.fileno()
