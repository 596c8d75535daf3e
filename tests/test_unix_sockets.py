"""UNIX sockets by their paths."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from claude_bridge.unix_sockets import MAX_ADDRESS_BYTES, address_of, connected, is_alive


@pytest.fixture(params=["s", "x" * 110])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a path of any length, and one that is too long for an address by itself."""
    name: str = request.param
    folder = tmp_path / name
    folder.mkdir()
    return folder / "one.sock"


class UnixSocketsTests:
    """Listening, connecting, and who is alive."""

    def test_long_and_short(self, path: Path) -> None:
        """A socket is bound, found and connected to at its path, however long that is."""
        with address_of(path) as address, socket.socket(socket.AF_UNIX) as listening:
            assert len(address) <= MAX_ADDRESS_BYTES
            listening.bind(address)
            listening.listen()
            assert path.is_socket()
            assert is_alive(path)
            with connected(path, 5.0) as connection:
                assert connection.gettimeout() == 5.0

    def test_dead(self, path: Path) -> None:
        """Where nobody listens any more, or nothing is, nobody is alive."""
        assert not is_alive(path)
        with address_of(path) as address, socket.socket(socket.AF_UNIX) as listening:
            listening.bind(address)
        assert not is_alive(path)
        with pytest.raises(ConnectionRefusedError):
            connected(path, 1.0)

    def test_cannot_be_told(self, tmp_path: Path) -> None:
        """What is no socket of ours to judge counts as alive, so that nobody removes it."""
        (tmp_path / "file").touch()
        assert is_alive(tmp_path / "file" / "below")
