"""Turns -> items of the input (docs/responses-api.md 1.2), as the target's traits require them.

Their order is that of `claude_bridge.core.turn_writer`. Encrypted reasoning stands where it stood in the answer, and
only in front of what followed it.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field, frozen
from msgspec import UNSET

from claude_bridge.core import opaque_state
from claude_bridge.core.call_ids import CallIds
from claude_bridge.core.conversation import (
    Content,
    Conversation,
    Document,
    Image,
    State,
    Summary,
    Text,
    Thinking,
    ToolCall,
    ToolNotice,
    Turn,
    text_of,
)
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.media_parts import Media
from claude_bridge.core.open_calls import OpenCalls
from claude_bridge.core.responses_api import reasoning_state
from claude_bridge.core.responses_api.dialect import Target
from claude_bridge.core.responses_api.wire_types import (
    FunctionCall,
    FunctionCallOutput,
    InputFile,
    InputImage,
    InputItem,
    InputPart,
    InputText,
    Message,
    ReasoningItem,
)
from claude_bridge.core.tool_names import with_notices_as_text
from claude_bridge.core.tool_results import NO_RESULT, SUMMARY, ResultContents, text_output
from claude_bridge.core.turn_writer import TurnWriter, user_text
from claude_bridge.core.turns import PREFILL_REFUSED, merge_turns, system_text


@frozen(kw_only=True)
class Written:
    """A conversation as the input of a request.

    :ivar instructions: the system prompt, maybe empty.
    :ivar names: the backend's name of a called tool -> the client's, where they differ.
    """

    instructions: str
    items: list[InputItem]
    names: Mapping[str, str]


def write(asked: Conversation, target: Target, documents: Mapping[str, str]) -> Written:
    """Return a conversation's system prompt and items for ``target``.

    ``documents``: base64 text of a PDF -> its text (`conversation.pdfs`). Raises `InvalidRequest` for what the target
    cannot do.
    """
    turns = map(with_notices_as_text, asked.turns) if asked.changes_tools else asked.turns
    conversation = merge_turns(turns, target.system_messages, strip_attribution=target.strip_attribution)
    system = system_text(asked.system, strip_attribution=target.strip_attribution)
    writer = InputItems(target, documents, asked.state_characters - opaque_state.MAX_STATE_CHARACTERS)
    items = writer.build(conversation.turns)
    if target.prefill == "refuse" and _is_prefilled(items):
        raise InvalidRequest(PREFILL_REFUSED)
    return Written(
        instructions="\n\n".join(filter(None, (system, *conversation.leading))), items=items, names=writer.names
    )


def add_last(items: list[InputItem], text: str) -> None:
    """Append a text at the very end, so that cached prefixes stay valid: to the last message if it is the user's."""
    last = items[-1] if items else None
    if not isinstance(last, Message) or last.role != "user":
        items.append(Message("user", text))
    elif isinstance(last.content, list):
        last.content = [*last.content, InputText(text)]
    else:
        last.content = f"{last.content}\n\n{text}" if last.content else text


def _is_prefilled(items: list[InputItem]) -> bool:
    return bool(items) and isinstance(items[-1], Message) and items[-1].role == "assistant"


@define
class InputItems(TurnWriter):
    """Translates turns into items of the input.

    :ivar documents: base64 text of a PDF -> its text.
    :ivar excess: characters of state to leave out, the oldest first.
    """

    target: Target
    documents: Mapping[str, str]
    excess: int = 0
    _items: list[InputItem] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Create the parts that depend on the target."""
        inside = self.target.tool_images
        media = Media(self.target.images, self.target.pdf, self.documents)
        self._contents = ResultContents(media, images=inside, documents=inside)
        self._open = OpenCalls(CallIds())

    def build(self, turns: list[Turn]) -> list[InputItem]:
        """Return the items of the whole conversation."""
        self._write(turns)
        return self._items

    def _assistant(self, turn: Turn, at: int) -> None:
        del at
        texts: list[str] = []
        calls = sum(isinstance(piece, ToolCall) for piece in turn.pieces)
        for piece in turn.pieces:
            if isinstance(piece, ToolCall):
                self._say(texts, before_call=True)
                self._items.append(FunctionCall(*self._open_call(piece), piece.arguments))
                calls -= 1
            elif isinstance(piece, Text):
                texts.append(piece.text)
            elif isinstance(piece, State):
                self._say(texts, before_call=calls > 0)
                self._reason(piece)
            elif isinstance(piece, Summary):
                self._items.append(Message("user", SUMMARY + piece.text))
            elif not isinstance(piece, Thinking):
                texts.append(text_of(piece))
        self._say(texts, before_call=False)
        while self._items and isinstance(self._items[-1], ReasoningItem):
            self._items.pop()  # the server refuses reasoning that nothing followed

    def _say(self, texts: list[str], *, before_call: bool) -> None:
        """Add the texts so far as one message, and clear them; what the model says before it calls is a comment."""
        text = "\n\n".join(texts)
        texts.clear()
        if text:
            phase = ("commentary" if before_call else "final_answer") if self.target.phases else UNSET
            self._items.append(Message("assistant", text, phase))

    def _reason(self, state: State) -> None:
        """Add encrypted reasoning that this model gave; that of another is refused, or means nothing."""
        if self.excess > 0:
            self.excess -= len(state.carrier)
        elif self.target.encrypted_reasoning and self.target.past_reasoning:
            item = reasoning_state.restored(state.carrier, self.target.dialect.name, self.target.model)
            if item is not None:
                self._items.append(item)

    def _write_result(self, identifier: str, inside: list[Content] | None) -> None:
        output: str | list[InputPart] = NO_RESULT
        if inside is not None:
            text = text_output(inside)
            output = [*map(_part, inside)] if text is None else text
        self._items.append(FunctionCallOutput(identifier, output))

    def _write_user(self, said: list[Content]) -> None:
        text = user_text(said)
        self._items.append(Message("user", [*map(_part, said)] if text is None else text))

    def _write_system(self, texts: list[str]) -> None:
        self._items += [Message(self.target.system_role, text) for text in texts]


def _part(content: Content) -> InputPart:
    match content:
        case Text():
            return InputText(content.text)
        case Image():
            return InputImage(content.url)
        case Document():
            return InputFile(content.filename, content.url)
        case ToolNotice():
            return InputText(text_of(content))
