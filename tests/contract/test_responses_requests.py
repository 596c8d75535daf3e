"""Recorded requests of Claude Code as a server of the Responses API gets them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from attrs import evolve
from openai.types.responses.response_create_params import ResponseCreateParamsStreaming
from pydantic import TypeAdapter

from claude_bridge.core.messages_api import parsing
from claude_bridge.core.messages_api.to_conversation import conversation_of
from claude_bridge.core.responses_api.dialect import Target
from claude_bridge.core.responses_api.translation import translate
from claude_bridge.testing.response_requests import problems
from tests.contract.test_claude_code_requests import ASKED, TOOL_FIXTURES
from tests.core.responses_api.asking import GPT, TARGET

OFFICIAL: TypeAdapter[Any] = TypeAdapter(ResponseCreateParamsStreaming)
TARGETS = {"openai": GPT, "generic": TARGET}


def sent(name: str, target: Target) -> Any:
    """Return what the backend gets for a recorded request."""
    conversation = conversation_of(parsing.decode(json.dumps(ASKED[name]).encode()))
    return json.loads(translate(conversation, target, session="s-1").body)


class RecordedTests:
    """All recorded requests."""

    @pytest.mark.parametrize("name", ASKED)
    @pytest.mark.parametrize("server", TARGETS)
    def test_valid(self, name: str, server: str) -> None:
        """Each is valid by the types of the ``openai`` package, and by what servers insist on beyond them."""
        request = sent(name, TARGETS[server])

        OFFICIAL.validate_python(request, strict=False)
        assert problems(request) == ()

    @pytest.mark.parametrize("name", TOOL_FIXTURES)
    def test_tools(self, name: str) -> None:
        """Every tool is offered, with the schema that the client sent where the server takes all of it."""
        offered = {tool["name"]: tool["parameters"] for tool in sent(name, TARGET)["tools"]}

        for tool in ASKED[name]["tools"]:
            if tool["name"] in offered:
                assert offered[tool["name"]] == tool["input_schema"]
        assert len(offered) >= len(ASKED[name]["tools"]) - 1

    def test_images_in_results(self) -> None:
        """A picture that a tool returned is a part of its result."""
        items = sent("06-image-tool-result", GPT)["input"]
        (output,) = (item["output"] for item in items if item["type"] == "function_call_output")
        assert [part["type"] for part in output].count("input_image") == 1

    def test_stop_sequence(self) -> None:
        """The classifier's stop sequence stays here, for the reader."""
        conversation = conversation_of(parsing.decode(json.dumps(ASKED["22-auto-mode-local-classifier"]).encode()))
        assert conversation.stop_sequences == ["</severity>"]
        assert "stop" not in sent("22-auto-mode-local-classifier", evolve(GPT, model="gpt-5.7"))
