"""Tests for `claude_bridge.testing.response_requests`: the fake is held against the ``openai`` package's types."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from openai.types import responses
from openai.types.responses import response_create_params as create
from openai.types.responses import response_input_item_param as items

from claude_bridge.testing import response_requests
from claude_bridge.testing.response_requests import problems


def keys(typed_dict: Any) -> set[str]:
    """Return the keys that a parameter type of the ``openai`` package knows."""
    return set(typing.get_type_hints(typed_dict))


USER = {"type": "message", "role": "user", "content": "hi"}
CALL = {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "a", "output": "done"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"}
TOOL = {"type": "function", "name": "f", "strict": False, "parameters": {"type": "object"}}


def request(*sent: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a request that is valid but for what is given."""
    return {"model": "m", "input": list(sent) or [USER], **more}


class OpenAITypesTests:
    """The tables say nothing that the official package does not."""

    def test_request(self) -> None:
        """Every key of a request is one of the official package."""
        assert keys(create.ResponseCreateParamsStreaming) >= response_requests.REQUEST_KEYS

    @pytest.mark.parametrize(
        ("known", "official"),
        [
            (response_requests.ITEM_KEYS["message"], responses.EasyInputMessageParam),
            (response_requests.ITEM_KEYS["function_call"], responses.ResponseFunctionToolCallParam),
            (response_requests.ITEM_KEYS["function_call_output"], items.FunctionCallOutput),
            (response_requests.ITEM_KEYS["reasoning"], responses.ResponseReasoningItemParam),
            (response_requests.PART_KEYS["input_text"], responses.ResponseInputTextParam),
            (response_requests.PART_KEYS["input_image"], responses.ResponseInputImageParam),
            (response_requests.PART_KEYS["input_file"], responses.ResponseInputFileParam),
            (response_requests.TOOL_KEYS, responses.FunctionToolParam),
        ],
    )
    def test_parts(self, known: frozenset[str], official: Any) -> None:
        """So is every key of an item, a part or a tool."""
        assert keys(official) >= known


class ProblemTests:
    """What is refused."""

    @pytest.mark.parametrize(
        "good",
        [
            request(),
            request(USER, THOUGHT, CALL, RESULT, tools=[TOOL], tool_choice="required"),
            request(USER, THOUGHT, {**USER, "role": "assistant"}, USER, max_output_tokens=16),
        ],
    )
    def test_good(self, good: dict[str, Any]) -> None:
        """A request that OpenAI takes."""
        assert problems(good) == ()

    @pytest.mark.parametrize(
        ("bad", "words"),
        [
            (None, "not a JSON object"),
            (request(stop=["x"]), "stop: Unknown parameter"),
            (request(max_output_tokens=1), "max_output_tokens: is below 16"),
            (request(tool_choice="auto"), "tools: are missing"),
            (request(tools=[{**TOOL, "strict": None}]), "strict: is missing"),
            (request(USER, CALL), "No tool output found"),
            (request(USER, RESULT), "No tool call found"),
            (request(USER, THOUGHT, USER), "without its required following item"),
            (request({**USER, "content": []}), "neither text nor parts"),
            (request({**USER, "content": [{"type": "text", "text": "x"}]}), "Unknown parameter"),
            ({"model": "m", "input": []}, "input: is empty"),
        ],
    )
    def test_bad(self, bad: object, words: str) -> None:
        """One mistake, with its place."""
        assert any(words in each for each in problems(bad))
