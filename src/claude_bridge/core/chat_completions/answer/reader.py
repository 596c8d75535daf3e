"""The reader of answers: upstream bytes -> neutral events, for streams and whole answers alike.

Only one thing is decided here: when an answer is finished. What a body consists of is decided by
`claude_bridge.core.body_reader`, and what an answer contains is read by
`claude_bridge.core.chat_completions.answer.deltas`. In the diagram of `claude_bridge.core.answer_state`

- an answer begins with a chunk's choices, even if these are none;
- a finish reason is a choice's, after which late usage may follow;
- it ends with ``[DONE]``, or with the end of the body behind a finish reason or behind usage alone: a chunk with
  nothing but usage after content proves the end, because servers send it last;
- an error after the finish reason does not spoil it (seen at OpenRouter): it is reported, and the answer ends normally;
- a finish reason that stands for a failure takes the same way, so that late usage is read, but the answer has failed;
- a whole answer ends with or without a finish reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Final

from attrs import define, field

from claude_bridge.core import json_weight, strict_json
from claude_bridge.core.answer_body import check_values
from claude_bridge.core.answer_state import ANSWERING, AWAITING_FIRST_EVENT, DONE, FAILED, FINISHING
from claude_bridge.core.body_reader import BodyReader
from claude_bridge.core.chat_completions import chat_codec, finish_and_usage
from claude_bridge.core.chat_completions.answer import plain_chunks
from claude_bridge.core.chat_completions.answer.deltas import DeltaReader
from claude_bridge.core.chat_completions.answer.reported_errors import reported_error
from claude_bridge.core.chat_completions.answer.text import AnswerText
from claude_bridge.core.chat_completions.answer.think_tags import ThinkSplitter
from claude_bridge.core.chat_completions.answer.tool_calls import ToolCalls
from claude_bridge.core.chat_completions.answer.usage_collector import UsageCollector
from claude_bridge.core.chat_completions.dialect import Dialect
from claude_bridge.core.chat_completions.openai_types import Choice, Chunk
from claude_bridge.core.events import Event, Finished, FinishReason, PromptSizeReported, Started, Usage
from claude_bridge.core.sse import Decoder, Frame

if TYPE_CHECKING:
    from claude_bridge.core.chat_completions.tool_parsers.scanner import ToolCallScanner

MAX_MISSES: Final = 6
"""Chunks that are not plain as expected, before no more plain ones are expected: each costs 2 microseconds, and there
are servers whose chunks always hold more. A usual answer has one for its finish, and one for each call."""

_DONE_MARK: Final = b"[DONE]"
_MAX_DONE_BYTES: Final = 64
"""Bytes of it with white space around it; longer data need not be compared."""


@define(kw_only=True)
class Reader(BodyReader):
    """Reader of one upstream answer; what it has of any API is described in `BodyReader`.

    :ivar recoverable: the offered tools with their schemas, if calls are to be looked for in the text, else empty.
    :ivar thinking_opened: whether the chat template has opened the thinking, so that the answer begins inside it.
    """

    event_kind: ClassVar[str] = "chat completion chunks"
    dialect: Dialect
    recoverable: Mapping[str, strict_json.Raw] = field(factory=dict)
    thinking_opened: bool = False
    _deltas: DeltaReader = field(init=False)
    _usage: UsageCollector = field(init=False)
    _usage_came_last: bool = field(default=False, init=False)
    _finish_reason: str | None = field(default=None, init=False)
    _matched_stop: str | int | None = field(default=None, init=False)
    _expects_plain: bool = field(default=False, init=False)
    _misses: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        """Create the parts."""
        calls = ToolCalls(dict(self.tool_names), self.random_bytes)
        offered = self.recoverable
        scanner = _scanner(offered, calls) if offered else None
        self._decoder = Decoder(self.max_event)
        self._work = calls.work
        self._usage = UsageCollector(self.dialect)
        self._deltas = DeltaReader(
            dialect=self.dialect,
            model=self.model,
            text=AnswerText(ThinkSplitter(self.thinking_opened), scanner),
            calls=calls,
            max_held=min(self.max_held, self.max_event),
        )

    @property
    def finish_seen(self) -> bool:
        """Whether the finish reason has come; only late usage may follow."""
        return self._finish_reason is not None

    @property
    def reported_usage(self) -> Usage | None:
        """Return the backend's own counts so far, None if it has reported none; some count in every chunk (xAI)."""
        try:
            return self._usage.final()
        except strict_json.JsonError:
            return None

    # --- the transitions of the diagram ---------------------------------------------------------------------------

    def _begin(self, chunk: Chunk, events: list[Event]) -> None:
        streamed = self.state is AWAITING_FIRST_EVENT
        self._move_to(ANSWERING)
        self.data_event_seen = True
        self.fingerprint = chunk.system_fingerprint or ""
        events.append(Started(chunk.model or ""))
        if streamed and chunk.usage:
            _report_prompt(self._usage.prompt_size(chunk.usage), events)

    def _finish(self, choice: Choice) -> None:
        """Store the first finish reason; later deltas and usage still count."""
        if self._finish_reason is None:
            self._finish_reason = choice.finish_reason
            self._matched_stop = choice.stop_reason if choice.stop_reason is not None else choice.matched_stop
            self._move_to(FINISHING)

    def _end(self, events: list[Event]) -> None:
        if self._finish_reason in finish_and_usage.FAILED:
            self._fail({"error": {"message": f"the backend ended its answer with {self._finish_reason!r}"}})
            return
        self._deltas.end(events)
        usage = self._usage.final()
        reason = finish_and_usage.finish_reason(self._finish_reason, self._matched_stop, self.stop_sequences)
        if self._deltas.refused and reason is FinishReason.STOPPED:
            reason = FinishReason.REFUSED
        if reason is FinishReason.LENGTH and self._window_full(usage):
            reason = FinishReason.CONTEXT_FULL
        matched = self._matched_stop if reason is FinishReason.STOP_SEQUENCE else None
        stopped = matched if isinstance(matched, str) else None
        events.append(Finished(reason, stopped, usage, finish_and_usage.explanation(self._finish_reason)))
        self._move_to(DONE)

    # --- a stream -------------------------------------------------------------------------------------------

    def _read_frames(self, frames: list[Frame], events: list[Event]) -> None:
        for name, data in frames:
            if self._expects_plain and not name:
                delta = plain_chunks.decode_plain(data)
                if delta is not None and self._deltas.add_plain(delta, events):
                    self._usage_came_last = False
                    continue
                self._misses += 1
            if len(data) <= _MAX_DONE_BYTES and data.strip() == _DONE_MARK:
                self._end(events)
            else:
                self._read_data(name, data, events)
                self._expects_plain = self._may_be_plain()
            if self.state is DONE or self.state is FAILED:
                return

    def _may_be_plain(self) -> bool:
        """Return whether the next chunk is likely a plain one; what follows the finish reason is not."""
        return self._finish_reason is None and self._misses < MAX_MISSES and self._deltas.expects_plain

    def _read_data(self, name: bytes, data: bytes, events: list[Event]) -> None:
        if data[:1] != b"{" and data.lstrip()[:1] not in (b"{", b"["):
            self._skip(name, data, events)
            return
        if len(data) > json_weight.MAX_UNCHECKED_BYTES:
            check_values(data)
        chunk = chat_codec.decode_chunk(data)
        # Cheap checks first: nearly every chunk has choices and nothing that could be an error.
        if chunk.choices is None or chunk.error or name == b"error":
            failure = reported_error(chunk, name, data)
            if failure is not None:
                self.data_event_seen = True
                self._usage.add(chunk.usage)
                self._handle_failure(failure, events)
                return
        self._read_chunk(chunk, events)

    def _skip(self, name: bytes, data: bytes, events: list[Event]) -> None:
        if name == b"error":
            self._handle_failure({"error": data.decode("utf-8", "replace")}, events)
            return
        self._skip_junk(data)

    def _handle_failure(self, failure: object, events: list[Event]) -> None:
        if self.state is FINISHING and self._finish_reason not in finish_and_usage.FAILED:
            self.late_failure = failure
            self._end(events)
        else:
            self._fail(failure)

    def _read_rest(self, events: list[Event]) -> None:
        """Read the event that lacks its blank line; if it is cut off after the finish reason, only usage is lost."""
        finished = self.finish_seen
        try:
            self._read_frames(self._decoder.close(), events)
        except strict_json.JsonError:
            if not finished:
                raise

    def _end_of_body(self, events: list[Event]) -> None:
        """End without ``[DONE]``, which is a proper end after a finish reason or after usage alone."""
        if self.state is FINISHING or self._usage_came_last:
            self._end(events)
        else:
            super()._end_of_body(events)

    # --- a whole answer -------------------------------------------------------------------------------------

    def _read_whole(self, body: bytes, events: list[Event]) -> None:
        chunk = chat_codec.decode_chunk(body)
        self.data_event_seen = True
        failure = reported_error(chunk, b"", body) if chunk.choices else strict_json.decode(body)
        if failure is not None:
            self._usage.add(chunk.usage)
            self._fail(failure)
            return
        self._read_chunk(chunk, events)
        if not self._is_over():
            self._end(events)

    # --- chunks ---------------------------------------------------------------------------------------------

    def _read_chunk(self, chunk: Chunk, events: list[Event]) -> None:
        choices = chunk.choices
        if self.state is not ANSWERING and self.state is not FINISHING and choices is not None:
            self._begin(chunk, events)
        if chunk.usage and self._usage.add(chunk.usage):
            self._usage_came_last = self._deltas.content_seen and not choices
        if chunk.prompt_progress or chunk.timings or chunk.x_groq:
            usage = self._usage.add_vendor_fields(chunk)
            _report_prompt(usage, events, None if usage is None else finish_and_usage.tokens_read(usage.raw))
        if choices:
            self._usage_came_last = False
            if len(choices) > 1:
                json_weight.check_length(choices, json_weight.MAX_CHOICES, "choices")
            for choice in choices:
                if not choice.index:
                    self._read_choice(choice, events)

    def _read_choice(self, choice: Choice, events: list[Event]) -> None:
        delta = choice.delta if choice.delta is not None else choice.message
        if delta is not None and self._finish_reason not in finish_and_usage.FAILED:
            self._deltas.add(delta, events)
        if choice.usage:
            self._usage.add(choice.usage)
        if choice.finish_reason:
            self._finish(choice)


def _scanner(offered: Mapping[str, strict_json.Raw], calls: ToolCalls) -> ToolCallScanner:
    """Return what looks for calls in the text; few models need that, so it is loaded with the first that does."""
    from claude_bridge.core.chat_completions.tool_parsers.scanner import ToolCallScanner  # noqa: PLC0415 - as it says

    return ToolCallScanner(offered, calls.add, offered, calls.work)


def _report_prompt(usage: Usage | None, events: list[Event], read: int | None = None) -> None:
    if usage is not None:
        events.append(PromptSizeReported(usage, read))
