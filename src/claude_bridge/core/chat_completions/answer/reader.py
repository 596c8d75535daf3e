"""Upstream bytes -> neutral events: the one reader of streams and of whole answers.

What may live here: which part of a chunk means what, and when an answer is finished. It is
finished by ``[DONE]``, or by the end of the body after a finish reason; an end without either is a
cut (design 5). Within a chunk reasoning comes before text before tool calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from claude_bridge.core import json_weight, opaque_state, strict_json
from claude_bridge.core.chat_completions import chat_codec
from claude_bridge.core.chat_completions.answer import finish_and_usage
from claude_bridge.core.chat_completions.answer.text import AnswerText
from claude_bridge.core.chat_completions.answer.think_tags import ThinkSplitter
from claude_bridge.core.chat_completions.answer.tool_calls import ToolCalls
from claude_bridge.core.chat_completions.answer.work import MAX_WORK_UNITS
from claude_bridge.core.chat_completions.dialect import Dialect, StateCollector
from claude_bridge.core.chat_completions.openai_types import Choice, Chunk, Delta
from claude_bridge.core.chat_completions.tool_parsers.scanner import ToolCallScanner
from claude_bridge.core.errors import BridgeError, UpstreamCut, UpstreamProtocolError
from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    PromptSizeReported,
    ReasoningDelta,
    ReasoningState,
    Started,
    TextDelta,
    Usage,
)
from claude_bridge.core.ids import RandomBytes
from claude_bridge.core.opaque_state import OpaqueState
from claude_bridge.core.sse import DEFAULT_LIMIT, MAX_EVENT_BYTES, Decoder, Frame

MAX_JUNK_EVENTS: Final = 3
"""Data events that are no JSON object (a stray keep-alive text) before the stream is given up. An event that
begins like an object and is broken is never skipped: its content would be missing without a trace."""

MAX_PLAIN_BYTES: Final = 32 * 1024
"""Bytes that are kept of a body that is no event stream: room for the head of a proxy's error page."""

_DONE: Final = b"[DONE]"
_MAX_DONE_BYTES: Final = 64
"""Bytes of it with the white space around it: longer data need not be looked at twice."""

_BEFORE_JSON: Final = b"\xef\xbb\xbf \t\r\n"
_FIELDS: Final = (b":", b"data:", b"event:", b"id:", b"retry:")
_ERROR_KEYS: Final = ("error", "errors", "detail", "message", "msg", "error_message", "error_msg")


@define(kw_only=True)
class Reader:
    """One upstream answer.

    :ivar data_event_seen: the backend has said something that is not a keep-alive.
    :ivar finish_seen: the finish reason is there; only late usage may follow.
    :ivar done: `Finished` was given; everything later is ignored.
    :ivar failure: an error that the backend reported inside its answer, decoded, else None.
    :ivar late_failure: one that it reported after the finish reason, which ends the answer as it stood.
    :ivar error: what is wrong with the answer itself, else None.
    :ivar recoverable: the offered tools with their schemas, where calls shall be looked for in the text.
    :ivar thinking_opened: the chat template has opened the thinking, so the answer begins inside it.
    :ivar fingerprint: what the backend calls its own state, or "": some are known by it.
    """

    dialect: Dialect
    random_bytes: RandomBytes
    model: str = ""
    tool_names: Mapping[str, str] = field(factory=dict)
    stop_sequences: tuple[str, ...] = ()
    context_window: int | None = None
    recoverable: Mapping[str, strict_json.Raw] = field(factory=dict)
    thinking_opened: bool = False
    max_event: int = MAX_EVENT_BYTES
    max_held: int = DEFAULT_LIMIT
    max_answer: int = 4 * DEFAULT_LIMIT
    data_event_seen: bool = field(default=False, init=False)
    finish_seen: bool = field(default=False, init=False)
    done: bool = field(default=False, init=False)
    failure: object = field(default=None, init=False)
    late_failure: object = field(default=None, init=False)
    error: BridgeError | None = field(default=None, init=False)
    fingerprint: str = field(default="", init=False)
    _decoder: Decoder = field(init=False)
    _whole: list[bytes] | None = field(default=None, init=False)
    _whole_size: int = field(default=0, init=False)
    _sniffed: bool = field(default=False, init=False)
    _plain: bytes = field(default=b"", init=False)
    _calls: ToolCalls = field(init=False)
    _listed: bool = field(default=False, init=False)
    _prose: AnswerText = field(init=False)
    _plain_text: bool = field(default=False, init=False)
    _keeper: StateCollector | None = field(init=False)
    _started: bool = field(default=False, init=False)
    _finish: str | None = field(default=None, init=False)
    _matched: str | int | None = field(default=None, init=False)
    _refused: bool = field(default=False, init=False)
    _usage: strict_json.Raw | None = field(default=None, init=False)
    _content_seen: bool = field(default=False, init=False)
    _ends_with_usage: bool = field(default=False, init=False)
    _timings: strict_json.Raw | None = field(default=None, init=False)
    _junk: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        """Set up the parts."""
        self._decoder = Decoder(self.max_event)
        self._calls = ToolCalls(dict(self.tool_names), self.random_bytes)
        offered = self.recoverable
        scanner = ToolCallScanner(offered, self._calls.feed, offered, self._calls.work) if offered else None
        self._prose = AnswerText(ThinkSplitter(self.thinking_opened), scanner)
        self._keeper = self.dialect.keeper()

    def feed(self, data: bytes) -> list[Event]:
        """Take body bytes and return the events they complete; look at `failure` and `error` afterwards."""
        events: list[Event] = []
        if self._over:
            return events
        self._calls.work.left = MAX_WORK_UNITS
        if not self._sniffed:
            self._sniff(data)
        if self._whole is not None:
            self._collect(self._whole, data)
            return events
        try:
            self._frames(self._decoder.feed(data), events)
        except (strict_json.JsonError, UpstreamProtocolError) as problem:
            self._give_up(problem)
        if not self.data_event_seen and len(self._plain) < MAX_PLAIN_BYTES:
            self._plain = (self._plain + data)[:MAX_PLAIN_BYTES]
        return events

    def close(self) -> list[Event]:
        """End of the body: give the last events; sets `error` to `UpstreamCut` if the answer is not finished."""
        events: list[Event] = []
        if self._over:
            return events
        self._calls.work.left = MAX_WORK_UNITS
        try:
            if self._whole is not None:
                self._read_whole(b"".join(self._whole), events)
            else:
                self._read_rest(events)
            if not self._over:
                self._end_without_mark(events)
        except (strict_json.JsonError, UpstreamProtocolError) as problem:
            self._give_up(problem)
        return events

    @property
    def _over(self) -> bool:
        return self.done or self.failure is not None or self.error is not None

    def _give_up(self, problem: strict_json.JsonError | UpstreamProtocolError) -> None:
        """Turn what the parts raise into `error`, so that the events before it are not lost."""
        if isinstance(problem, strict_json.JsonError):
            problem = UpstreamProtocolError(f"the backend sent broken JSON: {problem}")
        self.error = problem

    def _read_rest(self, events: list[Event]) -> None:
        """Read the event that lacks its blank line; cut off after the finish reason it costs no answer, but usage."""
        finished = self.finish_seen
        try:
            self._frames(self._decoder.close(), events)
        except strict_json.JsonError:
            if not finished:
                raise

    def _end_without_mark(self, events: list[Event]) -> None:
        """End at the end of the body: finished, or cut, or no stream at all but a page or a line of text.

        Usage alone is written when all is said: where it is the last chunk, a missing finish reason means no cut.
        """
        if self.finish_seen or self._ends_with_usage:
            self._end(events)
        elif self.data_event_seen or _like_events(self._plain):
            self.error = UpstreamCut("the backend closed the connection before its answer was finished")
        else:
            self.failure = {"error": self._plain.decode("utf-8", "replace")}

    def _sniff(self, data: bytes) -> None:
        """Tell a whole JSON answer from a stream by its first byte, whatever the content type says."""
        start = data.lstrip(_BEFORE_JSON)
        if start:
            self._sniffed = True
            if start[:1] in b"{[":
                self._whole = []

    def _collect(self, whole: list[bytes], data: bytes) -> None:
        whole.append(data)
        self._whole_size += len(data)
        most = min(self.max_answer, self.max_event)
        if self._whole_size > most:
            whole.clear()
            self.error = UpstreamProtocolError(f"the backend sent an answer of more than {most} bytes in one piece")

    def _frames(self, frames: list[Frame], events: list[Event]) -> None:
        for name, data in frames:
            if len(data) <= _MAX_DONE_BYTES and data.strip() == _DONE:
                self._end(events)
            else:
                self._data(name, data, events)
            if self.done or self.failure is not None:
                return

    def _data(self, name: bytes, data: bytes, events: list[Event]) -> None:
        if data[:1] != b"{" and data.lstrip()[:1] not in (b"{", b"["):
            self._skip(name, data, events)
            return
        if len(data) > json_weight.SMALL:
            _weigh(data)
        chunk = chat_codec.decode_chunk(data)
        if chunk.choices is None or chunk.error or name == b"error":
            failure = _reported_failure(chunk, name, data)
            if failure is not None:
                self.data_event_seen = True
                self._failed(failure, events)
                return
        self._chunk(chunk, events)

    def _failed(self, failure: object, events: list[Event]) -> None:
        """Take an error of the backend's; after the finish reason it costs no answer (seen at OpenRouter)."""
        if self.finish_seen:
            self.late_failure = failure
            self._end(events)
        else:
            self.failure = failure

    def _skip(self, name: bytes, data: bytes, events: list[Event]) -> None:
        if name == b"error":
            self._failed({"error": data.decode("utf-8", "replace")}, events)
            return
        self._junk += bool(data.strip())
        if self._junk > MAX_JUNK_EVENTS:
            raise UpstreamProtocolError("the backend sends events that are not chat completion chunks")

    def _read_whole(self, body: bytes, events: list[Event]) -> None:
        body = body.strip(_BEFORE_JSON)
        _weigh(body)
        chunk = chat_codec.decode_chunk(body)
        self.data_event_seen = True
        self.failure = _reported_failure(chunk, b"", body) if chunk.choices else strict_json.decode(body)
        if self.failure is None:
            self._chunk(chunk, events)
        if self.failure is None:
            self._end(events)

    def _chunk(self, chunk: Chunk, events: list[Event]) -> None:
        if not self._started and chunk.choices is not None:
            self._started = self.data_event_seen = True
            self.fingerprint = chunk.system_fingerprint or ""
            events.append(Started(chunk.model or ""))
            if chunk.usage and self._whole is None and _counts(chunk.usage):
                self._prompt_counted(chunk.usage, events)
        if chunk.usage and _counts(chunk.usage):
            self._usage = chunk.usage
            self._ends_with_usage = self._content_seen and not chunk.choices
        if chunk.prompt_progress or chunk.timings or chunk.x_groq:
            self._counted_elsewhere(chunk, events)
        if chunk.choices:
            self._ends_with_usage = False
            if len(chunk.choices) > 1:
                json_weight.limit(chunk.choices, json_weight.MAX_CHOICES, "choices")
            for choice in chunk.choices:
                if not choice.index:
                    self._choice(choice, events)

    def _counted_elsewhere(self, chunk: Chunk, events: list[Event]) -> None:
        """Take counts that llama.cpp and Groq have in fields of their own."""
        if chunk.prompt_progress and _counts(chunk.prompt_progress):
            self._progress(chunk.prompt_progress, events)
        if chunk.timings and _counts(chunk.timings):
            self._timings = chunk.timings
        if chunk.x_groq and _counts(chunk.x_groq):
            self._read_groq(chunk.x_groq)

    def _prompt_counted(self, raw: strict_json.Raw, events: list[Event]) -> None:
        """Tell the prompt's length where the first chunk has it (vLLM's ``continuous_usage_stats``)."""
        value = strict_json.decode(raw)
        usage = self.dialect.usage(value) if isinstance(value, dict) else None
        if usage is not None and usage.prompt_tokens:
            events.append(PromptSizeReported(usage))

    def _progress(self, raw: strict_json.Raw, events: list[Event]) -> None:
        """Read llama.cpp's ``prompt_progress``: tokens of the prompt, of which so many were cached."""
        usage = finish_and_usage.usage_of_progress(strict_json.decode(raw))
        if usage is not None:
            events.append(PromptSizeReported(usage))

    def _read_groq(self, raw: strict_json.Raw) -> None:
        value = strict_json.decode(raw)
        if isinstance(value, dict) and isinstance(value.get("usage"), dict):
            self._usage = strict_json.Raw(strict_json.encode(value["usage"]))

    def _choice(self, choice: Choice, events: list[Event]) -> None:
        delta = choice.delta if choice.delta is not None else choice.message
        if delta is not None:
            self._delta(delta, events)
        if choice.usage and _counts(choice.usage):
            self._usage = choice.usage
        if choice.finish_reason:
            self._finished(choice)

    def _finished(self, choice: Choice) -> None:
        """Keep the first finish reason; later deltas and usage still count."""
        if self._finish is None:
            self._finish = choice.finish_reason
            self._matched = choice.stop_reason if choice.stop_reason is not None else choice.matched_stop
            self.finish_seen = True
            if self._finish in finish_and_usage.FAILED:
                self.failure = {"error": {"message": f"the backend ended its answer with {self._finish!r}"}}

    def _delta(self, delta: Delta, events: list[Event]) -> None:
        reasoning = self.dialect.reasoning(delta)
        if reasoning:
            events.append(ReasoningDelta(reasoning))
        if self._keeper is not None:
            if delta.reasoning_details:
                json_weight.limit(delta.reasoning_details, json_weight.MAX_PARTS, "details of reasoning")
            self._keep(self._keeper, delta, events)
        content = delta.content
        if content:
            self._content_seen = True
            if delta.tool_calls:
                self._prose.beside_calls()
            if isinstance(content, str):
                self._text(content, events)
            else:
                self._parts(content, events)
        if delta.refusal:
            self._refused = True
            self._text(delta.refusal, events)
        if delta.tool_calls or delta.function_call is not None:
            self._feed_calls(delta, events)

    def _keep(self, keeper: StateCollector, delta: Delta, events: list[Event]) -> None:
        """Let the keeper look; what it has belongs to the reasoning, which ends where something else begins."""
        keeper.delta(delta)
        if delta.content or delta.tool_calls:
            self._carry(keeper.flush(), events)

    def _carry(self, state: object | None, events: list[Event]) -> None:
        if state is not None:
            packed = opaque_state.pack(OpaqueState(self.dialect.name, self.model, state))
            if packed:
                events.append(ReasoningState(packed))

    def _feed_calls(self, delta: Delta, events: list[Event]) -> None:
        """Feed calls; the old ``function_call`` beside them says the same again (llama-cpp-python)."""
        self._prose.interrupt(events)
        self._content_seen = True
        self._listed = self._listed or bool(delta.tool_calls)
        beside: set[int] | None = None
        if delta.tool_calls and len(delta.tool_calls) > 1:
            json_weight.limit(delta.tool_calls, json_weight.MAX_PARTS, "fragments of calls")
            beside = set()
        for call in delta.tool_calls or ():
            if self._keeper is not None:
                self._carry(self._keeper.before_call(call), events)
            self._calls.feed(call, events, beside)
        if delta.function_call is not None and not self._listed:
            self._calls.feed_whole(delta.function_call, events)
        most = min(self.max_held, self.max_event)
        if self._calls.held > most:
            raise UpstreamProtocolError(f"more than {most} bytes of tool arguments had to be held back")

    def _text(self, text: str, events: list[Event]) -> None:
        if self._plain_text:
            events.append(TextDelta(text))
            return
        self._prose.feed(text, events)
        self._plain_text = self._prose.plain

    def _parts(self, parts: list[strict_json.Raw], events: list[Event]) -> None:
        """Read content that is a list of parts: Mistral's thinking among text."""
        json_weight.limit(parts, json_weight.MAX_PARTS, "parts")
        for raw in parts:
            part = strict_json.decode(raw)
            if isinstance(part, str):
                self._text(part, events)
            elif isinstance(part, dict):
                thinking = _joined(part.get("thinking"))
                if thinking:
                    events.append(ReasoningDelta(thinking))
                elif isinstance(part.get("text"), str) and part["text"]:
                    self._text(part["text"], events)

    def _end(self, events: list[Event]) -> None:
        self._prose.end(events)
        self._calls.end(events)
        if self._keeper is not None:
            self._carry(self._keeper.flush(), events)
        usage = self._final_usage()
        reason = finish_and_usage.finish_reason(self._finish, self._matched, self.stop_sequences)
        if self._refused and reason is FinishReason.STOPPED:
            reason = FinishReason.REFUSED
        if reason is FinishReason.LENGTH and self._window_full(usage):
            reason = FinishReason.CONTEXT_FULL
        matched = self._matched if reason is FinishReason.STOP_SEQUENCE else None
        stopped = matched if isinstance(matched, str) else None
        events.append(Finished(reason, stopped, usage, finish_and_usage.explanation(self._finish)))
        self.done = True

    def _window_full(self, usage: Usage | None) -> bool:
        if usage is None or self.context_window is None:
            return False
        return usage.prompt_tokens + usage.output_tokens >= self.context_window

    def _final_usage(self) -> Usage | None:
        if self._usage is not None:
            raw = strict_json.decode(self._usage)
            found = self.dialect.usage(raw) if isinstance(raw, dict) else None
            if found is not None:
                return found
        if self._timings is not None:
            raw = strict_json.decode(self._timings)
            return finish_and_usage.usage_of_timings(raw) if isinstance(raw, dict) else None
        return None


def _weigh(data: bytes) -> None:
    """Refuse an event that holds more than can be read in one turn."""
    if json_weight.too_much(data):
        raise UpstreamProtocolError(f"the backend sent more than {json_weight.MAX_VALUES} values in one event")


def _counts(raw: strict_json.Raw) -> bool:
    """Return whether there may be counts in a field."""
    return len(raw) <= json_weight.MAX_USAGE_BYTES and strict_json.present(raw)


def _like_events(body: bytes) -> bool:
    """Return whether a body, which may be cut anywhere, begins like an event stream; an empty one does."""
    start = body.lstrip(_BEFORE_JSON)
    return any(start.startswith(name) or name.startswith(start) for name in _FIELDS)


def _joined(thinking: Any) -> str:  # noqa: ANN401 - decoded JSON
    """Read a thinking part: a string, or a list of text parts."""
    if isinstance(thinking, str):
        return thinking
    if isinstance(thinking, list):
        texts = (part.get("text") for part in thinking if isinstance(part, dict))
        return "".join(text for text in texts if isinstance(text, str))
    return ""


def _reported_failure(chunk: Chunk, name: bytes, data: bytes) -> object:
    """Return the error that an event carries in one of its many shapes, decoded, or None for an ordinary chunk."""
    if chunk.choices is None or strict_json.present(chunk.error) or name == b"error":
        value = strict_json.decode(data)
        told = name == b"error" or chunk.object == "error"
        if isinstance(value, dict) and (told or any(value.get(key) for key in _ERROR_KEYS)):
            return value
        if isinstance(value, list):
            return value
    return None
