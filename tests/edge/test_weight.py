"""Promises of the weight of a decoded request: what its objects really hold."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from claude_bridge.core import request
from claude_bridge.edge.weight import weight


def body(**fields: Any) -> bytes:
    """Write a request."""
    whole = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]} | fields
    return json.dumps(whole, ensure_ascii=False).encode()


CASES = {
    "text": body(messages=[{"role": "user", "content": "a" * 3_000_000}]),
    "one emoji": body(messages=[{"role": "user", "content": "a" * 3_000_000 + "\U0001f600"}]),
    "escaped emoji": body().replace(b'"x"', b'"' + b"a" * 3_000_000 + rb'\ud83d\ude00"'),
    "Chinese": body(messages=[{"role": "user", "content": "\u4e2d" * 1_000_000}]),
    "system": body(system="a" * 3_000_000 + "\U0001f600"),
    "descriptions": body(tools=[{"name": "t", "description": "a" * 100_000 + "\U0001f600"}] * 20),
    "messages": body(messages=[{"role": "user", "content": "ab"}] * 10_000),
    "blocks": body(messages=[{"role": "user", "content": [{"type": "text"}] * 20_000}]),
}


class WeightTests:
    """The weight against what Python allocates."""

    @pytest.mark.parametrize("name", CASES)
    def test_true(self, name: str) -> None:
        """It is about what decoding really takes, however wide a text or small a block is."""
        data = CASES[name]
        tracemalloc.start()
        try:
            asked = request.decode(data)
            taken = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert taken * 0.8 < weight(asked) < taken * 1.5 + 5000

    def test_ordinary(self) -> None:
        """Of an ordinary request it is less than its size."""
        data = body(messages=[{"role": "user", "content": [{"type": "text", "text": "a" * 1000}]}] * 100)
        assert weight(request.decode(data)) < len(data)
