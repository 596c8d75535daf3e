"""One streamed question, asked of scripted answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import count
from typing import Any

import pytest

from claude_bridge.children import ExpectedFailure
from claude_bridge.core import strict_json
from claude_bridge.demo import question

START = {"type": "message_start", "message": {"usage": {"input_tokens": 30, "output_tokens": 1}}}
TEXTS = [
    {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}} for text in ("It is ", "Paris.")
]
DELTA = {"type": "message_delta", "delta": {}, "usage": {"input_tokens": 36, "output_tokens": 7}}
STREAM = b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in (START, {"type": "ping"}, *TEXTS, DELTA))
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
ERROR = b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"the backend is gone"}}\n\n'


@contextmanager
def server(status: int, body: bytes) -> Iterator[tuple[str, list[Any]]]:
    """Answer every request with ``body``; return the address and the decoded requests."""
    requests: list[Any] = []

    class Scripted(BaseHTTPRequestHandler):
        """Answers as told."""

        def do_POST(self) -> None:
            """Answer one request."""
            requests.append((self.path, strict_json.decode(self.rfile.read(int(self.headers["content-length"])))))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Scripted) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}", requests
        finally:
            http.shutdown()
            thread.join()


def ask(url: str, shown: list[str] | None = None) -> question.DemoAnswer:
    """Ask with a clock that goes on by a second whenever somebody looks."""
    ticks = count(100.0)
    return question.ask(url, "smollm2", "Where?", ([] if shown is None else shown).append, lambda: next(ticks))


class AskTests:
    """The question and its answer."""

    def test_answer(self) -> None:
        """The answer is shown piece by piece, and its cost in tokens and seconds is the stream's own."""
        shown: list[str] = []
        with server(200, STREAM + STOP) as (url, requests):
            answer = ask(url, shown)
        assert shown == ["It is ", "Paris."]
        assert answer == question.DemoAnswer(
            text="It is Paris.", input_tokens=36, output_tokens=7, first_seconds=1.0, seconds=2.0
        )
        ((path, request),) = requests
        assert path == "/v1/messages"
        assert (request["model"], request["stream"], request["max_tokens"]) == ("smollm2", True, 64)

    @pytest.mark.parametrize(
        ("status", "body", "said"),
        [
            (200, STREAM, "ended before it was finished"),
            (200, STREAM + ERROR, "ended its answer with an error: the backend is gone"),
            (200, b"data: {nonsense\n\n", "did not answer: JsonError"),
            (502, ERROR.partition(b"data: ")[2].strip(), "answered 502: the backend is gone"),
            (500, b"<html>", "answered 500: <html>"),
            (500, b"[]", "answered 500: []"),
        ],
    )
    def test_failures(self, status: int, body: bytes, said: str) -> None:
        """Whatever is not a finished answer is told in words."""
        with server(status, body) as (url, _), pytest.raises(ExpectedFailure, match="the bridge") as caught:
            ask(url)
        assert said in str(caught.value)

    def test_nobody_listens(self) -> None:
        """A bridge that is gone is told in words."""
        with server(200, b"") as (url, _):
            pass
        with pytest.raises(ExpectedFailure, match="did not answer: ConnectionRefusedError"):
            ask(url)

    def test_broken_output(self) -> None:
        """A reader who left is not mistaken for a bridge that failed."""

        def refuse(_text: str) -> None:
            raise BrokenPipeError

        with server(200, STREAM + STOP) as (url, _), pytest.raises(BrokenPipeError):
            question.ask(url, "smollm2", "Where?", refuse, lambda: 0.0)
