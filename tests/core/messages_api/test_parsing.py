"""Tests for `claude_bridge.core.messages_api.parsing`: what is refused, and what is answered here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core.errors import InvalidRequest
from claude_bridge.core.events import Finished, FinishReason, Started, TextDelta, Usage
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.parsing import local_answer
from tests.core.asking import (
    TARGET,
    asked,
    assistant,
    body,
    refusal,
    refusal_of,
    text,
    tool,
    translate,
    use,
    user,
)


def refusal_message(raw: bytes) -> Any:
    """Return the content of the only message of a translated body."""
    (message,) = json.loads(translate(parsing.decode(raw), TARGET).body)["messages"]
    return message["content"]


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
        assert refusal_message(fine) == "1\U0001f6002\\ud83d3"
        both = (
            body(user("1@2%3&")).replace(b"@", b"\\ud83d\\ude00").replace(b"%", b"\\\\ud83d").replace(b"&", b"\\udc00")
        )
        assert refusal_message(both) == "1\U0001f6002\\ud83d3\ufffd"

    def test_surrogates_in_large_bodies(self) -> None:
        """However large a conversation has become, half a character does not end it; what else is wrong is told."""
        large = body(user("x" * (5 << 20) + "@")).replace(b"@", b"\\ud83d")
        assert refusal_message(large)[-2:] == "x\ufffd"
        assert "max_tokens" in refusal_of(large.replace(b"32000", b'"x"'))
        assert "not valid JSON" in refusal_of(large[:-1])


class DecodingTests:
    """A body that is decoded in steps."""

    @pytest.mark.parametrize("said", ["hi", "\\ud800"])
    def test_lets_go(self, said: str) -> None:
        """Once taken, neither the body nor its mended copy is held: a count may be awaited for seconds."""
        decoding = parsing.Decoding(body(user("@")).replace(b"@", said.encode()))
        while not decoding.step():
            pass
        decoding.take_body()
        assert (decoding._body, decoding._steps) == (b"", None)
        assert decoding.request.model

    def test_body(self) -> None:
        """The body that was decoded can be taken once, with lone surrogates replaced."""
        decoding = parsing.Decoding(body(user("@")).replace(b"@", b"\\ud800"))
        while not decoding.step():
            pass
        taken = decoding.take_body()
        assert json.loads(taken)["messages"] == [user("\ufffd")]
        assert decoding.take_body() == b""
