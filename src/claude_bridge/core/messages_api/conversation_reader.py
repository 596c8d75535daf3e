"""Reader of a request's messages: decodes each once, in steps, and keeps the result with the request.

`reading_of` returns the one reader of a request. A message that was decoded is no longer kept as raw JSON. Decoding
takes 5 to 15 microseconds a block, so a caller with a reactor decodes a large conversation in `step`s and lets other
requests run in between.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from typing import Final

from attrs import define, evolve, field

from claude_bridge.core import strict_json
from claude_bridge.core.conversation import Document, Image, Piece, Turn
from claude_bridge.core.messages_api.anthropic_types import InputMessage, MessagesRequest, Tool
from claude_bridge.core.messages_api.content_blocks import BlockReader
from claude_bridge.core.messages_api.limits import BOUNDS, RequestLimits

STEP: Final = 1000
"""Blocks decoded in one step: 15 ms at worst, for blocks of unknown types."""

STEP_BYTES: Final = 2 << 20
"""Bytes of one step where a whole request is large: 30 ms at worst, for calls of nothing but brackets."""

_MARK: Final = b'"cache_control"'
"""The key of a block; inside a text the quotes would be escaped."""

_MARKING: Final = re.compile(_MARK + rb"[ \t\n\r]{0,15}:")

_ROLES: Final = frozenset({"user", "assistant", "system"})


"""One message: its role and its pieces."""


@define
class ConversationReader:
    """The pieces of a request's messages, as far as they have been decoded.

    :ivar turns: one for each message that has been decoded.
    :ivar marked: whether the client marks prefixes to be cached.
    """

    _messages: Sequence[InputMessage]
    _bounds: RequestLimits = BOUNDS
    marked: bool = False
    _large: bool = field(default=False, kw_only=True)
    _many: bool = field(default=False, kw_only=True)
    turns: list[Turn] = field(factory=list)
    _blocks: BlockReader = field()
    _pieces: list[Piece] = field(factory=list, init=False)
    _next: int = field(default=0, init=False)

    @_blocks.default
    def _begin(self) -> BlockReader:
        return BlockReader(bounds=self._bounds, many=self._many)

    def step(self) -> bool:
        """Decode about `STEP` more blocks and messages, and return whether that was the rest.

        Raises `JsonError` with the path of what is malformed, `InvalidRequest` for more than the bounds allow.
        """
        messages, turns, blocks, bounds = self._messages, self.turns, self._blocks, self._bounds
        enough = blocks.count + len(turns) + STEP
        left = STEP_BYTES
        for index in range(len(turns), len(messages)):
            if self._large:
                left -= _size(messages[index].content)
            if blocks.count + index >= enough or not self._read(messages[index], index) or left < 0:
                break
        if blocks.count > bounds.max_blocks:
            raise bounds.excess("messages", "content blocks", "max_blocks")
        if len(blocks.media) > bounds.max_images:
            raise bounds.excess("messages", "images and documents", "max_images")
        return len(turns) == len(messages)

    def read_all(self) -> ConversationReader:
        """Decode the rest and return this reader; raises what `step` does."""
        while len(self.turns) < len(self._messages):
            self.step()
        return self

    def extended(self, more: Sequence[InputMessage]) -> ConversationReader:
        """Return a reader with ``more`` messages at its end; this one stays unchanged."""
        self.read_all()
        blocks = evolve(
            self._blocks,
            loaded={**self._blocks.loaded},
            removed={**self._blocks.removed},
            defined=[*self.defined],
            media=[*self.media],
        )
        return evolve(
            self,
            messages=[*self._messages, *more],
            turns=[*self.turns],
            blocks=blocks,
        )

    @property
    def loaded(self) -> frozenset[str]:
        """Return the names of tools that tool search or a tool addition made available."""
        return frozenset(self._blocks.loaded)

    @property
    def removed(self) -> frozenset[str]:
        """Return the names of tools that were removed again."""
        return frozenset(self._blocks.removed)

    @property
    def media(self) -> list[Image | Document]:
        """Return the images and documents of all messages but the assistant's, in order."""
        return self._blocks.media

    @property
    def defined(self) -> list[Tool]:
        """Return the tools that were defined inside the conversation."""
        return self._blocks.defined

    @property
    def carried(self) -> int:
        """Return the number of characters of all opaque states together."""
        return self._blocks.carried

    @property
    def count(self) -> int:
        """Return the number of blocks decoded so far."""
        return self._blocks.count

    def _read(self, message: InputMessage, index: int) -> bool:
        """Decode a message, or the next part of a long one, and return whether it is complete.

        The raw bytes of a complete message are released.
        """
        role, content, blocks = message.role, message.content, self._blocks
        if role not in _ROLES:
            raise strict_json.JsonError(f"messages.{index}.role: Input should be 'user', 'assistant' or 'system'")
        path = f"messages.{index}.content"
        if type(content) is list and (len(content) > STEP or (self._large and _size(content) > STEP_BYTES)):
            return self._read_part(message, content, path)
        if role == "assistant":
            media = len(blocks.media)
            pieces = blocks.read(content, path, True)
            del blocks.media[media:]  # no backend takes an assistant's images: a note stands in for each
        else:
            pieces = blocks.read(content, path)
        self.turns.append(Turn(role, pieces))
        message.content = ""
        return True

    def _end_of_part(self, content: Sequence[strict_json.Raw]) -> int:
        """Return the index after the last block that is read in this step: of large ones some, or one."""
        last = min(self._next + STEP, len(content))
        if not self._large:
            return last
        size = 0
        for index in range(self._next, last):
            size += len(content[index])
            if size > STEP_BYTES:
                return max(index, self._next + 1)
        return last

    def _read_part(self, message: InputMessage, content: list[strict_json.Raw], path: str) -> bool:
        assistant, media = message.role == "assistant", len(self._blocks.media)
        first, self._next = self._next, self._end_of_part(content)
        self._pieces += self._blocks.read(content[first : self._next], path, assistant, first)
        if assistant:
            del self._blocks.media[media:]
        if self._next < len(content):
            return False
        self.turns.append(Turn(message.role, self._pieces))
        self._pieces, self._next, message.content = [], 0, ""
        return True


def _size(content: str | list[strict_json.Raw]) -> int:
    """Return the bytes of blocks; a text has been decoded already."""
    return 0 if isinstance(content, str) else sum(map(len, content))


def has_cache_marks(body: bytes) -> bool:
    """Return whether a request's JSON has a ``cache_control`` key anywhere, not counting text that mentions one."""
    first = body.find(_MARK)  # ten times as fast as a pattern
    return first >= 0 and _MARKING.search(body, first) is not None


def prepare_reading(
    request: MessagesRequest, bounds: RequestLimits, *, marked: bool, large: bool = False, many: bool = False
) -> None:
    """Create the reader of a request's messages, so that `reading_of` finds it.

    ``large``: whether the messages may be so large that even a few blocks take long to decode. ``many``: whether
    there may be very many blocks inside one.
    """
    request.derived["reading"] = ConversationReader(request.messages, bounds, marked, large=large, many=many)


def reading_of(request: MessagesRequest) -> ConversationReader:
    """Return the reader of a request's messages, which may not have decoded anything yet."""
    reading = request.derived.get("reading")
    if not isinstance(reading, ConversationReader):
        reading = request.derived["reading"] = ConversationReader(request.messages)
    return reading


def with_messages(request: MessagesRequest, more: Sequence[InputMessage]) -> MessagesRequest:
    """Return a copy of a request with ``more`` messages at the end of its conversation."""
    longer = copy(request)
    longer.messages = [*request.messages, *more]
    longer.derived["reading"] = reading_of(request).extended(more)
    return longer
