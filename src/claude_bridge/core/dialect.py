"""What differs from server to server, behind one Protocol; `Generic` is the plain OpenAI-compatible server.

A dialect only ever says how it differs. It owns no translation: the request is built and the
answer is read by the same code for all, which asks the dialect at the few points below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from attrs import frozen

from claude_bridge.core import finish, wire
from claude_bridge.core.events import Usage
from claude_bridge.core.openai import ChatRequest, Delta, StreamOptions

__all__ = ["DIALECTS", "Dialect", "Generic", "resolve"]


class Dialect(Protocol):
    """The points at which servers differ."""

    @property
    def name(self) -> str:
        """Name it as in ``dialect = NAME``."""

    def shape(self, chat: ChatRequest, extra: dict[str, object]) -> None:
        """Change the request's fields to what this server takes; ``extra`` holds fields that OpenAI does not have."""

    def reasoning(self, delta: Delta) -> str:
        """Give a delta's reasoning text, whatever its field is called."""

    def usage(self, raw: Mapping[str, Any]) -> Usage | None:
        """Divide this server's usage as Anthropic does."""


@frozen
class Generic:
    """A server that does what the OpenAI SDK's types say, read as forgivingly as possible."""

    name: str = "generic"

    def shape(self, chat: ChatRequest, extra: dict[str, object]) -> None:
        """Ask for usage at the end of the stream; all else is as it is."""
        del extra
        if chat.stream:
            chat.stream_options = StreamOptions()

    def reasoning(self, delta: Delta) -> str:
        """Take the first field that has something: two that carry the same text count once."""
        text = delta.reasoning_content or delta.reasoning or delta.reasoning_text or delta.thinking
        if not text and delta.reasoning_details:
            return "".join(_detail(raw) for raw in delta.reasoning_details)
        return text or ""

    def usage(self, raw: Mapping[str, Any]) -> Usage | None:
        """Read usage under all its common names."""
        return finish.usage(raw)


def _detail(raw: wire.Raw) -> str:
    """Give the readable part of an OpenRouter reasoning detail: text or summary; encrypted ones have none."""
    value = wire.decode(raw)
    if not isinstance(value, dict):
        return ""
    text = value.get("text") or value.get("summary")
    return text if isinstance(text, str) else ""


DIALECTS: Final[Mapping[str, Dialect]] = {"generic": Generic()}


def resolve(name: str) -> Dialect:
    """Give the dialect called ``name``; ``auto`` is the generic one until something better is known of a server."""
    return DIALECTS["generic" if name == "auto" else name]
