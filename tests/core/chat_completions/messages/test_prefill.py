"""Tests for `claude_bridge.core.chat_completions.messages.prefill`.

A conversation that ends with the beginning of the answer.
"""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.target import Target
from claude_bridge.core.chat_completions.traits import Prefill
from claude_bridge.core.errors import InvalidRequest
from tests.core.asking import assistant, result, sent, text, use, user

ENDING = [user("a"), assistant("The answer is")]


class MarkTests:
    """Each way in which servers want it."""

    @pytest.mark.parametrize(
        ("how", "marks", "fields"),
        [
            ("pass", {}, {}),
            ("prefix", {"prefix": True}, {}),
            ("partial", {"partial": True}, {}),
            ("continue", {}, {"continue_final_message": True, "add_generation_prompt": False}),
        ],
    )
    def test_marked(self, how: Prefill, marks: dict[str, bool], fields: dict[str, bool]) -> None:
        """The last message, or the request, says that the answer goes on with it; nothing else changes."""
        whole = sent(*ENDING, target=Target(model="m", prefill=how))
        plain = sent(*ENDING, target=Target(model="m"))
        assert whole["messages"] == [{"role": "user", "content": "a"}, {**plain["messages"][-1], **marks}]
        assert {key: value for key, value in whole.items() if key not in plain} == fields

    def test_refused(self) -> None:
        """A model that can only begin anew is not asked; the client hears Anthropic's own words."""
        with pytest.raises(InvalidRequest, match="The conversation must end with a user message") as caught:
            sent(*ENDING, target=Target(model="m", prefill="refuse"))
        assert str(caught.value).startswith("This model does not support assistant message prefill.")

    @pytest.mark.parametrize("how", ["prefix", "partial", "continue", "refuse"])
    @pytest.mark.parametrize(
        "ending",
        [
            [user("a")],
            [user("a"), assistant("b"), user("c")],
            [user("a"), assistant(use("t")), user(result("t"))],
            [user("a"), assistant(use("t"))],
            [user("a"), assistant(text(""))],
        ],
    )
    def test_others(self, how: Prefill, ending: list[dict[str, object]]) -> None:
        """Nothing happens where the model is to begin: after the user, after results, after an empty message."""
        assert sent(*ending, target=Target(model="m", prefill=how)) == sent(*ending, target=Target(model="m"))
