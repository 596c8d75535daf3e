"""Translates what Twisted, TLS and the resolver raise into errors of our own.

The messages name the backend by its configured name and quote nothing of a request, so they contain no credential.
"""

from __future__ import annotations

import zlib
from typing import Final, cast
from urllib.parse import urlsplit, urlunsplit

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error as network
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import (
    BAD_GATEWAY,
    FORBIDDEN,
    GATEWAY_TIMEOUT,
    PROXY_AUTH_REQUIRED,
    SERVICE_UNAVAILABLE,
    PotentialDataLoss,
)

from claude_bridge.config.schema import Backend
from claude_bridge.core.errors import (
    BridgeError,
    InternalFault,
    UpstreamCut,
    UpstreamError,
    UpstreamProtocolError,
    UpstreamUnreachable,
)
from claude_bridge.core.http1 import FramingError, HeadTooLong, SpeaksTLS
from claude_bridge.services.upstream.connection import ConnectionCut, HeadCut, NoResponse
from claude_bridge.services.upstream.endpoints import ConnectTimedOut, SpeaksPlainHTTP, TrustUnusable
from claude_bridge.services.upstream.proxy import ProxyClosed, ProxyError, ProxyGarbled, ProxyRefused, ProxyUnreachable

_NO_TLS: Final = frozenset({"wrong version number", "http request", "unknown protocol", "packet length too long"})
"""OpenSSL's reasons when the server's first bytes are not TLS."""

_UNTRUSTED: Final = "certificate verify failed"
"""OpenSSL's reason when no authority that is trusted has signed the server's certificate."""

_HTTPS_PORT: Final = 443

MAX_SHOWN_URL: Final = 200
"""Characters of the longest URL that a message quotes."""

_log = Logger()


def before_head(failure: Failure, backend: Backend) -> BridgeError:
    """Return the error for a request that got no response.

    An unknown exception is our own fault: it is logged with its traceback and becomes an `InternalFault`.
    """
    error = cast(BaseException, failure.value)
    known = _unusable(error, backend) or _unconnected(error, backend) or _unanswered(error, backend)
    if known is None:
        _log.failure("A request to backend {backend} failed in the bridge", failure, backend=backend.name)
        return InternalFault("the bridge could not send the request")
    return known


def in_body(failure: Failure, backend: Backend) -> BridgeError | None:
    """Return the error that ended a body; None if it is complete as far as the transport can tell.

    A body without a length ends with the connection (``PotentialDataLoss``): only the stream's own end mark shows
    whether it is complete.
    """
    if failure.check(ResponseDone, PotentialDataLoss):
        return None
    if failure.check(zlib.error):
        return UpstreamProtocolError(f"backend {backend.name} sent gzip that cannot be unpacked")
    if failure.check(ConnectionCut):
        return UpstreamCut(f"backend {backend.name} closed the connection in the middle of its answer")
    return UpstreamProtocolError(f"backend {backend.name} broke the framing of its answer (HTTP)")


def redirected(backend: Backend, status: int, url: str) -> UpstreamProtocolError:
    """Return the error for a redirect to ``url``: we never follow one, since the request carries a credential."""
    told = f"backend {backend.name} redirects (HTTP {status})"
    place = _without_secrets(url)
    if not place:
        return UpstreamProtocolError(f"{told} instead of answering: correct its url")
    return UpstreamProtocolError(f"{told} to {place}: if that is the API, use it as the url")


def _without_secrets(url: str) -> str:
    """Return an http or https URL as ``url`` of a backend may be, or "" if it is none, or too long to be shown."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.netloc or not url.isprintable() or len(url) > MAX_SHOWN_URL:
        return ""
    place = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return urlunsplit(place).removesuffix("/").removesuffix("/chat/completions")


def coded(backend: Backend, coding: str) -> UpstreamProtocolError:
    """Return the error for a response in a content coding that was not requested."""
    return UpstreamProtocolError(
        f"backend {backend.name} answered in a content coding that was not requested, {coding[:20]!r}"
    )


def _unusable(error: BaseException, backend: Backend) -> UpstreamError | None:
    """Return the error for a mistake in the configuration, found with the first request; None for anything else."""
    if isinstance(error, TrustUnusable):
        return UpstreamUnreachable(f"cannot reach backend {backend.name}: its ca_file cannot be used: {error}")
    if isinstance(error, ValueError):
        return UpstreamUnreachable(f"cannot reach backend {backend.name}: its url cannot be used")
    return None


def _unconnected(error: BaseException, backend: Backend) -> UpstreamError | None:
    if isinstance(error, ProxyError):
        return UpstreamUnreachable(f"cannot reach backend {backend.name}: {_by_proxy(error, backend)}")
    reason: str | None = None
    tls = _tls(error)
    if isinstance(error, SpeaksPlainHTTP) or tls in _NO_TLS:
        told = f"{_cannot_reach(backend)}: the server there does not speak TLS, so its url must begin with http://"
        return UpstreamUnreachable(told, right_scheme="http")
    if isinstance(error, (ConnectTimedOut, network.TimeoutError)):
        reason = f"no connection within {backend.connect_timeout:g} s"
    elif isinstance(error, network.ConnectionRefusedError):
        reason = "connection refused"
    elif isinstance(error, network.DNSLookupError):
        reason = "the host name of its url is not known"
    elif isinstance(error, network.ConnectError):
        reason = str(error).rstrip(".")
    elif tls is not None:
        reason = f"TLS failed, {tls}"
        if backend.proxy.server is not None and tls == _UNTRUSTED:
            reason += "; a proxy that intercepts TLS has its own certificate authority: name it in ca_file"
    if reason is None and isinstance(error, network.ConnectionClosed):
        reason = "it closed the connection instead of setting up TLS"
    return None if reason is None else UpstreamUnreachable(f"{_cannot_reach(backend)}: {reason}")


def _cannot_reach(backend: Backend) -> str:
    """Return the words for a connection that failed on the way to the backend, or at its end."""
    through = "" if backend.proxy.server is None else " through its proxy"
    return f"cannot reach backend {backend.name}{through}"


def _by_proxy(error: ProxyError, backend: Backend) -> str:
    """Return why the proxy gave no connection: that it was the proxy is said in each case."""
    proxy = f"its proxy (of {backend.proxy.why})" if backend.proxy.by_environment else "its proxy"
    if isinstance(error, ProxyUnreachable):
        return _no_proxy(error.cause, proxy, backend)
    if isinstance(error, ProxyRefused):
        return _refused_by_proxy(error, proxy, backend)
    if isinstance(error, ProxyClosed):
        return f"{proxy} closed the connection without an answer to CONNECT"
    if isinstance(error, ProxyGarbled):
        if isinstance(error.cause, SpeaksTLS):
            return f"{proxy} speaks TLS at that port: the port for plain HTTP is needed"
        return f"{proxy} did not answer in HTTP: is it an HTTP proxy?"
    return f"{proxy} did not answer within {backend.connect_timeout:g} s"


def _no_proxy(cause: BaseException, proxy: str, backend: Backend) -> str:
    if isinstance(cause, network.ConnectionRefusedError):
        return f"{proxy} does not run: connection refused"
    if isinstance(cause, network.DNSLookupError):
        return f"the host name of {proxy} is not known"
    if isinstance(cause, network.ConnectError) and not isinstance(cause, network.TimeoutError):
        return f"no connection to {proxy}: {str(cause).rstrip('.')}"
    return f"no connection to {proxy} within {backend.connect_timeout:g} s"


def _refused_by_proxy(error: ProxyRefused, proxy: str, backend: Backend) -> str:
    status, server = error.status, backend.proxy.server
    if status == PROXY_AUTH_REQUIRED:
        if error.schemes and "basic" not in error.schemes:
            return f"{proxy} wants a login (HTTP 407), but not by user and password (Basic), the only way supported"
        if server is not None and server.has_login:
            return f"{proxy} does not accept the user and password (HTTP 407)"
        key = backend.proxy.why if backend.proxy.by_environment else "proxy"
        return f"{proxy} wants a user and password (HTTP 407): {key} = http://user:password@host:port"
    if status == FORBIDDEN:
        hint = "" if _is_usual_port(backend.url) else ": many allow only port 443"
        return f"{proxy} does not allow connections to this backend (HTTP 403 of the proxy){hint}"
    if status in {BAD_GATEWAY, SERVICE_UNAVAILABLE, GATEWAY_TIMEOUT}:
        return f"{proxy} has no connection to this backend (HTTP {status} of the proxy)"
    return f"{proxy} does not make connections (HTTP {status} for CONNECT): is it an HTTP proxy?"


def _is_usual_port(url: str) -> bool:
    """Return whether a URL's port is the one of https."""
    parts = urlsplit(url)
    return parts.port == _HTTPS_PORT or (parts.port is None and parts.scheme == "https")


def _unanswered(error: BaseException, backend: Backend) -> UpstreamError | None:
    if isinstance(error, NoResponse):
        return UpstreamCut(f"backend {backend.name} closed the connection without an answer")
    if isinstance(error, HeadCut):
        return UpstreamCut(f"backend {backend.name} closed the connection in the middle of its answer's head")
    if isinstance(error, SpeaksTLS):
        return UpstreamUnreachable(
            f"cannot reach backend {backend.name}: the server there speaks TLS, so its url must begin with https://",
            right_scheme="https",
        )
    if isinstance(error, HeadTooLong):
        return UpstreamProtocolError(f"backend {backend.name} sent {error}")
    if isinstance(error, FramingError):
        return UpstreamProtocolError(f"backend {backend.name} did not answer in HTTP")
    return None


def _tls(error: BaseException) -> str | None:
    """Return the reason of a TLS failure, or None if it is not one."""
    if isinstance(error, VerificationError):
        return "its certificate is for another name"
    return _openssl_reason(error) if isinstance(error, SSL.Error) else None


def _openssl_reason(error: SSL.Error) -> str:
    """Return the last reason in OpenSSL's error queue: ``([(library, function, reason), ...],)``."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return str(queue[-1][-1]) if queue else "no reason given"
