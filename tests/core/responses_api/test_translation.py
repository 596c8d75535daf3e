"""Tests for `claude_bridge.core.responses_api.translation`."""

from __future__ import annotations

import json

from attrs import evolve

from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.responses_api.translation import translate
from tests.core.asking import asked, assistant, result, tool, use, user
from tests.core.responses_api.asking import TARGET

CONVERSATION = conversation_of(asked(user("hi"), max_tokens=32_000, system="rules"))


class LimitTests:
    """The limit of the answer."""

    def test_window(self) -> None:
        """What the window leaves, or what the model gives, is asked for."""
        small = evolve(TARGET, context_window=32_768)
        assert translate(CONVERSATION, small, estimate=10_000).max_tokens == 21_504
        assert translate(CONVERSATION, evolve(TARGET, max_output_tokens=4096)).max_tokens == 4096

    def test_override(self) -> None:
        """The one retry after an overflow asks for what is left."""
        sent = translate(CONVERSATION, TARGET, max_tokens=2000)
        assert sent.max_tokens == json.loads(sent.body)["max_output_tokens"] == 2000

    def test_not_sent(self) -> None:
        """A server that refuses the field is asked for none, and no answer counts as cut by it."""
        assert translate(CONVERSATION, evolve(TARGET, answer_limit=False)).max_tokens is None


class WholeTests:
    """A whole request."""

    def test_names_of_the_history(self) -> None:
        """Names of past calls are mapped as those of tools that are offered."""
        conversation = conversation_of(
            asked(user("a"), assistant(use("1", "x.y")), user(result("1")), tools=[tool("p.q")])
        )
        sent = translate(conversation, TARGET)
        assert sorted(sent.tool_names.values()) == ["p.q", "x.y"]
        assert sent.with_tools
        assert (sent.model, sent.context_window) == ("m", None)
