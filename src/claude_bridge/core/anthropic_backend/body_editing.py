"""The few changes to a request's body: whatever is not replaced or cut out here stays as it is, byte for byte.

The order of keys, white space, escapes and unknown fields stay, and with them the prefix that the backend has cached.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Literal

import msgspec
from attrs import define, field, frozen
from msgspec import Raw

from claude_bridge.core import strict_json
from claude_bridge.core.anthropic_backend import json_layout
from claude_bridge.core.anthropic_backend.json_layout import Edits, Element, Member
from claude_bridge.core.anthropic_backend.search_text import is_ours, search_text
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.opaque_state import SNIPPET_PREFIX, STATE_PREFIX

PastThinking = Literal["all", "signed", "none"]
"""Which thinking blocks of earlier answers are sent: all, those that Anthropic's models may have signed, or none."""

THINKING_OFF: Final = b'{"type":"disabled"}'

_CHANGEABLE: Final = frozenset({"thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result"})

_CLEARS_THINKING: Final = "clear_thinking_"
"""How the names of context edits begin that the API accepts only while the model thinks."""

MAX_BLOCKS: Final = 20_000
"""Blocks of a request that are looked at, each for a few microseconds. Those of one with more stay as they are, for the
backend to judge: a request that is passed on has not been counted before."""

MAX_SEARCH_VALUES: Final = 50_000
"""JSON values of all searches that are decoded, in 30 ms at most; those beyond are not. A real search has a hundred."""

MAX_REST_BYTES: Final = 2 << 20
"""Bytes of a request beside its messages, system prompt and tools; a few hundred are usual."""

_SNIPPET_MARK: Final = b'"%b' % SNIPPET_PREFIX.encode()
_THINKING_MARK: Final = b'thinking"'
_ESCAPED_LETTER: Final = b"\\u00"


@frozen(kw_only=True)
class Changes:
    """What is to be different in the body that is sent.

    :ivar model: the backend's own name of the model.
    :ivar past_thinking: which thinking blocks stay in the assistant's messages.
    :ivar thinking_off: whether the model must not think.
    """

    model: str
    past_thinking: PastThinking = "all"
    thinking_off: bool = False


def edited(body: bytes, changes: Changes) -> bytes:
    """Return a body with the changes; raises `InvalidRequest` for one in which a field stands twice.

    Web searches that the bridge made for an earlier answer become text, as their results are encoded for the bridge.
    """
    _check_rest(body)
    top = json_layout.members(body)
    fields = {member.key: member for member in top}
    edits = Edits(body)
    if "model" not in fields:
        raise InvalidRequest("model: Field required")
    edits.replace(fields["model"].start, fields["model"].end, strict_json.encode(changes.model))
    escaped = _ESCAPED_LETTER in body  # a mark may be written with escapes
    searched = escaped or _SNIPPET_MARK in body
    thought = changes.past_thinking != "all" and (escaped or _THINKING_MARK in body)
    if (searched or thought) and "messages" in fields:
        _edit_messages(body, fields["messages"], changes.past_thinking, edits, searched=searched)
    if changes.thinking_off:
        _turn_thinking_off(body, top, fields, edits)
    return edits.applied()


def _check_rest(body: bytes) -> None:
    """Raise `InvalidRequest` if the fields that are never large are: two MB of the smallest ones are found in 60 ms."""
    if len(body) <= MAX_REST_BYTES:
        return
    try:
        large = _large.decode(body)
    except strict_json.ERRORS as error:
        raise InvalidRequest(strict_json.explain(error)) from None
    if len(body) - len(large.messages) - len(large.system) - len(large.tools) > MAX_REST_BYTES:
        raise InvalidRequest(f"more than {MAX_REST_BYTES} bytes beside messages, system and tools")


def leaves_thinking_out(body: bytes, past_thinking: PastThinking) -> bool:
    """Return whether a body has thinking blocks that would be left out."""
    return len(edited(body, Changes(model="", past_thinking=past_thinking))) < len(edited(body, Changes(model="")))


# --- the messages -------------------------------------------------------------------------------------------------


class _Block(msgspec.Struct):
    """The fields of a content block that matter here, undecoded but for its type."""

    type: str = ""
    id: Raw = Raw()
    signature: Raw = Raw()
    data: Raw = Raw()
    input: Raw = Raw()
    tool_use_id: Raw = Raw()
    content: Raw = Raw()
    cache_control: Raw = Raw()


class _Large(msgspec.Struct):
    """The fields of a request that may be large."""

    messages: Raw = Raw()
    system: Raw = Raw()
    tools: Raw = Raw()


class _Message(msgspec.Struct):
    role: str = ""
    content: list[_Block] | str = ""


class _LooseMessage(msgspec.Struct):
    role: str = ""
    content: Raw = Raw()


_large: Final = msgspec.json.Decoder(_Large)
_messages: Final = msgspec.json.Decoder(list[_Message])
_loose_message: Final = msgspec.json.Decoder(_LooseMessage)
_block: Final = msgspec.json.Decoder(_Block)
_raws: Final = msgspec.json.Decoder(list[Raw])


@define
class _Searches:
    """The bridge's own searches in a conversation.

    :ivar ids: the ids of the calls whose results the bridge made.
    :ivar queries: the queries of all searches by the ids of their calls.
    :ivar results: the decoded results that the bridge made, by the `id` of their block.
    """

    ids: set[str] = field(factory=set)
    queries: dict[str, object] = field(factory=dict)
    results: dict[int, list[Any]] = field(factory=dict)
    _values: int = field(default=0, init=False)

    def note(self, block: _Block) -> None:
        """Note a call, or a result of the bridge's."""
        if block.type == "server_tool_use":
            called = self._read(block.input)
            self.queries[_name(block.id)] = called.get("query") if isinstance(called, dict) else None
        elif block.type == "web_search_tool_result":
            content = self._read(block.content)
            if is_ours(content):
                self.ids.add(_name(block.tool_use_id))
                self.results[id(block)] = content

    def _read(self, raw: Raw) -> Any:  # noqa: ANN401 - decoded JSON is what it is
        """Return a value decoded; None for one that cannot be, and for all once there were too many."""
        text = bytes(raw)
        self._values += 1 + text.count(b",") + text.count(b"[") + text.count(b"{")
        return _decoded(raw) if self._values <= MAX_SEARCH_VALUES else None


def _edit_messages(body: bytes, member: Member, past_thinking: PastThinking, edits: Edits, *, searched: bool) -> None:
    """Note the changes to the blocks of the assistant's messages. ``searched``: the bridge's searches may be there."""
    contents = _contents(member.raw)
    if sum(map(len, contents)) > MAX_BLOCKS:
        return
    searches = _Searches()
    if searched:
        for block in chain.from_iterable(contents):
            searches.note(block)
    changed = {
        index: new for index, blocks in enumerate(contents) if (new := _changed(blocks, past_thinking, searches))
    }
    if not changed:
        return
    messages = json_layout.elements(body, member.raw, member.start)
    emptied = {at for at, new in changed.items() if len(new) == len(contents[at]) and not any(new.values())}
    for at, new in changed.items():
        if at not in emptied:
            _edit_content(body, messages[at], new, edits)
    edits.drop(messages, emptied)


def _contents(messages: Raw) -> list[Sequence[_Block]]:
    """Return the blocks of all messages; none for one that is not the assistant's, or has no list of blocks."""
    try:
        return [_assistant_blocks(message) for message in _messages.decode(messages)]
    except strict_json.ERRORS:
        return _read_one_by_one(messages)


def _read_one_by_one(messages: Raw) -> list[Sequence[_Block]]:
    """Return the blocks of messages some of which are not as they should be: these count as empty."""
    contents: list[Sequence[_Block]] = []
    left = MAX_BLOCKS
    for raw in _raws.decode(messages):
        try:
            message = _loose_message.decode(raw)
            parts = _raws.decode(message.content) if message.role == "assistant" else []
        except strict_json.ERRORS:
            parts = []
        left -= len(parts)
        if left < 0:
            return []
        contents.append([_read_block(each) for each in parts])
    return contents


def _assistant_blocks(message: _Message) -> Sequence[_Block]:
    return message.content if message.role == "assistant" and not isinstance(message.content, str) else ()


def _read_block(raw: Raw) -> _Block:
    try:
        block = _block.decode(raw)
    except strict_json.ERRORS:
        block = _Block()
    return block


def _edit_content(body: bytes, message: Element, changed: Mapping[int, bytes], edits: Edits) -> None:
    """Note the changes to the blocks of one message, by index; b"" for one that is dropped."""
    members = json_layout.members(body, message.raw, message.start)
    content = next(member for member in members if member.key == "content")
    parts = json_layout.elements(body, content.raw, content.start)
    edits.drop(parts, [at for at, new in changed.items() if not new])
    for at, new in changed.items():
        if new:
            edits.replace(parts[at].start, parts[at].end, new)


def _changed(blocks: Sequence[_Block], past_thinking: PastThinking, searches: _Searches) -> dict[int, bytes]:
    """Return what to send instead of those blocks that do not stay, by index."""
    instead = {
        at: _instead(block, past_thinking, searches) for at, block in enumerate(blocks) if block.type in _CHANGEABLE
    }
    return {at: new for at, new in instead.items() if new is not None}


def _instead(block: _Block, past_thinking: PastThinking, searches: _Searches) -> bytes | None:
    """Return what to send instead of a block: b"" for nothing, None if the block stays."""
    match block.type:
        case "thinking" if past_thinking != "all":
            return b"" if past_thinking == "none" or _is_unsigned(block.signature) else None
        case "redacted_thinking" if past_thinking != "all":
            return b"" if past_thinking == "none" or _is_unsigned(block.data) else None
        case "server_tool_use" if _name(block.id) in searches.ids:
            return b""
        case "web_search_tool_result" if id(block) in searches.results:
            query = searches.queries.get(_name(block.tool_use_id))
            return _text_block(search_text(query, searches.results[id(block)]), block.cache_control)
    return None


def _is_unsigned(signature: Raw) -> bool:
    """Return whether a signature, or the data that stands for one, is missing, empty or the bridge's own."""
    text = _name(signature)
    return not text or text.startswith(STATE_PREFIX)


def _text_block(text: str, cache_control: Raw) -> bytes:
    fields: dict[str, Any] = {"type": "text", "text": text}
    if strict_json.present(cache_control):
        fields["cache_control"] = cache_control
    return strict_json.encode(fields)


def _name(raw: Raw) -> str:
    """Return a text decoded, "" for anything else, which is not decoded: it may be of any size."""
    value = _decoded(raw) if bytes(memoryview(raw)[:1]) == b'"' else ""
    return value if isinstance(value, str) else ""


def _decoded(raw: Raw) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    """Return a value decoded, None if it is missing or cannot be represented."""
    if not strict_json.present(raw):
        return None
    try:
        value = strict_json.decode(raw)
    except strict_json.JsonError:
        return None
    return value


# --- thinking that is turned off --------------------------------------------------------------------------------------


def _turn_thinking_off(body: bytes, top: Sequence[Member], fields: Mapping[str, Member], edits: Edits) -> None:
    """Note that the model must not think. Servers on which it thinks by default are told so explicitly."""
    thinking = fields.get("thinking")
    if thinking is not None:
        edits.replace(thinking.start, thinking.end, THINKING_OFF)
    else:
        edits.replace(top[0].key_start, top[0].key_start, b'"thinking":%b,' % THINKING_OFF)
    management = fields.get("context_management")
    if management is not None:
        _keep_thinking_uncleared(body, top, management, edits)


def _keep_thinking_uncleared(body: bytes, top: Sequence[Member], management: Member, edits: Edits) -> None:
    """Note that the context edits which clear thinking are left out: without thinking, the API refuses them."""
    edits_member = next(
        (each for each in json_layout.members(body, management.raw, management.start) if each.key == "edits"), None
    )
    if edits_member is None:
        return
    listed = json_layout.elements(body, edits_member.raw, edits_member.start)
    clearing: Collection[int] = [at for at, each in enumerate(listed) if _clears_thinking(each)]
    if len(clearing) == len(listed):
        edits.drop(top, [top.index(management)])
    else:
        edits.drop(listed, clearing)


def _clears_thinking(edit: Element) -> bool:
    value = _decoded(edit.raw)
    kind = value.get("type") if isinstance(value, dict) else None
    return isinstance(kind, str) and kind.startswith(_CLEARS_THINKING)
