"""Makes user and assistant alternate, for chat templates that raise an error for any other order.

Two versions of the rule are common, and the result satisfies both. Mistral's templates check user and assistant
messages only, without those that call tools: user, assistant, user, and so on. Mistral's own validation requires an
assistant message after tool messages (docs/servers.md 2.6: a user message there used to be refused).
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from operator import attrgetter
from typing import Final

from claude_bridge.core.chat_completions.openai_types import ChatMessage, Part, TextPart
from claude_bridge.core.turns import REMINDER

OPENING: Final = "."
"""The user message that is inserted where one is missing (docs/chat-completions.md 1.2)."""

ACKNOWLEDGED: Final = "Understood."
"""The assistant message between tool results and a person's words. A full stop would teach it to end its turns."""

_REMINDER_END: Final = "</system-reminder>"


def alternated(messages: Iterable[ChatMessage]) -> list[ChatMessage]:
    """Return the messages in strict order; only the first may be a system message."""
    made: list[ChatMessage] = []
    for role, run in groupby(messages, key=attrgetter("role")):
        before = made[-1].role if made else ""
        if role == "user":
            _add_user(made, _join_contents([message.content for message in run]))
        elif role == "assistant" and before not in {"user", "tool"}:
            made += [ChatMessage("user", OPENING), *_separated(run)]
        elif role == "assistant":
            made += _separated(run)
        else:
            made += run
    if made and made[-1].role not in {"user", "assistant", "tool"}:
        made.append(ChatMessage("user", OPENING))
    return made


def _separated(run: Iterable[ChatMessage]) -> list[ChatMessage]:
    """Return the assistant's messages with a user message between each two."""
    made: list[ChatMessage] = []
    for message in run:
        made += [ChatMessage("user", OPENING), message] if made else [message]
    return made


def _add_user(made: list[ChatMessage], content: str | list[Part]) -> None:
    """Add a user message. After tool results, reminders join the result, and a person's words follow an answer."""
    last = made[-1] if made else None
    if last is not None and last.role == "tool":
        if not content:
            return
        if isinstance(last.content, str) and isinstance(content, str) and _is_reminder(content):
            last.content = f"{last.content}\n\n{content}"
            return
        made.append(ChatMessage("assistant", ACKNOWLEDGED))
    made.append(ChatMessage("user", content))


def _is_reminder(text: str) -> bool:
    *reminders, rest = text.split(_REMINDER_END)
    return not rest.strip() and all(one.lstrip().startswith(REMINDER) for one in reminders)


def _join_contents(contents: list[object]) -> str | list[Part]:
    """Return one content made of several: a string if all are strings."""
    if all(isinstance(content, str) for content in contents):
        return "\n\n".join(filter(None, map(str, contents)))
    parts: list[Part] = []
    for content in contents:
        if isinstance(content, list):
            parts += content
        elif content:
            parts.append(TextPart(str(content)))
    return parts
