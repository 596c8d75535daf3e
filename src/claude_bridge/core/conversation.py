"""The messages of a conversation as turns (wire-contract 5.2, first two steps).

System messages inside the conversation never move forward past an answer, since that would change
the bytes of an earlier turn and spoil the backend's prefix cache (design 6).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import define, field

from claude_bridge.core import wire
from claude_bridge.core.anthropic import InputMessage, Tool
from claude_bridge.core.blocks import BlockReader, Piece, ToolResult, text_of
from claude_bridge.core.openai import FilePart, ImagePart, TextPart
from claude_bridge.core.traits import SystemMessages

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
        """Tell whether a person speaks here: a user turn without tool results that is not all reminders.

        Text beside tool results is no question: Claude Code puts notes there in the middle of its work, and what
        counts as the last question must not change while a turn goes on (wire-contract 6, vector 11).
        """
        if self.role != "user":
            return False
        said = False
        for piece in self.pieces:
            if isinstance(piece, ToolResult):
                return False
            said = said or not (isinstance(piece, TextPart) and piece.text.startswith(REMINDER))
        return said


@define
class Conversation:
    """A decoded conversation.

    :ivar loaded: names of tools that tool search or a tool addition made available.
    :ivar removed: names of tools that were taken away again.
    :ivar defined: tools that were defined inside the conversation.
    """

    turns: list[Turn]
    loaded: frozenset[str]
    removed: frozenset[str]
    defined: list[Tool]


def read(messages: Iterable[InputMessage], policy: SystemMessages) -> Conversation:
    """Decode the messages and merge them to turns; system messages are folded as the policy says.

    Folded: into the user turn that they directly follow, else in front of the next user turn's text, else a user
    turn of their own. Raises `WireError` with the path of what is wrong.
    """
    reader = BlockReader()
    turns: list[Turn] = []
    role = ""
    waiting: list[Piece] = []
    for index, message in enumerate(messages):
        said_by = message.role
        if said_by not in {"user", "assistant", "system"}:
            raise wire.WireError(f"messages.{index}.role: Input should be 'user', 'assistant' or 'system'")
        pieces = reader.read(message.content, f"messages.{index}.content")
        if said_by == "system" and policy == "fold":
            pieces = _reminder(pieces)
            if role != "user":
                waiting += pieces
                continue
            said_by = "user"
        elif waiting and said_by == "user":
            pieces = waiting + pieces
            waiting = []
        elif waiting:
            turns.append(Turn("user", waiting))
            role, waiting = "user", []
        if said_by != role:
            role = said_by
            turns.append(Turn(role))
        turns[-1].pieces += pieces
    if waiting:
        turns.append(Turn("user", waiting))
    return Conversation(turns, frozenset(reader.loaded), frozenset(reader.removed), reader.defined)


def system_text(system: str | list[wire.Raw] | None, *, strip_attribution: bool) -> str:
    """Give the system prompt as one text, without the attribution line."""
    texts = [text_of(piece) for piece in BlockReader().read(system, "system")]
    if strip_attribution:
        texts = [text.partition("\n")[2] if text.startswith(ATTRIBUTION) else text for text in texts]
    return "\n\n".join(filter(None, texts))


def _reminder(pieces: list[Piece]) -> list[Piece]:
    """Wrap a system message's text as Claude Code itself does when a server refuses the role."""
    media = [piece for piece in pieces if isinstance(piece, ImagePart | FilePart)]
    text = "\n\n".join(text_of(piece) for piece in pieces if not isinstance(piece, ImagePart | FilePart))
    if not text:
        return [*media]
    if not text.startswith(REMINDER):
        text = f"{REMINDER}\n{text}\n</system-reminder>"
    return [TextPart(text), *media]
