"""The messages of a conversation as turns (wire-contract 5.2, first two steps).

System messages inside the conversation never move forward past an answer, since that would change
the bytes of an earlier turn and spoil the backend's prefix cache (design 6). Only a server that takes a system
message nowhere but first gets them there, on its owner's word (``system_messages = leading``).
"""

from __future__ import annotations

from typing import Final

from attrs import define, field

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions.traits import SystemMessages
from claude_bridge.core.conversation import Document, Image, Piece, Text, ToolResult, text_of
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest, Tool
from claude_bridge.core.messages_api.capabilities import rejected
from claude_bridge.core.messages_api.content_blocks import BlockReader
from claude_bridge.core.messages_api.conversation_reader import reading_of

ATTRIBUTION: Final = "x-anthropic-billing-header"
"""How Claude Code's first system block begins; the line differs from request to request."""

REMINDER: Final = "<system-reminder>"
"""How Claude Code marks what the client says in a user's message."""


@define
class Turn:
    """Successive messages of one role."""

    role: str
    pieces: list[Piece] = field(factory=list)

    @property
    def is_question(self) -> bool:
        """Return whether a person speaks here: a user turn without tool results that is not all reminders.

        Text beside tool results is no question: Claude Code puts notes there in the middle of its work, and what
        counts as the last question must not change while a turn goes on (wire-contract 6, vector 11).
        """
        if self.role != "user":
            return False
        said = False
        for piece in self.pieces:
            if isinstance(piece, ToolResult):
                return False
            said = said or not (isinstance(piece, Text) and piece.text.startswith(REMINDER))
        return said


@define
class Conversation:
    """A decoded conversation.

    :ivar loaded: names of tools that tool search or a tool addition made available.
    :ivar removed: names of tools that were taken away again.
    :ivar defined: tools that were defined inside the conversation.
    :ivar leading: texts of system messages that are to join the system prompt.
    :ivar carried: characters of all states together.
    """

    turns: list[Turn]
    loaded: frozenset[str]
    removed: frozenset[str]
    defined: list[Tool]
    leading: list[str]
    carried: int


def read(request: MessagesRequest, policy: SystemMessages, *, strip_attribution: bool = False) -> Conversation:
    """Merge a request's messages to turns; system messages go where the policy says.

    Folded: into the user turn that they directly follow, else in front of the next user turn's text, else a user
    turn of their own. Raises `JsonError` with the path of what is wrong, `InvalidRequest` for a system message where
    the policy is to refuse it: the client folds them itself then (claude-code-client 6).
    """
    reading = reading_of(request).whole()
    merging = _Merging(policy)
    for index, (role, pieces) in enumerate(reading.entries):
        if role != "system":
            merging.add(role, pieces)
        elif policy == "reject":
            raise rejected("mid_conv_system", f"messages.{index}.role: Input should be 'user' or 'assistant'")
        else:
            merging.add_system(_without_attribution(pieces) if strip_attribution else pieces)
    turns = merging.settled()
    return Conversation(turns, reading.loaded, reading.removed, reading.defined, merging.leading, reading.carried)


@define
class _Merging:
    """Turns that are still growing, and what waits for the next one."""

    policy: SystemMessages
    leading: list[str] = field(factory=list, init=False)
    _turns: list[Turn] = field(factory=list, init=False)
    _waiting: list[Piece] = field(factory=list, init=False)

    def add(self, role: str, pieces: list[Piece]) -> None:
        if self._waiting and role == "user":
            pieces = self._waiting + pieces
        elif self._waiting:
            self._turns.append(Turn("user", self._waiting))
        self._waiting = []
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(Turn(role))
        self._turns[-1].pieces += pieces

    def add_system(self, pieces: list[Piece]) -> None:
        if self.policy == "leading":
            self.leading += filter(None, map(text_of, pieces))
        elif self.policy == "inline":
            self.add("system", pieces)
        elif self._turns and self._turns[-1].role == "user":
            self._turns[-1].pieces += _reminder(pieces)
        else:
            self._waiting += _reminder(pieces)

    def settled(self) -> list[Turn]:
        if self._waiting:
            self._turns.append(Turn("user", self._waiting))
        return self._turns


def system_text(system: str | list[strict_json.Raw] | None, *, strip_attribution: bool) -> str:
    """Return the system prompt as one text, without the attribution line."""
    texts = [text_of(piece) for piece in BlockReader().read(system, "system")]
    if strip_attribution:
        texts = list(map(_stripped, texts))
    return "\n\n".join(filter(None, texts))


def _without_attribution(pieces: list[Piece]) -> list[Piece]:
    stripped = (Text(_stripped(piece.text)) if isinstance(piece, Text) else piece for piece in pieces)
    return [piece for piece in stripped if not isinstance(piece, Text) or piece.text]


def _stripped(text: str) -> str:
    return text.partition("\n")[2] if text.startswith(ATTRIBUTION) else text


def _reminder(pieces: list[Piece]) -> list[Piece]:
    """Wrap a system message's text as Claude Code itself does when a server refuses the role."""
    media = [piece for piece in pieces if isinstance(piece, Image | Document)]
    text = "\n\n".join(text_of(piece) for piece in pieces if not isinstance(piece, Image | Document))
    if not text:
        return [*media]
    if not text.startswith(REMINDER):
        text = f"{REMINDER}\n{text}\n</system-reminder>"
    return [Text(text), *media]
