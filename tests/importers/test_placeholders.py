"""Placeholders are told from keys."""

from __future__ import annotations

import pytest

from claude_bridge.importers.placeholders import is_placeholder


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "dummy",
            "EMPTY",
            "none",
            "null",
            "ollama",
            "lm-studio",
            "not-needed",
            "sk-xxx",
            "sk-xxxxxxxx",
            "sk-",
        ),
        *(
            "sk-or-v1-",
            "sk-or-v1-xxxxxxxx",
            "your-api-key",
            "YOUR_API_KEY",
            "your_api_key_here",
            "<your key>",
            "sk-1234",
        ),
        *(
            "xxx",
            "...",
            "***",
            "{{apiKey}}",
            "sk-your-openai-key",
            "insert your key here",
            "你的密钥",
            "sk-ant-xxx",
            "x",
        ),
    ],
)
def test_placeholder(text: str) -> None:
    """What examples and guides tell people to write is no key."""
    assert is_placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "sk-or-v1-0123456789abcdef",
            "AIzaSyInventedInvented",
            "gsk_a1b2c3d4",
            "hunter2",
            "sk-proj-a1b2c3",
            "tgp_v1_a1",
        ),
        *("team-secret-2026", "0123456789abcdef", "sk-xxxa1b2c3d4"),
    ],
)
def test_key(text: str) -> None:
    """Anything else is a key, however short."""
    assert not is_placeholder(text)
