"""Tests for `claude_bridge.core.openai_kind`."""

from __future__ import annotations

import json

import pytest

from claude_bridge.core.backend_api import BackendKind
from claude_bridge.core.kinds import KINDS
from claude_bridge.core.openai_kind import OpenAIKind


class KindTests:
    """What both APIs share."""

    def test_models(self) -> None:
        """The list of models is OpenAI's, which is no list if it has another shape."""
        models = OpenAIKind().read_models(b'{"data":[{"id":"a"},{"id":"b"}]}')
        assert models is not None
        assert [each.id for each in models] == ["a", "b"]
        assert OpenAIKind().read_models(b"<html>") is None

    def test_errors(self) -> None:
        """The same error is the same failure as a response and inside an answer, but for what only a response has."""
        error = {"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}}
        response = OpenAIKind().read_refusal(429, {"retry-after": "7"}, json.dumps(error).encode(), now=0)
        inside = OpenAIKind().read_error(error)
        assert (response.status, response.retry_after) == (429, 7)
        assert (response.message, response.type, response.code) == ("slow down", "requests", "rate_limit_exceeded")
        assert (inside.message, inside.type, inside.code) == ("slow down", "requests", "rate_limit_exceeded")

    @pytest.mark.parametrize("name", ["openai", "responses"])
    def test_whole_kinds(self, name: str) -> None:
        """Both kinds translate, and list their models at the same place."""
        kind: BackendKind = KINDS[name]
        assert not kind.passes_through
        assert (kind.models_path, kind.places[1], kind.headers) == ("models", "/v1/", ())
