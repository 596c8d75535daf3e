"""One streamed question through ``/v1/messages``, as any client of the Messages API would ask it."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import define, frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.core import strict_json
from claude_bridge.core.sse import Decoder

# Longer than the slowest machine needs for a prompt of forty tokens; silence beyond it is a fault.
SILENCE_SECONDS: Final = 120.0
MAX_TOKENS: Final = 64
READ_BYTES: Final = 64 * 1024


@frozen(kw_only=True)
class DemoAnswer:
    """What came back and what it cost. Times are seconds since the request was sent."""

    text: str
    input_tokens: int
    output_tokens: int
    first_seconds: float
    seconds: float


@define
class _Reading:
    """What has been read so far."""

    text: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    first: float | None = None
    stopped: bool = False


def ask(url: str, model: str, question: str, show: Callable[[str], None], seconds: Callable[[], float]) -> DemoAnswer:
    """Ask ``question`` at the bridge under ``url``; ``show`` gets the answer piece by piece.

    ``seconds`` is a monotonic clock. Raises `ExpectedFailure` for every answer but a finished one.
    """
    begun = seconds()
    reading = _Reading()
    with closing(_events(url, _body(model, question))) as events:
        for event in events:
            _take(event, reading, show, seconds)
    if not reading.stopped:
        raise ExpectedFailure("the bridge's answer ended before it was finished")
    ended = seconds()
    return DemoAnswer(
        text=reading.text,
        input_tokens=reading.input_tokens,
        output_tokens=reading.output_tokens,
        first_seconds=(ended if reading.first is None else reading.first) - begun,
        seconds=ended - begun,
    )


def _body(model: str, question: str) -> bytes:
    request = {
        "model": model,
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        "stream": True,
        "messages": [{"role": "user", "content": question}],
    }
    return json.dumps(request).encode()


def _events(url: str, body: bytes) -> Generator[dict[str, Any], None, None]:
    """Send the request and return the decoded events of the stream as they arrive."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=SILENCE_SECONDS)
    headers = {"content-type": "application/json", "anthropic-version": "2023-06-01", "x-api-key": "unused"}
    try:
        connection.request("POST", "/v1/messages", body, headers)
        with connection.getresponse() as response:
            if response.status != 200:  # noqa: PLR2004 - the one status of a stream
                raise ExpectedFailure(f"the bridge answered {response.status}: {_error_text(response.read())}")
            yield from _frames(response)
    except (OSError, HTTPException, strict_json.JsonError) as error:
        raise ExpectedFailure(f"the bridge did not answer: {type(error).__name__}: {error}") from error
    finally:
        connection.close()


def _frames(response: HTTPResponse) -> Iterator[dict[str, Any]]:
    decoder = Decoder()
    while data := response.read1(READ_BYTES):
        for _, payload in decoder.feed(data):
            yield strict_json.decode(payload)


def _take(event: dict[str, Any], reading: _Reading, show: Callable[[str], None], seconds: Callable[[], float]) -> None:
    """Add one event to what was read."""
    match event:
        case {"type": "content_block_delta", "delta": {"type": "text_delta", "text": str(text)}}:
            reading.first = seconds() if reading.first is None else reading.first
            reading.text += text
            show(text)
        case {"type": "message_start", "message": {"usage": dict(usage)}} | {
            "type": "message_delta",
            "usage": dict(usage),
        }:
            reading.input_tokens = usage.get("input_tokens") or reading.input_tokens
            reading.output_tokens = usage.get("output_tokens") or reading.output_tokens
        case {"type": "error"}:
            raise ExpectedFailure(f"the bridge ended its answer with an error: {_message(event)}")
        case {"type": "message_stop"}:
            reading.stopped = True


def _error_text(body: bytes) -> str:
    try:
        return _message(strict_json.decode(body))
    except strict_json.JsonError:
        return body[:200].decode("utf-8", "replace")


def _message(envelope: object) -> str:
    match envelope:
        case {"error": {"message": str(message)}}:
            return message
        case _:
            return str(envelope)[:200]
