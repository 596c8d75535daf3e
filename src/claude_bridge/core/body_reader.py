"""Reads the body of an answer that is an event stream or one JSON value, as both of OpenAI's APIs give it.

What is decided here is what a body consists of, whatever its content type says, and what is wrong with one that ends
too soon or is no answer at all. What events mean, and with which of them an answer begins and ends, is up to each API.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Final

from attrs import define, field

from claude_bridge.core import strict_json
from claude_bridge.core.answer_body import BEFORE_JSON, MAX_PAGE_BYTES, check_values, looks_like_event_stream
from claude_bridge.core.answer_state import AWAITING_FIRST_EVENT, DONE, FAILED, UNDECIDED, WHOLE_JSON, AnswerState
from claude_bridge.core.errors import BridgeError, UpstreamCut, UpstreamProtocolError
from claude_bridge.core.events import Event, Usage
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.sse import DEFAULT_LIMIT, MAX_EVENT_BYTES, Decoder, Frame
from claude_bridge.core.work import MAX_WORK_UNITS, Work

MAX_JUNK_EVENTS: Final = 3
"""Data events that are not of the API (such as a keep-alive text) before the stream is an error. An event that begins
like an object and is broken is never skipped: its content would silently be missing."""


@define(kw_only=True)
class BodyReader(ABC):
    """Reader of one upstream answer; a subclass for an API implements `claude_bridge.core.backend_api.AnswerReader`.

    It is a base class instead of a part of the readers so that no read costs another call.

    :cvar event_kind: what the events of the API are, as the end of "events that are not ...".
    :ivar model: the backend's own name of the model that was asked.
    :ivar tool_names: the backend's name of a tool -> the client's, where they differ.
    :ivar stop_sequences: those that end the text.
    :ivar context_window: tokens, prompt and answer together, where known.
    :ivar max_event: bytes of the largest event.
    :ivar max_held: bytes of arguments that may be held back.
    :ivar max_answer: bytes of the largest answer in one piece.
    :ivar state: how far the answer has come.
    :ivar data_event_seen: whether the backend has sent anything that is not a keep-alive.
    :ivar failure: an error that the backend reported inside its answer, decoded, else None.
    :ivar late_failure: one that it reported after the finish reason, which ends the answer normally.
    :ivar error: what is wrong with the answer itself, else None.
    :ivar fingerprint: the answer's ``system_fingerprint``, or ""; some servers are recognised by it.
    """

    event_kind: ClassVar[str]
    random_bytes: RandomBytes
    model: str = ""
    tool_names: Mapping[str, str] = field(factory=dict)
    stop_sequences: tuple[str, ...] = ()
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
    _work: Work = field(init=False)
    _junk_events: int = field(default=0, init=False)
    _json_body: list[bytes] = field(factory=list, init=False)
    _json_body_size: int = field(default=0, init=False)
    _page: bytes = field(default=b"", init=False)

    @property
    def done(self) -> bool:
        """Whether `Finished` was returned; everything later is ignored."""
        return self.state is DONE

    def begin(self, headers: Mapping[str, str]) -> None:
        """Do nothing: everything that counts is in the body."""
        del headers

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
                body = b"".join(self._json_body).strip(BEFORE_JSON)
                check_values(body)
                self._read_whole(body, events)
            else:
                self._read_rest(events)
            if not self._is_over():
                self._end_of_body(events)
        except (strict_json.JsonError, UpstreamProtocolError) as problem:
            self._give_up(problem)
        return events

    # --- what is up to each API -----------------------------------------------------------------------------

    @property
    @abstractmethod
    def reported_usage(self) -> Usage | None:
        """Return the backend's own counts so far, None if it has reported none: what an answer used that fails."""

    @abstractmethod
    def _read_frames(self, frames: list[Frame], events: list[Event]) -> None:
        """Add what the events of a stream say, up to the end of the answer."""

    @abstractmethod
    def _read_whole(self, body: bytes, events: list[Event]) -> None:
        """Add what an answer in one piece says."""

    def _read_rest(self, events: list[Event]) -> None:
        """Read the event that lacks its blank line, at the end of the body."""
        self._read_frames(self._decoder.close(), events)

    def _end_of_body(self, events: list[Event]) -> None:
        """End an answer whose body ended first: it is cut off, or no answer but a page or a line of text."""
        del events
        if self.data_event_seen or looks_like_event_stream(self._page):
            self._give_up(UpstreamCut("the backend closed the connection before its answer was finished"))
        else:
            self._fail({"error": self._page.decode("utf-8", "replace")})

    # --- the transitions of the diagram -----------------------------------------------------------------------

    def _is_over(self) -> bool:
        return self.state is DONE or self.state is FAILED

    def _move_to(self, state: AnswerState) -> None:
        self.state = self.state.followed_by(state)

    def _decide(self, data: bytes) -> None:
        """Distinguish a whole JSON answer from a stream by its first byte, whatever the content type says."""
        start = data.lstrip(BEFORE_JSON)
        if start:
            self._move_to(WHOLE_JSON if start[:1] in b"{[" else AWAITING_FIRST_EVENT)

    def _fail(self, failure: object) -> None:
        self._move_to(FAILED)
        self.failure = failure

    def _give_up(self, problem: BridgeError | strict_json.JsonError) -> None:
        """Store what is wrong as `error` instead of raising it, so that the events before it are not lost."""
        if isinstance(problem, strict_json.JsonError):
            problem = UpstreamProtocolError(f"the backend sent broken JSON: {problem}")
        self._move_to(FAILED)
        self.error = problem

    # --- parts ------------------------------------------------------------------------------------------------

    def _collect(self, data: bytes) -> None:
        self._json_body.append(data)
        self._json_body_size += len(data)
        most = min(self.max_answer, self.max_event)
        if self._json_body_size > most:
            self._json_body.clear()
            self._give_up(UpstreamProtocolError(f"the backend sent an answer of more than {most} bytes in one piece"))

    def _skip_junk(self, data: bytes) -> None:
        """Skip data that is not of this API; raises `UpstreamProtocolError` if it is not the first such."""
        self._junk_events += bool(data.strip())
        if self._junk_events > MAX_JUNK_EVENTS:
            raise UpstreamProtocolError(f"the backend sends events that are not {self.event_kind}")

    def _window_full(self, usage: Usage | None) -> bool:
        """Return whether prompt and answer together fill the model's window, as far as both are known."""
        if usage is None or self.context_window is None:
            return False
        return usage.prompt_tokens + usage.output_tokens >= self.context_window
