"""Decides which requests are admitted: by Host, Origin and credential, from the request head alone (docs/design.md 4).

A web page must not be able to spend the owner's key through the browser of somebody on the same machine. So these are
refused: a foreign ``Origin``, a request that the browser marks as made by another site's page, and a foreign ``Host``,
which is how DNS rebinding shows.

The content type is not checked: ``curl -d`` sends JSON as a form, and a page's form, which needs no preflight, is
recognised by the ``Origin`` that browsers send with every POST, ``null`` included.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final

from attrs import define, field, frozen

from claude_bridge.config.schema import ClientKey, Config
from claude_bridge.config.secret import Secret, hash_of
from claude_bridge.core.errors import AuthenticationFailed, PermissionDenied
from claude_bridge.services.callbacks import do_nothing

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
PROBES: Final = frozenset({"/health", "/health/live"})
"""Paths that may be requested with any Host or none: load balancers use the address, and HTTP/1.0 has no Host."""
HAPROXY_PROBE: Final = ("OPTIONS", "/")
"""The request that HAProxy's bare ``option httpchk`` makes; it is answered like ``/health``."""

OPEN: Final = frozenset({"/", "/api/hello", "/health", "/health/live"})
"""Paths that need no key. Every other path does, known or not: a path can be spelled in more than one way."""

REMEMBERED_HOSTS: Final = 64
"""Hosts whose parsed form is kept: clients send a few, in every request. One may be as long as a header line."""

_BEARER: Final = "bearer "
_HOST: Final = re.compile(r"(?:\[([^\[\]]*)\]|([^:\[\]]*))(?::[0-9]*)?")


@frozen(kw_only=True)
class ClientIdentity:
    """The client that makes a request.

    :ivar credential: what it sent, bearer before ``x-api-key``; with configured keys the one that matched.
    :ivar name: the name of its ``[key:NAME]``, else "".
    """

    credential: Secret | None = None
    name: str = ""


@define
class Gatekeeper:
    """Checks request heads against one configuration.

    What is sent is hashed only if some key is known by its hash. ``learn`` is called with each credential that a client
    sends, before anything about the request can be logged.
    """

    _config: Config
    _learn: Callable[[str], object] = do_nothing
    _hosts: frozenset[str] = field(init=False)
    _origins: frozenset[str] = field(init=False)
    _has_hashes: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        """Fold the case of configured names once."""
        server = self._config.server
        self._hosts = LOOPBACK | frozenset(_folded(host.strip("[]")) for host in server.allowed_hosts)
        self._origins = frozenset(origin.lower() for origin in server.allowed_origins)
        self._has_hashes = any(key.hash is not None for key in self._config.keys.values())

    def admit(self, headers: Mapping[str, str], path: str, local_host: str, *, method: str = "GET") -> ClientIdentity:
        """Return the client, or raise `PermissionDenied` or `AuthenticationFailed`.

        ``headers`` have lower-case names; ``local_host`` is the address on which the connection came in.
        """
        credentials = _credentials(headers)
        for credential in credentials:
            self._learn(credential.reveal())
        if path not in PROBES and (method, path) != HAPROXY_PROBE:
            self._check_host(headers.get("host"), local_host)
            self._check_page(headers)
        if self._config.server.credentials != "keys" or path in OPEN:
            return ClientIdentity(credential=credentials[0] if credentials else None)
        return self._known(credentials)

    def _check_host(self, host: str | None, local_host: str) -> None:
        name = _host_name(host or "")
        if not name or (name not in self._hosts and name != _folded(local_host)):
            raise PermissionDenied(
                f"Host {name[:100]!r} is not allowed; if it is a name of this server, add it to `allowed_hosts` in "
                "[server], or to ALLOWED_HOSTS if there is no file",
                should_retry=False,
            )

    def _check_page(self, headers: Mapping[str, str]) -> None:
        """Raise for requests of web pages, also those without an ``Origin``: an image, a script, a followed link."""
        origin = headers.get("origin")
        if origin is None:
            refused = headers.get("sec-fetch-site") == "cross-site"
        else:
            refused = origin.lower() not in self._origins
        if refused:
            raise PermissionDenied(
                "requests from web pages are refused; to allow a page, add its origin to `allowed_origins` in [server]",
                should_retry=False,
            )

    def _known(self, credentials: list[Secret]) -> ClientIdentity:
        """Return the client whose key was sent; every key is compared, so that the time taken reveals nothing."""
        found: ClientIdentity | None = None
        for credential in credentials:
            sent = credential.reveal()
            digest = hash_of(sent) if self._has_hashes else ""
            for key in self._config.keys.values():
                if _is(key, sent, digest) and found is None:
                    found = ClientIdentity(credential=credential, name=key.name)
        if found is None:
            problem = "the API key is not one of this bridge's keys" if credentials else "an API key is required"
            raise AuthenticationFailed(
                f"{problem}: set ANTHROPIC_AUTH_TOKEN to a key that this bridge has given out as [key:NAME]",
                should_retry=False,
            )
        return found


def _is(key: ClientKey, sent: str, digest: str) -> bool:
    """Return whether a client has sent this key; ``digest`` is the hash of what it sent. Takes constant time."""
    if key.hash is not None:
        return hmac.compare_digest(key.hash, digest)
    return key.secret is not None and key.secret.matches(sent)


def _credentials(headers: Mapping[str, str]) -> list[Secret]:
    """Return the credentials of both headers, bearer first: SDKs use one, Claude Code sends both if both are set."""
    authorization = headers.get("authorization", "")
    bearer = authorization[len(_BEARER) :].strip() if authorization.lower().startswith(_BEARER) else ""
    return [Secret(value) for value in (bearer, headers.get("x-api-key", "").strip()) if value]


@lru_cache(maxsize=REMEMBERED_HOSTS)
def _host_name(host: str) -> str:
    """Return a Host without its port and the brackets of an IPv6 address; "" if it is not a valid host."""
    found = _HOST.fullmatch(host)
    return _folded(found[1] or found[2]) if found is not None else ""


@lru_cache(maxsize=REMEMBERED_HOSTS)
def _folded(host: str) -> str:
    """Return a name or address in one spelling: lower case, no zone, an IPv4-mapped IPv6 address as IPv4."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host.lower()
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
