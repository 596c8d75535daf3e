"""Endpoint strings."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.endpoints import _SystemdParser, serverFromString
from twisted.internet.testing import MemoryReactorClock
from twisted.python.systemd import ListenFDs

from claude_bridge.config.listeners import endpoint, http_url, is_local, is_loopback, listener, port_number, tcp


class EndpointTests:
    """Valid strings pass, others are explained."""

    @pytest.mark.parametrize(
        ("text", "local"),
        [
            ("tcp:8080", False),
            ("tcp:8080:interface=127.0.0.1", True),
            ("tcp:8080:127.0.0.1", True),
            ("tcp:port=8080:interface=127.8.8.8:backlog=5", True),
            ("tcp:8080:interface=localhost", True),
            (r"tcp:8080:interface=\:\:1", True),
            (r"tcp6:8080:interface=\:\:1", True),
            ("tcp6:8080", False),
            (r"tcp6:8080:interface=\:\:", False),
            (r"tcp6:8080:interface=fe80\:\:1%eth0", False),
            ("tcp:8080:interface=1.pool.example", False),
            ("tcp:8080:interface=box-3", False),
            ("tcp:8080:interface=0.0.0.0", False),
            ("tcp:8080:interface=192.168.1.5", False),
            ("tcp:8080:interface=bridge.local", False),
            ("tcp:8080:interface=", False),
            ("unix:/run/bridge.sock", True),
            ("unix:/run/bridge.sock:mode=660:lockfile=0", True),
            ("ssl:8443:privateKey=/k.pem:certKey=/c.pem", False),
            ("ssl:8443:privateKey=/k.pem:interface=127.0.0.1", True),
            ("tls:/etc/pems:443", False),
            ("systemd:domain=INET:name=http", False),
            ("systemd:domain=INET:index=0", False),
            ("haproxy:tcp:8080:interface=127.0.0.1", True),
            ("haproxy:tcp:8080", False),
        ],
    )
    def test_reach(self, text: str, local: bool) -> None:
        """A listener counts as local only if nobody but this machine can reach it."""
        assert endpoint(text) == text
        assert listener(text).local is local

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "not a kind of Twisted server endpoint"),
            ("8080", r"did you mean tcp:8080:interface=127\.0\.0\.1:backlog=1024\?"),
            ("127.0.0.1:8080", r"did you mean tcp:8080:interface=127\.0\.0\.1:backlog=1024\?"),
            ("localhost:8080", r"did you mean tcp:8080:interface=localhost:backlog=1024\?"),
            ("*:80", r"did you mean tcp:80:interface=0\.0\.0\.0:backlog=1024\?"),
            ("[::1]:8080", r"did you mean tcp:8080:interface=\\:\\:1:backlog=1024\?"),
            ("tcp:80:interface=127.0.0.l", "the interface is neither an IP address nor a host name"),
            ("tcp:80:interface=127.0.0.256", "the interface is neither"),
            ("tcp:80:interface=127.0.0.1 ", "the interface is neither"),
            (r"tcp6:80:interface=\:\:g", "the interface is neither"),
            (r"tcp:80:interface=[\:\:1]", "the interface is neither"),
            ("ssl:80:interface=10.0.0", "the interface is neither"),
            ("tpc:80", "did you mean tcp"),
            ("stdio:", "not a kind"),
            ("haproxy:", "not a kind"),
            ("tcp", "tcp needs a port"),
            ("tcp:", "tcp needs a port"),
            ("tcp:http", "the port must be a number from 0 to 65535"),
            ("tcp:65536", "the port must be a number"),
            ("tcp:-1", "the port must be a number"),
            ("tcp:٣", "the port must be a number"),
            ("tcp:80:interfce=x", "no parameter of that name, did you mean interface"),
            ("tcp:80:interface=::1", "a colon inside a part is written"),
            ("tcp:80:a:5:6", "a colon inside a part is written"),
            ("tcp:80:port=81", "gives port twice"),
            ("tcp:80:backlog=many", "backlog must be a number"),
            ("unix:", "unix needs a address"),
            ("unix:/s:mode=999", "mode must be octal"),
            ("unix:/s:lockfile=maybe", "lockfile must be 0 or 1"),
            ("systemd:domain=INET", "either name="),
            ("systemd:domain=INET:name=a:index=0", "either name="),
            ("systemd:domain=TCP:name=a", "domain=INET"),
            ("systemd:domain=INET:index=x", "index must be a number"),
            ("tcp:80:interface=x\\", "lone backslash"),
        ],
    )
    def test_mistakes(self, text: str, message: str) -> None:
        """What Twisted would not listen on is refused before the start."""
        with pytest.raises(ValueError, match=message):
            endpoint(text)

    def test_plugin(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A kind that an installed Twisted plugin brings is accepted, and counts as open."""

        class Onion:
            prefix = "onion"

        monkeypatch.setattr("twisted.plugin.getPlugins", lambda _interface: [Onion()])

        assert not listener("onion:80:anything=goes").local

    @pytest.mark.parametrize(
        "text",
        [
            "tcp:8080",
            "tcp:8080:127.0.0.1",
            r"tcp:8080:interface=\:\:1",
            r"tcp6:8080:interface=\:\:1",
            "unix:/s:mode=660",
        ],
    )
    def test_twisted_agrees(self, text: str) -> None:
        """What passes here is an endpoint for Twisted too."""
        reactor: Any = MemoryReactorClock()
        assert serverFromString(reactor, text) is not None
        assert endpoint(text) == text

    @given(st.text(alphabet=st.sampled_from("tcp:unix=0\\81/.interface"), max_size=30))
    def test_never_lets_through_what_twisted_refuses(self, tail: str) -> None:
        """No string of this kind passes here and fails in Twisted."""
        text = f"tcp:{tail}"
        try:
            endpoint(text)
        except ValueError:
            return
        reactor: Any = MemoryReactorClock()
        assert serverFromString(reactor, text) is not None


class TcpTests:
    """Host and port become an endpoint string."""

    def test_addresses(self) -> None:
        """An IPv6 address survives the way into an endpoint string."""
        assert tcp(80, "127.0.0.1") == "tcp:80:interface=127.0.0.1:backlog=1024"
        assert listener(tcp(80, "fe80::1")).interface == "fe80::1"

    @pytest.mark.parametrize(
        ("text", "host", "url"),
        [
            ("tcp:80", "127.0.0.1", "http://127.0.0.1:80"),
            ("tcp6:80", "::1", "http://[::1]:80"),
            ("haproxy:tls:/etc/pems:80", "::", "https://[::]:80"),
            ("ssl:80", "box", "https://box:80"),
        ],
    )
    def test_url(self, text: str, host: str, url: str) -> None:
        """A listener is told as an address that can be clicked, brackets and scheme included."""
        assert http_url(listener(text).scheme, host, 80) == url

    def test_port_number(self) -> None:
        """Ports are 0 to 65535."""
        assert [port_number("0"), port_number("65535")] == [0, 65535]

    @pytest.mark.parametrize(
        ("host", "expected"), [("LOCALHOST", True), ("::1", True), ("10.0.0.1", False), ("", False)]
    )
    def test_is_loopback(self, host: str, expected: bool) -> None:
        """Only this machine's own addresses are loopback."""
        assert is_loopback(host) is expected


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
