"""Tests for `claude_bridge.core.messages_api.client_request`."""

from __future__ import annotations

from claude_bridge.core.backend_api import OriginalRequest
from claude_bridge.core.conversation import Text
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.client_request import AskedRequest
from tests.core.asking import body, user


class AskedRequestTests:
    """A request as a kind of backend sees it."""

    def test_conversation(self) -> None:
        """It is translated only when somebody asks, and once."""
        asked = AskedRequest(parsing.decode(body(user("hi"))), "session")
        assert "conversation" not in asked.request.derived
        assert asked.conversation.turns[0].pieces == [Text("hi")]
        assert asked.conversation is asked.conversation
        assert (asked.session, asked.original) == ("session", None)

    def test_original_is_secret(self) -> None:
        """Neither the prompt nor the credential is shown."""
        original = OriginalRequest(b"my prompt", {"x-api-key": "sk-mine"})
        assert "mine" not in repr(original)
        assert "prompt" not in repr(original)
