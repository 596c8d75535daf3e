"""Tests for `claude_bridge.core.chat_completions.answer.reported_errors`."""

from __future__ import annotations

import json

import pytest

from claude_bridge.core.chat_completions import chat_codec
from claude_bridge.core.chat_completions.answer.reported_errors import reported_error


def reported(data: bytes, name: bytes = b"") -> object:
    """Look for an error in an event."""
    return reported_error(chat_codec.decode_chunk(data), name, data)


class ReportedErrorTests:
    """What is an error, and what is not."""

    @pytest.mark.parametrize(
        "data",
        [
            b'{"error": "boom"}',
            b'{"error": {"message": "boom"}, "choices": []}',
            b'{"object": "error", "text": "boom"}',
            b'{"detail": "boom"}',
            b'{"code": 1234, "msg": "boom"}',
            b'{"errors": ["boom"]}',
        ],
    )
    def test_shapes(self, data: bytes) -> None:
        """Every shape that servers are known to send is given back as it is."""
        assert reported(data) == json.loads(data)

    def test_list(self) -> None:
        """An error may come in a list of one."""
        assert reported(b'[{"error": "boom"}]') == [{"error": "boom"}]

    def test_named(self) -> None:
        """An event with the name of an error is one, even beside choices or without a word."""
        assert reported(b"{}", b"error") == {}
        assert reported(b'{"choices": []}', b"error") == {"choices": []}

    @pytest.mark.parametrize(
        "data",
        [
            b'{"choices": []}',
            b'{"choices": [], "error": null}',
            b'{"choices": [], "message": "hello"}',
            b'{"usage": {"prompt_tokens": 1}}',
            b"{}",
            b'{"error": "", "detail": null}',
        ],
    )
    def test_none(self, data: bytes) -> None:
        """An ordinary chunk is none, whatever it holds beside its choices, and so is an empty field."""
        assert reported(data) is None
