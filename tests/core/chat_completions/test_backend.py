"""Tests for `claude_bridge.core.chat_completions.backend`: chat completions as a kind of backend."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve

from claude_bridge.core.backend_api import AnswerLimits, Clues, NeutralRequest
from claude_bridge.core.chat_completions.backend import CHAT_COMPLETIONS, ChatTarget
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.to_conversation import conversation_of
from tests.core.asking import asked, tool, user

BODY = (
    b'{"model":"m","max_tokens":9,"stop_sequences":["END"],"messages":[{"role":"user","content":"hi"}],'
    b'"tools":[{"name":"a tool","input_schema":{"type":"object"}}]}'
)
LIMITS = AnswerLimits(max_event=2048, max_held_arguments=100, max_answer=1000)


def target(**more: Any) -> ChatTarget:
    """Make a target."""
    return ChatTarget(model="m", **more)


class PreparedTests:
    """One request, ready to be sent."""

    def test_request(self) -> None:
        """It is JSON for chat completions, and asks for a stream."""
        prepared = target().prepare(NeutralRequest(conversation_of(parsing.decode(BODY))))
        assert prepared.path == "chat/completions"
        assert dict(prepared.headers) == {"Content-Type": "application/json", "Accept": "text/event-stream"}
        assert json.loads(prepared.body)["stream"] is True
        assert prepared.with_tools

    def test_reader_knows_the_request(self) -> None:
        """Changed names come back as the client wrote them; limits are the given ones."""
        made = (
            target(context_window=4096)
            .prepare(NeutralRequest(conversation_of(parsing.decode(BODY))))
            .reader(LIMITS, bytes)
        )
        assert list(made.tool_names.values()) == ["a tool"]
        assert (made.stop_sequences, made.context_window, made.max_event) == (("END",), 4096, 2048)
        assert made.recoverable == {}

    def test_recovered_calls(self) -> None:
        """Calls are looked for in the text where the model writes them there, with the schemas that were sent."""
        prepared = target(recover_tool_calls=True).prepare(
            NeutralRequest(conversation_of(asked(user("hi"), tools=[tool("read")])))
        )
        assert list(prepared.reader(LIMITS, bytes).recoverable) == ["read"]

    def test_refused(self) -> None:
        """What the model cannot do is said before anything is sent."""
        with pytest.raises(InvalidRequest):
            target(prefill="refuse").prepare(
                NeutralRequest(conversation_of(asked(user("hi"), {"role": "assistant", "content": "So"})))
            )


class TargetTests:
    """A model that is asked for chat completions."""

    def test_documents(self) -> None:
        """Documents are text unless the model takes files."""
        assert (target().documents_as_text, target(pdf="file").documents_as_text) == (True, False)

    def test_preparation(self) -> None:
        """Schemas are made ready for the level that the server takes; none is work for one that takes all."""
        conversation = NeutralRequest(conversation_of(asked(user("hi"), tools=[tool("a")])))
        assert target().preparation(conversation) is None
        work = target(schema="basic").preparation(conversation)
        assert work is not None
        assert (work.level, work.step()) == ("basic", True)

    def test_adjusted(self) -> None:
        """Traits are replaced, an answer's limit is lowered, reasoning is left out where no policy is configured."""
        before = target(max_output_tokens=500)
        told = before.adjusted({"schema": "bare"}, refuses_reasoning=True, max_output_tokens=400)
        assert told == evolve(before, schema="bare", reasoning_echo="never", max_output_tokens=400)
        assert before.adjusted({}, refuses_reasoning=False, max_output_tokens=600) is before
        assert before.adjusted({"signatures": "checked"}, refuses_reasoning=False, max_output_tokens=None) is before
        configured = target(reasoning_echo="all_turns")
        assert configured.adjusted({}, refuses_reasoning=True, max_output_tokens=None) is configured

    def test_window(self) -> None:
        """Another window is another target."""
        assert target().with_window(9) == target(context_window=9)


class ChatCompletionsTests:
    """The kind itself."""

    def test_target(self) -> None:
        """A model has its server's traits, but for what is configured otherwise."""
        made = CHAT_COMPLETIONS.target(
            "ollama",
            "gemma",
            {"prefill": "refuse"},
            context_window=9,
            window_configured=True,
            max_output_tokens=8,
            strip_attribution=False,
        )
        assert (made.model, made.dialect.name, made.truncates, made.prefill) == ("gemma", "ollama", True, "refuse")
        assert (made.context_window, made.window_configured, made.max_output_tokens) == (9, True, 8)
        assert not made.strip_attribution

    def test_recognises(self) -> None:
        """A server is known by what it reveals; what nobody knows is nobody's."""
        decision = CHAT_COMPLETIONS.recognise(Clues(host="api.deepseek.com"))
        assert decision is not None
        assert decision.dialect is CHAT_COMPLETIONS.dialects["deepseek"]
        assert CHAT_COMPLETIONS.recognise(Clues()) is None

    def test_failures(self) -> None:
        """Refusals and errors inside answers are read into one value."""
        body = b'{"error": {"message": "slow down", "code": "x"}}'
        refusal = CHAT_COMPLETIONS.read_refusal(429, {"retry-after": "7"}, body, now=0.0)
        assert (refusal.status, refusal.message, refusal.retry_after) == (429, "slow down", 7.0)
        assert CHAT_COMPLETIONS.read_error({"error": {"message": "boom", "code": 503}}).status == 503

    def test_models(self) -> None:
        """A list of models is read."""
        models = CHAT_COMPLETIONS.read_models(b'{"data": [{"id": "a"}]}')
        assert models is not None
        assert [model.id for model in models] == ["a"]
