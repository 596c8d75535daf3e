"""Tests for `claude_bridge.core.chat_completions.dialects.gemini`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialects.gemini import (
    MAX_STATE_CHARACTERS,
    UNSIGNED,
    Gemini,
    SignatureCollector,
)
from claude_bridge.core.chat_completions.openai_types import ChatMessage, Delta, FunctionCall, ToolCall, ToolCallDelta
from claude_bridge.core.events import Usage
from tests.core.asking import assistant, result, use, user
from tests.core.chat_completions.dialects.translated import answers, carried, control, echoed, loop
from tests.core.upstream_errors.test_bodies import JSON

PRO = "gemini-3.1-pro-preview"


def call(extra: object) -> ToolCallDelta:
    """Make a call as it arrives."""
    return ToolCallDelta(id="c", extra_content=strict_json.Raw(strict_json.encode(extra)))


def kept(model: str, state: object) -> dict[str, object]:
    """Build the block in which a client keeps state."""
    return {"type": "redacted_thinking", "data": carried(Gemini(), model, state)}


def signatures(*messages: object, model: str = PRO) -> list[list[object]]:
    """Return what each call goes back with, answer by answer."""
    found = answers(Gemini(), model, *messages)
    return [[each.get("extra_content") for each in answer.get("tool_calls", ())] for answer in found]


class KeeperTests:
    """Signatures of calls."""

    @pytest.mark.parametrize(
        ("extra", "state"),
        [
            ({"google": {"thought_signature": "S=="}}, {"signature": "S=="}),
            ({"vertex": {"thought_signature": "S=="}}, {"signature": "S==", "maker": "vertex"}),
            ({"google": {"thought_signature": ""}}, None),
            ({"google": {"thought_signature": 7}}, None),
            ({"google": "S=="}, None),
            ({"google": {"thought": True}}, None),
            ("S==", None),
            (None, None),
            ({"google": {"thought_signature": "S" * MAX_STATE_CHARACTERS}}, None),
        ],
    )
    def test_before_call(self, extra: object, state: object) -> None:
        """A call's signature stands in front of it; anything else that is there is nothing."""
        assert SignatureCollector().before_call(call(extra)) == state

    def test_nothing_else(self) -> None:
        """There is nothing to collect beside calls."""
        state_collector = Gemini().state_collector()
        state_collector.delta(Delta(content="x"))
        assert state_collector.flush() is None
        assert state_collector.before_call(ToolCallDelta(id="c")) is None


class RestoreTests:
    """Signatures that go back."""

    @pytest.mark.parametrize(
        ("state", "extra"),
        [
            ({"signature": "S=="}, {"google": {"thought_signature": "S=="}}),
            ({"signature": "S==", "maker": "vertex"}, {"vertex": {"thought_signature": "S=="}}),
        ],
    )
    def test_through_the_client(self, state: object, extra: object) -> None:
        """What the client kept is put on the call that follows it, and only there (ai.google.dev, signatures)."""
        messages = [
            user("hi"),
            assistant(kept(PRO, state), use("toolu_1"), use("toolu_2")),
            user(result("toolu_1"), result("toolu_2")),
        ]
        assert signatures(*messages) == [[extra, None]]

    def test_second_call(self) -> None:
        """Calls one after the other have each their own."""
        messages = [
            user("hi"),
            assistant(kept(PRO, {"signature": "A"}), use("toolu_1"), kept(PRO, {"signature": "B"}), use("toolu_2")),
            user(result("toolu_1"), result("toolu_2")),
        ]
        found = [[extra["google"]["thought_signature"] for extra in each] for each in signatures(*messages)]  # type: ignore[index]
        assert found == [["A", "B"]]

    def test_from_elsewhere(self) -> None:
        """A conversation that began with another model goes on: Google's word for it stands on each first call."""
        skip = {"google": {"thought_signature": UNSIGNED}}
        assert signatures(*loop()) == [[skip], [], [skip]]

    def test_of_another_model(self) -> None:
        """A signature of another model is refused, so it does not go there."""
        messages = [
            user("hi"),
            assistant(kept("gemini-3-flash", {"signature": "S"}), use("toolu_1")),
            user(result("toolu_1")),
        ]
        assert signatures(*messages) == [[{"google": {"thought_signature": UNSIGNED}}]]

    @given(state=JSON)
    def test_any_state(self, state: object) -> None:
        """State is the client's word: whatever it is, the message stays one."""
        message = ChatMessage("assistant", None, tool_calls=[ToolCall("c", FunctionCall("f", "{}"))])
        Gemini().restore(message, [(0, state), (5, state)])
        assert message.tool_calls is not None
        assert len(message.tool_calls) == 1

    def test_no_calls(self) -> None:
        """A message without calls stays as it is."""
        message = ChatMessage("assistant", "hi")
        Gemini().restore(message, [(0, {"signature": "S"})])
        assert message == ChatMessage("assistant", "hi")


class RequestTests:
    """The request's fields."""

    @pytest.mark.parametrize(
        ("model", "level", "effort"),
        [
            ("gemini-3.8-flash", "none", "minimal"),
            (PRO, "none", "low"),
            (PRO, "medium", "medium"),
            ("gemini-3-pro-preview", "medium", "high"),
            ("gemini-2.5-flash", "none", "none"),
            ("gemini-2.5-pro", "none", "low"),
            ("google/gemini-3.5-flash", "max", "high"),
            ("gemma-3-27b-it", "high", None),
            (PRO, "nothing", None),
        ],
    )
    def test_effort(self, model: str, level: str, effort: str | None) -> None:
        """Each family has its levels (ai.google.dev, OpenAI compatibility; models.dev)."""
        assert control(Gemini(), model, level).get("reasoning_effort") == effort

    def test_no_echo(self) -> None:
        """Thinking has no field on this path."""
        assert echoed(Gemini(), PRO) == [None, None, None]


class UsageTests:
    """Counts."""

    @pytest.mark.parametrize(
        ("raw", "division"),
        [
            ({"prompt_tokens": 11, "completion_tokens": 9, "total_tokens": 170}, (11, 159, 0, 0, 150)),
            ({"prompt_tokens": 11, "completion_tokens": 9, "total_tokens": 20}, (11, 9, 0, 0, None)),
            ({"prompt_tokens": 11, "completion_tokens": 9}, (11, 9, 0, 0, None)),
        ],
    )
    def test_thoughts(self, raw: dict[str, Any], division: tuple[Any, ...]) -> None:
        """Thoughts are only in the total, and output all the same."""
        assert Gemini().usage(raw) == Usage(*division)


class RecognisedTests:
    """How it is known."""

    @pytest.mark.parametrize(
        "host",
        ["us-central1-aiplatform.googleapis.com", "aiplatform.googleapis.com", "generativelanguage.googleapis.com"],
    )
    def test_hosts(self, host: str) -> None:
        """Vertex AI has a host for each region."""
        assert Gemini().recognised(Clues(host=host)) == f"host {host}"

    def test_others(self) -> None:
        """Google's other services are others."""
        assert Gemini().recognised(Clues(host="storage.googleapis.com")) == ""
