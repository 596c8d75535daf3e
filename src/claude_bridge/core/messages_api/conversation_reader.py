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

from claude_bridge.core import strict_json
from claude_bridge.core.conversation import Document, Image, Piece
from claude_bridge.core.messages_api.anthropic_types import InputMessage, MessagesRequest, Tool
from claude_bridge.core.messages_api.content_blocks import BlockReader
from claude_bridge.core.messages_api.limits import BOUNDS, RequestLimits

STEP: Final = 1000
"""Blocks of one step: 15 ms at worst, for those of unknown types."""

_MARK: Final = b'"cache_control"'
"""As a key of a block; inside a text the quotes would be escaped."""

_LOOKED: Final = 16
"""Bytes behind a key in which its colon stands."""

_ROLES: Final = frozenset({"user", "assistant", "system"})


Entry = tuple[str, list[Piece]]
"""One message: its role, and what it says."""


@define
class ConversationReader:
    """What the messages say, as far as they have been read.

    :ivar entries: one for each message that has been read.
    :ivar marked: the client marks prefixes to be cached.
    """

    _messages: Sequence[InputMessage]
    _bounds: RequestLimits = BOUNDS
    marked: bool = False
    entries: list[Entry] = field(factory=list)
    _blocks: BlockReader = field(factory=BlockReader)
    _pieces: list[Piece] = field(factory=list, init=False)
    _next: int = field(default=0, init=False)

    def step(self) -> bool:
        """Read about `STEP` blocks and messages more and return whether that was all.

        Raises `JsonError` with the path of what is malformed, `InvalidRequest` for more than the bounds allow.
        """
        messages, entries, blocks, bounds = self._messages, self.entries, self._blocks, self._bounds
        enough = blocks.count + len(entries) + STEP
        for index in range(len(entries), len(messages)):
            if blocks.count + index >= enough or not self._read(messages[index], index):
                break
        if blocks.count > bounds.max_blocks:
            raise bounds.excess("messages", "content blocks", "max_blocks")
        if len(blocks.media) > bounds.max_images:
            raise bounds.excess("messages", "images and documents", "max_images")
        return len(entries) == len(messages)

    def whole(self) -> ConversationReader:
        """Read what is left; raises what `step` does."""
        while len(self.entries) < len(self._messages):
            self.step()
        return self

    def extended(self, more: Sequence[InputMessage]) -> ConversationReader:
        """Return a reading that has ``more`` messages at its end; this one stays as it is."""
        self.whole()
        blocks = evolve(
            self._blocks, loaded={*self.loaded}, removed={*self.removed}, defined=[*self.defined], media=[*self.media]
        )
        return evolve(
            self,
            messages=[*self._messages, *more],
            entries=[*self.entries],
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
    def media(self) -> list[Image | Document]:
        """Return the pictures and files that messages other than the assistant's hold, in their order."""
        return self._blocks.media

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

    def _read(self, message: InputMessage, index: int) -> bool:
        """Read a message, or of a long one the next part, and return whether that was all of it.

        A message that was read lets go of its bytes.
        """
        role, content, blocks = message.role, message.content, self._blocks
        if role not in _ROLES:
            raise strict_json.JsonError(f"messages.{index}.role: Input should be 'user', 'assistant' or 'system'")
        path = f"messages.{index}.content"
        if type(content) is list and len(content) > STEP:
            return self._read_part(message, content, path)
        if role == "assistant":
            media = len(blocks.media)
            pieces = blocks.read(content, path, True)
            del blocks.media[media:]  # no model can be given an assistant's pictures: a note stands for them
        else:
            pieces = blocks.read(content, path)
        self.entries.append((role, pieces))
        message.content = ""
        return True

    def _read_part(self, message: InputMessage, content: list[strict_json.Raw], path: str) -> bool:
        assistant, media = message.role == "assistant", len(self._blocks.media)
        first, self._next = self._next, self._next + STEP
        self._pieces += self._blocks.read(content[first : self._next], path, assistant, first)
        if assistant:
            del self._blocks.media[media:]
        if self._next < len(content):
            return False
        self.entries.append((message.role, self._pieces))
        self._pieces, self._next, message.content = [], 0, ""
        return True


def marked(body: bytes) -> bool:
    """Return whether a request's JSON has a mark anywhere; a text may talk of them."""
    at = body.find(_MARK)
    while at >= 0:
        at += len(_MARK)
        if body[at : at + _LOOKED].lstrip().startswith(b":"):
            return True
        at = body.find(_MARK, at)
    return False


def begin(request: MessagesRequest, bounds: RequestLimits, *, marked: bool) -> None:
    """Prepare the reading of a request's messages."""
    request.made["reading"] = ConversationReader(request.messages, bounds, marked)


def reading_of(request: MessagesRequest) -> ConversationReader:
    """Return the reading of a request's messages; nothing may have been read yet."""
    reading = request.made.get("reading")
    if not isinstance(reading, ConversationReader):
        reading = request.made["reading"] = ConversationReader(request.messages)
    return reading


def with_more(request: MessagesRequest, more: Sequence[InputMessage]) -> MessagesRequest:
    """Return a copy of a request with ``more`` messages at the end of its conversation."""
    longer = copy(request)
    longer.messages = [*request.messages, *more]
    longer.made["reading"] = reading_of(request).extended(more)
    return longer
