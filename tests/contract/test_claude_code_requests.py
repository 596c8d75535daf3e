"""Requests that the real Claude Code client sent: each is accepted, and the backend gets all that was said."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialect import Target
from claude_bridge.core.chat_completions.traits import ReasoningEcho
from claude_bridge.core.events import Finished, FinishReason, Started, TextDelta, Usage
from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.tokens import request_count
from claude_bridge.core.turns import ATTRIBUTION, SystemMessages
from tests.contract.chat_completion import check, said, spoken
from tests.core.asking import translate

FOLDER = Path(__file__).parents[1] / "fixtures" / "claude_code"
RECORDED = {path.stem: json.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}
COUNTED = "14-count-tokens"
WEB_SEARCH = "09-web-search-server-tool"
ASKED = {name: one["body"] for name, one in RECORDED.items() if one["path"].startswith("/v1/messages?")}
TOOL_FIXTURES = [name for name, one in ASKED.items() if name != WEB_SEARCH and one.get("tools")]


def sent(asked: Any, **options: Any) -> Any:
    """Return what the backend gets for a request's body."""
    return json.loads(raw(asked, **options))


def raw(asked: Any, **options: Any) -> bytes:
    """Return what the backend gets, as bytes."""
    return translate(parsing.decode(json.dumps(asked).encode()), Target(model="backend", **options)).body


def head(whole: bytes) -> bytes:
    """Return a translated request without the end of its list of messages."""
    assert whole.endswith(b"]}")
    return whole[:-2]


def referenced(value: Any) -> list[str]:
    """Return the names in the tool references of decoded JSON."""
    if isinstance(value, list):
        return [name for item in value for name in referenced(item)]
    if not isinstance(value, dict):
        return []
    return [value["tool_name"]] if value.get("type") == "tool_reference" else referenced(list(value.values()))


class ClaudeCodeRequestTests:
    """All recorded requests."""

    def test_all_are_here(self) -> None:
        """None of the recorded shapes is left out."""
        assert len(RECORDED) == 17
        assert len(ASKED) == 14

    @pytest.mark.parametrize("policy", ["fold", "inline"])
    @pytest.mark.parametrize("echo", ["current_turn", "never", "tool_turns", "all_turns", "after_last_user"])
    @pytest.mark.parametrize("name", ASKED)
    def test_valid(self, name: str, echo: ReasoningEcho, policy: SystemMessages) -> None:
        """What reaches the backend is a valid chat completion request, whatever is configured."""
        check(sent(ASKED[name], reasoning_echo=echo, system_messages=policy))

    @pytest.mark.parametrize("policy", ["fold", "inline"])
    @pytest.mark.parametrize("name", ASKED)
    def test_nothing_is_missing(self, name: str, policy: SystemMessages) -> None:
        """Every text that a person, a tool or the client said reaches the backend, but for the attribution line."""
        asked = ASKED[name]
        arrived = spoken(sent(asked, system_messages=policy))
        expected = [*said(asked.get("system")), *(text for one in asked["messages"] for text in said(one["content"]))]
        missing = [text for text in expected if not text.startswith(ATTRIBUTION) and text not in arrived]
        assert missing == []
        assert ATTRIBUTION not in arrived

    @pytest.mark.parametrize("name", TOOL_FIXTURES)
    def test_tools(self, name: str) -> None:
        """Each usable tool is offered, in the client's order, with its schema as it came; the placeholder is not."""
        asked = ASKED[name]
        loaded = referenced(asked["messages"])
        usable = [one for one in asked["tools"] if not one.get("defer_loading") or one["name"] in loaded]
        offered = [one["function"] for one in sent(asked)["tools"]]
        assert [one["name"] for one in offered] == [one["name"] for one in usable]
        assert [one["parameters"] for one in offered] == [one["input_schema"] for one in usable]
        assert [one["description"] for one in offered] == [one["description"] for one in usable]
        assert "DeferredToolPlaceholder" not in spoken(offered)

    @pytest.mark.parametrize("name", ASKED)
    def test_calls_keep_their_order(self, name: str) -> None:
        """The calls that the model made come back in the order and with the input in which it made them."""
        asked = ASKED[name]
        blocks = [block for one in asked["messages"] if isinstance(one["content"], list) for block in one["content"]]
        made = [(one["name"], one["input"]) for one in blocks if one["type"] == "tool_use"]
        calls = [call["function"] for one in sent(asked)["messages"] for call in one.get("tool_calls", ())]
        assert [(one["name"], json.loads(one["arguments"])) for one in calls] == made

    def test_loaded_tools(self) -> None:
        """Tools that tool search found are offered, and the model is told that they are there."""
        whole = sent(ASKED["08-tool-reference"])
        names = [one["function"]["name"] for one in whole["tools"]]
        found = referenced(ASKED["08-tool-reference"]["messages"])
        (answer,) = [one["content"] for one in whole["messages"] if one["role"] == "tool"]
        assert len(names) == 13
        assert len(found) == 2
        assert set(names) > set(found)
        assert answer.splitlines() == [f"Tool {name} is available now." for name in found]

    def test_image_in_a_tool_result(self) -> None:
        """A picture that a tool gave is shown in a user message after the result, which names it."""
        *_, answer, shown = sent(ASKED["06-image-tool-result"])["messages"]
        assert answer["content"] == "[image 1]"
        label, picture = shown["content"]
        assert label == {"type": "text", "text": "[image 1] of the tool result above:"}
        assert picture["image_url"]["url"].startswith("data:image/png;base64,iVBOR")

    def test_thinking_goes_back_within_the_turn(self) -> None:
        """Signed thinking before a call whose result has just come is sent back as reasoning, unless switched off."""
        asked = ASKED["05-thinking-tool-history"]
        (thought,) = [
            block["thinking"]
            for one in asked["messages"]
            if isinstance(one["content"], list)
            for block in one["content"]
            if block["type"] == "thinking"
        ]
        assert [one.get("reasoning_content") for one in sent(asked)["messages"] if one["role"] == "assistant"] == [
            thought
        ]
        assert "reasoning_content" not in json.dumps(sent(asked, reasoning_echo="never"))

    def test_structured_title(self) -> None:
        """The title's schema is asked for in the backend's way, strictly, since it is closed."""
        asked = ASKED["16-title-json-schema"]
        wanted = {"name": "response", "schema": asked["output_config"]["format"]["schema"], "strict": True}
        assert sent(asked)["response_format"] == {"type": "json_schema", "json_schema": wanted}

    def test_classifier(self) -> None:
        """The permission check's stop sequence and output limit reach the backend."""
        whole = sent(ASKED["22-auto-mode-local-classifier"])
        assert whole["stop"] == ASKED["22-auto-mode-local-classifier"]["stop_sequences"]
        assert whole["max_tokens"] == ASKED["22-auto-mode-local-classifier"]["max_tokens"]
        assert "tools" not in whole

    def test_safeguards_are_ignored(self) -> None:
        """The automatic permission mode's field reaches no backend."""
        assert "safeguards" in ASKED["17-auto-mode-safeguards"]
        assert "dangerous_tool_use" not in spoken(sent(ASKED["17-auto-mode-safeguards"]))

    def test_web_search_is_answered_here(self) -> None:
        """The web search side request gets a short text instead of a backend's invention; no other one does."""
        answers = {name: parsing.local_answer(parsing.decode(json.dumps(one).encode())) for name, one in ASKED.items()}
        assert [name for name, answer in answers.items() if answer is not None] == [WEB_SEARCH]
        assert answers[WEB_SEARCH] == [
            Started(""),
            TextDelta("Web search is not available through this gateway."),
            Finished(FinishReason.STOPPED, usage=Usage()),
        ]

    def test_counting(self) -> None:
        """The recorded count request is counted without ``max_tokens``, about as tokenizers would count it."""
        asked = RECORDED[COUNTED]["body"]
        counted = request_count.count(conversation_of(parsing.decode(json.dumps(asked).encode(), counting=True)))
        assert 0.5 < counted / (30160 / 4.15) < 1.5


class PrefixTests:
    """A backend can only reuse its cache if the second of two turns begins with the bytes of the first."""

    @pytest.mark.parametrize("policy", ["fold", "inline"])
    @pytest.mark.parametrize("name", ASKED)
    def test_next_turn(self, name: str, policy: SystemMessages) -> None:
        """A turn that goes on with an answer, a call and its result begins with the bytes of the one before."""
        asked = ASKED[name]
        more = [
            {"role": "assistant", "content": [{"type": "text", "text": "Well."}, _call("toolu_next")]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_next", "content": "ok"}]},
        ]
        following = {**asked, "messages": [*_settled(asked["messages"]), *more]}
        before, after = raw(asked, system_messages=policy), raw(following, system_messages=policy)
        assert after.startswith(head(before))
        assert len(after) > len(before)

    @pytest.mark.parametrize("policy", ["fold", "inline"])
    def test_growing_conversation(self, policy: SystemMessages) -> None:
        """Each request of the recorded turn begins with the bytes of the one before it."""
        asked = ASKED["02-tool-results"]
        ends = [at for at, one in enumerate(asked["messages"], 1) if one["role"] != "assistant" and at > 1]
        growing = [raw({**asked, "messages": asked["messages"][:at]}, system_messages=policy) for at in ends]
        assert len(growing) == 4
        for before, after in pairwise(growing):
            assert after.startswith(head(before))


def _call(identifier: str) -> dict[str, object]:
    return {"type": "tool_use", "id": identifier, "name": "Read", "input": {"file_path": "/x"}}


def _settled(messages: list[Any]) -> list[Any]:
    """Write older messages as the client does one turn later: a lone text as a string, cache markers gone."""
    settled = []
    for one in messages:
        content = one["content"]
        if isinstance(content, list):
            content = [{key: value for key, value in block.items() if key != "cache_control"} for block in content]
            if len(content) == 1 and content[0]["type"] == "text":
                content = content[0]["text"]
        settled.append({**one, "content": content})
    return settled
