"""Answers of backends that behave well or badly, by name; each can be queued as it is."""

from __future__ import annotations

from collections.abc import Mapping

from claude_bridge.testing.answers import Answer, Cut, Pause, Send, Stall, Step
from claude_bridge.testing.chat import STREAM_HEADERS, chat_stream, chunk, error, events, json_answer, sse

__all__ = ["BEHAVIOURS", "cut_after"]

TEXT = "Hello from the scripted backend."
STREAM = chat_stream(text=TEXT)
WAITING: tuple[Step, ...] = (Send(b": waiting\n\n"), Pause(0.05))


def _after(*steps: Step) -> Answer:
    return Answer(200, STREAM_HEADERS, steps)


def cut_after(parts: tuple[bytes, ...], count: int, *, reset: bool = True) -> Answer:
    """Send the first ``count`` of ``parts`` and break the connection; the head is sent even if that is none."""
    return _after(Send(b""), *map(Send, parts[:count]), Cut(reset=reset))


def _sliced() -> Answer:
    half = len(STREAM[2]) // 2
    return _after(*map(Send, STREAM[:2]), Send(STREAM[2][:half]), Cut())


def _late_usage() -> Answer:
    *before, usage, done = STREAM
    return _after(*map(Send, before), Pause(0.2), Send(usage), Send(done))


BEHAVIOURS: Mapping[str, Answer] = {
    "normal": sse(STREAM),
    "slow": sse(STREAM, pause=0.05),
    "no answer at all": _after(Stall()),
    "head, then silence": _after(Send(b""), Stall()),
    "comments only": _after(*WAITING * 5, Stall()),
    "silence in the middle": _after(*map(Send, STREAM[:3]), Stall()),
    "cut before the head": _after(Cut()),
    "cut after the head": cut_after(STREAM, 0),
    "cut between events": cut_after(STREAM, 3),
    "cut inside an event": _sliced(),
    "closed in the middle of the body": cut_after(STREAM, 3, reset=False),
    "ended without a finish reason": sse(STREAM[:3]),
    "ended without [DONE]": sse(STREAM[:-1]),
    "usage late": _late_usage(),
    "no usage": sse(chat_stream(text=TEXT, usage=None)),
    "wrong JSON in an event": sse((*STREAM[:2], b'data: {"choices": [\n\n', *STREAM[2:])),
    "error inside the stream": sse((*STREAM[:3], *events([{"error": {"message": "out of memory", "code": 500}}]))),
    "HTML with status 200": Answer(200, (("content-type", "text/html"),), (Send(b"<html>busy</html>"),)),
    "JSON without choices": json_answer(200, {"object": "chat.completion"}),
    "empty stream": sse(()),
    "empty answer": sse(events([chunk({"role": "assistant", "content": ""}), chunk({}, finish="stop")])),
    "rate limited": error(429, {"message": "slow down", "code": "rate_limit_exceeded"}, [("retry-after", "3")]),
    "loading": error(503, {"message": "Loading model", "type": "unavailable_error", "code": 503}),
    "broken gateway": error(502, "<html><body>502 Bad Gateway</body></html>"),
    "key refused": error(401, {"message": "Incorrect API key provided.", "code": "invalid_api_key"}),
    "too long": error(
        400,
        {
            "message": "This model's maximum context length is 8192 tokens. However, your prompt contains 9000 tokens.",
            "type": "invalid_request_error",
            "code": "context_length_exceeded",
        },
    ),
}
