"""The changes to the messages of a request's body: thinking that is left out, and the bridge's searches as text.

All of it is done by generators that yield between two steps, each of which is a few milliseconds of work, or a single
pass over a value however large that is.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Final, Literal

import msgspec
from attrs import define, field
from msgspec import Raw

from claude_bridge.core import json_layout, strict_json
from claude_bridge.core.anthropic_backend.search_text import is_ours, search_text
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.json_layout import Edits, Element, Member
from claude_bridge.core.opaque_state import STATE_PREFIX

PastThinking = Literal["all", "signed", "none"]
"""Which thinking blocks of earlier answers are sent: all, those that Anthropic's models may have signed, or none."""

_CHANGEABLE: Final = frozenset({"thinking", "redacted_thinking", "server_tool_use", "web_search_tool_result"})

MAX_BLOCKS: Final = 20_000
"""Blocks of a request that are looked at, each for a few microseconds. Those of one with more stay as they are, for the
backend to judge: a request that is passed on has not been counted before."""

MAX_SEARCH_VALUES: Final = 50_000
"""JSON values of all searches that are decoded, in 30 ms at most; those beyond are not. A real search has a hundred."""

MAX_OTHER_BYTES: Final = 2 << 20
"""Bytes of a message beside its content; a dozen are usual."""

STEP_BYTES: Final = 256 << 10
"""Bytes of messages that are decoded in one step, in 20 ms if they are nothing but empty blocks; a larger message is
decoded alone."""

BLOCK_COST: Final = 512
"""Bytes that a block counts for besides its own size."""


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


class _Message(msgspec.Struct):
    role: str = ""
    content: list[_Block] | str = ""


class _LooseMessage(msgspec.Struct):
    role: str = ""
    content: Raw = Raw()


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
        return decoded(raw) if self._values <= MAX_SEARCH_VALUES else None


@define
class _Meter:
    """Tells when a step has done enough."""

    _done: int = field(default=0, init=False)

    def is_full(self, size: int, blocks: int = 1) -> bool:
        """Count ``size`` bytes in so many blocks; return whether the step ends with them."""
        self._done += size + blocks * BLOCK_COST
        if self._done <= STEP_BYTES:
            return False
        self._done = 0
        return True


@define
class _Messages:
    """The messages in a body, read in groups."""

    _body: bytes
    _member: Member
    _listed: list[Element] | None = field(default=None, init=False)

    def listed(self) -> list[Element]:
        """Return where each of them stands."""
        if self._listed is None:
            self._listed = json_layout.elements(self._body, self._member.raw, self._member.start)
        return self._listed

    def contents(self) -> Iterator[list[Sequence[_Block]]]:
        """Yield the blocks of some messages for each step; none for one that is not the assistant's, or has no list."""
        if len(self._member.raw) <= STEP_BYTES:
            yield _contents(self._member.raw)
            return
        yield []
        for first, last in self._groups():
            yield []
            if last.end - first.start > STEP_BYTES:
                yield from _contents_of_large(first.raw)
            else:
                yield _contents(b"[%b]" % self._body[first.start : last.end])

    def _groups(self) -> Iterator[tuple[Element, Element]]:
        """Yield the first and the last message of each group: as many as fit into a step, or one."""
        listed = self.listed()
        first = last = listed[0] if listed else None
        for each in listed:
            if first is not None and last is not None and each.end - first.start > STEP_BYTES and each is not first:
                yield first, last
                first = each
            last = each
        if first is not None and last is not None:
            yield first, last


def edit_messages(
    body: bytes, member: Member, past_thinking: PastThinking, edits: Edits, *, searched: bool
) -> Iterator[None]:
    """Note the changes to the blocks of the assistant's messages; yields between two steps.

    ``member``: the messages, in the body. ``searched``: the bridge's searches may be there.
    """
    messages, meter = _Messages(body, member), _Meter()
    contents = yield from _all_contents(messages)
    changed = yield from _all_changes(contents, past_thinking, searched=searched)
    if not changed:
        return
    yield
    listed = messages.listed()
    emptied = {at for at, new in changed.items() if len(new) == len(contents[at]) and not any(new.values())}
    for at, new in changed.items():
        if at not in emptied:
            yield from _edit_content(body, listed[at], new, edits)
            if meter.is_full(len(listed[at].raw), len(contents[at])):
                yield
    edits.drop(listed, emptied)


def _all_contents(messages: _Messages) -> Generator[None, None, list[Sequence[_Block]]]:
    """Return the blocks of all messages as `_Messages.contents` does, or [] if there are too many."""
    contents: list[Sequence[_Block]] = []
    left = MAX_BLOCKS
    for some in messages.contents():
        contents += some
        left -= sum(map(len, some))
        if left < 0:
            return []
        yield
    return contents


def _all_changes(
    contents: Sequence[Sequence[_Block]], past_thinking: PastThinking, *, searched: bool
) -> Generator[None, None, dict[int, dict[int, bytes]]]:
    """Return what `_changed` returns for each message where that is anything, by index."""
    searches, meter = _Searches(), _Meter()
    if searched:
        for block in chain.from_iterable(contents):
            searches.note(block)
            if meter.is_full(len(block.input) + len(block.content)):
                yield
    changed: dict[int, dict[int, bytes]] = {}
    for index, blocks in enumerate(contents):
        new = _changed(blocks, past_thinking, searches)
        if new:
            changed[index] = new
        if meter.is_full(sum(len(block.signature) + len(block.data) for block in blocks), len(blocks)):
            yield
    return changed


def has_unwanted_thinking(body: bytes, member: Member, past_thinking: PastThinking) -> bool:
    """Return whether there is thinking that would be left out; the messages are read up to the first such block."""
    nothing = _Searches()
    blocks = chain.from_iterable(chain.from_iterable(_Messages(body, member).contents()))
    return any(_instead(block, past_thinking, nothing) == b"" for block in blocks)


def _contents(messages: Raw | bytes) -> list[Sequence[_Block]]:
    try:
        return [_assistant_blocks(message) for message in _messages.decode(messages)]
    except strict_json.ERRORS:
        return _read_one_by_one(messages)


def _contents_of_large(raw: Raw) -> Iterator[list[Sequence[_Block]]]:
    """Yield the blocks of one message at last, and nothing before each step to them."""
    message = _read_loosely(raw)
    yield []
    parts = _parts(message)
    if len(parts) > MAX_BLOCKS:
        yield [_too_many()]
        return
    meter, blocks = _Meter(), list[_Block]()
    for part in parts:
        if meter.is_full(len(part)):
            yield []
        blocks.append(_read_block(part))
    yield [blocks]


def _read_one_by_one(messages: Raw | bytes) -> list[Sequence[_Block]]:
    """Return the blocks of messages some of which are not as they should be: these count as empty.

    Of more blocks than are looked at, it returns only that they are too many.
    """
    contents: list[Sequence[_Block]] = []
    left = MAX_BLOCKS
    for raw in _raws.decode(messages):
        parts = _parts(_read_loosely(raw))
        left -= len(parts)
        if left < 0:
            return [_too_many()]
        contents.append([_read_block(each) for each in parts])
    return contents


def _too_many() -> Sequence[_Block]:
    """Return more blocks than are looked at."""
    return [_Block()] * (MAX_BLOCKS + 1)


def _read_loosely(raw: Raw) -> _LooseMessage:
    try:
        return _loose_message.decode(raw)
    except strict_json.ERRORS:
        return _LooseMessage()


def _parts(message: _LooseMessage) -> list[Raw]:
    """Return the content of an assistant's message, undecoded; [] for any other, and for one that is no list."""
    try:
        return _raws.decode(message.content) if message.role == "assistant" else []
    except strict_json.ERRORS:
        return []


def _assistant_blocks(message: _Message) -> Sequence[_Block]:
    return message.content if message.role == "assistant" and not isinstance(message.content, str) else ()


def _read_block(raw: Raw) -> _Block:
    try:
        block = _block.decode(raw)
    except strict_json.ERRORS:
        block = _Block()
    return block


def _edit_content(body: bytes, message: Element, changed: Mapping[int, bytes], edits: Edits) -> Iterator[None]:
    """Note the changes to the blocks of one message, by index; b"" for one that is dropped."""
    is_large = len(message.raw) > STEP_BYTES
    if is_large:
        yield
        if len(message.raw) - len(_read_loosely(message.raw).content) > MAX_OTHER_BYTES:
            raise InvalidRequest(f"messages: more than {MAX_OTHER_BYTES} bytes beside the content of a message")
        yield
    members = json_layout.members(body, message.raw, message.start)
    content = next(member for member in members if member.key == "content")
    if is_large:
        yield
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
    value = decoded(raw) if bytes(memoryview(raw)[:1]) == b'"' else ""
    return value if isinstance(value, str) else ""


def decoded(raw: Raw) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    """Return a value decoded, None if it is missing or cannot be represented."""
    if not strict_json.present(raw):
        return None
    try:
        value = strict_json.decode(raw)
    except strict_json.JsonError:
        return None
    return value
