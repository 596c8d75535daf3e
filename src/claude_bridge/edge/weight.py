"""What a decoded request holds in memory beyond the bytes that it was made of."""

from __future__ import annotations

from sys import getsizeof
from typing import Final

from claude_bridge.core.anthropic import MessagesRequest
from claude_bridge.core.wire import Raw

MESSAGE: Final = 160
BLOCK: Final = 80
"""Bytes of the objects that stand for one message and for one block of it, which still points into the body. Of short
ones they are most of what is held: `{"type":"text"}` is 15 bytes."""


def weight(asked: MessagesRequest) -> int:
    """Return the bytes of the objects that the messages became.

    A text is as wide as its widest character: one emoji makes four bytes of every letter beside it.
    """
    total = MESSAGE * len(asked.messages)
    contents: list[str | list[Raw]] = [message.content for message in asked.messages]
    if asked.system:
        contents.append(asked.system)
    for content in contents:
        total += getsizeof(content) if type(content) is str else BLOCK * len(content)
    if asked.tools:
        total += sum(map(getsizeof, [tool.description for tool in asked.tools]))
    return total
