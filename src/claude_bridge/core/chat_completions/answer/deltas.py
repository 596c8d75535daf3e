"""Reads a chunk's ``delta`` or a whole answer's ``message``: reasoning, then text, then tool calls.

They are read in this order, because that is their order in the answer if one chunk holds several of them.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field

from claude_bridge.core import json_weight, opaque_state, strict_json
from claude_bridge.core.chat_completions.answer.plain_chunks import PlainDelta
from claude_bridge.core.chat_completions.answer.text import AnswerText
from claude_bridge.core.chat_completions.answer.tool_calls import ToolCalls
from claude_bridge.core.chat_completions.dialect import Dialect, StateCollector
from claude_bridge.core.chat_completions.openai_types import Delta
from claude_bridge.core.events import Event, ReasoningDelta, ReasoningState, TextDelta
from claude_bridge.core.opaque_state import OpaqueState


@define(kw_only=True)
class DeltaReader:
    """Turns the deltas of one answer into neutral events.

    :ivar model: the model to which opaque state belongs.
    :ivar text: looks for reasoning and calls in the text.
    :ivar calls: assigns fragments to calls.
    :ivar max_held: bytes of arguments that may be held back.
    :ivar content_seen: whether there was text or a call.
    :ivar refused: whether there was a refusal in its own field.
    """

    dialect: Dialect
    model: str
    text: AnswerText
    calls: ToolCalls
    max_held: int
    content_seen: bool = field(default=False, init=False)
    refused: bool = field(default=False, init=False)
    _text_passes: bool = field(default=False, init=False)
    _calls_listed: bool = field(default=False, init=False)
    _in_call: bool = field(default=False, init=False)
    _state_collector: StateCollector | None = field(init=False)

    @_state_collector.default
    def _new_collector(self) -> StateCollector | None:
        return self.dialect.state_collector()

    @property
    def expects_plain(self) -> bool:
        """Whether the next delta is likely one that `add_plain` takes."""
        return (self._text_passes or self._in_call) and self.content_seen and self._state_collector is None

    def add_plain(self, delta: PlainDelta, events: list[Event]) -> bool:
        """Add the events of a plain delta while one is expected; return whether that was possible, else `add` it."""
        if delta.tool_calls is None:
            if delta.content:
                if not self._text_passes:
                    return False
                events.append(TextDelta(delta.content))
            return True
        (more,) = delta.tool_calls
        if delta.content or not self._in_call or not self.calls.add_more(more.index, more.function.arguments, events):
            return False
        self._calls_listed = True
        self.calls.check_held(self.max_held)
        return True

    def add(self, delta: Delta, events: list[Event]) -> None:
        """Add the events of one delta."""
        self._in_call = False
        reasoning = self.dialect.reasoning(delta)
        if reasoning:
            events.append(ReasoningDelta(reasoning))
        if self._state_collector is not None:
            self._collect_state(self._state_collector, delta, events)
        content = delta.content
        if content:
            self.content_seen = True
            if delta.tool_calls:
                self.text.calls_have_own_field()
            if isinstance(content, str):
                self._add_text(content, events)
            else:
                self._add_parts(content, events)
        if delta.refusal:
            self.refused = True
            self._add_text(delta.refusal, events)
        if delta.tool_calls or delta.function_call is not None:
            self._add_calls(delta, events)

    def end(self, events: list[Event]) -> None:
        """Add the events of what was held back, at the end of the answer."""
        self.text.end(events)
        self.calls.end(events)
        if self._state_collector is not None:
            self._add_state(self._state_collector.flush(), events)

    def _add_text(self, text: str, events: list[Event]) -> None:
        # The common case: text is not searched for reasoning or calls, or no longer.
        if self._text_passes:
            events.append(TextDelta(text))
            return
        self.text.add(text, events)
        self._text_passes = self.text.transparent

    def _add_parts(self, parts: list[strict_json.Raw], events: list[Event]) -> None:
        """Add the events of content that is a list of parts, as Mistral sends thinking among text."""
        json_weight.check_length(parts, json_weight.MAX_PARTS, "parts")
        for raw in parts:
            part = strict_json.decode(raw)
            if isinstance(part, str):
                self._add_text(part, events)
            elif isinstance(part, dict):
                thinking = _thinking_text(part.get("thinking"))
                if thinking:
                    events.append(ReasoningDelta(thinking))
                elif isinstance(part.get("text"), str) and part["text"]:
                    self._add_text(part["text"], events)

    def _add_calls(self, delta: Delta, events: list[Event]) -> None:
        self.text.interrupt(events)
        self.content_seen = self._in_call = True
        self._calls_listed = self._calls_listed or bool(delta.tool_calls)
        beside: set[int] | None = None
        if delta.tool_calls and len(delta.tool_calls) > 1:
            json_weight.check_length(delta.tool_calls, json_weight.MAX_PARTS, "fragments of calls")
            beside = set()
        for call in delta.tool_calls or ():
            if self._state_collector is not None:
                self._add_state(self._state_collector.before_call(call), events)
            self.calls.add(call, events, beside)
        # The old field beside the new one repeats the same call (llama-cpp-python).
        if delta.function_call is not None and not self._calls_listed:
            self.calls.add_function_call(delta.function_call, events)
        self.calls.check_held(self.max_held)

    def _collect_state(self, collector: StateCollector, delta: Delta, events: list[Event]) -> None:
        """Pass a delta to the collector; state belongs to the reasoning, so it is added where something else begins."""
        if delta.reasoning_details:
            json_weight.check_length(delta.reasoning_details, json_weight.MAX_PARTS, "details of reasoning")
        collector.delta(delta)
        if delta.content or delta.tool_calls:
            self._add_state(collector.flush(), events)

    def _add_state(self, state: object | None, events: list[Event]) -> None:
        if state is not None:
            packed = opaque_state.pack_state(OpaqueState(self.dialect.name, self.model, state))
            if packed:
                events.append(ReasoningState(packed))


def _thinking_text(thinking: Any) -> str:  # noqa: ANN401 - decoded JSON
    """Return the text of a thinking part: a string, or a list of text parts."""
    if isinstance(thinking, str):
        return thinking
    if isinstance(thinking, list):
        texts = (part.get("text") for part in thinking if isinstance(part, dict))
        return "".join(text for text in texts if isinstance(text, str))
    return ""
