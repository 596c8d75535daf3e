"""A Messages request as a kind of backend sees it."""

from __future__ import annotations

from attrs import frozen

from claude_bridge.core.backend_api import OriginalRequest
from claude_bridge.core.conversation import Conversation
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.to_conversation import conversation_of


@frozen
class AskedRequest:
    """A decoded Messages request; implements `claude_bridge.core.backend_api.ClientRequest`.

    :ivar session: the client's own id of the conversation, or "".
    :ivar original: the request as it was received, where some backend may need it.
    """

    request: MessagesRequest
    session: str = ""
    original: OriginalRequest | None = None

    @property
    def conversation(self) -> Conversation:
        """Return the request in neutral terms; raises `InvalidRequest` naming what is malformed."""
        return conversation_of(self.request)
