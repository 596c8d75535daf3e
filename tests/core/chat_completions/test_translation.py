"""Tests for `claude_bridge.core.chat_completions.translation`.

Every field of a request, what is refused, and what holds for any request.
"""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions.target import Target
from claude_bridge.core.chat_completions.traits import ReasoningEcho
from claude_bridge.core.chat_completions.translation import clamped, margin
from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.events import Finished, FinishReason, Started, TextDelta, Usage
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.parsing import UNSUPPORTED, local_answer
from claude_bridge.core.turns import SystemMessages
from claude_bridge.testing.requests import problems
from tests.contract.chat_completion import check, spoken
from tests.core.asking import (
    TARGET,
    asked,
    assistant,
    body,
    chat,
    refusal,
    refusal_of,
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
        assert refusal(user("hi"), **fields) == f"{name}: Extra inputs are not permitted (this gateway cannot do that)"
        assert parsing.decode(body(user("hi"), **fields), counting=True).model

    @pytest.mark.parametrize("kind", ["create", "continue"])
    def test_thread(self, kind: str) -> None:
        """A thread is refused with the details on which the official tool runners go on without one."""
        with pytest.raises(InvalidRequest) as refused:
            parsing.decode(body(user("hi"), thread={"type": kind}))

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


class ClampTests:
    """How many tokens are asked for."""

    @pytest.mark.parametrize(
        ("wanted", "window", "most", "estimate", "expected"),
        [
            (32000, None, None, 10**9, 32000),
            (32000, None, 8192, 0, 8192),
            (64, 1000, 8192, 10**6, 64),
            (32000, 131072, None, 50000, 32000),
            (32000, 32768, None, 10000, 21504),
            (32000, 32768, None, 10500, 21504),
            (32000, 32768, 4096, 10000, 4096),
            (32000, 8192, None, 8000, 1024),
            (32000, 8192, None, 99999, 1024),
        ],
    )
    def test_clamped(self, wanted: int, window: int | None, most: int | None, estimate: int, expected: int) -> None:
        """Never more than the model gives or its window leaves, never so little that the answer is of no use."""
        target = Target(model="m", context_window=window, max_output_tokens=most)
        assert clamped(wanted, target, estimate) == expected

    def test_margin(self) -> None:
        """A part of each window stays free."""
        assert (margin(8192), margin(131072)) == (256, 2621)


class LocalAnswerTests:
    """Requests that no backend need see."""

    def test_warming(self) -> None:
        """A request for no tokens, which only warms a cache, is answered with nothing."""
        assert local_answer(asked(user("hi"), max_tokens=0)) == [
            Started(""),
            Finished(FinishReason.LENGTH, usage=Usage()),
        ]

    def test_web_search(self) -> None:
        """Claude Code's WebSearch is told that there is none."""
        search = [{"type": "web_search_20250305", "name": "web_search"}]
        assert local_answer(asked(user("hi"), tools=search)) == [
            Started(""),
            TextDelta("Web search is not available through this gateway."),
            Finished(FinishReason.STOPPED, usage=Usage()),
        ]

    def test_others(self) -> None:
        """Everything else goes to a backend."""
        search = {"type": "web_search_20250305", "name": "web_search"}
        assert local_answer(asked(user("hi"))) is None
        assert local_answer(asked(user("hi"), tools=[tool()])) is None
        assert local_answer(asked(user("hi"), tools=[search, tool()])) is None
        loaded = user({"type": "tool_reference", "tool_name": "Read"})
        assert local_answer(asked(loaded, tools=[search, tool(defer_loading=True)])) is None
        assert local_answer(asked(user("hi"), tools=[search, tool(defer_loading=True)])) is not None

    def test_malformed(self) -> None:
        """Where the conversation must be looked at, a malformed one is refused."""
        search = {"type": "web_search_20250305", "name": "web_search"}
        with pytest.raises(InvalidRequest, match=r"^messages\.0\.content\.0\.text: "):
            local_answer(asked(user({"type": "text"}), tools=[search, tool(defer_loading=True)]))


class RefusalTests:
    """What is refused, in the API's words."""

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"model": ""}, "model: String should have at least 1 character"),
            ({"model": "m" * 257}, "model: String should have at most 256 characters"),
            ({"model": None}, "model: "),
            ({"model": 5}, "model: "),
            ({"max_tokens": None}, "max_tokens: Field required"),
            ({"max_tokens": -1}, "max_tokens: Input should be greater than or equal to 0"),
            ({"max_tokens": "5"}, "max_tokens: "),
            ({"max_tokens": True}, "max_tokens: "),
            ({"messages": []}, "messages: at least one message is required"),
            ({"messages": None}, "messages: "),
            ({"messages": {}}, "messages: "),
            ({"stream": "yes"}, "stream: "),
            ({"tools": {}}, "tools: "),
            ({"tool_choice": "auto"}, "tool_choice: "),
            ({"tool_choice": {}}, "tool_choice.type: Field required"),
            ({"stop_sequences": [5]}, "stop_sequences.0: "),
            ({"thinking": {}}, "thinking.type: Field required"),
            ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens: "),
            ({"output_config": {"effort": 5}}, "output_config.effort: "),
            ({"output_config": {"format": {}}}, "output_config.format.type: Field required"),
            ({"output_config": {"format": {"type": "json_schema", "schema": 5}}}, "output_config.format.schema: "),
            ({"output_format": {"type": "json_schema", "schema": [1]}}, "output_format.schema: "),
            ({"metadata": {"user_id": 5}}, "metadata.user_id: "),
            ({"temperature": "hot"}, "temperature: "),
        ],
    )
    def test_fields(self, change: dict[str, Any], expected: str) -> None:
        """A field of the wrong type, missing or out of range is named."""
        whole = {**json.loads(body(user("hi"))), **change}
        assert refusal_of(json.dumps(whole).encode()).startswith(expected)

    def test_tools(self) -> None:
        """A tool without a name, or with parameters that are no object, is named by its place."""
        assert refusal(user("hi"), tools=[{"input_schema": {}}]) == "tools.0.name: Field required"
        assert refusal(user("hi"), tools=[tool(), tool("b", input_schema=[])]).startswith("tools.1.input_schema: ")

    def test_nothing_said(self) -> None:
        """A conversation in which nobody says anything is refused."""
        assert refusal(assistant("")) == "messages: at least one message must have content"

    @pytest.mark.parametrize("name", ["model", "messages", "max_tokens"])
    def test_missing(self, name: str) -> None:
        """A missing field is named."""
        whole = json.loads(body(user("hi")))
        del whole[name]
        assert refusal_of(json.dumps(whole).encode()) == f"{name}: Field required"

    @pytest.mark.parametrize(
        ("block", "expected"),
        [
            ({"type": "text"}, "messages.3.content.1.text: Field required"),
            ({"type": "text", "text": None}, "messages.3.content.1.text: "),
            ({"type": "tool_use", "id": "a"}, "messages.3.content.1.name: Field required"),
            ({"type": "tool_result"}, "messages.3.content.1.tool_use_id: Field required"),
            ({"type": "tool_result", "tool_use_id": "a", "content": 5}, "messages.3.content.1.content: "),
            ({"type": "tool_reference"}, "messages.3.content.1.tool_name: Field required"),
            ({"type": "thinking"}, "messages.3.content.1.thinking: Field required"),
            ({"type": "image"}, "messages.3.content.1.source: Field required"),
            ({"type": "image", "source": {"type": 5}}, "messages.3.content.1.source.type: "),
        ],
    )
    def test_blocks(self, block: dict[str, Any], expected: str) -> None:
        """A malformed block of a known type is named by its path."""
        given = [user("a"), assistant("b"), user("c"), user(text("d"), block)]
        assert refusal(*given).startswith(expected)

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"{",
            b"hello",
            b"[]",
            b"null",
            b"5",
            b'"x"',
            b"\xef\xbb\xbf{}",
            b"[" * 100_000,
            b"[" * 100_000 + b"]" * 100_000,
            body(user("@")).replace(b'"@"', b"[" * 100_000 + b"]" * 100_000),
            body(user({"type": "novel", "x": "@"})).replace(b'"@"', b"[" * 100_000 + b"]" * 100_000),
            body(user(text("hi")), metadata={"x": "@"}).replace(b'"@"', b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
            body(user("hi"), temperature=0.5).replace(b"0.5", b"NaN"),
            body(user("hi"), tools=[tool(x=0.5)]).replace(b"0.5", b"Infinity"),
            body(user("@")).replace(b"@", b"\xff"),
            body(user(use("a", x="@"))).replace(b"@", b"\xed\xa0\x80"),
            body(user("@")).replace(b"@", b"\n"),
            body(user("@")).replace(b"@", b"\\x"),
            body(user("hi")) + b"{}",
        ],
    )  # fmt: skip
    def test_no_json(self, raw: bytes) -> None:
        """What is no JSON object of sensible depth is refused, in one short sentence."""
        assert 0 < len(refusal_of(raw)) < 300

    def test_surrogates_are_mended(self) -> None:
        """A broken escape, which Claude Code really sends, costs one character and not the conversation."""
        broken = body(user(text("a@b")), assistant(use("t", x="a@b"))).replace(b"@", b"\\ud83d")
        first, call, _ = json.loads(translate(parsing.decode(broken), TARGET).body)["messages"]
        assert first["content"] == "a\ufffdb"
        assert json.loads(call["tool_calls"][0]["function"]["arguments"]) == {"x": "a\ufffdb"}

    def test_good_pairs_stay(self) -> None:
        """A proper pair, and an escaped backslash before such letters, are no broken escapes."""
        fine = body(user("1@2%3")).replace(b"@", b"\\ud83d\\ude00").replace(b"%", b"\\\\ud83d")
        assert told_of(fine) == "1\U0001f6002\\ud83d3"
        both = (
            body(user("1@2%3&")).replace(b"@", b"\\ud83d\\ude00").replace(b"%", b"\\\\ud83d").replace(b"&", b"\\udc00")
        )
        assert told_of(both) == "1\U0001f6002\\ud83d3\ufffd"

    def test_surrogates_in_large_bodies(self) -> None:
        """However large a conversation has become, half a character does not end it; what else is wrong is told."""
        large = body(user("x" * (5 << 20) + "@")).replace(b"@", b"\\ud83d")
        assert told_of(large)[-2:] == "x\ufffd"
        assert "max_tokens" in refusal_of(large.replace(b"32000", b'"x"'))
        assert "not valid JSON" in refusal_of(large[:-1])


class DecodingTests:
    """A body that is decoded in steps."""

    @pytest.mark.parametrize("said", ["hi", "\\ud800"])
    def test_lets_go(self, said: str) -> None:
        """Once decoded, neither the body nor its mended copy is held: a count may be awaited for seconds."""
        decoding = request.Decoding(body(user("@")).replace(b"@", said.encode()))
        while not decoding.step():
            pass
        assert (decoding._body, decoding._mending) == (b"", None)
        assert decoding.request.model


def told_of(raw: bytes) -> Any:
    """Return the content of the only message of a translated body."""
    (message,) = json.loads(translate(parsing.decode(raw), TARGET).body)["messages"]
    return message["content"]


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
