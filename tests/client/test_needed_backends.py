"""The backends that a name may lead to, and those that are down."""

from __future__ import annotations

import socket

import pytest

from claude_bridge.client.needed_backends import Connecting, Down, backend_wanting_key, needed_backends
from claude_bridge.config.schema import Backend
from tests.client.servers import BACKEND, serving
from tests.config.files import config_of

TEXT = """
[backend:a]
[backend:b]
[backend:c]
[model:m]
backend = a
[model:n]
backend = b
[model:o]
backend = c
[route:default]
models = m, n
[route:pictures]
models = o
when = image
"""


class NeededBackendsTests:
    """Which backends."""

    @pytest.mark.parametrize(
        ("name", "backends"), [("auto", "cab"), ("claude-opus-4-5", "cab"), ("m", "a"), ("N", "b"), ("c/x", "c")]
    )
    def test_names(self, name: str, backends: str) -> None:
        """All that routes may ask for a name, those for failures too; of a model its own alone."""
        assert [each.name for each in needed_backends(config_of(TEXT), name)] == list(backends)

    def test_without_routes(self) -> None:
        """Any other name is for the only backend; of several only their lists can tell which."""
        assert [each.name for each in needed_backends(config_of("[backend:a]\n"), "x")] == ["a"]
        assert needed_backends(config_of("[backend:a]\n[backend:b]\n"), "x") == ()


class WantingKeyTests:
    """Which backend has to get the client's key."""

    def test_key(self) -> None:
        """It is one without a key of the bridge's that wants one, and only where clients' keys are passed on."""
        with serving(BACKEND, key="sk-1") as keyed, serving(BACKEND) as free:
            text = f"[backend:a]\nurl = {free}/v1\n[backend:b]\nurl = {keyed}/v1\n[model:m]\nbackend = a\n"
            config = config_of(f"{text}[model:n]\nbackend = b\n")
            found = backend_wanting_key(config, "n")
            assert found is not None
            assert found.name == "b"
            assert backend_wanting_key(config, "m") is None
            none = config_of(f"[server]\ncredentials = none\n{text}[model:n]\nbackend = b\n")
            assert backend_wanting_key(none, "n") is None
            own = config_of(f"{text}api_key = sk-1-for-the-backend\n".replace("[model:m]\nbackend = a\napi", "api"))
            assert backend_wanting_key(own, "b/x") is None


class ConnectingTests:
    """Which of them are down."""

    def test_refused(self) -> None:
        """One that refuses the connection is; one that takes it is not, and neither is one behind a proxy."""
        config = config_of(
            "[backend:p]\nurl = http://127.0.0.1:9/v1\nproxy = http://127.0.0.1:8\n[backend:r]\nurl = http://[::1]:9/v1\n"
        )
        with serving({}) as url:
            backends = [Backend(name="up", url=f"{url}/v1"), *config.backends.values()]
            (down,) = Connecting(backends).down()
        assert str(down).startswith("backend r: down: ")
        assert str(down).endswith(" at ::1:9: start the server, or correct `url` in [backend:r]")

    def test_elsewhere(self) -> None:
        """Nobody here can start a server that is on another machine."""
        config = config_of("[backend:h]\nurl = https://api.example.com/v1\n")
        down = Down(config.backends["h"], "connection refused")
        assert str(down) == (
            "backend h: down: connection refused at api.example.com:443: check that it is up, or correct `url` in "
            "[backend:h]"
        )

    def test_no_name(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that leads nowhere is down too; what is slow is not decided."""

        def nowhere(address: tuple[str, int], seconds: float) -> socket.socket:
            assert seconds == 1
            if address == ("slow", 443):
                raise TimeoutError
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "create_connection", nowhere)
        backends = [Backend(name="a", url="https://slow/v1"), Backend(name="b", url="http://gpu/v1")]
        (down,) = Connecting(backends).down()
        assert str(down).startswith("backend b: down: name or service not known at gpu:80: ")

    def test_nothing(self) -> None:
        """Without backends nothing is."""
        assert Connecting([]).down() == ()
