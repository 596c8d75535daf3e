"""The messages of a conversation, Anthropic -> OpenAI (wire-contract 5.2).

Order rules that strict servers enforce: every call of an assistant message is answered by a
``tool`` message directly after it, in the calls' order; what the user said besides follows in one
user message. System messages inside the conversation never move forward past an answer, since
that would change the bytes of an earlier turn and spoil the backend's prefix cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from attrs import define, field

from claude_bridge.core import wire
from claude_bridge.core.anthropic import (
    Block,
    DocumentBlock,
    ImageBlock,
    InputMessage,
    TextBlock,
    ThinkingBlock,
    ToolReferenceBlock,
    ToolResultBlock,
    ToolUseBlock,
    UnknownBlock,
)
from claude_bridge.core.blocks import parts, text_of
from claude_bridge.core.ids import upstream_id
from claude_bridge.core.openai import ChatMessage, FunctionCall, Part, TextPart, ToolCall
from claude_bridge.core.target import ReasoningEcho, SystemMessages

ATTRIBUTION: Final = "x-anthropic-billing-header"
"""How Claude Code's first system block begins; it differs from request to request."""

NO_OUTPUT: Final = "(no output)"
NO_RESULT: Final = "[no result]"
REMINDER: Final = "<system-reminder>"
_ERROR_MARKS: Final = ("[tool error]", "<tool_use_error>", "<error>")


@define
class Turn:
    """Successive messages of one role. ``path`` is where the turn begins in the request, for errors."""

    role: str
    blocks: list[Block] = field(factory=list)
    path: str = ""

    @property
    def has_results(self) -> bool:
        """Tell whether the turn answers tool calls."""
        return any(isinstance(block, ToolResultBlock) for block in self.blocks)

    @property
    def is_question(self) -> bool:
        """Tell whether a person speaks here: text that is neither a tool's nor a reminder."""
        return not self.has_results and any(
            isinstance(block, TextBlock) and not block.text.startswith(REMINDER) for block in self.blocks
        )


@define
class Conversation:
    """A decoded conversation.

    :ivar loaded: names of tools that tool search or a tool addition made available.
    :ivar removed: names of tools that were taken away again.
    """

    turns: list[Turn] = field(factory=list)
    loaded: set[str] = field(factory=set)
    removed: set[str] = field(factory=set)


def read(messages: Iterable[InputMessage], policy: SystemMessages) -> Conversation:
    """Decode the messages and merge them to turns; system messages are folded as the policy says.

    Raises `WireError` with the path of what is wrong.
    """
    conversation = Conversation()
    out = conversation.turns
    pending: list[Block] = []
    for index, message in enumerate(messages):
        path = f"messages.{index}.content"
        blocks = wire.decode_blocks(message.content, path)
        _note_tools(blocks, path, conversation)
        if message.role == "system" and policy == "fold":
            reminders = _reminders(blocks, path)
            if out and out[-1].role == "user" and not pending:
                out[-1].blocks += reminders
            else:
                pending += reminders
            continue
        if message.role not in {"user", "assistant", "system"}:
            raise wire.WireError(f"messages.{index}.role: Input should be 'user', 'assistant' or 'system'")
        if pending and message.role == "assistant":
            out.append(Turn("user", pending, path))
            pending = []
        if not out or out[-1].role != message.role:
            out.append(Turn(message.role, [], path))
        out[-1].blocks += [*pending, *blocks]
        pending = []
    if pending:
        out.append(Turn("user", pending, "messages"))
    return conversation


def system_text(system: str | list[wire.Raw] | None, *, strip_attribution: bool) -> str:
    """Give the system prompt as one text, without the attribution block."""
    blocks = wire.decode_blocks(system or "", "system")
    texts = [text_of(block, "system") for block in blocks]
    if strip_attribution:
        texts = [text for text in texts if not text.startswith(ATTRIBUTION)]
    return "\n\n".join(text for text in texts if text)


@define
class MessageBuilder:
    """Turns in, chat messages out."""

    echo: ReasoningEcho
    rename: Callable[[str], str]
    _messages: list[ChatMessage] = field(factory=list, init=False)
    _calls: dict[str, str] = field(factory=dict, init=False)
    _used: set[str] = field(factory=set, init=False)
    _open: list[tuple[str, str]] = field(factory=list, init=False)

    def build(self, conversation: list[Turn], system: str, system_role: str = "system") -> list[ChatMessage]:
        """Convert the whole conversation; ``system`` comes first if there is any."""
        if system:
            self._messages.append(ChatMessage(system_role, system))
        question = max((index for index, turn in enumerate(conversation) if turn.is_question), default=-1)
        for index, turn in enumerate(conversation):
            if turn.role == "assistant":
                self._close_calls()
                self._assistant(turn, after_question=index > question)
            elif turn.role == "user":
                self._user(turn)
            else:
                self._close_calls()
                text = "\n\n".join(filter(None, (text_of(block, turn.path) for block in turn.blocks)))
                self._messages.append(ChatMessage("system", text))
        self._close_calls()
        return self._messages

    def _assistant(self, turn: Turn, *, after_question: bool) -> None:
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[ToolCall] = []
        for block in turn.blocks:
            if isinstance(block, ToolUseBlock):
                calls.append(self._call(block))
            elif isinstance(block, ThinkingBlock):
                thoughts.append(block.thinking)
            elif isinstance(block, ToolResultBlock):
                texts.append(f"[result of call {block.tool_use_id}] {self._result_text(block, turn.path)[0]}")
            else:
                texts += [piece.text for piece in parts(block, turn.path) if isinstance(piece, TextPart)]
        text = "\n\n".join(filter(None, texts))
        thought = "\n".join(filter(None, thoughts)) if self._echoes(bool(calls), after_question) else ""
        if text or calls or thought:
            self._messages.append(
                ChatMessage("assistant", text or (None if calls else ""), thought or None, calls or None),
            )

    def _echoes(self, called: bool, after_question: bool) -> bool:
        match self.echo:
            case "auto":
                return called and after_question
            case "tool_turns":
                return called
            case "after_last_user":
                return after_question
            case "all_turns":
                return True
            case _:
                return False

    def _call(self, block: ToolUseBlock) -> ToolCall:
        identifier = upstream_id(block.id)
        if identifier in self._used:
            identifier = block.id
        while identifier in self._used:
            identifier += "_"
        self._used.add(identifier)
        self._open.append((block.id, identifier))
        return ToolCall(identifier, FunctionCall(self.rename(block.name), _arguments(block)))

    def _close_calls(self) -> None:
        """Answer calls that nobody answered: servers refuse a conversation that leaves one open."""
        for _, identifier in self._open:
            self._messages.append(ChatMessage("tool", NO_RESULT, tool_call_id=identifier))
        self._open = []

    def _user(self, turn: Turn) -> None:
        results: dict[str, ToolResultBlock] = {}
        expected = {identifier for identifier, _ in self._open}
        said: list[Part] = []
        for block in turn.blocks:
            if isinstance(block, ToolResultBlock):
                if block.tool_use_id in expected and block.tool_use_id not in results:
                    results[block.tool_use_id] = block
                else:
                    text, extra = self._result_text(block, turn.path)
                    said += [TextPart(f"[tool result without call: {block.tool_use_id}] {text}"), *extra]
            else:
                said += parts(block, turn.path)
        answers = bool(results)
        shown = self._results(results, turn.path)
        if shown or said or not answers:
            self._messages.append(ChatMessage("user", _content([*shown, *said])))

    def _results(self, results: dict[str, ToolResultBlock], path: str) -> list[Part]:
        """Write the tool messages in the calls' order; give the images that only a user message can carry."""
        shown: list[Part] = []
        for identifier, upstream in self._open:
            block = results.pop(identifier, None)
            if block is None:
                self._messages.append(ChatMessage("tool", NO_RESULT, tool_call_id=upstream))
                continue
            text, extra = self._result_text(block, path, first=len(shown) // 2 + 1)
            self._messages.append(ChatMessage("tool", text, tool_call_id=upstream))
            shown += extra
        self._open = []
        return shown

    def _result_text(self, block: ToolResultBlock, path: str, first: int = 1) -> tuple[str, list[Part]]:
        """Give a tool result as text, and its images and files as labelled parts; the text names their numbers."""
        texts: list[str] = []
        shown: list[Part] = []
        for inner in wire.decode_blocks(block.content or "", path):
            for piece in parts(inner, path):
                if isinstance(piece, TextPart):
                    texts.append(piece.text)
                else:
                    what = "image" if isinstance(inner, ImageBlock) else "document"
                    label = f"[{what} {first + len(shown) // 2}]"
                    texts.append(label)
                    shown += [TextPart(f"{label} of the tool result above:"), piece]
        text = "\n".join(filter(None, texts)) or NO_OUTPUT
        if block.is_error and not text.startswith(_ERROR_MARKS):
            text = f"[tool error] {text}"
        return text, shown


def _content(pieces: list[Part]) -> str | list[Part]:
    """Give a plain string where all is text (every server takes that), else the parts."""
    if all(isinstance(piece, TextPart) for piece in pieces):
        return "\n\n".join(piece.text for piece in pieces if isinstance(piece, TextPart))
    return pieces


def _reminders(blocks: list[Block], path: str) -> list[Block]:
    """Wrap a system message's text as Claude Code itself does when a server refuses the role."""
    text = "\n\n".join(filter(None, (text_of(block, path) for block in blocks)))
    if not text:
        return []
    if not text.startswith(REMINDER):
        text = f"{REMINDER}\n{text}\n</system-reminder>"
    return [TextBlock(text), *(block for block in blocks if isinstance(block, ImageBlock | DocumentBlock))]


def _note_tools(blocks: list[Block], path: str, conversation: Conversation) -> None:
    """Learn which deferred tools a message loads or takes away."""
    for block in blocks:
        if isinstance(block, ToolResultBlock) and isinstance(block.content, list):
            if any(b"tool_reference" in bytes(raw) for raw in block.content):
                inner = wire.decode_blocks(block.content, path)
                conversation.loaded |= {one.tool_name for one in inner if isinstance(one, ToolReferenceBlock)}
        elif isinstance(block, ToolReferenceBlock):
            conversation.loaded.add(block.tool_name)
        elif isinstance(block, UnknownBlock) and block.kind == "tool_addition":
            conversation.loaded |= _changed_names(block)
            conversation.removed -= _changed_names(block)
        elif isinstance(block, UnknownBlock) and block.kind == "tool_removal":
            conversation.removed |= _changed_names(block)


def _arguments(block: ToolUseBlock) -> str:
    """Give a past call's input as arguments; what Claude Code could not parse goes back as the model wrote it."""
    if not wire.present(block.input):
        return "{}"
    text = wire.compact(block.input)
    if "__unparsedToolInput" in text:
        value = wire.decode(block.input)
        inner = value.get("__unparsedToolInput") if isinstance(value, dict) else None
        raw = inner.get("raw") if isinstance(inner, dict) else None
        if isinstance(raw, str) and _is_json(raw):
            return raw
    return text


def _is_json(text: str) -> bool:
    try:
        wire.decode(text.encode())
    except wire.WireError:
        return False
    return True


def _changed_names(block: UnknownBlock) -> set[str]:
    """Read the tool names of a ``tool_addition`` or ``tool_removal`` block, whatever its key is called."""
    value = wire.decode(block.raw)
    names: set[str] = set()
    if isinstance(value, dict):
        for key in ("tool_name", "name", "tool_names", "names", "tools", "tool"):
            found = value.get(key)
            for item in found if isinstance(found, list) else [found]:
                name = item.get("name") if isinstance(item, dict) else item
                if isinstance(name, str):
                    names.add(name)
    return names
