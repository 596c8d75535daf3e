"""Reads what events say of an answer's content: reasoning, text, refusals and calls.

The same content comes up to four times: in deltas, at the end of a part, at the end of its item, and at the end of the
answer. The first of them counts, so that servers may leave out any (`claude_bridge.core.responses_api.answer.said`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar, Final

from attrs import define, field

from claude_bridge.core import json_weight
from claude_bridge.core.events import Event, ReasoningDelta, ReasoningState, TextDelta
from claude_bridge.core.responses_api import codec, reasoning_state
from claude_bridge.core.responses_api.answer.function_calls import FunctionCalls
from claude_bridge.core.responses_api.answer.said import Said
from claude_bridge.core.responses_api.wire_types import OutputItem, StreamEvent
from claude_bridge.core.stop_sequences import StopSequences
from claude_bridge.core.strict_json import Raw, present

TEXT_DELTA: Final = "response.output_text.delta"
ARGUMENTS_DELTA: Final = "response.function_call_arguments.delta"

_BETWEEN: Final = "\n\n"
"""Stands between two messages, or two parts of a summary, which are texts of their own."""


@define(kw_only=True)
class OutputReader:
    """Turns the content of one answer into neutral events.

    :ivar dialect: the name of the dialect to which encrypted reasoning belongs.
    :ivar model: the model to which it belongs.
    :ivar calls: assigns fragments to calls.
    :ivar max_held: bytes of arguments that may be held back.
    :ivar stops: looks for the client's stop sequences in the text, or None if there are none.
    :ivar seen: whether any content has come.
    :ivar refused: whether the model refused in words of its own.
    """

    dialect: str
    model: str
    calls: FunctionCalls
    max_held: int
    stops: StopSequences | None = None
    seen: bool = field(default=False, init=False)
    refused: bool = field(default=False, init=False)
    _said: Said = field(factory=Said, init=False)
    _last: type[TextDelta | ReasoningDelta] | None = field(default=None, init=False)
    _apart: bool = field(default=False, init=False)
    _reasoning_event: str = field(default="", init=False)

    @property
    def stopped(self) -> bool:
        """Whether a stop sequence has ended the text, so that nothing more may come."""
        return self.stops is not None and self.stops.matched is not None

    def add(self, event: StreamEvent, events: list[Event]) -> None:
        """Add the events of one event; those that mean nothing to the bridge add none."""
        read = self._READERS.get(event.type)
        if read is not None:
            read(self, event, events)

    def add_text(self, event: StreamEvent, events: list[Event]) -> None:
        """Add more text."""
        self._said.note(event)
        self._add(TextDelta, event.delta or "", events)

    def add_arguments(self, event: StreamEvent, events: list[Event]) -> None:
        """Add more arguments of a call."""
        if event.delta:
            if self._last is not None:
                self._begin_call(events)
            self.seen = True
            self.calls.add(event.item_id, event.output_index, event.delta, events)
            self.calls.check_held(self.max_held)

    def add_output(self, output: Raw, events: list[Event]) -> None:
        """Add the content of a whole answer."""
        if not present(output):
            return
        items = codec.decode_output(output)
        json_weight.check_length(items, json_weight.MAX_PARTS, "items")
        for index, raw in enumerate(items):
            self._end_item(codec.decode_item(raw), index, events)
            if self.stopped:
                return

    def end(self, events: list[Event]) -> None:
        """Add the events of what was held back, at the end of the answer."""
        self._end_text(events)
        self.calls.end(events)

    # --- text and reasoning -----------------------------------------------------------------------------------

    def _add(self, kind: type[TextDelta | ReasoningDelta], text: str, events: list[Event]) -> None:
        if not text:
            return
        if self._apart:
            if self._last is kind:
                text = _BETWEEN + text
            self._apart = False
        self._last = kind
        self.seen = True
        if self.stops is not None:
            text = self._up_to_stop(kind, text, events)
            if not text:
                return
        events.append(kind(text))

    def _up_to_stop(self, kind: type[TextDelta | ReasoningDelta], text: str, events: list[Event]) -> str:
        """Return what can be passed on of a text; only the answer's own words can end it."""
        if self.stops is not None and kind is TextDelta:
            return self.stops.add(text)
        self._end_text(events)
        return text

    def _end_text(self, events: list[Event]) -> None:
        """Pass on the text that might have become a stop sequence: something else follows it."""
        text = self.stops.end() if self.stops is not None else ""
        if text:
            events.append(TextDelta(text))

    def _begin_call(self, events: list[Event]) -> None:
        self.seen = True
        self._last = None
        self._end_text(events)

    def _text_done(self, event: StreamEvent, events: list[Event]) -> None:
        self._end_part(TextDelta, event, event.text, events)

    def _refusal_delta(self, event: StreamEvent, events: list[Event]) -> None:
        self.refused = True
        self.add_text(event, events)

    def _refusal_done(self, event: StreamEvent, events: list[Event]) -> None:
        self.refused = True
        self._end_part(TextDelta, event, event.refusal, events)

    def _reasoning_delta(self, event: StreamEvent, events: list[Event]) -> None:
        if self._is_first_form(event.type):
            self._said.note(event)
            self._add(ReasoningDelta, event.delta or "", events)

    def _reasoning_done(self, event: StreamEvent, events: list[Event]) -> None:
        if self._is_first_form(event.type):
            self._end_part(ReasoningDelta, event, event.text, events)

    def _is_first_form(self, name: str) -> bool:
        """Return whether reasoning comes in the form of the first that came: text and summary say the same."""
        form = name.rpartition(".")[0]
        self._reasoning_event = self._reasoning_event or form
        return form == self._reasoning_event

    def _end_part(
        self, kind: type[TextDelta | ReasoningDelta], event: StreamEvent, text: str | None, events: list[Event]
    ) -> None:
        if text and not self._said.has_part(event):
            self._said.note(event)
            self._add(kind, text, events)
        self._apart = self._apart or self._last is ReasoningDelta  # parts of a summary are texts of their own

    def _summary_part(self, _event: StreamEvent, _events: list[Event]) -> None:
        self._apart = self._last is ReasoningDelta

    # --- items ------------------------------------------------------------------------------------------------

    def _item_added(self, event: StreamEvent, events: list[Event]) -> None:
        self._begin_item()
        item = codec.decode_item(event.item) if present(event.item) else OutputItem()
        if item.type == "function_call":
            self._begin_call(events)
            self.calls.begin(item, event.output_index, events)

    def _item_done(self, event: StreamEvent, events: list[Event]) -> None:
        if present(event.item):
            self._end_item(codec.decode_item(event.item), event.output_index, events)

    def _arguments_done(self, event: StreamEvent, events: list[Event]) -> None:
        self.seen = True
        self.calls.end_arguments(event.item_id, event.output_index, event.arguments, events)
        self.calls.check_held(self.max_held)

    def _begin_item(self) -> None:
        self._said.next_item()
        self._apart = self._last is not None

    def _end_item(self, item: OutputItem, index: int | None, events: list[Event]) -> None:
        match item.type:
            case "function_call":
                self._begin_call(events)
                self.calls.end_item(item, index, events)
                self.calls.check_held(self.max_held)
            case "message":
                if not self._said.has_item(item.id, index):
                    self._add_parts(TextDelta, item.content, events)
            case "reasoning":
                self._end_reasoning(item, index, events)
        self._begin_item()

    def _end_reasoning(self, item: OutputItem, index: int | None, events: list[Event]) -> None:
        if not self._said.has_item(item.id, index):
            self._add_parts(ReasoningDelta, item.summary or item.content, events)
        carrier = reasoning_state.carrier_of(item, self.dialect, self.model)
        if carrier:
            self._end_text(events)
            events.append(ReasoningState(carrier))

    def _add_parts(self, kind: type[TextDelta | ReasoningDelta], parts: list[Raw] | None, events: list[Event]) -> None:
        json_weight.check_length(parts or (), json_weight.MAX_PARTS, "parts")
        for number, raw in enumerate(parts or ()):
            part = codec.decode_part(raw)
            self._apart = self._apart or (number > 0 and kind is ReasoningDelta)
            self.refused = self.refused or bool(part.refusal)
            self._add(kind, part.text or part.refusal or "", events)

    _READERS: ClassVar[Mapping[str, Callable[[OutputReader, StreamEvent, list[Event]], None]]] = {
        TEXT_DELTA: add_text,
        ARGUMENTS_DELTA: add_arguments,
        "response.output_text.done": _text_done,
        "response.refusal.delta": _refusal_delta,
        "response.refusal.done": _refusal_done,
        "response.reasoning_summary_part.added": _summary_part,
        "response.reasoning_summary_text.delta": _reasoning_delta,
        "response.reasoning_summary_text.done": _reasoning_done,
        "response.reasoning_text.delta": _reasoning_delta,
        "response.reasoning_text.done": _reasoning_done,
        "response.function_call_arguments.done": _arguments_done,
        "response.output_item.added": _item_added,
        "response.output_item.done": _item_done,
    }
