"""Which headers are secrets."""

from __future__ import annotations

import pytest

from claude_bridge.importers.header_secrets import is_secret_header


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Api-Key", "abc"),
        ("cf-aig-authorization", "abc"),
        ("X-Session-Cookie", "abc"),
        ("X-Mine", "Bearer abc"),
        ("X-Mine", "basic dTpw"),
        ("X-Mine", "sk-invented-0123456789"),
        ("X-Mine", "tenant=a; gsk_invented0123456789"),
        ("X-Mine", "0123456789abcdef0123456789abcdef"),
    ],
)
def test_secret(name: str, value: str) -> None:
    """A name or a form that tells a credential is enough."""
    assert is_secret_header(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTP-Referer", "https://example.com/a/long/path/of/mine/2024"),
        ("X-Title", "Claude Code"),
        ("anthropic-beta", "context-1m-2025-08-07,interleaved-thinking-2025-05-14"),
        ("api-version", "2024-12-01-preview"),
        ("X-Region", "eu-central-1"),
    ],
)
def test_no_secret(name: str, value: str) -> None:
    """What people write in headers otherwise is shown."""
    assert not is_secret_header(name, value)
