"""Tests for `claude_bridge.core.messages_api.codec`."""

from __future__ import annotations

import pytest

from claude_bridge.core.messages_api import anthropic_types, codec
from claude_bridge.core.strict_json import JsonError, Raw

LONE = r'{"a": "x\ud800y"}'


class RequestTests:
    """A Messages request."""

    BODY = b'{"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}'

    def test_good(self) -> None:
        """A request is decoded with what it says."""
        request = codec.decode_request(self.BODY)
        assert (request.model, request.max_tokens) == ("m", 5)

    def test_lone_surrogate(self) -> None:
        """Half a character is told apart from other faults, since it can be mended."""
        with pytest.raises(codec.LoneSurrogates):
            codec.decode_request(self.BODY.replace(b"hi", rb"h\ud800i"))

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b"{", "not valid JSON"),
            (b"\xff", "not UTF-8"),
            (rb'{"model": "\ud800"', "not valid JSON"),
            (b"[]", "Expected `object`"),
            (b'{"x": ' + b"[" * 100_000, "not valid JSON"),
            (b'{"max_tokens": 5, "messages": []}', "model: Field required"),
            (b'{"model": 7, "max_tokens": 5, "messages": []}', "^model: "),
            (
                b'{"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": 7}]}',
                r"^messages\.0\.content: ",
            ),
            (b'{"model": "m", "max_tokens": 5, "messages": [{"content": "x"}]}', r"^messages\.0\.role: Field required"),
        ],
    )
    def test_bad(self, body: bytes, said: str) -> None:
        """What is wrong is said with the field's path, as the API does."""
        with pytest.raises(JsonError, match=said):
            codec.decode_request(body)


class BlockTests:
    """Content blocks."""

    def test_known_and_unknown(self) -> None:
        """Known blocks are decoded, a type that we have never heard of is kept as it came."""
        raws = [Raw(b'{"type": "text", "text": "hi"}'), Raw(b'{"type": "hologram", "x": 1}')]
        known, unknown = (codec.decode_block(raw, "c", 0) for raw in raws)
        assert known == anthropic_types.TextBlock("hi")
        assert isinstance(unknown, anthropic_types.UnknownBlock)
        assert bytes(unknown.raw) == bytes(raws[1])

    @pytest.mark.parametrize(
        ("raw", "said"),
        [
            (b'{"type": "text"}', r"^c\.0\.text: Field required"),
            (b'{"type": "text", "text": 7}', r"^c\.0\.text: "),
            (b'{"text": "x"}', r"^c\.0\.type: Field required"),
            (b"7", r"^c\.0: a content block must be an object"),
            (b'{"type": 7}', r"^c\.0: a content block must be an object"),
        ],
    )
    def test_bad(self, raw: bytes, said: str) -> None:
        """What is wrong with a block is said with its path."""
        with pytest.raises(JsonError, match=said):
            codec.decode_block(Raw(raw), "c", 0)
