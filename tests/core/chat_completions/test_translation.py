"""Tests for `claude_bridge.core.chat_completions.translation`.

Every field of a request, what is refused, and what holds for any request.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.traits import ReasoningEcho
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.parsing import UNSUPPORTED
from claude_bridge.core.turns import SystemMessages
from claude_bridge.testing.requests import problems
from tests.contract.chat_completion import check, spoken
from tests.core.asking import (
    TARGET,
    asked,
    assistant,
    body,
    chat,
    result,
    system,
    text,
    told,
    tool,
    translate,
    use,
    user,
)
from tests.core.conversations import CONVERSATIONS, MALFORMED, TOOLS, spoken_words

PLAIN = {"model", "stream", "stream_options", "max_tokens", "messages"}
POLICIES: st.SearchStrategy[SystemMessages] = st.sampled_from(["fold", "inline"])
"""Where system messages stay, so that what was sent before stays the same."""
TAKING: st.SearchStrategy[SystemMessages] = st.sampled_from(["fold", "inline", "leading"])
LAST = st.sampled_from([user("go on"), system("go on"), user(result("a"), text("go on"))])
"""Ends to which the assistant answers."""
ECHOES = st.sampled_from(get_args(ReasoningEcho))


def added(**fields: Any) -> dict[str, Any]:
    """Return what the backend gets beyond the plain request for these fields."""
    return {key: value for key, value in chat(user("hi"), **fields).items() if key not in PLAIN}


class FieldTests:
    """Each field of a request."""

    def test_plain(self) -> None:
        """The backend gets its own model name and is always asked to stream, with usage."""
        for stream in (True, False, None):
            assert chat(user("hi"), stream=stream) == {
                "model": "backend-model",
                "stream": True,
                "stream_options": {"include_usage": True},
                "max_tokens": 32000,
                "messages": [{"role": "user", "content": "hi"}],
            }

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (["a"], ["a"]),
            (["a", "b", "c", "d", "e"], ["a", "b", "c", "d"]),
            (["", "a"], ["a"]),
            ([""], None),
            ([], None),
            (None, None),
        ],
    )
    def test_stop_sequences(self, given: object, expected: object) -> None:
        """The first four stop sequences are passed on: servers take no more."""
        assert added(stop_sequences=given).get("stop") == expected

    def test_sampling(self) -> None:
        """Temperature and top_p are passed on; top_k, which chat completions have not, is dropped."""
        assert added(temperature=1, top_p=0.5, top_k=40) == {"temperature": 1.0, "top_p": 0.5}
        assert added(temperature=None, top_p=None) == {}

    @pytest.mark.parametrize(
        "fields",
        [
            {"metadata": {"user_id": "x", "more": 1}},
            {"metadata": {"user_id": None}},
            {"service_tier": "standard_only"},
            {"speed": "fast"},
            {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"context_management": {"edits": []}},
            {"inference_geo": "eu", "container": "c", "diagnostics": {}, "user_profile_id": "u", "tags": {"a": "b"}},
            {"fallback_credit_token": "x", "billing_policy": {}},
            {"safeguards": [{"type": "dangerous_tool_use"}]},
            {"brand_new": {"of": ["any", "shape"]}},
            {"thinking": {"type": "adaptive", "display": "omitted"}},
            {"output_config": {"effort": "high", "task_budget": {"type": "tokens", "total": 5}}},
            *({name: json.loads(empty)} for name in UNSUPPORTED for empty in ("null", "{}", "[]")),
        ],
    )
    def test_dropped(self, fields: dict[str, Any]) -> None:
        """What has no counterpart is dropped, known to the bridge or not."""
        assert added(**fields) == {}

    @pytest.mark.parametrize(
        "fields",
        [
            {"compaction": {"type": "summarize"}},
            {"fallbacks": [{"model": "x"}]},
            {"mcp_servers": [{"name": "x"}]},
            {"thread": {"type": "continue"}},
        ],
    )
    def test_unsupported(self, fields: dict[str, Any]) -> None:
        """What would change the answer and cannot be done is refused by name; counting goes on."""
        (name,) = fields
        with pytest.raises(InvalidRequest) as refused:
            parsing.check_supported(parsing.decode(body(user("hi"), **fields)))
        assert str(refused.value) == f"{name}: Extra inputs are not permitted (this gateway cannot do that)"
        assert parsing.decode(body(user("hi"), **fields), counting=True).model

    @pytest.mark.parametrize("kind", ["create", "continue"])
    def test_thread(self, kind: str) -> None:
        """A thread is refused with the details on which the official tool runners go on without one."""
        with pytest.raises(InvalidRequest) as refused:
            parsing.check_supported(parsing.decode(body(user("hi"), thread={"type": kind})))

        assert refused.value.details == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}

    CLOSED = {  # noqa: RUF012 - never changed
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "object", "properties": {}, "additionalProperties": False}}
        },
        "required": ["a"],
        "additionalProperties": False,
    }

    @pytest.mark.parametrize(
        ("schema", "strict"),
        [
            (CLOSED, True),
            ({**CLOSED, "required": []}, None),
            ({**CLOSED, "required": None}, None),
            ({**CLOSED, "additionalProperties": True}, None),
            ({"type": "object", "properties": {"a": {"type": "object", "properties": {}}}, "required": ["a"],
              "additionalProperties": False}, None),
            ({"type": "object", "anyOf": [{"properties": {"a": {}}}]}, None),
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("old", [False, True])
    def test_schema(self, schema: dict[str, Any], strict: object, old: bool) -> None:
        """A wanted schema is passed on, strictly where OpenAI would take it so; in the older field too."""
        wanted = {"type": "json_schema", "schema": schema}
        fields = {"output_format": wanted} if old else {"output_config": {"format": wanted}}
        expected = {"name": "response", "schema": schema} | ({"strict": strict} if strict else {})
        assert added(**fields) == {"response_format": {"type": "json_schema", "json_schema": expected}}

    @pytest.mark.parametrize(
        ("wanted", "expected"),
        [
            (None, None),
            ({"type": "json_schema"}, {"type": "json_object"}),
            ({"type": "json_schema", "schema": None}, {"type": "json_object"}),
            ({"type": "json_object"}, {"type": "json_object"}),
            ({"type": "text"}, None),
            ({"type": "novel"}, None),
        ],
    )
    def test_other_formats(self, wanted: object, expected: object) -> None:
        """Without a schema JSON is asked for; any other format is none."""
        assert added(output_config={"format": wanted}).get("response_format") == expected

    def test_large_schema(self) -> None:
        """A schema too large to be looked into is passed on without a promise."""
        large = {**self.CLOSED, "description": "x" * 70_000}
        sent = added(output_config={"format": {"type": "json_schema", "schema": large}})
        assert sent["response_format"]["json_schema"] == {"name": "response", "schema": large}

    def test_tools(self) -> None:
        """Tools go along with what is said about them."""
        choice = {"type": "any", "disable_parallel_tool_use": True}
        assert added(tools=[tool("a")], tool_choice=choice) == {
            "tool_choice": "required",
            "parallel_tool_calls": False,
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "a",
                        "description": "Does a.",
                        "parameters": {"type": "object", "properties": {}},
                    },
                }
            ],
        }

    def test_newer_format_first(self) -> None:
        """Where both fields speak the newer one counts."""
        both = added(
            output_format={"type": "json_schema", "schema": self.CLOSED},
            output_config={"format": {"type": "json_object"}},
        )
        assert both == {"response_format": {"type": "json_object"}}


class TranslationTests:
    """What else is told of a translation."""

    def test_told(self) -> None:
        """Whoever sends it learns the limit, whether tools went along, and whether thinking went back."""
        plain = translate(asked(user("hi")), TARGET)
        assert (plain.max_tokens, plain.with_tools, plain.echoed, plain.tool_names) == (32000, False, False, {})
        thought = assistant({"type": "thinking", "thinking": "t"}, use("a"))
        full = translate(asked(user("hi"), thought, user(result("a")), tools=[tool()]), TARGET)
        assert (full.with_tools, full.echoed) == (True, True)

    @pytest.mark.parametrize("echo", ["never", "tool_turns", "all_turns", "after_last_user"])
    def test_configured_echo(self, echo: ReasoningEcho) -> None:
        """Reasoning that goes back because the owner says so is not for us to give up."""
        thought = assistant({"type": "thinking", "thinking": "t"}, use("a"))
        target = Target(model="m", reasoning_echo=echo)
        assert not translate(asked(user("hi"), thought, user(result("a"))), target).echoed

    def test_override(self) -> None:
        """The one retry after an overflow asks for what is left."""
        assert translate(asked(user("hi")), TARGET, max_tokens=77).max_tokens == 77
        assert json.loads(translate(asked(user("hi")), TARGET, max_tokens=77).body)["max_tokens"] == 77

    def test_no_limit(self) -> None:
        """Where a count request is translated there is no limit."""
        counting = parsing.decode(b'{"model":"m","messages":[{"role":"user","content":"x"}]}', counting=True)
        assert "max_tokens" not in json.loads(translate(counting, TARGET).body)

    def test_twice(self) -> None:
        """A request can be translated for one backend after another."""
        decoded = asked(user("hi"), assistant(use("a", "s.f")), user(result("a")), tools=[tool("s.f")])
        assert translate(decoded, TARGET).body == translate(decoded, TARGET).body


def prefix(messages: list[Any], target: Target) -> bytes:
    """Return a translated request without the end of its list of messages."""
    whole = translate(asked(*messages, system="s", tools=TOOLS), target).body
    assert whole.endswith(b"]}")
    return whole[:-2]


class AnyConversationTests:
    """What holds for any conversation."""

    @given(CONVERSATIONS, TAKING, ECHOES)
    def test_valid_and_complete(self, messages: list[Any], policy: SystemMessages, echo: ReasoningEcho) -> None:
        """It becomes a valid request in which all calls are answered in order and nothing that was said is missing."""
        target = Target(model="m", system_messages=policy, reasoning_echo=echo)
        sent = chat(*messages, system="said first", tools=TOOLS, target=target)
        check(sent)
        arrived = spoken(sent["messages"])
        assert [word for word in spoken_words(messages) if word not in arrived] == []

    @given(CONVERSATIONS, LAST, POLICIES, ECHOES)
    def test_prefix(self, messages: list[Any], last: Any, policy: SystemMessages, echo: ReasoningEcho) -> None:
        """When the assistant goes on with a call and its result comes, the bytes before that stay the same."""
        target = Target(model="m", system_messages=policy, reasoning_echo=echo)
        messages = [*messages, last]
        after = [*messages, assistant(text("so"), use("next")), user(result("next"))]
        assert prefix(after, target).startswith(prefix(messages, target))

    @given(CONVERSATIONS, LAST, POLICIES, st.sampled_from(["never", "tool_turns", "all_turns"]))
    def test_prefix_of_a_question(
        self, messages: list[Any], last: Any, policy: SystemMessages, echo: ReasoningEcho
    ) -> None:
        """When the user asks again they stay the same too, unless the policy drops thinking then."""
        target = Target(model="m", system_messages=policy, reasoning_echo=echo)
        messages = [*messages, last]
        after = [*messages, assistant(text("so")), user("and then?")]
        assert prefix(after, target).startswith(prefix(messages, target))

    @given(st.lists(MALFORMED, max_size=4), st.sampled_from(["user", "assistant", "system"]))
    def test_malformed(self, blocks: list[Any], role: str) -> None:
        """Blocks of any shape are refused by their path or become a valid request; nothing else happens."""
        messages = [user("a"), assistant(use("a")), {"role": role, "content": blocks}]
        try:
            sent = json.loads(translate(asked(*messages, tools=TOOLS), TARGET).body)
        except InvalidRequest as error:
            found: tuple[str, ...] = (str(error),)
        else:
            found = problems(sent)
        assert [one for one in found if not one.startswith("messages.2.content.") and "image_url" not in one] == []

    @given(st.binary(max_size=40))
    def test_any_bytes(self, raw: bytes) -> None:
        """Any bytes are refused in words."""
        with pytest.raises(InvalidRequest):
            parsing.decode(raw)

    def test_told_helper_checks(self) -> None:
        """The check that all these tests rest on does refuse what is wrong."""
        sent = chat(user("a"), assistant(use("t")), user(result("t")))
        del sent["messages"][-1]
        with pytest.raises(AssertionError):
            check(sent)
        assert told(user("a")) == [{"role": "user", "content": "a"}]
