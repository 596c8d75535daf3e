"""The environment's proxies, for backends with ``proxy = env``: as curl reads the variables, so lower case comes first.

Plain ``http_proxy`` counts in lower case only, as in curl, since a web server hands its programs a client's ``Proxy``
header as ``HTTP_PROXY``. Backends on this machine are always asked directly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final
from urllib.parse import urlsplit

from attrs import evolve

from claude_bridge.config.listeners import is_loopback
from claude_bridge.config.problems import Problem
from claude_bridge.config.proxy import ENVIRONMENT, ProxySetting, proxy_server
from claude_bridge.config.schema import Backend, Config
from claude_bridge.config.variables import SECTION, set_variables

_LAST: Final = ("all_proxy", "ALL_PROXY")
_VARIABLES: Final[Mapping[str, tuple[str, ...]]] = {
    "https": ("https_proxy", "HTTPS_PROXY", *_LAST),
    "http": ("http_proxy", *_LAST),
}
"""The variables that name a proxy, by the scheme of a backend's url; the first that is set counts."""

_EXEMPTIONS: Final = ("no_proxy", "NO_PROXY")
_PORTS: Final = {"http": 80, "https": 443}


def with_proxies(config: Config, environ: Mapping[str, str]) -> tuple[Config, tuple[Problem, ...]]:
    """Return ``config`` with the environment's proxies where a backend wants them, and the mistakes in variables."""
    backends: dict[str, Backend] = {}
    problems: list[Problem] = []
    for name, backend in config.backends.items():
        setting = backend.proxy
        if setting.by_environment:
            setting, found = _setting(backend.url, environ)
            problems += found
        backends[name] = backend if setting == backend.proxy else evolve(backend, proxy=setting)
    return evolve(config, backends=backends), tuple(problems)


def _setting(url: str, environ: Mapping[str, str]) -> tuple[ProxySetting, list[Problem]]:
    parts = urlsplit(url)
    host, port = (parts.hostname or "").rstrip("."), parts.port or _PORTS[parts.scheme]
    if is_loopback(host) or host.endswith(".localhost"):
        return ProxySetting(by_environment=True, why="the backend is on this machine"), []
    named, exempting = (set_variables(environ, names)[:1] for names in (_VARIABLES[parts.scheme], _EXEMPTIONS))
    if not named:
        return ProxySetting(by_environment=True, why="no variable names one"), []
    if exempting and is_exempt(host, port, environ[exempting[0]]):
        return ProxySetting(by_environment=True, why=exempting[0]), []
    text = environ[named[0]].strip()
    try:
        server = proxy_server(text if "://" in text else f"http://{text}")
    except ValueError as error:
        wanted = f"it counts where a backend has proxy = {ENVIRONMENT}"
        return ProxySetting(by_environment=True), [Problem(SECTION, named[0], f"{error}; {wanted}")]
    return ProxySetting(server, by_environment=True, why=named[0]), []


def is_exempt(host: str, port: int, exemptions: str) -> bool:
    """Return whether one of ``exemptions``, the value of ``no_proxy``, is for ``host`` (lower case, no brackets).

    They have commas or blanks between them: ``*``; a name, for itself and all below it, with or without a dot or ``*.``
    before it; an address; a network, ``10.0.0.0/8``. A port may follow a name or an address. What is none of these
    exempts nothing.
    """
    return any(_fits(each.lower(), host, port) for each in re.split(r"[\s,]+", exemptions) if each)


def _fits(exemption: str, host: str, port: int) -> bool:
    if exemption == "*":
        return True
    name, own = exemption, _address(host)
    if "/" in name:
        return own is not None and _in_network(own, name)
    if _address(name) is None:
        before, colon, number = name.rpartition(":")
        if colon and number != str(port):
            return False
        name = before if colon else name
    if own is not None:
        return own == _address(name)
    domain = name.removeprefix("*").strip(".")
    return bool(domain) and f".{host}".endswith(f".{domain}")


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None


def _in_network(address: IPv4Address | IPv6Address, text: str) -> bool:
    try:
        return address in ip_network(text, strict=False)
    except ValueError:
        return False
