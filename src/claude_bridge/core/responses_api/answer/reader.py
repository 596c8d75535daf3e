"""The reader of answers: upstream bytes -> neutral events, for streams and whole answers alike.

Only one thing is decided here: when an answer is finished. What a body consists of is decided by
`claude_bridge.core.body_reader`, and what an answer contains is read by
`claude_bridge.core.responses_api.answer.output`. In the diagram of `claude_bridge.core.answer_state` an answer begins
with an event that has a type, and ends with one of `_ENDS`, which has the usage, too; no finish reason precedes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Final

from attrs import define, field

from claude_bridge.core import json_weight, strict_json
from claude_bridge.core.answer_body import MAX_PAGE_BYTES
from claude_bridge.core.answer_state import ANSWERING, AWAITING_FIRST_EVENT, DONE, FAILED
from claude_bridge.core.body_reader import BodyReader
from claude_bridge.core.events import Event, Finished, FinishReason, Started, Usage
from claude_bridge.core.responses_api import codec
from claude_bridge.core.responses_api.answer.function_calls import FunctionCalls
from claude_bridge.core.responses_api.answer.output import ARGUMENTS_DELTA, TEXT_DELTA, OutputReader
from claude_bridge.core.responses_api.answer.usage import read_usage
from claude_bridge.core.responses_api.wire_types import Response, StreamEvent
from claude_bridge.core.sse import Decoder, Frame
from claude_bridge.core.stop_sequences import StopSequences, usable

_ENDS: Final[Mapping[str, str]] = {
    "response.completed": "completed",
    "response.done": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}
"""The event that ends an answer -> the status of the answer where it does not say it itself."""

_BEGINNINGS: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
_FAILED: Final = frozenset({"failed", "cancelled"})
_ERROR: Final = "error"


@define(kw_only=True)
class Reader(BodyReader):
    """Reader of one upstream answer; what it has of any API is described in `BodyReader`.

    The API has no stop sequences, so they are applied here. Nothing follows the end, so that no failure is late.

    :ivar dialect: the name of the dialect.
    :ivar max_output_tokens: the limit of the answer that was asked for, in tokens, or None.
    """

    event_kind: ClassVar[str] = "of the Responses API"
    dialect: str
    max_output_tokens: int | None = None
    _output: OutputReader = field(init=False)
    _usage: Usage | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """Create the parts."""
        calls = FunctionCalls(dict(self.tool_names), self.random_bytes)
        self._decoder = Decoder(self.max_event)
        self._work = calls.work
        stops = usable(self.stop_sequences)
        self._output = OutputReader(
            dialect=self.dialect,
            model=self.model,
            calls=calls,
            max_held=min(self.max_held, self.max_event),
            stops=StopSequences(stops) if stops else None,
        )

    @property
    def finish_seen(self) -> bool:
        """Whether the end has come; its event has the usage, too."""
        return self.state is DONE

    @property
    def reported_usage(self) -> Usage | None:
        """Return the counts of an answer that has ended, None if there are none; those of a failed one count, too."""
        return self._usage

    # --- the transitions of the diagram ---------------------------------------------------------------------------

    def _begin(self, model: str | None, events: list[Event]) -> None:
        self._move_to(ANSWERING)
        events.append(Started(model or ""))

    def _end(self, response: Response, status: str, events: list[Event]) -> None:
        """End the answer as its last event says."""
        if status in _FAILED:
            self._fail(_error_of(response, status))
            self._usage = read_usage(response.usage)
            return
        if not self._output.seen:
            self._output.add_output(response.output, events)
        self._output.end(events)
        usage = self._usage = read_usage(response.usage)
        reason, explanation = self._finish_reason(response, status, usage)
        stops = self._output.stops
        if stops is not None and stops.matched is not None:
            reason, explanation = FinishReason.STOP_SEQUENCE, None
        events.append(Finished(reason, None if stops is None else stops.matched, usage, explanation))
        self._move_to(DONE)

    def _finish_reason(self, response: Response, status: str, usage: Usage | None) -> tuple[FinishReason, str | None]:
        details = response.incomplete_details
        why = details.reason if details is not None else None
        if why == "content_filter":
            return FinishReason.REFUSED, f"The backend stopped its answer with {why!r}."
        if status == "incomplete" or self._is_at_limit(usage):
            return (FinishReason.CONTEXT_FULL if self._window_full(usage) else FinishReason.LENGTH), None
        return (FinishReason.REFUSED if self._output.refused else FinishReason.STOPPED), None

    def _is_at_limit(self, usage: Usage | None) -> bool:
        """Return whether the answer has as many tokens as it may have: llama.cpp calls one that was cut completed."""
        return (
            usage is not None and self.max_output_tokens is not None and usage.output_tokens >= self.max_output_tokens
        )

    # --- a stream -------------------------------------------------------------------------------------------

    def _read_frames(self, frames: list[Frame], events: list[Event]) -> None:
        for name, data in frames:
            if data[:1] != b"{" and data.lstrip()[:1] != b"{":
                self._skip(name, data)
            else:
                event = codec.decode_event(data)
                kind = event.type
                if self.state is ANSWERING and event.delta:
                    if kind == TEXT_DELTA:
                        self._output.add_text(event, events)
                        if self._output.stops is None or not self._is_stopped(events):
                            continue
                        return
                    if kind == ARGUMENTS_DELTA:
                        self._output.add_arguments(event, events)
                        continue
                self._read_event(event, name, data, events)
            if self.state is DONE or self.state is FAILED:
                return

    def _read_event(self, event: StreamEvent, name: bytes, data: bytes, events: list[Event]) -> None:
        kind = event.type or name.decode("ascii", "replace")
        if kind == _ERROR or (strict_json.present(event.error) and kind not in _ENDS):
            self.data_event_seen = True
            self._fail(_value(data))
            return
        if not kind:
            self._skip(name, data)
            return
        self.data_event_seen = True
        event.type = kind
        response = None
        if (kind in _BEGINNINGS or kind in _ENDS) and strict_json.present(event.response):
            response = codec.decode_response(event.response)
        if self.state is AWAITING_FIRST_EVENT:
            self._begin(response.model if response is not None else None, events)
        if kind in _ENDS:
            response = response or Response()
            self._end(response, _status(response, _ENDS[kind]), events)
        else:
            self._output.add(event, events)
            self._is_stopped(events)

    def _is_stopped(self, events: list[Event]) -> bool:
        """End the answer if a stop sequence has ended its text, and return whether it has.

        The server goes on until the connection is closed, soon, and its counts are lost.
        """
        stops = self._output.stops
        if stops is None or stops.matched is None:
            return False
        self._output.end(events)
        events.append(Finished(FinishReason.STOP_SEQUENCE, stops.matched))
        self._move_to(DONE)
        return True

    def _skip(self, name: bytes, data: bytes) -> None:
        if name == b"error":
            self._fail({"error": data.decode("utf-8", "replace")})
            return
        self._skip_junk(data)

    # --- a whole answer -------------------------------------------------------------------------------------

    def _read_whole(self, body: bytes, events: list[Event]) -> None:
        self.data_event_seen = True
        response = codec.decode_response(body) if body[:1] == b"{" else Response()
        if strict_json.present(response.error) or not strict_json.present(response.output):
            self._fail(strict_json.decode(body))
            self._usage = read_usage(response.usage)
            return
        self._begin(response.model, events)
        self._end(response, _status(response, "completed"), events)


def _status(response: Response, default: str) -> str:
    """Return the status of an answer: its own if that is an end, else what the event stands for."""
    return response.status if response.status in _ENDS.values() and response.status is not None else default


def _error_of(response: Response, status: str) -> object:
    """Return the error of a failed answer, decoded."""
    if strict_json.present(response.error):
        return {"error": _value(response.error)}
    return {"error": {"message": f"the backend ended its answer as {status!r}"}}


def _value(data: bytes | strict_json.Raw) -> object:
    """Return a decoded error, or its text if it is too large to decode."""
    if json_weight.has_too_many_values(bytes(data)):
        return {"error": bytes(data[:MAX_PAGE_BYTES]).decode("utf-8", "replace")}
    return strict_json.decode(data)
