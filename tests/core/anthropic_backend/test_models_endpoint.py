"""Tests for `claude_bridge.core.anthropic_backend.models_endpoint`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core.anthropic_backend.models_endpoint import read_models
from claude_bridge.core.model_list import ModelInfo

OPUS = {
    "type": "model",
    "id": "claude-opus-5",
    "display_name": "Claude Opus 5",
    "created_at": "2026-02-04T00:00:00Z",
    "max_input_tokens": 1_000_000,
    "max_tokens": 64_000,
}


def read(*entries: Any, **more: Any) -> Any:
    """Read a list of models."""
    return read_models(json.dumps({"data": entries, **more}).encode())


class ReadModelsTests:
    """Lists of models."""

    def test_own_shape(self) -> None:
        """Anthropic's list has windows, and times as text."""
        assert read(OPUS, has_more=False) == (
            ModelInfo(id="claude-opus-5", created=1_770_163_200, context_window=1_000_000),
        )

    def test_other_shapes(self) -> None:
        """Servers that have an OpenAI-like list are understood, too."""
        assert read({"id": "qwen", "created": 5, "owned_by": "vllm", "max_model_len": 9}) == (
            ModelInfo(id="qwen", created=5, context_window=9, owner="vllm"),
        )
        assert read_models(b'[{"id": "a", "created_at": "2026-02-04T00:00:00Z"}]') == (
            ModelInfo(id="a", created=1_770_163_200),
        )

    @pytest.mark.parametrize("time", [None, 3, "yesterday", "", "0001-01-01T00:00:00Z"])
    def test_odd_time(self, time: Any) -> None:
        """A time that is none is not known."""
        assert read({**OPUS, "created_at": time})[0].created is None

    @pytest.mark.parametrize("window", [None, "big", -1, 0, True])
    def test_odd_window(self, window: Any) -> None:
        """A window that is none is not known."""
        assert read({**OPUS, "max_input_tokens": window})[0].context_window is None

    @pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"data":{"created_at":1}}', b'"created_at"'])
    def test_no_list(self, body: bytes) -> None:
        """What contains no list is none."""
        assert read_models(body) is None
