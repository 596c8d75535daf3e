"""The few changes to a request's body: whatever is not replaced or cut out here stays as it is, byte for byte.

The order of keys, white space, escapes and unknown fields stay, and with them the prefix that the backend has cached.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Hashable, Mapping, MutableMapping, Sequence
from typing import Final

from attrs import define, field, frozen
from msgspec import Raw

from claude_bridge.core import json_layout, strict_json
from claude_bridge.core.anthropic_backend.message_editing import (
    PastThinking,
    decoded,
    edit_messages,
    has_unwanted_thinking,
)
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.json_layout import MAX_REST_BYTES, Edits, Element, Member
from claude_bridge.core.opaque_state import SNIPPET_PREFIX

THINKING_OFF: Final = b'{"type":"disabled"}'

_CLEARS_THINKING: Final = "clear_thinking_"
"""How the names of context edits begin that the API accepts only while the model thinks."""

SEARCHED_BYTES: Final = 4 << 20
"""Bytes that are searched for a mark in one step: that takes up to 10 ms."""

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


@frozen
class EditedBody:
    """A body with its changes, which are put into it when it is needed.

    :ivar fields: the raw values of some fields on the top level that stay as they are, where they are given.
    """

    _edits: Edits
    fields: Mapping[str, Raw] = field(repr=False)

    def joined(self) -> bytes:
        """Return the body that is sent."""
        return self._edits.applied()


@define
class Editing:
    """Works out the changes to a body in steps; implements `claude_bridge.core.backend_api.Preparation`.

    A step decodes the body, or a large part of it, once at most.

    :ivar key: the changes.
    :ivar kept: where the result is kept, under the key.
    """

    _body: bytes
    key: Changes
    kept: MutableMapping[Hashable, object] = field(factory=dict, repr=False)
    _steps: Generator[None, None, EditedBody] = field(init=False)
    _result: EditedBody | None = field(default=None, init=False)

    @_steps.default
    def _begin(self) -> Generator[None, None, EditedBody]:
        return _edit(self._body, self.key)

    def step(self) -> bool:
        """Do the next step and return whether it was the last; raises `InvalidRequest` as `finish` does."""
        if self._result is None:
            try:
                next(self._steps)
            except StopIteration as ended:
                self._result = self.kept[self.key] = ended.value
        return self._result is not None

    def finish(self) -> EditedBody:
        """Do all that is left and return the result.

        Raises `InvalidRequest` for a body in which a field stands twice, or whose small fields are too large.
        """
        while self._result is None:
            self.step()
        return self._result


def edited(body: bytes, changes: Changes) -> bytes:
    """Return a body with the changes; raises `InvalidRequest` for one in which a field stands twice.

    Web searches that the bridge made for an earlier answer become text, as their results are encoded for the bridge.
    """
    return Editing(body, changes).finish().joined()


def _edit(body: bytes, changes: Changes) -> Generator[None, None, EditedBody]:
    """Return the edited body; yields between two steps."""
    yield  # the body was decoded in the turn in which this begins
    if len(body) > MAX_REST_BYTES:
        json_layout.check_rest(body)
        yield
    top = json_layout.members(body)
    fields = {member.key: member for member in top}
    edits = Edits(body)
    if "model" not in fields:
        raise InvalidRequest("model: Field required")
    edits.replace(fields["model"].start, fields["model"].end, strict_json.encode(changes.model))
    escaped = yield from _contains(body, _ESCAPED_LETTER)  # a mark may be written with escapes
    searched = escaped or (yield from _contains(body, _SNIPPET_MARK))
    thought = changes.past_thinking != "all" and (escaped or (yield from _contains(body, _THINKING_MARK)))
    if (searched or thought) and "messages" in fields:
        yield from edit_messages(body, fields["messages"], changes.past_thinking, edits, searched=searched)
    if changes.thinking_off:
        _turn_thinking_off(body, top, fields, edits)
    yield  # what follows, in the turn in which this ends, looks at the body too
    return EditedBody(edits, {name: fields[name].raw for name in _REPORTED if name in fields})


def _contains(body: bytes, mark: bytes) -> Generator[None, None, bool]:
    """Return whether a body has a mark; yields before each part that is searched but the first."""
    for start in range(0, len(body), SEARCHED_BYTES):
        if start:
            yield
        if body.find(mark, start, start + SEARCHED_BYTES + len(mark) - 1) >= 0:
            return True
    return False


def leaves_thinking_out(body: bytes, past_thinking: PastThinking) -> bool:
    """Return whether a body has thinking blocks that would be left out."""
    messages = next((member for member in json_layout.members(body) if member.key == "messages"), None)
    return messages is not None and has_unwanted_thinking(body, messages, past_thinking)


_REPORTED: Final = ("stream", "tools", "max_tokens")


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
    value = decoded(edit.raw)
    kind = value.get("type") if isinstance(value, dict) else None
    return isinstance(kind, str) and kind.startswith(_CLEARS_THINKING)
