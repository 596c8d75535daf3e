"""Merging of a conversation's messages into turns (docs/chat-completions.md 1.2), and its system prompt.

System messages inside the conversation never move forward past an answer, since that would change
the bytes of an earlier turn and invalidate the backend's prefix cache (docs/design.md 8.1). They are moved to the front
only for a server that accepts system messages nowhere else, if it is so configured (``system_messages = leading``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from attrs import define, field, frozen

from claude_bridge.core.conversation import Document, Image, Piece, Text, ToolResult, Turn, text_of
from claude_bridge.core.errors import capability_rejected

SystemMessages = Literal["fold", "inline", "leading", "reject"]
"""Where system messages inside the conversation go; with ``reject`` the client is told to fold them itself."""

ATTRIBUTION: Final = "x-anthropic-billing-header"
"""Prefix of Claude Code's first system block, a line that differs from request to request."""

REMINDER: Final = "<system-reminder>"
"""Opening tag with which Claude Code marks the client's own words in a user message."""

PREFILL_REFUSED: Final = (
    "This model does not support assistant message prefill. The conversation must end with a user message."
)
"""The wording of Anthropic's API."""


def is_question(turn: Turn) -> bool:
    """Return whether a turn contains words of a person: a user turn without tool results that is not all reminders.

    Text beside tool results does not count: Claude Code puts notes there in the middle of its work, and what
    counts as the last question must not change while a turn goes on (docs/chat-completions.md 1.2).
    """
    if turn.role != "user":
        return False
    has_words = False
    for piece in turn.pieces:
        if isinstance(piece, ToolResult):
            return False
        has_words = has_words or not (isinstance(piece, Text) and piece.text.startswith(REMINDER))
    return has_words


@frozen
class Merged:
    """A conversation in which roles alternate.

    :ivar leading: texts of system messages that are to be joined to the system prompt.
    """

    turns: list[Turn]
    leading: list[str]


def merge_turns(turns: Iterable[Turn], policy: SystemMessages, *, strip_attribution: bool = False) -> Merged:
    """Return the turns with successive messages of one role merged and system messages placed by the policy.

    ``fold``: into the user turn that they directly follow, else in front of the next user turn's text, else into a
    user turn of their own. ``reject``: raises `InvalidRequest` for a system message, upon which the client folds them
    itself (docs/claude-code.md 5).
    """
    merging = _Merging(policy)
    for index, turn in enumerate(turns):
        if turn.role != "system":
            merging.add(turn.role, turn.pieces)
        elif policy == "reject":
            raise capability_rejected(
                "mid_conv_system", f"messages.{index}.role: Input should be 'user' or 'assistant'"
            )
        else:
            merging.add_system(_without_attribution(turn.pieces) if strip_attribution else turn.pieces)
    return Merged(merging.finish(), merging.leading)


@define
class _Merging:
    """The merged turns so far, and the pieces that wait for the next user turn."""

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
            self._turns.append(Turn(role, []))
        self._turns[-1].pieces += pieces

    def add_system(self, pieces: list[Piece]) -> None:
        if self.policy == "leading":
            self.leading += filter(None, map(text_of, pieces))
        elif self.policy == "inline":
            self.add("system", pieces)
        elif self._turns and self._turns[-1].role == "user":
            self._turns[-1].pieces += _as_reminder(pieces)
        else:
            self._waiting += _as_reminder(pieces)

    def finish(self) -> list[Turn]:
        if self._waiting:
            self._turns.append(Turn("user", self._waiting))
        return self._turns


def system_text(system: Sequence[str], *, strip_attribution: bool) -> str:
    """Return the system prompt as one text, without the attribution line."""
    texts = map(_strip_attribution, system) if strip_attribution else system
    return "\n\n".join(filter(None, texts))


def _without_attribution(pieces: list[Piece]) -> list[Piece]:
    stripped = (Text(_strip_attribution(piece.text)) if isinstance(piece, Text) else piece for piece in pieces)
    return [piece for piece in stripped if not isinstance(piece, Text) or piece.text]


def _strip_attribution(text: str) -> str:
    return text.partition("\n")[2] if text.startswith(ATTRIBUTION) else text


def _as_reminder(pieces: list[Piece]) -> list[Piece]:
    """Return a system message's text wrapped as Claude Code itself does when a server refuses the role."""
    media = [piece for piece in pieces if isinstance(piece, Image | Document)]
    text = "\n\n".join(text_of(piece) for piece in pieces if not isinstance(piece, Image | Document))
    if not text:
        return [*media]
    if not text.startswith(REMINDER):
        text = f"{REMINDER}\n{text}\n</system-reminder>"
    return [Text(text), *media]
