"""Tests for `claude_bridge.core.messages_api.routing_facts`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.request_info import request_info
from claude_bridge.core.messages_api.routing_facts import RoutingFacts

RECORDED = Path(__file__).parents[2] / "fixtures" / "claude_code"
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}


def facts(headers: dict[str, str] | None = None, **fields: Any) -> RoutingFacts:
    """Return the facts of a request."""
    body = {"model": "claude-opus-5-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]} | fields
    return facts_of(body, headers or {})


def facts_of(body: dict[str, Any], headers: dict[str, str]) -> RoutingFacts:
    """Return the facts of a request with this body."""
    text = json.dumps(body).encode()
    request = parsing.decode(text)
    return RoutingFacts(
        request, request_info(request, {name.lower(): value for name, value in headers.items()}, len(text))
    )


class RecordedTests:
    """Requests of the real client."""

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("01-first-turn", {"effort": "medium"}),
            ("04-subagent", {"effort": "medium", "subagent": True}),
            ("06-image-tool-result", {"effort": "medium", "image": True}),
            ("09-web-search-server-tool", {"effort": "medium", "web_search": True}),
            ("11-custom-model", {"effort": "high"}),
            (
                "12-older-model-budget-thinking",
                {"effort": "xhigh", "thinking_budget": 31999, "background": "tier haiku"},
            ),
            (
                "16-title-json-schema",
                {"effort": "medium", "background": "a single message of Claude Code, without tools"},
            ),
            ("17-auto-mode-safeguards", {"effort": "medium", "permission_mode": "auto"}),
            ("22-auto-mode-local-classifier", {"effort": "none"}),
        ],
    )
    def test_facts(self, name: str, expected: dict[str, Any]) -> None:
        """Each shows what kind it is, and nothing that it is not."""
        recorded = json.loads((RECORDED / f"{name}.json").read_text())
        seen = facts_of(recorded["body"], recorded["headers"])
        nothing = {
            "background": "",
            "effort": None,
            "thinking_budget": None,
            "web_search": False,
            "image": False,
            "subagent": False,
            "permission_mode": "",
        }
        assert {key: getattr(seen, key) for key in nothing} == nothing | expected
        assert seen.tokens > 0


class FactsTests:
    """What other requests show."""

    def test_unreadable(self) -> None:
        """A request that cannot be read may still be passed on: it has its size, and nothing that is in it."""
        seen = facts(messages=[{"role": "user", "content": [{"no": "type"}, {"text": "x" * 4000}]}])
        assert 500 < seen.tokens < 3000
        assert (seen.effort, seen.thinking_budget, seen.image) == (None, None, False)

    @pytest.mark.parametrize(
        ("headers", "fields", "expected"),
        [
            ({"x-claude-code-request-class": "auxiliary"}, {}, "the client calls it auxiliary"),
            ({"x-claude-code-request-class": "main", "x-claude-code-session-id": "s"}, {}, ""),
            ({"x-claude-code-session-id": "s"}, {}, "a single message of Claude Code, without tools"),
            ({}, {}, ""),
            ({}, {"model": "claude-3-5-haiku-latest[1m]"}, "tier haiku"),
            ({"x-claude-code-request-class": "main"}, {"model": "haiku@claude-bridge"}, "tier haiku"),
            ({"x-claude-code-session-id": "s"}, {"stop_sequences": ["</severity>"]}, ""),
            ({"x-claude-code-session-id": "s"}, {"thinking": {"type": "adaptive"}}, ""),
            ({"x-claude-code-session-id": "s"}, {"tools": [{"name": "Bash", "input_schema": {}}]}, ""),
        ],
    )
    def test_background(self, headers: dict[str, str], fields: dict[str, Any], expected: str) -> None:
        """A side job is what the client calls so, has the shape of one, or asks for the smallest models."""
        assert facts(headers, **fields).background == expected

    @pytest.mark.parametrize(
        ("safeguards", "mode"),
        [
            ([{"type": "x", "classifier_context": {"permission_mode": "plan"}}], "plan"),
            ([{}, {"classifier_context": 5}, "x", {"classifier_context": {"permission_mode": 5}}], ""),
            ({"classifier_context": {}}, ""),
            ([{"classifier_context": {"permission_mode": "plan"}}, *[[]] * 100_000], ""),
            (None, ""),
        ],
        ids=["plan", "none of them", "no list", "too many", "null"],
    )
    def test_permission_mode(self, safeguards: Any, mode: str) -> None:
        """It is read where the client writes it, whatever else stands there, unless that is very long."""
        assert facts(safeguards=safeguards).permission_mode == mode

    def test_image_of_the_user(self) -> None:
        """An image anywhere in the conversation counts: the model gets all of it."""
        assert facts(messages=[{"role": "user", "content": [IMAGE]}]).image
        assert not facts().image

    def test_length(self) -> None:
        """A long prompt has many tokens."""
        assert facts(system="word " * 10_000).tokens > 8000 > facts().tokens
