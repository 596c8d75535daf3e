"""Which headers are passed on: all but those that concern a single connection, or the bridge itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "te", "trailer", "trailers", "transfer-encoding", "upgrade", "http2-settings"}
)
"""Besides those that begin with ``proxy-``, and those that ``Connection`` names."""

OURS: Final = "x-claude-bridge-"
"""How the names of the bridge's own headers begin: another bridge must not set them in our place."""

UPSTREAM_REQUEST_ID: Final = f"{OURS}upstream-request-id"
"""Under this name clients get the backend's ``request-id``: the bridge has a ``request-id`` of its own."""

_NOT_SENT: Final = HOP_BY_HOP | {
    *("host", "content-length", "content-encoding", "content-type", "accept-encoding", "expect", "cookie"),
    *("authorization", "x-api-key"),
    *("origin", "referer", "forwarded", "via", "x-real-ip"),
}
_NOT_SENT_BEGINNINGS: Final = ("proxy-", "sec-", "x-forwarded-", OURS)

_NOT_RETURNED: Final = HOP_BY_HOP | {
    *("content-length", "content-encoding", "content-type", "date", "server", "set-cookie", "request-id"),
    *("alt-svc", "strict-transport-security", "cache-control"),
    *("x-content-type-options", "clear-site-data", "refresh", "link", "nel", "report-to", "reporting-endpoints"),
    *("x-sendfile", "x-lighttpd-send-file"),
}
_NOT_RETURNED_BEGINNINGS: Final = ("proxy-", "access-control-", "cross-origin-", "content-security-", "x-accel-", OURS)
"""Among them what a web server in front of the bridge would obey (``x-accel-redirect`` sends a file of its own), and
what would take back the bridge's own protection against web pages."""

_ADDED: Final = (("content-type", "application/json"), ("anthropic-version", "2023-06-01"))
"""The body is JSON in UTF-8 by now, whatever the client called it: curl calls everything a form."""


def request_headers(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the headers for the backend, without a credential; ``given``: the client's, names in lower case."""
    passed = dict(_passed(given, _NOT_SENT, _NOT_SENT_BEGINNINGS))
    return (*passed.items(), *((name, value) for name, value in _ADDED if name not in passed))


def response_headers(given: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return the headers for the client; ``given``: the backend's, names in lower case."""
    passed = tuple(_passed(given, _NOT_RETURNED, _NOT_RETURNED_BEGINNINGS))
    identifier = given.get("request-id")
    return (*passed, (UPSTREAM_REQUEST_ID, identifier)) if identifier else passed


def _passed(
    given: Mapping[str, str], excluded: frozenset[str], beginnings: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    named = {name.strip().lower() for name in given.get("connection", "").split(",")}
    for name, value in given.items():
        if name not in excluded and name not in named and not name.startswith(beginnings):
            yield name, value
