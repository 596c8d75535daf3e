"""Turns -> chat messages (docs/chat-completions.md 1.2), as the target's traits require them.

Their order is that of `claude_bridge.core.turn_writer`; each call of an assistant message is answered by a ``tool``
message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field, frozen

from claude_bridge.core import opaque_state
from claude_bridge.core.call_ids import CallIds
from claude_bridge.core.chat_completions import openai_types
from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.messages import cache_control, instructions, reasoning_history
from claude_bridge.core.chat_completions.messages.alternation import alternated
from claude_bridge.core.chat_completions.openai_types import (
    ChatMessage,
    FileData,
    FilePart,
    FunctionCall,
    ImagePart,
    ImageUrl,
    Part,
    TextPart,
)
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
from claude_bridge.core.media_parts import Media
from claude_bridge.core.open_calls import OpenCalls
from claude_bridge.core.tool_names import with_notices_as_text
from claude_bridge.core.tool_results import NO_RESULT, SUMMARY, ResultContents, text_output
from claude_bridge.core.turn_writer import TurnWriter, user_text
from claude_bridge.core.turns import SystemMessages, is_question, merge_turns, system_text

NO_ANSWER: Final = "[no answer]"
"""The content of an answer that ended while the model was still reasoning: servers refuse an empty one ("must not be
empty", kimi-code issue 1985)."""


@frozen(kw_only=True)
class Written:
    """A conversation as chat messages.

    :ivar names: the backend's name of a called tool -> the client's, where they differ.
    :ivar extra: fields of the request that belong to the messages and that OpenAI does not have.
    :ivar echoed: whether past reasoning is sent back by default, so that it can be left out if refused.
    """

    messages: list[ChatMessage]
    names: Mapping[str, str]
    extra: dict[str, object]
    echoed: bool


def write(asked: Conversation, target: Target, documents: Mapping[str, str]) -> Written:
    """Return a conversation's system prompt and messages for ``target``.

    ``documents``: base64 text of a PDF -> its text (`conversation.pdfs`). Raises `InvalidRequest`
    for what the target cannot do.
    """
    # A template that requires alternation accepts only the first message as a system message.
    inline = target.system_messages == "inline"
    policy: SystemMessages = "fold" if inline and target.alternate else target.system_messages
    turns = map(with_notices_as_text, asked.turns) if asked.changes_tools else asked.turns
    conversation = merge_turns(turns, policy, strip_attribution=target.strip_attribution)
    system = system_text(asked.system, strip_attribution=target.strip_attribution)
    chat = ChatMessages(target, documents, asked.state_characters - opaque_state.MAX_STATE_CHARACTERS)
    messages = chat.build(conversation.turns, "\n\n".join(filter(None, (system, *conversation.leading))))
    if target.alternate:
        messages = alternated(messages)
    extra = instructions.mark_prefill(messages, target.prefill)
    if target.cache_control and asked.caches_prefix:
        cache_control.add_marks(messages)
    return Written(
        messages=messages,
        names=chat.names,
        extra=extra,
        echoed=chat.echoed and target.reasoning_echo == "current_turn",
    )


@define
class ChatMessages(TurnWriter):
    """Translates turns into chat messages.

    :ivar documents: base64 text of a PDF -> its text.
    :ivar excess: characters of state to leave out, the oldest first.
    :ivar echoed: whether past reasoning goes back.
    """

    target: Target
    documents: Mapping[str, str]
    excess: int = 0
    echoed: bool = field(default=False, init=False)
    _messages: list[ChatMessage] = field(factory=list, init=False)
    _question: int = field(default=-1, init=False)

    def __attrs_post_init__(self) -> None:
        """Create the parts that depend on the target."""
        media = Media(self.target.images, self.target.pdf, self.documents)
        self._contents = ResultContents(media, images=self.target.tool_images)
        self._open = OpenCalls(CallIds(self.target.tool_ids))

    def build(self, turns: list[Turn], system: str) -> list[ChatMessage]:
        """Return the messages of the whole conversation; ``system`` comes first if it is not empty."""
        if system:
            self._messages.append(ChatMessage(self.target.system_role, system))
        self._question = next((at for at in range(len(turns) - 1, -1, -1) if is_question(turns[at])), -1)
        self._write(turns)
        return self._messages

    def _assistant(self, turn: Turn, at: int) -> None:
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[openai_types.ToolCall] = []
        states: list[tuple[int, State]] = []
        for piece in turn.pieces:
            if isinstance(piece, ToolCall):
                identifier, name = self._open_call(piece)
                calls.append(openai_types.ToolCall(identifier, FunctionCall(name, piece.arguments)))
            elif isinstance(piece, Text):
                texts.append(piece.text)
            elif isinstance(piece, Thinking):
                thoughts.append(piece.text)
            elif isinstance(piece, Summary):
                self._messages.append(ChatMessage("user", SUMMARY + piece.text))
            elif isinstance(piece, State):
                states.append((len(calls), piece))
            else:
                texts.append(text_of(piece))
        text = "\n\n".join(texts)
        thought = self._reasoning_to_echo(
            thoughts, answered=bool(text or calls), called=bool(calls), after_question=at > self._question
        )
        if text or calls or thought:
            target = self.target
            nothing = (None if target.call_content == "null" else "") if calls else NO_ANSWER
            message = ChatMessage("assistant", text or nothing, None, calls or None)
            if thought:
                reasoning_history.set_reasoning(message, thought, target.reasoning_field)
                self.echoed = True
            if target.dialect.stateful:
                target.dialect.restore(message, self._restored(states))
            self._messages.append(message)

    def _reasoning_to_echo(self, thoughts: list[str], *, answered: bool, called: bool, after_question: bool) -> str:
        """Return what goes back of a turn's thinking, "" for nothing; ``answered``: it has text or calls."""
        policy = self.target.reasoning_echo
        thought = ""
        if thoughts and reasoning_history.echoes(policy, called=called, after_question=after_question):
            thought = "\n".join(filter(None, thoughts))
        if (
            not thought
            and answered
            and reasoning_history.requires(policy, called=called, after_question=after_question)
        ):
            return reasoning_history.MISSING_REASONING
        return thought

    def _restored(self, states: list[tuple[int, State]]) -> list[tuple[int, object]]:
        """Return the unpacked states that this model gave; those of another are refused, or mean nothing."""
        restored: list[tuple[int, object]] = []
        for calls_before, state in states:
            if self.excess > 0:
                self.excess -= len(state.carrier)
                continue
            carried = opaque_state.state_of(state.carrier, self.target.dialect.name, self.target.model)
            if carried is not None:
                restored.append((calls_before, carried.state))
        return restored

    def _write_result(self, identifier: str, inside: list[Content] | None) -> None:
        content: str | list[Part] = NO_RESULT
        if inside is not None:
            text = text_output(inside)
            content = [*map(_part, inside)] if text is None else text
        self._messages.append(ChatMessage("tool", content, tool_call_id=identifier))

    def _write_user(self, said: list[Content]) -> None:
        text = user_text(said)
        self._messages.append(ChatMessage("user", [*map(_part, said)] if text is None else text))

    def _write_system(self, texts: list[str]) -> None:
        self._messages += [ChatMessage(self.target.system_role, text) for text in texts]


def _part(content: Content) -> Part:
    match content:
        case Text():
            return TextPart(content.text)
        case Image():
            return ImagePart(ImageUrl(content.url))
        case Document():
            return FilePart(FileData(content.filename, content.url))
        case ToolNotice():
            return TextPart(text_of(content))
