"""Promises of the search for a bridge and a backend at one address."""

from __future__ import annotations

import pytest

from claude_bridge.config.listeners import tcp
from claude_bridge.doctor.addresses import find_clash

USUAL = tcp(8080, "127.0.0.1")


class FindClashTests:
    """Only one program can listen at an address."""

    @pytest.mark.parametrize(
        ("listener", "url", "instead"),
        [
            (USUAL, "http://127.0.0.1:8080/v1", "tcp:8081:interface=127.0.0.1"),
            (USUAL, "http://localhost:8080/v1", "tcp:8081:interface=127.0.0.1"),
            ("tcp:8080", "http://127.0.0.1:8080", "tcp:8081"),
            ("tcp:port=8080:interface=0.0.0.0", "http://localhost:8080", "tcp:port=8081:interface=0.0.0.0"),
            ("tcp:8080:interface=gpu", "http://gpu:8080/v1", "tcp:8081:interface=gpu"),
            (r"tcp:8080:interface=\:\:1", "http://[::1]:8080/v1", r"tcp:8081:interface=\:\:1"),
            ("tcp:80:interface=127.0.0.1", "http://localhost/v1", "tcp:81:interface=127.0.0.1"),
        ],
    )
    def test_same(self, listener: str, url: str, instead: str) -> None:
        """The same port of this machine, whatever it is called, is one address; the line has another port."""
        clash = find_clash([listener], url)
        assert clash is not None
        assert clash.instead == instead

    @pytest.mark.parametrize(
        ("listener", "url"),
        [
            (USUAL, "http://127.0.0.1:8000/v1"),
            (USUAL, "http://gpu:8080/v1"),
            ("tcp:8080", "http://gpu:8080/v1"),
            ("unix:/run/bridge", "http://127.0.0.1:8080/v1"),
            ("systemd:domain=INET:index=0", "http://127.0.0.1:8080/v1"),
        ],
    )
    def test_different(self, listener: str, url: str) -> None:
        """Another port, and another machine, are none."""
        assert find_clash([listener], url) is None

    def test_port_that_is_free(self) -> None:
        """The port to write is that of no other listener and of no other backend."""
        clash = find_clash([USUAL, "tcp:8081"], "http://127.0.0.1:8080", ["http://127.0.0.1:8082/v1"])
        assert clash is not None
        assert clash.port == 8083
