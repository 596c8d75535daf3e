"""The messages of a request, decoded once, a part at a time.

Whoever needs them asks for `reading_of`, which is the same for one request. What was decoded is no longer kept as raw
JSON. Decoding takes 5 to 15 microseconds a block, so that a caller with a reactor takes a large conversation in `step`s
and lets others have their turn in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Final

from attrs import define, evolve, field

from claude_bridge.core import wire
from claude_bridge.core.anthropic import InputMessage, MessagesRequest, Tool
from claude_bridge.core.bounds import BOUNDS, Bounds
from claude_bridge.core.messages.blocks import BlockReader, Piece, ToolResult
from claude_bridge.core.openai import FilePart, ImagePart

STEP: Final = 1000
"""Blocks of one step: 15 ms at worst, for those of unknown types."""

_ROLES: Final = frozenset({"user", "assistant", "system"})


@define
class Entry:
    """One message."""

    role: str
    pieces: list[Piece]


@define
class Reading:
    """What the messages say, as far as they have been read.

    :ivar entries: one for each message that has been read.
    :ivar media: pictures and files that a user's or system's message holds, in their order.
    :ivar marked: the client marks prefixes to be cached.
    """

    _messages: Sequence[InputMessage]
    _bounds: Bounds = BOUNDS
    marked: bool = False
    entries: list[Entry] = field(factory=list)
    media: list[ImagePart | FilePart] = field(factory=list)
    _blocks: BlockReader = field(factory=BlockReader)
    _pieces: list[Piece] = field(factory=list, init=False)
    _next: int = field(default=0, init=False)

    def step(self) -> bool:
        """Read about `STEP` blocks and messages more and tell whether that was all.

        Raises `WireError` with the path of what is malformed, `InvalidRequest` for more than the bounds allow.
        """
        enough = self._done + STEP
        while len(self.entries) < len(self._messages) and self._done < enough:
            self._read_on(STEP)
        self._bounds.check("messages", "content blocks", self._blocks.count, "max_blocks")
        return len(self.entries) == len(self._messages)

    def whole(self) -> Reading:
        """Read what is left; raises what `step` does."""
        while not self.step():
            pass
        return self

    def extended(self, more: Sequence[InputMessage]) -> Reading:
        """Return a reading that has ``more`` messages at its end; this one stays as it is."""
        self.whole()
        blocks = evolve(self._blocks, loaded={*self.loaded}, removed={*self.removed}, defined=[*self.defined])
        return evolve(
            self,
            messages=[*self._messages, *more],
            entries=[*self.entries],
            media=[*self.media],
            blocks=blocks,
        )

    @property
    def loaded(self) -> frozenset[str]:
        """Return names of tools that tool search or a tool addition made available."""
        return frozenset(self._blocks.loaded)

    @property
    def removed(self) -> frozenset[str]:
        """Return names of tools that were taken away again."""
        return frozenset(self._blocks.removed)

    @property
    def defined(self) -> list[Tool]:
        """Return tools that were defined inside the conversation."""
        return self._blocks.defined

    @property
    def carried(self) -> int:
        """Return the number of characters of all states together."""
        return self._blocks.carried

    @property
    def count(self) -> int:
        """Return the number of blocks so far."""
        return self._blocks.count

    @property
    def _done(self) -> int:
        return self._blocks.count + len(self.entries)

    def _read_on(self, most: int) -> None:
        """Read a message, or of a long one the next part."""
        index = len(self.entries)
        message = self._messages[index]
        if message.role not in _ROLES:
            raise wire.WireError(f"messages.{index}.role: Input should be 'user', 'assistant' or 'system'")
        content, first = message.content, self._next
        part = content[first : first + most] if isinstance(content, list) and len(content) > most else content
        self._pieces += self._blocks.read(
            part, f"messages.{index}.content", states=message.role == "assistant", first=first
        )
        self._next = first + len(part) if part is not content else 0
        if self._next and self._next < len(content):
            return
        self._close(message)

    def _close(self, message: InputMessage) -> None:
        """Take a message as read, and let go of its bytes."""
        pieces, self._pieces, self._next = self._pieces, [], 0
        self.entries.append(Entry(message.role, pieces))
        if isinstance(message.content, list):
            message.content = []
        if message.role != "assistant":  # whose pictures a model cannot be given: a note stands for them
            self.media += [piece for piece in flat(pieces) if isinstance(piece, ImagePart | FilePart)]
            self._bounds.check("messages", "images and documents", len(self.media), "max_images")


def flat(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces with tool results replaced by what is in them."""
    return [inner for piece in pieces for inner in (piece.content if isinstance(piece, ToolResult) else (piece,))]


def begin(request: MessagesRequest, bounds: Bounds, *, marked: bool) -> None:
    """Prepare the reading of a request's messages."""
    request.made["reading"] = Reading(request.messages, bounds, marked)


def reading_of(request: MessagesRequest) -> Reading:
    """Return the reading of a request's messages; nothing may have been read yet."""
    reading = request.made.get("reading")
    if not isinstance(reading, Reading):
        reading = request.made["reading"] = Reading(request.messages)
    return reading


def with_more(request: MessagesRequest, more: Sequence[InputMessage]) -> MessagesRequest:
    """Return a copy of a request with ``more`` messages at the end of its conversation."""
    longer = copy(request)
    longer.messages = [*request.messages, *more]
    longer.made["reading"] = reading_of(request).extended(more)
    return longer
