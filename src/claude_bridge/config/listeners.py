r"""Twisted server endpoint strings, checked without Twisted, and whether they reach beyond this machine.

Sockets that systemd hands over may be bound anywhere, which their endpoint string does not tell: these are looked at.

The grammar is ``twisted.internet.endpoints._parse``: parts are divided by ``:``, a part with ``=`` is
named, a backslash takes the next character as it is (``interface=\:\:1``).
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

from attrs import frozen

from claude_bridge.config.problems import suggestion

MAX_PORT = 65_535

BACKLOG = 1024
"""Connections that may wait to be accepted. With Twisted's own 50, clients that connect at once wait for a second or
more; the system cuts the number down to its own bound (``net.core.somaxconn``, 4,096)."""

PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "tcp": ("port", "interface", "backlog"),
    "tcp6": ("port", "backlog", "interface"),
    "ssl": ("port", "privateKey", "certKey", "sslmethod", "interface", "backlog", "extraCertChain", "dhParameters"),
    "tls": ("path", "port", "backlog", "interface"),
    "unix": ("address", "mode", "backlog", "lockfile"),
    "systemd": ("domain", "index", "name"),
}
"""The parameters of each kind, in order (Twisted 26: the signatures of its parsers)."""

REQUIRED = {"tcp": "port", "tcp6": "port", "ssl": "port", "tls": "path", "unix": "address", "systemd": "domain"}
WRAPPERS = ("haproxy",)
"""Kinds that take another endpoint string as the rest."""

_BARE = re.compile(r"(?:(?P<host>localhost|\*|[0-9.]+|\[[0-9A-Fa-f:.]+\])?:)?(?P<port>\d{1,5})")
"""``PORT`` or ``HOST:PORT``, as other servers write it; only addresses, for what else could be anything."""
_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?")
_PART = re.compile(r"((?:[^:\\]|\\.)*)(:|$)", re.DOTALL)
_NAMED = re.compile(r"((?:[^=\\]|\\.)*)=(.*)", re.DOTALL)


@frozen
class Listener:
    """One endpoint string, taken apart."""

    kind: str
    parameters: Mapping[str, str]

    @property
    def interface(self) -> str:
        """The address that is bound; empty means all."""
        return self.parameters.get("interface", "")

    @property
    def scheme(self) -> str:
        """What a client writes before ``://``."""
        return "https" if self.kind in {"ssl", "tls"} else "http"

    @property
    def local(self) -> bool:
        """Whether only programs on this machine can connect, as far as the string shows.

        A socket of a plugin may be bound to anything, so it counts as open; so does one from systemd, where
        `claude_bridge.config.listeners` can see more.
        """
        if self.kind == "unix":
            return True
        if self.kind not in {"tcp", "tcp6", "ssl", "tls"}:
            return False
        return is_loopback(self.interface)


def is_loopback(host: str) -> bool:
    """Return whether ``host`` (a name or an address, no brackets) is this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def listener(text: str) -> Listener:
    """Return the parts of ``text``. Raises `ValueError` that says what is wrong with it."""
    first, *rest = _split(text)
    kind = _unescape(first)
    if kind in WRAPPERS:
        return listener(":".join(rest))
    if kind not in PARAMETERS:
        _check_bare(text)
        _check_plugin(kind)
        return Listener(kind, {})
    parameters = _bind(kind, rest)
    _check(kind, parameters)
    return Listener(kind, parameters)


def endpoint(text: str) -> str:
    """Return ``text`` back if it is a valid endpoint string, else raise `ValueError`."""
    listener(text)
    return text


def http_url(scheme: str, host: str, port: int) -> str:
    """Return the URL of a listener; an IPv6 address gets its brackets."""
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def tcp(port: int, host: str) -> str:
    r"""Return the endpoint string for ``host`` and ``port``; an IPv6 address gets its colons escaped."""
    return f"tcp:{port}:interface={host.replace(':', chr(92) + ':')}:backlog={BACKLOG}"


def _split(text: str) -> list[str]:
    if len(text) - len(text.rstrip("\\")) & 1:
        raise ValueError("ends in a lone backslash")
    parts, position = [], 0
    while match := _PART.match(text, position):
        parts.append(match[1])
        position = match.end()
        if not match[2]:
            break
    return parts


def _unescape(part: str) -> str:
    return re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL)


def _bind(kind: str, parts: list[str]) -> dict[str, str]:
    names = PARAMETERS[kind]
    bound: dict[str, str] = {}
    nameless = iter(names)
    for part in parts:
        named = _NAMED.fullmatch(part)
        if named:
            nameless = iter(())  # as in Python, no positional argument follows a named one
        name = _unescape(named[1]) if named else next(nameless, None)
        if name is None:
            raise ValueError(r"has too many parts; a colon inside a part is written \: (interface=\:\:1)")
        if name not in names:
            raise ValueError(f"{kind} has no parameter of that name, {suggestion(name, names)}")
        if name in bound:
            raise ValueError(f"gives {name} twice")
        bound[name] = _unescape(named[2] if named else part)
    return bound


def _check(kind: str, parameters: Mapping[str, str]) -> None:
    needed = REQUIRED[kind]
    if not parameters.get(needed):
        raise ValueError(f"{kind} needs a {needed}")
    if "port" in parameters:
        port_number(parameters["port"])
    _check_interface(parameters.get("interface", ""))
    if not parameters.get("backlog", "50").isdecimal():
        raise ValueError("backlog must be a number")
    if not re.fullmatch(r"[0-7]{1,4}", parameters.get("mode", "666")):
        raise ValueError("mode must be octal, such as 660")
    if parameters.get("lockfile", "1") not in {"0", "1"}:
        raise ValueError("lockfile must be 0 or 1")
    if kind == "systemd":
        _check_systemd(parameters)


def _check_bare(text: str) -> None:
    """Return how ``PORT`` or ``HOST:PORT`` is written here."""
    bare = _BARE.fullmatch(text)
    if bare:
        host = (bare["host"] or "127.0.0.1").strip("[]").replace("*", "0.0.0.0")
        raise ValueError(f"not a Twisted server endpoint, did you mean {tcp(int(bare['port']), host)}?")


def _check_interface(text: str) -> None:
    """Accept an address, or what could be the name of one; 127.0.0.l would only fail at the start."""
    if not text:
        return
    try:
        ip_address(text)
    except ValueError:
        parts = text.split(".")
        numbers = sum(part.isdecimal() for part in parts)
        if numbers > len(parts) - numbers or parts[-1].isdecimal() or not _HOST_NAME.fullmatch(text):
            raise ValueError("the interface is neither an IP address nor a host name") from None


def _check_systemd(parameters: Mapping[str, str]) -> None:
    if parameters["domain"] not in {"INET", "INET6", "UNIX"}:
        raise ValueError("systemd needs domain=INET, domain=INET6 or domain=UNIX")
    if ("index" in parameters) == ("name" in parameters):
        raise ValueError("systemd needs either name= (FileDescriptorName= of the socket unit) or index=")
    if not parameters.get("index", "0").isdecimal():
        raise ValueError("index must be a number")


def port_number(text: str) -> int:
    """Return the TCP port; 0 lets the system choose a free one. Raises `ValueError`."""
    if not (text.isascii() and text.isdecimal() and int(text) <= MAX_PORT):
        raise ValueError(f"the port must be a number from 0 to {MAX_PORT}")
    return int(text)


def _check_plugin(kind: str) -> None:
    """Accept a kind that an installed Twisted plugin brings; only asked for kinds unknown here, as it is slow."""
    from twisted.internet.interfaces import IStreamServerEndpointStringParser  # noqa: PLC0415
    from twisted.plugin import getPlugins  # noqa: PLC0415

    installed = {plugin.prefix for plugin in getPlugins(IStreamServerEndpointStringParser)}
    if kind not in installed - {"stdio"}:  # standard output is not a place to serve clients from
        kinds = ({*PARAMETERS, *WRAPPERS} | installed) - {"stdio"}
        raise ValueError(f"not a kind of Twisted server endpoint, {suggestion(kind, kinds)}")


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
