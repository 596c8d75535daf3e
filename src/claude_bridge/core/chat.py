"""Turns -> chat messages (wire-contract 5.2, steps 3 to 7, and 5.6).

Order rules that strict servers enforce: every call of an assistant message is answered by a
``tool`` message directly after it, in the calls' order; what the user said besides follows in one
user message. Servers refuse a conversation that leaves a call open or answers one twice.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from attrs import define, field

from claude_bridge.core.anthropic import ThinkingBlock
from claude_bridge.core.blocks import PARTS, Piece, Summary, ToolResult, text_of
from claude_bridge.core.conversation import Turn
from claude_bridge.core.ids import upstream_id
from claude_bridge.core.openai import ChatMessage, FunctionCall, ImagePart, Part, TextPart, ToolCall
from claude_bridge.core.tools import upstream_name
from claude_bridge.core.traits import ReasoningEcho

NO_OUTPUT: Final = "(no output)"
NO_RESULT: Final = "[no result]"
NO_THOUGHT: Final = " "
"""Stands for missing thinking: DeepSeek refuses a turn without the field, and the field without text (wire-contract
5.5)."""
SUMMARY: Final = "Summary of earlier conversation: "
_ERROR_MARKS: Final = ("[tool error]", "<tool_use_error>", "<error>")


@define
class _OpenCall:
    """A call of the last assistant message, until it is answered."""

    upstream: str
    result: ToolResult | None = None


@define
class ChatMessages:
    """Turns in, chat messages out.

    :ivar names: the backend's name of a called tool -> the client's, where they differ.
    """

    echo: ReasoningEcho
    names: dict[str, str] = field(factory=dict, init=False)
    _messages: list[ChatMessage] = field(factory=list, init=False)
    _used: set[str] = field(factory=set, init=False)
    _open: list[_OpenCall] = field(factory=list, init=False)
    _awaited: dict[str, deque[_OpenCall]] = field(factory=dict, init=False)
    _held: list[str] = field(factory=list, init=False)
    _shown: int = field(default=0, init=False)

    def build(self, turns: list[Turn], system: str) -> list[ChatMessage]:
        """Convert the whole conversation; ``system`` comes first if there is any."""
        if system:
            self._messages.append(ChatMessage("system", system))
        question = next((at for at in range(len(turns) - 1, -1, -1) if turns[at].is_question), -1)
        for at, turn in enumerate(turns):
            if turn.role == "assistant":
                self._settle()
                self._assistant(turn, after_question=at > question)
            elif turn.role == "user":
                self._user(turn)
            else:
                self._system(turn)
        self._settle()
        return self._messages

    def _assistant(self, turn: Turn, *, after_question: bool) -> None:
        texts: list[str] = []
        thoughts: list[str] = []
        calls: list[ToolCall] = []
        for piece in turn.pieces:
            if isinstance(piece, ToolCall):
                calls.append(self._call(piece))
            elif isinstance(piece, TextPart):
                texts.append(piece.text)
            elif isinstance(piece, ThinkingBlock):
                thoughts.append(piece.thinking)
            elif isinstance(piece, Summary):
                self._messages.append(ChatMessage("user", SUMMARY + piece.text))
            else:
                texts.append(text_of(piece))
        text = "\n\n".join(texts)
        thought = "\n".join(filter(None, thoughts)) if thoughts and self._echoes(bool(calls), after_question) else ""
        if not thought and (text or calls) and self._requires(bool(calls)):
            thought = NO_THOUGHT
        if text or calls or thought:
            self._messages.append(
                ChatMessage("assistant", text or (None if calls else ""), thought or None, calls or None),
            )

    def _echoes(self, called: bool, after_question: bool) -> bool:
        match self.echo:
            case "current_turn":
                return called and after_question
            case "tool_turns":
                return called
            case "after_last_user":
                return after_question
            case "all_turns":
                return True
            case _:
                return False

    def _requires(self, called: bool) -> bool:
        """Tell whether the server is one that insists on thinking in such a turn."""
        return self.echo == "all_turns" or (called and self.echo == "tool_turns")

    def _call(self, piece: ToolCall) -> ToolCall:
        """Give a call the backend's own id and name; an id that was there before is changed until it is new."""
        client_id, function = piece.id, piece.function
        identifier = upstream_id(client_id)
        if not identifier or identifier in self._used:
            identifier = client_id or "call"
        number = len(self._used)
        while identifier in self._used:
            identifier = f"{client_id}_{number}"
            number += 1
        self._used.add(identifier)
        call = _OpenCall(identifier)
        self._open.append(call)
        self._awaited.setdefault(client_id, deque()).append(call)
        name = upstream_name(function.name)
        if name != function.name:
            self.names[name] = function.name
        return ToolCall(identifier, FunctionCall(name, function.arguments))

    def _user(self, turn: Turn) -> None:
        rest: list[Piece] = []
        for piece in turn.pieces:
            if isinstance(piece, ToolResult) and (awaited := self._awaited.get(piece.call_id)):
                awaited.popleft().result = piece
            else:
                rest.append(piece)
        self._shown = 0
        answered = any(call.result for call in self._open)
        said = self._answer_calls()
        for piece in rest:
            said += [piece] if isinstance(piece, PARTS) else self._as_parts(piece)
        if said or not answered:
            self._messages.append(ChatMessage("user", _content(said)))
        self._settle()

    def _as_parts(self, piece: Piece) -> list[Part]:
        """Give what a user message does not usually hold as parts."""
        if isinstance(piece, ToolResult):
            text, shown = self._result(piece)
            return [TextPart(f"[tool result without call: {piece.call_id}] {text}"), *shown]
        return [TextPart(SUMMARY + piece.text if isinstance(piece, Summary) else text_of(piece))]

    def _system(self, turn: Turn) -> None:
        """Leave a system message in its place, unless calls still wait for their results: then after those."""
        text = "\n\n".join(map(text_of, turn.pieces))
        if text:
            self._held.append(text)
        if not self._open:
            self._settle()

    def _settle(self) -> None:
        """Close what is open: calls that nobody answered, system messages that waited for the answers."""
        self._answer_calls()
        self._messages += [ChatMessage("system", text) for text in self._held]
        self._held.clear()

    def _answer_calls(self) -> list[Part]:
        """Write the tool messages in the calls' order; give the images that only a user message can carry."""
        shown: list[Part] = []
        if not self._open:
            return shown
        for call in self._open:
            text = NO_RESULT
            if call.result is not None:
                text, more = self._result(call.result)
                shown += more
            self._messages.append(ChatMessage("tool", text, tool_call_id=call.upstream))
        self._open = []
        self._awaited = {}
        return shown

    def _result(self, result: ToolResult) -> tuple[str, list[Part]]:
        """Give a tool result as text, and its images and files as labelled parts; the text names their numbers."""
        texts: list[str] = []
        shown: list[Part] = []
        for piece in result.content:
            if isinstance(piece, TextPart):
                texts.append(piece.text)
            else:
                self._shown += 1
                label = f"[{'image' if isinstance(piece, ImagePart) else 'document'} {self._shown}]"
                texts.append(label)
                shown += [TextPart(f"{label} of the tool result above:"), piece]
        text = "\n".join(texts) or NO_OUTPUT
        if result.is_error and not text.startswith(_ERROR_MARKS):
            text = f"[tool error] {text}"
        return text, shown


def _content(pieces: list[Part]) -> str | list[Part]:
    """Give a plain string where all is text (every server takes that), else the parts."""
    texts = [piece.text for piece in pieces if isinstance(piece, TextPart)]
    return "\n\n".join(texts) if len(texts) == len(pieces) else pieces
