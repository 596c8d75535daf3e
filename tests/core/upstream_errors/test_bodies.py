"""Every shape of error body gives its code, type and message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.upstream_errors.bodies import MAX_MESSAGE_CHARACTERS, ErrorBody, parse, parse_bytes


def decode(data: bytes) -> object:
    """Decode JSON as the bridge's own decoder does: ValueError for anything else."""
    decoded: object = json.JSONDecoder().decode(data.decode())
    return decoded


KEYS = [
    "error",
    "errors",
    "detail",
    "details",
    "message",
    "msg",
    "loc",
    "code",
    "type",
    "status",
    "metadata",
    "raw",
    "param",
    "retryDelay",
    "n_ctx",
    "n_prompt_tokens",
    "request_id",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner),
    max_leaves=20,
)


class ReadTests:
    """Decoded bodies."""

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (
                {
                    "error": {
                        "message": "Rate limited",
                        "type": "requests",
                        "param": None,
                        "code": "rate_limit_exceeded",
                    }
                },
                ErrorBody(code="rate_limit_exceeded", type="requests", message="Rate limited"),
            ),
            (
                {"error": {"message": "bad", "type": "BadRequestError", "param": None, "code": 400}},
                ErrorBody(code="400", type="BadRequestError", message="bad"),
            ),
            ({"error": "model 'x' not found"}, ErrorBody(message="model 'x' not found")),
            (
                {"object": "error", "message": "too long", "type": "BadRequestError", "param": None, "code": 400},
                ErrorBody(code="400", type="BadRequestError", message="too long"),
            ),
            (
                [{"error": {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED"}}],
                ErrorBody(code="429", type="RESOURCE_EXHAUSTED", message="Quota"),
            ),
            (
                {"error": {"code": 503, "message": "q", "details": [{"@type": "x"}, {"retryDelay": "26s"}]}},
                ErrorBody(code="503", message="q", retry_after=26),
            ),
            ({"detail": "Not Found"}, ErrorBody(message="Not Found")),
            (
                {
                    "detail": [
                        {
                            "loc": ["body", "messages", 0, "role"],
                            "msg": "Field required",
                            "type": "missing",
                            "input": "p",
                        },
                        {"loc": [], "msg": "Value error", "type": "value_error"},
                    ]
                },
                ErrorBody(message="body.messages.0.role: Field required; Value error"),
            ),
            (
                {"object": "error", "message": {"detail": [{"loc": ["body", "x"], "msg": "Extra"}]}, "code": None},
                ErrorBody(message="body.x: Extra"),
            ),
            ({"detail": {"message": "busy", "code": "E1"}}, ErrorBody(code="E1", message="busy")),
            ({"message": "nope", "code": 1210}, ErrorBody(code="1210", message="nope")),
            ({"errors": [{"message": "first"}, {"message": "second"}]}, ErrorBody(message="first")),
            (
                {
                    "type": "error",
                    "error": {"type": "overloaded_error", "message": "Overloaded"},
                    "request_id": "req_1",
                },
                ErrorBody(type="overloaded_error", message="Overloaded", request_id="req_1"),
            ),
            (
                {
                    "error": {
                        "code": 400,
                        "message": "request (9739 tokens) exceeds the available context size (8192 tokens)",
                        "type": "exceed_context_size_error",
                        "n_prompt_tokens": 9739,
                        "n_ctx": 8192,
                    }
                },
                ErrorBody(
                    code="400",
                    type="exceed_context_size_error",
                    message="request (9739 tokens) exceeds the available context size (8192 tokens)",
                    prompt_tokens=9739,
                    context_window=8192,
                ),
            ),
            (
                {
                    "error": {
                        "message": "Provider returned error",
                        "code": 400,
                        "metadata": {
                            "provider_name": "Z",
                            "raw": '{"error":{"message":"Prompt exceeds max length","code":"1261"}}',
                        },
                    }
                },
                ErrorBody(code="1261", message="Prompt exceeds max length"),
            ),
            (
                {"error": {"message": "Provider returned error", "code": 502, "metadata": {"raw": "upstream is down"}}},
                ErrorBody(code="502", message="upstream is down"),
            ),
            (
                {"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": {"detail": "slow"}}}},
                ErrorBody(code="429", message="slow"),
            ),
            (
                {"error": {"message": "flagged", "code": 403, "metadata": {"reasons": ["violence"], "raw": ""}}},
                ErrorBody(code="403", message="flagged"),
            ),
            (
                {"error": {"message": "Param Incorrect", "param": "max_tokens is too large: 9", "code": "400"}},
                ErrorBody(code="400", message="Param Incorrect: max_tokens is too large: 9"),
            ),
            ({"error": True, "message": "told outside"}, ErrorBody(message="told outside")),
            ({"error": {"code": True, "n_ctx": True, "n_prompt_tokens": -1}}, ErrorBody()),
            (None, ErrorBody()),
            (5, ErrorBody()),
            ([], ErrorBody()),
            ({}, ErrorBody()),
        ],
    )
    def test_shapes(self, body: object, said: ErrorBody) -> None:
        """Each server's shape gives the same few fields."""
        assert parse(body) == said

    def test_user_text_stays_out(self) -> None:
        """What the user wrote, which pydantic quotes, is not part of the message."""
        body = {"detail": [{"loc": ["body"], "msg": "bad", "input": "my diary", "ctx": {"x": "my diary"}}]}
        assert "diary" not in parse(body).message

    def test_long_message(self) -> None:
        """A message of a megabyte is cut, between words."""
        said = parse({"error": {"message": "word " * 200_000}})
        assert len(said.message) <= MAX_MESSAGE_CHARACTERS + 2
        assert said.message.endswith("word …")

    def test_nested_without_end(self) -> None:
        """An error inside an error inside an error is not followed forever."""
        body: Any = {"message": "core"}
        for _ in range(500):
            body = {"error": body}
        assert parse(body) == ErrorBody()

    @given(JSON)
    def test_any_value(self, value: object) -> None:
        """No JSON value makes it fail, alone or as an error or a packed cause."""
        parse(value)
        parse({"error": value})
        parse({"error": {"metadata": {"raw": value}, "message": value}})


class ReadBytesTests:
    """Raw bodies."""

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b'{"error": "x"}', "x"),
            (b"Bad Gateway\r\n", "Bad Gateway"),
            (
                (
                    b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title><style>p {color: red}</style>"
                    b"<script>alert(1)</script></head>\n<body><h1>502</h1><hr>nginx</body></html>"
                ),
                "502 Bad Gateway 502 nginx",
            ),
            (b"", ""),
            (b'"just a string"', "just a string"),
            (b"\xff\xfe", "\ufffd\ufffd"),
            (b"a\x00b\x1b[31m\x7fc", "a b [31m c"),
            (b"if a < b then", "if a < b then"),
        ],
    )
    def test_bodies(self, body: bytes, message: str) -> None:
        """JSON, text and HTML give one clean line."""
        assert parse_bytes(body).message == message

    def test_long_page(self) -> None:
        """Of a long page the first 200 characters are kept, ending with a whole word."""
        message = parse_bytes(b"<html><p>" + b"word " * 10_000).message
        assert 190 <= len(message) <= 202
        assert message.endswith("word …")

    @given(st.binary())
    def test_any_bytes(self, body: bytes) -> None:
        """No bytes make it fail, and what is given is one printable line."""
        message = parse_bytes(body).message
        assert "\n" not in message
        assert "\x00" not in message
