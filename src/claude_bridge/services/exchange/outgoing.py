"""Makes the HTTP request of one attempt."""

from __future__ import annotations

from typing import Final

from claude_bridge.config.dialects import key_header
from claude_bridge.config.schema import Backend
from claude_bridge.config.secret import Secret
from claude_bridge.core.backend_api import Prepared
from claude_bridge.services.interfaces import UpstreamRequest

IDLE_WITH_TOOLS: Final = 600.0
IDLE: Final = 300.0
"""Seconds of silence inside an answer: some servers send a long tool call in one piece after minutes."""


def upstream_url(backend: Backend, prepared: Prepared) -> str:
    """Return the URL of a request."""
    return f"{backend.url}/{prepared.path}"


def upstream_request(
    backend: Backend, prepared: Prepared, secret: Secret | None, user_agent: str, *, forwarded: bool = False
) -> UpstreamRequest:
    """Return the request to a backend; configured headers replace ours of the same name.

    ``forwarded``: whether ``secret`` is the client's own.
    """
    headers = list(prepared.headers)
    if not any(name.lower() == "user-agent" for name, _ in headers):
        headers.append(("User-Agent", user_agent))
    if secret is not None:
        name = prepared.client_key_header if forwarded else ""
        headers.append(key_header(backend, secret, name))
    return UpstreamRequest(
        backend=backend,
        url=upstream_url(backend, prepared),
        headers=backend.with_headers(headers),
        body=prepared.body,
        first_byte_timeout=backend.first_byte_timeout,
        idle_timeout=backend.idle_timeout or (IDLE_WITH_TOOLS if prepared.with_tools else IDLE),
    )
