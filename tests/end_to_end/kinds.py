"""Backends of every kind, and how each kind says what tests want to have said, good and bad.

A further kind is a class beside these, a line in `KINDS`, and what differs in the rows of ``test_fault_matrix.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve, frozen

from claude_bridge.testing.answers import Answer, Cut, Pause, Send, Stall, Step
from claude_bridge.testing.backend import ScriptedBackend
from claude_bridge.testing.behaviours import BEHAVIOURS
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream, chunk, error, events, sse
from claude_bridge.testing.messages import message_error, message_json, message_stream
from claude_bridge.testing.messages_backend import MessagesBackend
from claude_bridge.testing.responses import ResponseEvents, encoded, response_stream
from claude_bridge.testing.responses_backend import ResponsesBackend

MODEL = "test-model"
TEXT = "The answer, whole and right, of the model that gave it."


@frozen
class Saying:
    """What is sent to a client that streams and to one that does not, where the bridge asks as the client does.

    :ivar whole: where it is not the same.
    """

    streamed: Answer
    whole: Answer | None = None

    def answer(self, *, streaming: bool) -> Answer:
        """Return the one of both."""
        return self.streamed if streaming or self.whole is None else self.whole


@frozen(kw_only=True)
class Kind:
    """A kind of backend.

    :ivar name: as in ``kind = NAME``.
    :ivar backend: makes one that is not started, and takes any request.
    :ivar passes_through: whether the client gets the very bytes that the backend sends.
    :ivar sayings: by what is said; the same names for each kind.
    """

    name: str
    backend: Callable[[Any], Any]
    passes_through: bool
    sayings: Mapping[str, Saying]


def begun(stream: tuple[bytes, ...], *steps: Step, sent: int = 5) -> Answer:
    """Begin a good answer with some text of it, and go on otherwise."""
    return Answer(200, STREAM_HEADERS, (*map(Send, stream[:sent]), Pause(0.05), *steps))


RESET, SILENT, NO_DATA = Answer(200, (), (Cut(),)), Answer(200, (), (Stall(),)), BEHAVIOURS["head, then silence"]


# --- openai -------------------------------------------------------------------------------------------------------

_CHUNKS = chat_stream(text=TEXT)
_WRONG_CHUNK = b'data: {"choices": [{"index": 0, "delta"\n\n'


def _limited(*retry_after: str) -> Answer:
    headers = [("retry-after", each) for each in retry_after]
    return error(429, {"message": "slow down", "code": "rate_limit_exceeded"}, headers)


_CHAT: Mapping[str, Answer] = {
    "the answer": sse(_CHUNKS),
    "429, Retry-After 1": _limited("1"),
    "429, Retry-After 30": _limited("30"),
    "429, Retry-After 60": _limited("60"),
    "429": _limited(),
    "500": error(500, {"message": "boom", "type": "server_error"}),
    "503": BEHAVIOURS["loading"],
    "529": error(529, {"message": "overloaded", "type": "overloaded_error"}),
    "reset before the head": RESET,
    "no head": SILENT,
    "no data": NO_DATA,
    "late": Answer(200, STREAM_HEADERS, (Pause(0.7), *map(Send, _CHUNKS))),
    "reset in the answer": begun(_CHUNKS, Cut()),
    "silence in the answer": begun(_CHUNKS, Stall()),
    "malformed at the beginning": sse((_WRONG_CHUNK, *_CHUNKS)),
    "malformed in the answer": begun(_CHUNKS, Send(_WRONG_CHUNK), *map(Send, _CHUNKS[5:])),
    "no end mark": sse(_CHUNKS[:-1]),
    "too long": BEHAVIOURS["too long"],
    "a refusal": sse(events([chunk({"role": "assistant", "content": ""}), chunk({}, finish="content_filter")])),
    "refused": error(400, {"message": "violates our content policy", "type": "invalid_request_error"}),
    "no prefill": error(400, {"message": "prefill is not supported", "type": "invalid_request_error"}),
}

OPENAI = Kind(
    name="openai",
    backend=lambda reactor: ScriptedBackend(reactor, strict=False),
    passes_through=False,
    sayings={name: Saying(answer) for name, answer in _CHAT.items()},  # it is always asked to stream
)


# --- anthropic ----------------------------------------------------------------------------------------------------

_BLOCK = {"type": "text", "text": TEXT}
_EVENTS = message_stream(_BLOCK, model=MODEL)
_WHOLE = message_json(_BLOCK, model=MODEL)
_BODY = b"".join(step.data for step in _WHOLE.steps if isinstance(step, Send))
_WRONG_START = b'event: message_start\ndata: {"type": "message_start", "mess\n\n'
_WRONG_DELTA = b'event: content_block_delta\ndata: {"type": "content_block_delta", "index": 0, "del\n\n'


def _half(*steps: Step) -> Answer:
    """Send half of a whole message, and go on otherwise."""
    return evolve(_WHOLE, steps=(Send(_BODY[: len(_BODY) // 2]), Pause(0.05), *steps))


def _malformed(body: bytes) -> Answer:
    return Answer(200, (("content-type", "application/json"), ("content-length", str(len(body)))), (Send(body),))


def _busy(*retry_after: str) -> Answer:
    headers = [("retry-after", each) for each in retry_after]
    return message_error(429, "rate_limit_error", "This request would exceed your account's rate limit.", headers)


_MESSAGES: Mapping[str, Saying] = {
    "the answer": Saying(sse(_EVENTS), _WHOLE),
    "429, Retry-After 1": Saying(_busy("1")),
    "429, Retry-After 30": Saying(_busy("30")),
    "429, Retry-After 60": Saying(_busy("60")),
    "429": Saying(_busy()),
    "500": Saying(message_error(500, "api_error", "Internal server error")),
    "503": Saying(message_error(503, "api_error", "Service unavailable")),
    "529": Saying(message_error(529, "overloaded_error", "Overloaded")),
    "reset before the head": Saying(RESET),
    "no head": Saying(SILENT),
    "no data": Saying(NO_DATA),
    "late": Saying(
        Answer(200, STREAM_HEADERS, (Pause(0.7), *map(Send, _EVENTS))),
        evolve(_WHOLE, steps=(Pause(0.7), Send(_BODY))),
    ),
    "reset in the answer": Saying(begun(_EVENTS, Cut()), _half(Cut())),
    "silence in the answer": Saying(begun(_EVENTS, Stall()), _half(Stall())),
    "malformed at the beginning": Saying(sse((_WRONG_START, *_EVENTS)), _malformed(b'{"type": mess' + _BODY[14:])),
    "malformed in the answer": Saying(
        begun(_EVENTS, Send(_WRONG_DELTA), *map(Send, _EVENTS[5:])), _malformed(_BODY[:-20] + b'"}, oops')
    ),
    "no end mark": Saying(sse(_EVENTS[:-1]), _WHOLE),
    "too long": Saying(message_error(400, "invalid_request_error", "prompt is too long: 9000 tokens > 8192 maximum")),
    "a refusal": Saying(sse(message_stream(stop="refusal", model=MODEL)), message_json(stop="refusal", model=MODEL)),
    "refused": Saying(message_error(400, "invalid_request_error", "Output blocked by content filtering policy")),
    "no prefill": Saying(
        message_error(
            400,
            "invalid_request_error",
            "This model does not support assistant message prefill. The conversation must end with a user message.",
        )
    ),
}

ANTHROPIC = Kind(
    name="anthropic",
    backend=lambda reactor: MessagesBackend(reactor, models=[MODEL]),
    passes_through=True,
    sayings=_MESSAGES,
)


# --- responses ----------------------------------------------------------------------------------------------------

_TYPED = response_stream(text=TEXT, model=MODEL)
_WRONG_CREATED = b'event: response.created\ndata: {"type":"response.created","resp\n\n'
_WRONG_WORD = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","del\n\n'
_LIMIT = f"Rate limit reached for {MODEL} in organization org-1 on requests per min (RPM): Limit 3, Used 3."


def _ended(status: str, **more: Any) -> Answer:
    """Begin an answer and end it with this status, before anything is said."""
    answer = ResponseEvents(MODEL)
    answer.begin()
    answer.end(status, **more)
    return sse(encoded(answer.events))


def _failed(code: str, message: str) -> Answer:
    return _ended("failed", usage=None, error={"code": code, "message": message})


def _started(*steps: Step) -> Answer:
    return begun(_TYPED, *steps, sent=8)


_RESPONSES: Mapping[str, Answer] = {
    "the answer": sse(_TYPED),
    "429, Retry-After 1": _failed("rate_limit_exceeded", f"{_LIMIT} Please try again in 1s."),
    "429, Retry-After 30": _failed("rate_limit_exceeded", f"{_LIMIT} Please try again in 30s."),
    "429, Retry-After 60": _limited("60"),
    "429": _failed("rate_limit_exceeded", _LIMIT),
    "500": _failed("server_error", "An error occurred while processing your request."),
    "503": error(503, {"message": "The server is currently overloaded.", "type": "server_error"}),
    "529": _failed("server_is_overloaded", "Our servers are currently overloaded. Please try again later."),
    "reset before the head": RESET,
    "no head": SILENT,
    "no data": NO_DATA,
    "late": Answer(200, STREAM_HEADERS, (*map(Send, _TYPED[:2]), Pause(0.7), *map(Send, _TYPED[2:]))),
    "reset in the answer": _started(Cut()),
    "silence in the answer": _started(Stall()),
    "malformed at the beginning": sse((_WRONG_CREATED, *_TYPED)),
    "malformed in the answer": _started(Send(_WRONG_WORD), *map(Send, _TYPED[8:])),
    "no end mark": sse(_TYPED[:-1]),
    "too long": _failed(
        "context_length_exceeded",
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
    ),
    "a refusal": _ended("incomplete", incomplete_details={"reason": "content_filter"}),
    "refused": _failed("invalid_prompt", "Invalid prompt: your prompt was flagged as violating our usage policy."),
    "no prefill": error(400, {"message": "prefill is not supported", "type": "invalid_request_error"}),
}

RESPONSES = Kind(
    name="responses",
    backend=lambda reactor: ResponsesBackend(reactor, strict=False),
    passes_through=False,
    sayings={name: Saying(answer) for name, answer in _RESPONSES.items()},  # it is always asked to stream
)


KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (OPENAI, ANTHROPIC, RESPONSES)}
