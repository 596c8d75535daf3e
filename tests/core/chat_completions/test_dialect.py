"""Tests for `claude_bridge.core.chat_completions.dialect`."""

from __future__ import annotations

import pytest

from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialect import Generic, Shaping, Target
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.chat_completions.openai_types import ChatRequest, Delta
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.events import Usage

SHAPING = Shaping(model="m", traits=Traits())


def details(*values: object) -> list[strict_json.Raw]:
    """Write reasoning details as they arrive."""
    return [strict_json.Raw(strict_json.encode(value)) for value in values]


class GenericTests:
    """A plain OpenAI-compatible server."""

    @pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "reasoning_text", "thinking"])
    def test_reasoning_under_any_name(self, key: str) -> None:
        """Reasoning is found under each name that servers use."""
        delta = Delta()
        setattr(delta, key, "hm")
        assert Generic().reasoning(delta) == "hm"

    def test_reasoning_twice(self) -> None:
        """A server that sends the same reasoning under two names is heard once."""
        both = Delta(reasoning="hm", reasoning_content="hm", reasoning_details=details({"text": "hm"}))
        assert Generic().reasoning(both) == "hm"

    def test_details(self) -> None:
        """Reasoning details are read where they can be: text or summary, not what is encrypted."""
        parts = details({"text": "a"}, {"summary": "b"}, {"data": "secret"}, {"text": 7}, "odd")
        assert Generic().reasoning(Delta(reasoning_details=parts)) == "ab"

    def test_none(self) -> None:
        """No reasoning is the empty string."""
        assert Generic().reasoning(Delta(content="x")) == ""

    def test_shape(self) -> None:
        """Usage is asked for at the end of a stream, and only there."""
        streamed, whole = ChatRequest(model="m", stream=True), ChatRequest(model="m")
        Generic().shape(streamed, {}, SHAPING)
        Generic().shape(whole, {}, SHAPING)
        assert streamed.stream_options is not None
        assert streamed.stream_options.include_usage
        assert whole.stream_options is None

    def test_usage(self) -> None:
        """Usage is divided as Anthropic does."""
        assert Generic().usage({"prompt_tokens": 3, "completion_tokens": 4}) == Usage(3, 4)

    def test_recognised(self) -> None:
        """The plain server is what is left when nothing is known: no clue leads to it."""
        assert Generic().recognised(Clues(host="api.openai.com", owners=("vllm",))) == ""

    def test_state(self) -> None:
        """It keeps nothing besides text."""
        assert Generic().state_collector() is None


class TargetTests:
    """What a model needs to be known as."""

    def test_defaults(self) -> None:
        """A model that only has a name is treated as a local one with an unknown chat template."""
        target = Target(model="m")
        assert target.dialect is DIALECTS["generic"]
        assert (target.context_window, target.max_output_tokens) == (None, None)
        assert (target.reasoning_control, target.reasoning_echo) == ("none", "current_turn")
        assert target.system_messages == "fold"
        assert target.strip_attribution
