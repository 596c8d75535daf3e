"""Tests for `claude_bridge.core.anthropic_backend.wire_events`."""

from __future__ import annotations

import json

import pytest

from claude_bridge.core import json_weight
from claude_bridge.core.anthropic_backend.wire_events import (
    ReportedError,
    check_api,
    decoded,
    decoded_object,
    read_event,
    reported_error,
)
from claude_bridge.core.errors import UpstreamProtocolError


class ReadEventTests:
    """The fields that matter of an event."""

    @pytest.mark.parametrize(
        ("data", "kind"), [(b'{"type": "ping"} ', "ping"), (b'{"type":3}', ""), (b"{}", ""), (b'{"x":[1,{}]}', "")]
    )
    def test_kind(self, data: bytes, kind: str) -> None:
        """The type says what an object is."""
        event = read_event(data)
        assert event is not None
        assert event.kind == kind

    @pytest.mark.parametrize("data", [b"", b"[DONE]", b"[]", b"3", b"{", b'{"a":1}{}'])
    def test_no_object(self, data: bytes) -> None:
        """Anything else is no event."""
        assert read_event(data) is None

    def test_chat_completion(self) -> None:
        """An object with choices is of the other API, unless its type says that it is not."""
        other, own = read_event(b'{"choices":[]}'), read_event(b'{"type":"message","choices":[]}')
        assert other is not None
        assert own is not None
        check_api(own)
        with pytest.raises(UpstreamProtocolError):
            check_api(other)


class DecodedTests:
    """Values that are decoded."""

    def test_values(self) -> None:
        """What is broken or missing is nothing."""
        assert (decoded(b""), decoded(b"{"), decoded(b"1")) == (None, None, 1)
        assert (decoded_object(b"[]"), decoded_object(b'{"a":1}')) == ({}, {"a": 1})

    def test_huge(self) -> None:
        """A flood of values is refused before it is decoded."""
        with pytest.raises(UpstreamProtocolError):
            decoded(b"[" + b"[]," * json_weight.MAX_VALUES + b"[]]")


class ReportedErrorTests:
    """Errors with their own bytes."""

    def test_one_line(self) -> None:
        """An error in one line keeps its bytes, as clients are to get it."""
        error = reported_error(b'{"type": "error"} ')
        assert isinstance(error, ReportedError)
        assert (error, error.data) == ({"type": "error"}, b'{"type": "error"} ')

    @pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
    def test_several_lines(self, line_end: str) -> None:
        """Several lines become one, so that it fits into an event."""
        error = reported_error(json.dumps({"error": {"message": "x"}}, indent=1).replace("\n", line_end).encode())
        assert isinstance(error, ReportedError)
        assert error.data == b'{"error":{"message":"x"}}'

    def test_text(self) -> None:
        """What is no object is the message."""
        assert reported_error(b"boom") == {"error": "boom"}
