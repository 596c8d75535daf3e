"""Bridges and backends that only answer what they are asked before Claude Code starts, in a thread."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from attrs import frozen

LIST = {"data": [{"id": "a"}, {"id": "b"}, {"id": "a"}, {"no": "id"}]}
BACKEND = {"/v1/models": LIST, "/v1/chat/completions": {}}
BRIDGE = {"/": {"service": "claude-bridge"}, "/v1/models": {"data": [{"id": "glm@claude-bridge"}]}}
BRIDGE_WITH_KEYS = {**BRIDGE, "/": {"service": "claude-bridge", "credentials": "keys"}}


@frozen
class Refusal:
    """An answer with another status."""

    status: int
    body: object


@contextmanager
def serving(answers: Mapping[str, object], key: str | None = None, refused: list[str] | None = None) -> Iterator[str]:
    """Serve JSON by paths, 400 for a POST; with a key, 401 for who does not send it: such paths go to ``refused``."""

    class Handler(BaseHTTPRequestHandler):
        """Answers."""

        def do_GET(self) -> None:
            """Answer."""
            self.answer(200)

        def do_POST(self) -> None:
            """Find fault with the body."""
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(400)

        def answer(self, status: int) -> None:
            """Write one answer."""
            path = self.path.partition("?")[0]
            if path not in answers:
                status = 404
            elif key is not None and path != "/" and self.headers["authorization"] != f"Bearer {key}":
                status = 401
                if refused is not None:
                    refused.append(path)
            value = answers.get(path)
            if isinstance(value, Refusal):
                status = value.status
            body = json.dumps(getattr(value, "body", value)).encode() if status in {200, 403} else b"<html>"
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_arguments: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
