"""Tests for `claude_bridge.testing.requests`: the fake backend is held against the ``openai`` package's types."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from openai.types import chat, shared_params
from openai.types.chat import chat_completion_content_part_param as parts
from openai.types.chat import completion_create_params as create
from openai.types.shared_params import response_format_json_schema
from openai.types.shared_params.reasoning_effort import ReasoningEffort

from claude_bridge.testing import requests
from claude_bridge.testing.requests import problems


def keys(typed_dict: Any) -> set[str]:
    """Return the keys that a parameter type of the ``openai`` package knows."""
    return set(typing.get_type_hints(typed_dict))


def request(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a request that is valid but for what is given."""
    return {"model": "m", "messages": list(messages) or [{"role": "user", "content": "hi"}], **more}


def called(*ids: str) -> dict[str, Any]:
    """Make an assistant message that calls a tool once for each id."""
    calls = [{"id": one, "type": "function", "function": {"name": "f", "arguments": "{}"}} for one in ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(of: str) -> dict[str, Any]:
    """Make the tool message that answers a call."""
    return {"role": "tool", "tool_call_id": of, "content": "done"}


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}
USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}


class OpenAITypesTests:
    """The tables say what the official package says."""

    def test_request(self) -> None:
        """The keys of a request are those of the official package."""
        assert keys(create.CompletionCreateParamsStreaming) == requests.REQUEST_KEYS

    @pytest.mark.parametrize(
        ("role", "official"),
        [
            ("system", chat.ChatCompletionSystemMessageParam),
            ("developer", chat.ChatCompletionDeveloperMessageParam),
            ("user", chat.ChatCompletionUserMessageParam),
            ("assistant", chat.ChatCompletionAssistantMessageParam),
            ("tool", chat.ChatCompletionToolMessageParam),
        ],
    )
    def test_messages(self, role: str, official: type) -> None:
        """The keys of a message of each role are those of the official package."""
        assert keys(official) == requests.MESSAGE_KEYS[role]

    @pytest.mark.parametrize(
        ("kind", "official"),
        [
            ("text", chat.ChatCompletionContentPartTextParam),
            ("image_url", chat.ChatCompletionContentPartImageParam),
            ("input_audio", chat.ChatCompletionContentPartInputAudioParam),
            ("file", parts.File),
            ("refusal", chat.ChatCompletionContentPartRefusalParam),
        ],
    )
    def test_parts(self, kind: str, official: type) -> None:
        """The keys of a content part of each type are those of the official package."""
        assert keys(official) == requests.PART_KEYS[kind]

    def test_small_objects(self) -> None:
        """The keys of tools, calls, images, files and options are those of the official package."""
        assert keys(chat.ChatCompletionFunctionToolParam) == requests.TOOL_KEYS
        assert keys(shared_params.FunctionDefinition) == requests.FUNCTION_KEYS
        assert keys(chat.ChatCompletionMessageFunctionToolCallParam) == requests.CALL_KEYS
        assert keys(chat.chat_completion_message_function_tool_call_param.Function) == requests.CALL_FUNCTION_KEYS
        assert keys(chat.chat_completion_content_part_image_param.ImageURL) == requests.IMAGE_KEYS
        assert keys(parts.FileFile) == requests.FILE_KEYS
        assert keys(chat.ChatCompletionStreamOptionsParam) == requests.STREAM_OPTION_KEYS
        assert keys(response_format_json_schema.JSONSchema) == requests.JSON_SCHEMA_KEYS

    def test_efforts(self) -> None:
        """The levels of reasoning effort are those of the official package."""
        levels = next(one for one in typing.get_args(ReasoningEffort) if typing.get_args(one))
        assert set(typing.get_args(levels)) == requests.EFFORTS


class ValidTests:
    """What must be accepted."""

    @pytest.mark.parametrize(
        "valid",
        [
            request(),
            request({"role": "system", "content": "be brief"}, USER),
            request(USER, called("1"), result("1")),
            request(USER, called("1", "2"), result("1"), result("2"), USER, called("1"), result("1")),
            request(USER, {**called("1"), "reasoning_content": "hm"}, result("1")),
            request(
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]}
            ),
            request(tools=[TOOL], tool_choice="required", parallel_tool_calls=False),
            request(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}}),
            request(stream=True, stream_options={"include_usage": True}, max_tokens=5, temperature=0, stop=["a"]),
            request(response_format={"type": "json_schema", "json_schema": {"name": "r", "schema": {}}}),
            request(chat_template_kwargs={"enable_thinking": True}, reasoning_effort="high"),
        ],
    )
    def test_no_problem(self, valid: dict[str, Any]) -> None:
        """A valid request is not complained of."""
        assert problems(valid) == ()


class InvalidTests:
    """What must be refused, and why."""

    @pytest.mark.parametrize(
        ("invalid", "told"),
        [
            ([], "the body is not a JSON object"),
            (None, "the body is not a JSON object"),
            ({"messages": [USER]}, "model: is not a name"),
            (request(thinking={"type": "enabled"}), "thinking: unknown key"),
            (request(top_k=3), "top_k: unknown key"),
            (request(max_tokens=0), "max_tokens: is not a positive integer"),
            (request(max_tokens=True), "max_tokens: is not a positive integer"),
            (request(temperature=3), "temperature: is not a number from 0 to 2"),
            (request(stream_options={}), "stream_options: only with stream"),
            (request(parallel_tool_calls=True), "parallel_tool_calls: only with tools"),
            (request(stop=list("abcde")), "stop: has 5 entries, 1 to 4 are allowed"),
            (request(reasoning_effort="much"), "reasoning_effort: is not a known level"),
            (request(response_format={"type": "xml"}), "response_format.type: is unknown"),
            (request(tools=[]), "tools: is not a list with something in it"),
            (request(tools=[TOOL, TOOL]), "tools: the name f is there twice"),
            (request(tools=[{**TOOL, "cache_control": {}}]), "tools[0].cache_control: unknown key"),
            (request(tools=[{"name": "f", "input_schema": {}}]), "tools[0]: is not a function"),
            (request(tool_choice="auto"), "tool_choice: only with tools"),
            (request(tools=[TOOL], tool_choice={"type": "any"}), "tool_choice: names no tool of this request"),
            (request(tools=[TOOL], tool_choice="any"), "tool_choice: is unknown"),
            ({"model": "m", "messages": []}, "messages: is not a list with something in it"),
            (request({"role": "human", "content": "hi"}), "messages[0].role: is unknown"),
            (request({"role": "user"}), "messages[0].content: is neither a string nor a list with something in it"),
            (request({**USER, "cache_control": {}}), "messages[0].cache_control: unknown key"),
            (
                request({"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]}),
                "messages[0].content[0].cache_control: unknown key",
            ),
            (
                request({"role": "user", "content": [{"type": "tool_result"}]}),
                "messages[0].content[0].type: 'tool_result' is not allowed here",
            ),
            (
                request({"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}),
                "messages[0].content[0].image_url.url: is neither an address nor a data URL of an image",
            ),
            (
                request(USER, called("1"), {**result("1"), "content": [{"type": "image_url"}]}),
                "messages[2].content[0].type: 'image_url' is not allowed here",
            ),
        ],
    )
    def test_problem(self, invalid: object, told: str) -> None:
        """Each mistake is named with its path."""
        assert told in problems(invalid)

    @pytest.mark.parametrize(
        ("messages", "told"),
        [
            ([USER, called("1")], "messages[2]: the tool calls 1 have no answer before it"),
            ([USER, called("1"), USER, result("1")], "messages[2]: the tool calls 1 have no answer before it"),
            ([USER, result("1")], "messages[1]: answers no call of the assistant message before it"),
            (
                [USER, called("1"), result("1"), result("1")],
                "messages[3]: answers no call of the assistant message before it",
            ),
            (
                [USER, called("1", "2"), result("2"), result("1")],
                "messages[2]: answers 2 before 1, which was called first",
            ),
            ([USER, called("1", "2"), result("1"), USER], "messages[3]: the tool calls 2 have no answer before it"),
            ([USER, called("1", "1"), result("1"), result("1")], "messages[1].tool_calls: an id is there twice"),
        ],
    )
    def test_pairs(self, messages: list[dict[str, Any]], told: str) -> None:
        """Tool calls and results that do not match are refused, as hosted servers refuse them."""
        assert told in problems({"model": "m", "messages": messages})

    @pytest.mark.parametrize("arguments", [None, {}, "", "[1]", "{", "[" * 5000])
    def test_arguments(self, arguments: object) -> None:
        """A call's arguments must be the text of a JSON object."""
        call = called("1")
        call["tool_calls"][0]["function"]["arguments"] = arguments
        (told,) = problems(request(USER, call, result("1")))
        assert told == "messages[1].tool_calls[0].function.arguments: is not the text of a JSON object"

    def test_extensions(self) -> None:
        """A script can allow the keys of a particular server, and nothing else."""
        allowed = {"top_k", "assistant.reasoning"}
        assert problems(request(USER, {**called("1"), "reasoning": "hm"}, result("1"), top_k=3), allowed) == ()
        assert problems(request({**USER, "reasoning": "hm"}), allowed) == ("messages[0].reasoning: unknown key",)


class ExportsTests:
    """What is promised to outsiders."""

    def test_names(self) -> None:
        """The names that scripts of others use stay."""
        assert requests.__all__ == ["EXTENSIONS", "problems"]
