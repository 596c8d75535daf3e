"""Tests for `claude_bridge.core.answer_body`."""

from __future__ import annotations

import pytest

from claude_bridge.core import json_weight
from claude_bridge.core.answer_body import check_values, looks_like_event_stream
from claude_bridge.core.errors import UpstreamProtocolError


class StreamTests:
    """What begins like an event stream."""

    @pytest.mark.parametrize("body", [b"", b"da", b"data: x", b"\xef\xbb\xbfevent: a", b"\n\n: ping"])
    def test_one(self, body: bytes) -> None:
        """A field of one, or the beginning of its name."""
        assert looks_like_event_stream(body)

    @pytest.mark.parametrize("body", [b"<html>", b"upstream unavailable", b"dat: x"])
    def test_none(self, body: bytes) -> None:
        """A page or a line of text."""
        assert not looks_like_event_stream(body)


class ValueTests:
    """Values that are decoded in one turn."""

    def test_bounded(self) -> None:
        """Too many are refused before they are decoded."""
        check_values(b"[" + b"1," * 1000 + b"1]")
        with pytest.raises(UpstreamProtocolError):
            check_values(b"[" + b"1," * json_weight.MAX_VALUES + b"1]")
