"""The reader of answers: upstream bytes -> neutral events, for streams and whole answers alike.

Only two things are decided here: what a body consists of, and when an answer is finished. Its content is read by
`claude_bridge.core.responses_api.answer.output`; the states of an answer are in the diagram at the top of
`claude_bridge.core.responses_api.answer.answer_state`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import define, field

from claude_bridge.core import json_weight, strict_json
from claude_bridge.core.answer_body import BEFORE_JSON, MAX_PAGE_BYTES, check_values, looks_like_event_stream
from claude_bridge.core.errors import BridgeError, UpstreamCut, UpstreamProtocolError
from claude_bridge.core.events import Event, Finished, FinishReason, Started, Usage
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.responses_api import codec
from claude_bridge.core.responses_api.answer.answer_state import (
    ANSWERING,
    AWAITING_FIRST_EVENT,
    DONE,
    FAILED,
    UNDECIDED,
    WHOLE_JSON,
    AnswerState,
)
from claude_bridge.core.responses_api.answer.function_calls import FunctionCalls
from claude_bridge.core.responses_api.answer.output import ARGUMENTS_DELTA, TEXT_DELTA, OutputReader
from claude_bridge.core.responses_api.answer.usage import read_usage
from claude_bridge.core.responses_api.wire_types import Response, StreamEvent
from claude_bridge.core.sse import DEFAULT_LIMIT, MAX_EVENT_BYTES, Decoder, Frame
from claude_bridge.core.stop_sequences import StopSequences, usable
from claude_bridge.core.work import MAX_WORK_UNITS, Work

MAX_JUNK_EVENTS: Final = 3
"""Data events without a type (such as a keep-alive text) before the stream is an error. An event that begins like an
object and is broken is never skipped: its content would silently be missing."""

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
class Reader:
    """Reader of one upstream answer.

    :ivar dialect: the name of the dialect.
    :ivar model: the backend's own name of the model that was asked.
    :ivar stop_sequences: those that end the text; the API has none, so they are applied here.
    :ivar max_output_tokens: the limit of the answer that was asked for, in tokens, or None.
    :ivar state: how far the answer has come.
    :ivar data_event_seen: whether the backend has sent anything that is not a keep-alive.
    :ivar failure: an error that the backend reported inside its answer, decoded, else None.
    :ivar late_failure: always None: the event that ends an answer is its last.
    :ivar error: what is wrong with the answer itself, else None.
    :ivar fingerprint: always "": this API has none.
    """

    dialect: str
    random_bytes: RandomBytes
    model: str = ""
    tool_names: Mapping[str, str] = field(factory=dict)
    stop_sequences: tuple[str, ...] = ()
    max_output_tokens: int | None = None
    context_window: int | None = None
    max_event: int = MAX_EVENT_BYTES
    max_held: int = DEFAULT_LIMIT
    max_answer: int = 4 * DEFAULT_LIMIT
    state: AnswerState = field(default=UNDECIDED, init=False)
    data_event_seen: bool = field(default=False, init=False)
    failure: object = field(default=None, init=False)
    late_failure: object = field(default=None, init=False)
    error: BridgeError | None = field(default=None, init=False)
    fingerprint: str = field(default="", init=False)
    _decoder: Decoder = field(init=False)
    _output: OutputReader = field(init=False)
    _work: Work = field(init=False)
    _junk_events: int = field(default=0, init=False)
    _json_body: list[bytes] = field(factory=list, init=False)
    _json_body_size: int = field(default=0, init=False)
    _page: bytes = field(default=b"", init=False)

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
    def done(self) -> bool:
        """Whether `Finished` was returned; everything later is ignored."""
        return self.state is DONE

    def begin(self, headers: Mapping[str, str]) -> None:
        """Do nothing: everything that counts is in the body."""

    def feed(self, data: bytes) -> list[Event]:
        """Decode body bytes and return the events they complete; check `failure` and `error` afterwards."""
        events: list[Event] = []
        if self._is_over():
            return events
        self._work.left = MAX_WORK_UNITS
        if self.state is UNDECIDED:
            self._decide(data)
        if self.state is WHOLE_JSON:
            self._collect(data)
            return events
        try:
            self._read_frames(self._decoder.feed(data), events)
        except (strict_json.JsonError, UpstreamProtocolError) as problem:
            self._give_up(problem)
        if not self.data_event_seen and len(self._page) < MAX_PAGE_BYTES:
            self._page = (self._page + data)[:MAX_PAGE_BYTES]
        return events

    def close(self) -> list[Event]:
        """Return the last events, at the end of the body; sets `error` to `UpstreamCut` if the answer is unfinished."""
        events: list[Event] = []
        if self._is_over():
            return events
        self._work.left = MAX_WORK_UNITS
        try:
            if self.state is WHOLE_JSON:
                self._read_json_body(events)
            else:
                self._read_frames(self._decoder.close(), events)
                self._end_of_body()
        except (strict_json.JsonError, UpstreamProtocolError) as problem:
            self._give_up(problem)
        return events

    # --- the transitions of the diagram ---------------------------------------------------------------------------

    def _is_over(self) -> bool:
        return self.state is DONE or self.state is FAILED

    def _move_to(self, state: AnswerState) -> None:
        self.state = self.state.followed_by(state)

    def _decide(self, data: bytes) -> None:
        """Distinguish a whole JSON answer from a stream by its first byte, whatever the content type says."""
        start = data.lstrip(BEFORE_JSON)
        if start:
            self._move_to(WHOLE_JSON if start[:1] in b"{[" else AWAITING_FIRST_EVENT)

    def _begin(self, model: str | None, events: list[Event]) -> None:
        self._move_to(ANSWERING)
        events.append(Started(model or ""))

    def _fail(self, failure: object) -> None:
        self._move_to(FAILED)
        self.failure = failure

    def _give_up(self, problem: BridgeError | strict_json.JsonError) -> None:
        """Store what is wrong as `error` instead of raising it, so that the events before it are not lost."""
        if isinstance(problem, strict_json.JsonError):
            problem = UpstreamProtocolError(f"the backend sent broken JSON: {problem}")
        self._move_to(FAILED)
        self.error = problem

    def _end(self, response: Response, status: str, events: list[Event]) -> None:
        """End the answer as its last event says."""
        if status in _FAILED:
            self._fail(_error_of(response, status))
            return
        if not self._output.seen:
            self._output.add_output(response.output, events)
        self._output.end(events)
        usage = read_usage(response.usage) if response.usage else None
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

    def _window_full(self, usage: Usage | None) -> bool:
        if usage is None or self.context_window is None:
            return False
        return usage.prompt_tokens + usage.output_tokens >= self.context_window

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
        self._junk_events += bool(data.strip())
        if self._junk_events > MAX_JUNK_EVENTS:
            raise UpstreamProtocolError("the backend sends events that are not of the Responses API")

    def _end_of_body(self) -> None:
        """End without the event that ends an answer: it is cut off, or no stream but a page or a line of text."""
        if self._is_over():
            return
        if self.data_event_seen or looks_like_event_stream(self._page):
            self._give_up(UpstreamCut("the backend closed the connection before its answer was finished"))
        else:
            self._fail({"error": self._page.decode("utf-8", "replace")})

    # --- a whole answer -------------------------------------------------------------------------------------

    def _collect(self, data: bytes) -> None:
        self._json_body.append(data)
        self._json_body_size += len(data)
        most = min(self.max_answer, self.max_event)
        if self._json_body_size > most:
            self._json_body.clear()
            self._give_up(UpstreamProtocolError(f"the backend sent an answer of more than {most} bytes in one piece"))

    def _read_json_body(self, events: list[Event]) -> None:
        body = b"".join(self._json_body).strip(BEFORE_JSON)
        check_values(body)
        self.data_event_seen = True
        response = codec.decode_response(body) if body[:1] == b"{" else Response()
        if strict_json.present(response.error) or not strict_json.present(response.output):
            self._fail(strict_json.decode(body))
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
