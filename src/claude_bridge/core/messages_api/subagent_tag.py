"""The tag with which a user names the model of a subagent in its prompt: it is read, and cut out.

``<CCR-SUBAGENT-MODEL>backend,model</CCR-SUBAGENT-MODEL>`` is Claude Code Router's. It counts in a system block and in
the texts of the first message, where Claude Code puts the prompt of a subagent; anywhere else it is ordinary text.
"""

from __future__ import annotations

import re
from typing import Final

from claude_bridge.core import strict_json
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.strict_json import Raw

NAME: Final = "CCR-SUBAGENT-MODEL"

_MARK: Final = f"<{NAME}>".encode()
_TAG: Final = re.compile(rf"<{NAME}>\s{{0,64}}([^<>\s][^<>]{{0,255}})</{NAME}>")
"""No two parts of it can match the same blanks in more than one way: a client may send a megabyte of them."""


def may_be_in(body: bytes) -> bool:
    """Return whether a request's body may have the tag."""
    return _MARK in body


def apply(request: MessagesRequest) -> None:
    """Make the first tag of a request its model, and cut out all of them; without a tag nothing changes."""
    found: list[str] = []
    if request.system is not None:
        request.system = _without_tags(request.system, found)
    first = request.messages[0]
    if first.role == "user":
        first.content = _without_tags(first.content, found)
    if found:
        request.model = found[0]


def _without_tags(content: str | list[Raw], found: list[str]) -> str | list[Raw]:
    if isinstance(content, str):
        return _cut(content, found)
    return [_block_without_tags(block, found) if _MARK in bytes(block) else block for block in content]


def _block_without_tags(block: Raw, found: list[str]) -> Raw:
    """Return a block without tags if it is a text; any other, and a malformed one, is returned as it is."""
    try:
        value = strict_json.decode(bytes(block))
    except strict_json.JsonError:
        return block
    if not isinstance(value, dict) or value.get("type") != "text" or not isinstance(value.get("text"), str):
        return block
    return Raw(strict_json.encode({**value, "text": _cut(value["text"], found)}))


def _cut(text: str, found: list[str]) -> str:
    found += [name.rstrip() for name in _TAG.findall(text)]
    return _TAG.sub("", text)
