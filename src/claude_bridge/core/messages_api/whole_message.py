"""Neutral events -> one whole message, for clients that do not stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from io import StringIO

from attrs import define, evolve, field

from claude_bridge.core import sse, strict_json
from claude_bridge.core.errors import UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    Finished,
    PromptSizeReported,
    ReasoningDelta,
    ReasoningState,
    SearchResulted,
    ServerToolCalled,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallStarted,
    Usage,
)
from claude_bridge.core.messages_api import rendering
from claude_bridge.core.sizes import BLOCK, size
from claude_bridge.core.tokens.estimator import rough


@define
class _Block:
    """A block that grows: ``call`` is what started it, or is all of it; for thinking the state that goes with it."""

    kind: str
    call: ToolCallStarted | ServerToolCalled | SearchResulted | ReasoningState | None = None
    text: StringIO = field(factory=StringIO)


@define(kw_only=True)
class Accumulator:
    """One whole answer; blocks stand in the order in which they began, as in the stream.

    :ivar finished: the answer is complete and `body` may be asked for.
    """

    message_id: str
    model: str
    input_tokens: int = 0
    show_reasoning: bool = True
    max_size: int = 4 * sse.DEFAULT_LIMIT
    finished: Finished | None = field(default=None, init=False)
    _blocks: list[_Block] = field(factory=list, init=False)
    _calls: dict[int, _Block] = field(factory=dict, init=False)
    _blank: dict[str, str] = field(factory=dict, init=False)
    _reasoned: bool = field(default=False, init=False)
    _characters: int = field(default=0, init=False)
    _cost: int = field(default=0, init=False)
    _unsent: deque[ReasoningState] = field(factory=deque, init=False)
    _counted: Usage | None = field(default=None, init=False)

    def take(self, events: Iterable[Event]) -> None:
        """Take events; raises `UpstreamProtocolError` if the answer outgrows ``max_size`` bytes."""
        for event in events:
            match event:
                case TextDelta():
                    self._prose("text", event.text)
                case ReasoningDelta():
                    self._reasoning(event.text)
                case ToolCallStarted():
                    self._call(event)
                case ToolArgumentsDelta():
                    self._grow(event.json)
                    self._calls[event.call].text.write(event.json)
                case Finished():
                    self.finished = event
                case _:
                    self._rare(event)

    def _rare(self, event: Event) -> None:
        match event:
            case ReasoningState():
                self._state(event)
            case PromptSizeReported():
                self._counted = event.usage
            case ServerToolCalled():
                if self.show_reasoning:
                    self._release()
                self._block("server_tool_use", event)
                self._grow(event.input_json)
            case SearchResulted():  # the bridge's own, few and small: charged like an empty block
                self._block("web_search_tool_result", event)
            case _:
                pass

    @property
    def usage(self) -> Usage | None:
        """Return the counts of the answer, estimated while it is not finished; None while it has said nothing."""
        if self.finished is not None and self.finished.usage is not None:
            return self.finished.usage
        if self.finished is None and not self._characters:
            return None
        prompt = self._counted or Usage(self.input_tokens)
        return evolve(prompt, output_tokens=rough(self._characters), estimated=True)

    def body(self) -> bytes:
        """Return the message as JSON; only once `finished` is set."""
        if self.finished is None or self.usage is None:
            raise ValueError("the answer is not finished")
        whole = rendering.envelope(self.message_id, self.model, rendering.usage_fields(self.usage))
        whole["content"] = self.content()
        whole |= rendering.stop_fields(
            self.finished,
            called=bool(self._calls),
            hidden_only=self._reasoned and not self.show_reasoning and not self._blocks,
        )
        return strict_json.encode(whole)

    def content(self) -> list[dict[str, object]]:
        """Return the blocks so far."""
        return [_rendered(block) for block in self._blocks]

    def _reasoning(self, text: str) -> None:
        self._reasoned = self._reasoned or bool(text.strip())
        if self.show_reasoning:
            self._prose("thinking", text)
        else:
            self._grow(text)

    def _call(self, event: ToolCallStarted) -> None:
        self._release()
        self._calls[event.call] = self._block("tool_use", event)

    def _release(self) -> None:
        while self._unsent:
            self._block("redacted_thinking", self._unsent.popleft())

    def _prose(self, kind: str, text: str) -> None:
        """Take text or thinking; blank text waits as it does in the stream, and goes where nothing follows it."""
        if not self._blocks or self._blocks[-1].kind != kind:
            text = self._blank.get(kind, "") + text
            if len(text) <= rendering.MAX_BLANK_CHARACTERS and not text.strip():
                self._blank[kind] = text
                return
            if kind != "text":
                self._release()
            self._block(kind)
        self._grow(text)
        self._blocks[-1].text.write(text)

    def _state(self, event: ReasoningState) -> None:
        """Let state travel as it does in the stream."""
        self._grow(event.carrier, said=False)
        last = self._blocks[-1] if self._blocks else None
        if last is not None and last.kind == "thinking" and last.call is None:
            last.call = event
        elif self._calls or (self.show_reasoning and not (last is not None and last.kind == "text")):
            self._block("redacted_thinking", event)
        else:
            self._unsent.append(event)

    def _block(
        self, kind: str, call: ToolCallStarted | ServerToolCalled | SearchResulted | ReasoningState | None = None
    ) -> _Block:
        self._blank.clear()
        self._cost += BLOCK
        if self._cost > self.max_size:
            raise self._too_large()
        block = _Block(kind, call)
        self._blocks.append(block)
        return block

    def _grow(self, text: str, *, said: bool = True) -> None:
        self._characters += len(text) if said else 0
        self._cost += size(text)
        if self._cost > self.max_size:
            raise self._too_large()

    def _too_large(self) -> UpstreamProtocolError:
        return UpstreamProtocolError(f"the answer is larger than {self.max_size} bytes")


def _rendered(block: _Block) -> dict[str, object]:
    text = block.text.getvalue()
    match block.call:
        case ToolCallStarted():
            return rendering.tool_call(block.call, _input(text))
        case ServerToolCalled():
            return rendering.server_call(block.call, _input(block.call.input_json))
        case SearchResulted():
            return rendering.search_result(block.call)
        case ReasoningState() if block.kind != "thinking":
            return rendering.redacted(block.call)
    if block.kind == "text":
        return rendering.text_block(text)
    signature = block.call.carrier if isinstance(block.call, ReasoningState) else ""
    return {"type": "thinking", "thinking": text, "signature": signature}


def _input(text: str) -> object:
    """Return tool input as JSON where it is an object; else in the form in which Claude Code keeps such input."""
    if strict_json.is_object(text or "{}"):
        return strict_json.Raw((text or "{}").encode())
    return {"__unparsedToolInput": {"raw": text, "len": len(text)}}
