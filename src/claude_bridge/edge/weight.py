"""What a decoded request holds in memory beyond the bytes that it was made of."""

from __future__ import annotations

from sys import getsizeof
from typing import Final

from claude_bridge.core.anthropic import MessagesRequest

MESSAGE: Final = 160
BLOCK: Final = 80
"""Bytes of the objects that stand for one message and for one block of it, which still points into the body. Of short
ones they are most of what is held: `{"type":"text"}` is 15 bytes."""


def weight(asked: MessagesRequest) -> int:
    """Return the bytes of the objects that the messages became.

    A text is as wide as its widest character: one emoji makes four bytes of every letter beside it.
    """
    total = MESSAGE * len(asked.messages)
    for content in [asked.system, *[message.content for message in asked.messages]]:
        if isinstance(content, str):
            total += getsizeof(content)
        elif content:
            total += BLOCK * len(content)
    for tool in asked.tools or ():
        total += getsizeof(tool.description)
    return total
