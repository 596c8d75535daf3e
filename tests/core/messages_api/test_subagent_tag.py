"""Tests for `claude_bridge.core.messages_api.subagent_tag`."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.anthropic_types import MessagesRequest
from claude_bridge.core.messages_api.to_conversation import conversation_of

TAG = "<CCR-SUBAGENT-MODEL>box,org/m</CCR-SUBAGENT-MODEL>"


def decoded(**fields: Any) -> MessagesRequest:
    """Decode a request."""
    body = {"model": "claude-opus-5-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]} | fields
    return parsing.decode(json.dumps(body).encode())


def blocks(*texts: str) -> list[dict[str, Any]]:
    """Make text blocks, the last one marked for a cache."""
    made: list[dict[str, Any]] = [{"type": "text", "text": text} for text in texts]
    made[-1]["cache_control"] = {"type": "ephemeral"}
    return made


class TagTests:
    """Where the tag counts, and what is left of it."""

    @pytest.mark.parametrize(
        "fields",
        [
            {"system": f"{TAG}You are an agent."},
            {"system": blocks("You are", f" {TAG} an agent.")},
            {"messages": [{"role": "user", "content": f"{TAG}\nFind it."}]},
            {"messages": [{"role": "user", "content": blocks("<system-reminder>", f"{TAG}Find it.")}]},
        ],
    )
    def test_counts(self, fields: dict[str, Any]) -> None:
        """In the system prompt and in the first message it names the model, and no backend sees it."""
        request = decoded(**fields)
        assert request.model == "box,org/m"
        assert "CCR" not in repr(conversation_of(request))
        assert conversation_of(request).caches_prefix == ("cache_control" in json.dumps(fields))

    @pytest.mark.parametrize(
        "messages",
        [
            [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": "yes"},
                {"role": "user", "content": TAG},
            ],
            [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": TAG}]}],
            [{"role": "user", "content": "<CCR-SUBAGENT-MODEL></CCR-SUBAGENT-MODEL>"}],
            [{"role": "user", "content": "<CCR-SUBAGENT-MODEL>box,m"}],
            [{"role": "user", "content": f"<CCR-SUBAGENT-MODEL>{'m' * 300}</CCR-SUBAGENT-MODEL>"}],
            [{"role": "assistant", "content": TAG}, {"role": "user", "content": "hi"}],
        ],
    )
    def test_ordinary_text(self, messages: list[dict[str, Any]]) -> None:
        """Anywhere else, and without a name in it, it is what somebody wrote."""
        request = decoded(messages=messages)
        assert request.model == "claude-opus-5-5"
        assert "CCR-SUBAGENT-MODEL" in repr(conversation_of(request))

    def test_first_of_several(self) -> None:
        """Of several the first counts, the system prompt before the messages, and all are cut out."""
        other = TAG.replace("org/m", "n")
        request = decoded(system=TAG, messages=[{"role": "user", "content": f"{other} do it {other}"}])
        assert request.model == "box,org/m"
        assert request.messages[0].content == " do it "

    @pytest.mark.parametrize("text", [" " * 100_000, "m" * 100_000, f"m{' ' * 100_000}", TAG[:20] * 50_000])
    def test_unfinished(self, text: str) -> None:
        """However long the text is that follows an unfinished tag, it is looked at in no time."""
        began = time.process_time()
        request = decoded(messages=[{"role": "user", "content": f"<CCR-SUBAGENT-MODEL>{text}"}])
        assert time.process_time() - began < 1
        assert request.model == "claude-opus-5-5"

    @pytest.mark.parametrize("blanks", ["", " ", "\n  \t"])
    def test_blanks(self, blanks: str) -> None:
        """Blanks around the name are no part of it."""
        tag = f"<CCR-SUBAGENT-MODEL>{blanks}box, org/m{blanks}</CCR-SUBAGENT-MODEL>"
        assert decoded(system=tag).model == "box, org/m"

    def test_malformed_block(self) -> None:
        """A block that is malformed anyway is told by its own error."""
        request = decoded(messages=[{"role": "user", "content": [{"type": "text", "text": 5, "x": TAG}]}])
        assert request.model == "claude-opus-5-5"
