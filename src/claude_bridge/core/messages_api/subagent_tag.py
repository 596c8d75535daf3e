"""The tag with which a user names the model of a subagent in its prompt: it is read, and cut out.

``<CCR-SUBAGENT-MODEL>backend,model</CCR-SUBAGENT-MODEL>`` is Claude Code Router's. It counts in a system block and in
the texts of the first message, where Claude Code puts the prompt of a subagent; anywhere else it is ordinary text.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import define

from claude_bridge.core import json_layout, strict_json
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.json_layout import Edits, Element, Member
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.strict_json import Raw

NAME: Final = "CCR-SUBAGENT-MODEL"

_MARK: Final = f"<{NAME}>".encode()
MAX_SEARCHED: Final = 128 * 1024
"""Characters of all texts with the tag, and bytes of all blocks with it, that are searched, in 50 ms at worst. What
follows is ordinary text. The prompt of a subagent has a few thousand."""

_WRITTEN_TAG: Final = re.compile(b'<%b>[^<>"]{1,2048}</%b>' % (NAME.encode(), NAME.encode()))
"""What may be a tag in JSON, in which a character may be written as six or twelve."""

_TAG: Final = re.compile(rf"<{NAME}>\s{{0,64}}([^<>\s][^<>]{{0,255}})</{NAME}>")
"""No two parts of it can match the same blanks in more than one way: a client may send a megabyte of them."""


@define
class _Searched:
    """How much has been searched."""

    _left: int = MAX_SEARCHED

    def has_room_for(self, size: int) -> bool:
        """Count what is to be searched; return whether it may be."""
        self._left -= size
        return self._left >= 0


def may_be_in(body: bytes) -> bool:
    """Return whether a request's body may have the tag."""
    return _MARK in body


def apply(request: MessagesRequest) -> None:
    """Make the first tag of a request its model, and cut out all of them; without a tag nothing changes."""
    found: list[str] = []
    searched = _Searched()
    if request.system is not None:
        request.system = _without_tags(request.system, found, searched)
    first = request.messages[0]
    if first.role == "user":
        first.content = _without_tags(first.content, found, searched)
    if found:
        request.model = found[0]


def without_tags(body: bytes) -> bytes:
    """Return a request's body without the tags that `apply` cuts out of the decoded request.

    All other bytes stay, and so does a body that is not as it should be: what reads it next says why.
    """
    edits = Edits(body)
    try:
        json_layout.check_rest(body)
        searched = _Searched()
        for content in _contents(body):
            _cut_content(body, content, edits, searched)
    except (InvalidRequest, strict_json.JsonError):
        return body
    return edits.applied()


def _contents(body: bytes) -> list[Member]:
    """Return what may have the tag: the system prompt, and the content of the first message if it is a user's."""
    top = {member.key: member for member in json_layout.members(body)}
    found = [top["system"]] if "system" in top else []
    listed = json_layout.elements(body, top["messages"].raw, top["messages"].start)
    first = {member.key: member for member in json_layout.members(body, listed[0].raw, listed[0].start)}
    if {"role", "content"} <= first.keys() and strict_json.decode(first["role"].raw) == "user":
        found.append(first["content"])
    return found


def _cut_content(body: bytes, content: Member, edits: Edits, searched: _Searched) -> None:
    """Note the cuts in a text, or in the texts of a list of blocks; one of these that is left empty goes as a whole."""
    if body.startswith(b'"', content.start):
        if _is_searched(strict_json.decode(bytes(content.raw)), searched):
            _cut_text(content, edits)
    elif body.startswith(b"[", content.start):
        blocks = json_layout.elements(body, content.raw, content.start)
        texts = {at: _text(body, each) for at, each in enumerate(blocks) if _has_room(each.raw, searched)}
        emptied = [at for at, text in texts.items() if text is not None and not _cut(strict_json.decode(text.raw), [])]
        if len(emptied) == len(blocks):
            emptied = []
        edits.drop(blocks, emptied)
        for at, text in texts.items():
            if text is not None and at not in emptied:
                _cut_text(text, edits)


def _text(body: bytes, block: Element) -> Member | None:
    """Return the text of a text block, None for any other, and for a malformed one."""
    try:
        fields = {member.key: member for member in json_layout.members(body, block.raw, block.start)}
        is_text = "type" in fields and strict_json.decode(fields["type"].raw) == "text"
    except (InvalidRequest, strict_json.JsonError):
        return None
    text = fields.get("text") if is_text else None
    return text if text is not None and body.startswith(b'"', text.start) else None


def _cut_text(text: Member, edits: Edits) -> None:
    """Note the cuts in one text: as they are written, or of the whole text where that cannot be done."""
    raw = bytes(text.raw)
    value = strict_json.decode(raw)
    expected = _cut(value, [])
    if expected == value:
        return
    cut = _WRITTEN_TAG.sub(lambda found: b"" if _is_tag(found[0]) else found[0], raw)
    edits.replace(text.start, text.end, cut if strict_json.decode(cut) == expected else strict_json.encode(expected))


def _is_tag(written: bytes) -> bool:
    return _TAG.fullmatch(strict_json.decode(b'"%b"' % written)) is not None


def _is_searched(text: str, searched: _Searched) -> bool:
    return f"<{NAME}>" in text and searched.has_room_for(len(text))


def _has_room(block: Raw, searched: _Searched) -> bool:
    return _MARK in bytes(block) and searched.has_room_for(len(block))


def _without_tags(content: str | list[Raw], found: list[str], searched: _Searched) -> str | list[Raw]:
    if isinstance(content, str):
        return _cut(content, found) if _is_searched(content, searched) else content
    return [_block_without_tags(block, found) if _has_room(block, searched) else block for block in content]


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
