"""Tests for `claude_bridge.core.anthropic_backend.headers`."""

from __future__ import annotations

import pytest

from claude_bridge.core.anthropic_backend.headers import request_headers, response_headers

CLIENT = {
    "user-agent": "claude-cli/2.1.330 (external, cli)",
    "accept": "application/json",
    "content-type": "application/json",
    "anthropic-version": "2026-10-21",
    "anthropic-beta": "claude-code-20250219,something-new-2027-01-01",
    "anthropic-dangerous-direct-browser-access": "true",
    "x-stainless-retry-count": "0",
    "x-app": "cli",
    "x-claude-code-session-id": "7c",
    "x-made-up-tomorrow": "yes",
}


class RequestTests:
    """The client's headers on their way to the backend."""

    def test_open_list(self) -> None:
        """What is not known to concern the connection, or the bridge, passes as it is."""
        assert dict(request_headers(CLIENT)) == CLIENT

    @pytest.mark.parametrize(
        "name",
        [
            *("connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-authorization"),
            *("host", "content-length", "content-encoding", "accept-encoding", "expect", "cookie"),
            *("authorization", "x-api-key", "origin", "referer", "sec-fetch-mode"),
            *("forwarded", "x-forwarded-for", "via", "x-claude-bridge-route"),
        ],
    )
    def test_left_out(self, name: str) -> None:
        """Credentials, the connection's own headers, and who asked from where, do not."""
        assert dict(request_headers({**CLIENT, name: "x"})) == CLIENT

    def test_named_by_connection(self) -> None:
        """Nor does what the client calls its connection's own."""
        given = {**CLIENT, "connection": "close, X-Private", "x-private": "1"}
        assert dict(request_headers(given)) == CLIENT

    def test_content_type(self) -> None:
        """The body was read as JSON, and is called that whatever the client called it."""
        given = {**CLIENT, "content-type": "application/x-www-form-urlencoded"}
        assert dict(request_headers(given)) == CLIENT

    def test_added(self) -> None:
        """The API demands a version, and a content type."""
        assert request_headers({}) == (("content-type", "application/json"), ("anthropic-version", "2023-06-01"))


class ResponseTests:
    """The backend's headers on their way to the client."""

    def test_open_list(self) -> None:
        """Rate limits, the organisation, and whatever is new, pass as they are."""
        given = {
            "anthropic-ratelimit-tokens-remaining": "9",
            "retry-after": "3",
            "x-new": "1",
            "x-should-retry": "true",
        }
        assert dict(response_headers(given)) == given

    @pytest.mark.parametrize(
        "name",
        [
            *("connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"),
            *("content-length", "content-encoding", "content-type", "date", "server", "set-cookie", "alt-svc"),
            *("strict-transport-security", "cache-control"),
            *("access-control-allow-origin", "x-claude-bridge-served-by"),
            *("x-content-type-options", "cross-origin-resource-policy", "content-security-policy", "clear-site-data"),
            *("x-accel-redirect", "x-sendfile", "x-lighttpd-send-file", "refresh", "link", "nel", "report-to"),
        ],
    )
    def test_left_out(self, name: str) -> None:
        """What describes this one transfer, opens the bridge to pages, commands a proxy, or is ours, does not."""
        assert response_headers({name: "x"}) == ()

    def test_request_id(self) -> None:
        """The bridge has a request id of its own, so that the backend's comes under another name."""
        assert response_headers({"request-id": "req_1"}) == (("x-claude-bridge-upstream-request-id", "req_1"),)
