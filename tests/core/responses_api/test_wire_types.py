"""Tests for `claude_bridge.core.responses_api.wire_types`: names are those of the ``openai`` package."""

from __future__ import annotations

import typing
from typing import Any

import pytest
from openai.types import responses
from openai.types.responses import response_create_params as create

from claude_bridge.core.responses_api import wire_types


def fields(struct: Any) -> set[str]:
    """Return the names of a struct's fields, without the type that is its tag."""
    return set(struct.__struct_encode_fields__)


class NameTests:
    """Every field that is sent or read exists."""

    def test_request(self) -> None:
        """No field of a request is made up."""
        assert fields(wire_types.ResponseRequest) < set(typing.get_type_hints(create.ResponseCreateParamsStreaming))

    @pytest.mark.parametrize(
        ("ours", "official"),
        [
            (wire_types.Response, responses.Response),
            (wire_types.InputText, responses.ResponseInputText),
            (wire_types.InputImage, responses.ResponseInputImage),
            (wire_types.InputFile, responses.ResponseInputFile),
            (wire_types.Message, responses.EasyInputMessage),
            (wire_types.FunctionCall, responses.ResponseFunctionToolCall),
            (wire_types.ReasoningItem, responses.ResponseReasoningItem),
            (wire_types.FunctionTool, responses.FunctionTool),
            (wire_types.NamedToolChoice, responses.ToolChoiceFunction),
        ],
    )
    def test_parts(self, ours: Any, official: Any) -> None:
        """Nor one of an item, a part or an answer."""
        assert fields(ours) <= set(official.model_fields)

    def test_input_is_last(self) -> None:
        """What changes from turn to turn comes behind what stays; the tools are before the instructions."""
        assert wire_types.ResponseRequest.__struct_encode_fields__[0] == "model"
        assert wire_types.ResponseRequest.__struct_encode_fields__[-2:] == ("tools", "instructions")
