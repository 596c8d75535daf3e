"""Tests for `claude_bridge.core.messages_api.recorded_request`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.recorded_request import read_recorded

RECORDED = Path(__file__).parents[2] / "fixtures" / "claude_code"
BODY = {"model": "glm", "max_tokens": 1, "messages": [{"role": "user", "content": "héllo"}]}


def record(**more: Any) -> bytes:
    """Return a recorded request as somebody would save it, indented."""
    made = {"method": "POST", "path": "/v1/messages?beta=true", "headers": {"X-Session": "s"}, "body": BODY} | more
    return json.dumps(made, indent=2, ensure_ascii=False).encode()


class ReadingTests:
    """What a saved request may look like."""

    def test_body_alone(self) -> None:
        """A body is taken byte by byte, and has no headers."""
        body = json.dumps(BODY, indent=4).encode()
        found = read_recorded(body)
        assert (found.body, found.headers, found.counting) == (body, {}, False)

    def test_record(self) -> None:
        """Of a record the headers count, in lower case, and the body without the white space around its parts."""
        found = read_recorded(record())
        sent = json.dumps(BODY, ensure_ascii=False, separators=(",", ":")).encode()
        assert (found.body, found.headers, found.counting) == (sent, {"x-session": "s"}, False)

    def test_body_as_text(self) -> None:
        """A recorder that keeps bodies as texts is understood too."""
        assert read_recorded(record(body=json.dumps(BODY))).body == json.dumps(BODY).encode()

    @pytest.mark.parametrize("path", ["/v1/messages/count_tokens", "/v1/messages/count_tokens?beta=true"])
    def test_count(self, path: str) -> None:
        """A request for a count is one."""
        assert read_recorded(record(path=path)).counting

    def test_body_and_nothing_else(self) -> None:
        """Method, path and headers may be missing from a record."""
        found = read_recorded(json.dumps({"body": BODY}).encode())
        assert (found.headers, found.counting, found.model) == ({}, False, "glm")

    def test_lone_surrogates(self) -> None:
        """Half a character, which clients do send, is no mistake, alone or in a record."""
        body = b'{"model":"glm","messages":[{"role":"user","content":"\\ud83d"}]}'
        assert read_recorded(body).body == body
        assert read_recorded(body).model == "glm"
        assert parsing.decode(body, counting=True) == parsing.decode(
            read_recorded(b'{"body":' + body + b"}").body, counting=True
        )

    def test_byte_order_mark(self) -> None:
        """A mark that an editor put in front is no part of it."""
        assert read_recorded(b"\xef\xbb\xbf" + json.dumps(BODY).encode()).body == json.dumps(BODY).encode()

    @pytest.mark.parametrize("path", sorted(RECORDED.glob("*.json")), ids=lambda path: path.stem)
    def test_recorded_by_us(self, path: Path) -> None:
        """Each recorded request of the real client with a body is read, and can be parsed."""
        kept = json.loads(path.read_bytes())
        if kept["body"] is None:
            with pytest.raises(InvalidRequest, match="is not a request to a model"):
                read_recorded(path.read_bytes())
            return
        found = read_recorded(path.read_bytes())
        assert json.loads(found.body) == kept["body"]
        assert parsing.decode(found.body, counting=found.counting).model == found.model == kept["body"]["model"]


class RefusalTests:
    """What is no request to a model."""

    @pytest.mark.parametrize(
        ("data", "told"),
        [
            (b"", "it is empty"),
            (b" \n", "it is empty"),
            (b"hello", "it is not a JSON object"),
            (b"[1]", "it is not a JSON object"),
            (b'{"body": {}', "it is not a JSON object"),
            (record(body=None), "POST /v1/messages?beta=true has no body"),
            (record(method="GET", path="/v1/models", body=None), "GET /v1/models is not a request to a model"),
            (record(path="/v1/complete"), "POST /v1/complete is not a request to a model, which is POST /v1/messages"),
            (record(headers=["x"]), "headers: Input should be an object"),
            (b'{"body": {"messages": []}, "path": nul}', "it is not a JSON object"),
        ],
    )
    def test_refused(self, data: bytes, told: str) -> None:
        """The error says what is wrong with it."""
        with pytest.raises(InvalidRequest) as caught:
            read_recorded(data)
        assert told in caught.value.message

    @pytest.mark.parametrize("body", [b'{"messages": [], "model": 5}', b'{"messages": []}'])
    def test_no_model(self, body: bytes) -> None:
        """A body may name no model; parsing refuses it later."""
        assert read_recorded(body).model == ""
