"""A client that asks again as Claude Code 2.1 does: after the wait that it is told, else after ever longer ones.

An answer that breaks off is asked for again in one piece at once. It gives up earlier: after four tries, not eleven.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import deferLater

from tests.end_to_end.asking import MESSAGES
from tests.end_to_end.client import Client, Reply
from tests.end_to_end.sse import names

TRIES = 4
FIRST_WAIT = 0.5
AGAIN = frozenset({401, 408, 409, 429})
"""Statuses below 500 after which the client tries again."""


def is_broken_off(reply: Reply) -> bool:
    """Return whether a stream has begun and not ended."""
    return reply.headers["content-type"].startswith("text/event-stream") and names(reply.events)[-1] != "message_stop"


async def ask(reactor: Any, client: Client, body: dict[str, Any]) -> list[Reply]:
    """Ask until there is an answer or no hope; gives all that came, the last of which counts."""
    replies: list[Reply] = []
    while len(replies) < TRIES:
        reply = await client.post(MESSAGES, body)
        replies.append(reply)
        if reply.status == 200 and is_broken_off(reply):
            body = {**body, "stream": False}
        elif _may_pass(reply):
            wait = float(reply.headers.get("retry-after", 0))
            await deferLater(reactor, max(wait, FIRST_WAIT * 2 ** (len(replies) - 1)))
        else:
            break
    return replies


def _may_pass(reply: Reply) -> bool:
    refused = reply.headers.get("x-should-retry") == "false"
    return not refused and (reply.status in AGAIN or reply.status >= 500)
