"""Turns -> items of the input (docs/responses-api.md 1.2), as the target's traits require them.

The server refuses a conversation that leaves a call open, or has a result without its call. Encrypted reasoning stands
where it stood in the answer, and only in front of what followed it.
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
    Piece,
    State,
    Summary,
    Text,
    Thinking,
    ToolCall,
    ToolNotice,
    ToolResult,
    Turn,
    text_of,
)
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.media_parts import Media
from claude_bridge.core.open_calls import OpenCall, OpenCalls
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
from claude_bridge.core.tool_names import upstream_name, with_notices_as_text
from claude_bridge.core.tool_results import NO_RESULT, SUMMARY, ResultContents, text_output
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
class InputItems:
    """Translates turns into items of the input.

    :ivar documents: base64 text of a PDF -> its text.
    :ivar excess: characters of state to leave out, the oldest first.
    :ivar names: the backend's name of a called tool -> the client's, where they differ.
    """

    target: Target
    documents: Mapping[str, str]
    excess: int = 0
    names: dict[str, str] = field(factory=dict, init=False)
    _contents: ResultContents = field(init=False)
    _items: list[InputItem] = field(factory=list, init=False)
    _open: OpenCalls = field(factory=lambda: OpenCalls(CallIds()), init=False)
    _held_system_texts: list[str] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """Create the part that depends on the target."""
        inside = self.target.tool_images
        media = Media(self.target.images, self.target.pdf, self.documents)
        self._contents = ResultContents(media, images=inside, documents=inside)

    def build(self, turns: list[Turn]) -> list[InputItem]:
        """Return the items of the whole conversation."""
        for turn in turns:
            if turn.role == "assistant":
                self._close_open()
                self._assistant(turn)
            elif turn.role == "user":
                self._user(turn)
            else:
                self._system(turn)
        self._close_open()
        return self._items

    def _assistant(self, turn: Turn) -> None:
        texts: list[str] = []
        calls = sum(isinstance(piece, ToolCall) for piece in turn.pieces)
        for piece in turn.pieces:
            if isinstance(piece, ToolCall):
                self._say(texts, before_call=True)
                self._items.append(self._call(piece))
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

    def _call(self, piece: ToolCall) -> FunctionCall:
        """Return a call with the backend's own id and name, and note that its result is awaited."""
        name = upstream_name(piece.name)
        if name != piece.name:
            self.names[name] = piece.name
        return FunctionCall(self._open.add(piece.id), name, piece.arguments)

    def _user(self, turn: Turn) -> None:
        rest = self._open.take_results(turn.pieces)
        self._contents.restart()
        calls = self._open.close()
        content = self._answer(calls)
        for piece in rest:
            content += [piece] if isinstance(piece, Text) else self._as_content(piece)
        if content or not any(call.result for call in calls):
            self._items.append(Message("user", _content(content)))
        self._close_open()

    def _as_content(self, piece: Piece) -> list[Content]:
        """Return a piece other than text as content of a user message."""
        if isinstance(piece, Image | Document):
            return [self._contents.media.convert(piece)]
        if isinstance(piece, ToolResult):
            inside, shown = self._contents.split(piece, images=False)
            output = text_output([each for each in inside if not isinstance(each, Document)])
            files = [each for each in inside if isinstance(each, Document)]
            return [Text(f"[tool result without call: {piece.call_id}] {output}"), *files, *shown]
        return [Text(SUMMARY + piece.text if isinstance(piece, Summary) else text_of(piece))]

    def _system(self, turn: Turn) -> None:
        """Leave a system message in its place, or put it after the results that open calls still wait for."""
        text = "\n\n".join(map(text_of, turn.pieces))
        if text:
            self._held_system_texts.append(text)
        if not self._open:
            self._close_open()

    def _close_open(self) -> None:
        """Answer open calls that have no result, and add the system messages that waited for the results."""
        self._answer(self._open.close())
        self._items += [Message(self.target.system_role, text) for text in self._held_system_texts]
        self._held_system_texts.clear()

    def _answer(self, calls: list[OpenCall]) -> list[Content]:
        """Add the results in the calls' order; return what only a user message can contain."""
        shown: list[Content] = []
        for call in calls:
            output: str | list[InputPart] = NO_RESULT
            if call.result is not None:
                inside, user_content = self._contents.split(call.result)
                text = text_output(inside)
                output = [*map(_part, inside)] if text is None else text
                shown += user_content
            self._items.append(FunctionCallOutput(call.upstream, output))
        return shown


def _content(said: list[Content]) -> str | list[InputPart]:
    """Return a string if all content is text, else the parts."""
    texts = [each.text for each in said if isinstance(each, Text)]
    return "\n\n".join(texts) if len(texts) == len(said) else [*map(_part, said)]


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
