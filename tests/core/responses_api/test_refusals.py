"""Tests for `claude_bridge.core.responses_api.refusals`, with words of servers."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from claude_bridge.core.backend_api import Adjustment, UpstreamFailure
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.opaque_state import OpaqueState, pack_state
from claude_bridge.core.responses_api.refusals import advise, trait_change
from claude_bridge.core.responses_api.translation import Translation
from claude_bridge.core.upstream_errors import classification
from claude_bridge.core.upstream_errors.trait_changes import TraitChange
from tests.core.asking import IMAGE, assistant, result, system, text, tool, use, user
from tests.core.responses_api.asking import GPT, TARGET, translate

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def everything(**more: Any) -> Translation:
    """Translate a request that has every field that can be refused, but the format of the answer."""
    fields: dict[str, Any] = {
        "tools": [tool("Read")],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "temperature": 0.5,
        "top_p": 0.5,
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "target": TARGET,
        **more,
    }
    turns = user("hi"), assistant(use("1")), user(result("1", [text("see"), IMAGE]))
    return translate(*turns, session="s-1", **fields)


def formatted(**more: Any) -> Translation:
    """Translate a request for an answer in the form of a schema."""
    wanted = {"format": {"type": "json_schema", "schema": SCHEMA}}
    return translate(user("hi"), output_config=wanted, **more)


def refused(message: str, status: int = 400, code: str = "") -> UpstreamFailure:
    """Build a refusal."""
    return UpstreamFailure(status=status, code=code, message=message)


REFUSALS = [
    # OpenAI's own form; community.openai.com and openai-agents issues have each of them
    ("Unsupported parameter: 'temperature' is not supported with this model.", "drop", ("temperature",)),
    ("Unsupported parameter: 'top_p' is not supported with this model.", "drop", ("top_p",)),
    ("Unsupported parameter: 'reasoning.effort' is not supported with this model.", "reasoning_control", "none"),
    ("Unsupported parameter: 'reasoning.summary' is not supported with this model.", "reasoning_summary", False),
    (
        "Your organization must be verified to generate reasoning summaries. Please go to the settings.",
        "reasoning_summary",
        False,
    ),
    ("Encrypted content is not supported with this model.", "encrypted_reasoning", False),
    ("Unknown parameter: 'include'.", "encrypted_reasoning", False),
    ("Unknown parameter: 'prompt_cache_key'.", "prompt_cache_key", False),
    ("Unsupported parameter: max_output_tokens", "answer_limit", False),
    ("Unsupported parameter: 'parallel_tool_calls' is not supported with this model.", "parallel_tool_calls", False),
    ("Invalid schema for function 'Read': In context=(), 'x' is not permitted.", "schema", "bare"),
    ("Unknown parameter: 'tools[0].strict'.", "strict", False),
    ("Invalid type for 'input[2].output': expected a string, but got an array instead.", "tool_images", False),
    ("tool_choice 'required' is not supported by this model", "tool_choice", "auto"),
    # pydantic's form, as vLLM and others have it
    ("prompt_cache_key: Extra inputs are not permitted", "prompt_cache_key", False),
    ("include[0]: Input should be 'file_search_call.results'", "encrypted_reasoning", False),
    ("reasoning: Extra inputs are not permitted", "reasoning_control", "none"),
    # llama.cpp before build 9000
    ("Output of tool call should be 'Input text'", "tool_images", False),
]


class TraitTests:
    """What one refusal teaches."""

    @pytest.mark.parametrize(("words", "trait", "value"), REFUSALS)
    def test_learned(self, words: str, trait: str, value: object) -> None:
        """The field that is named is left out, or sent in another form."""
        assert trait_change(refused(words), everything()) == TraitChange(trait=trait, value=value)

    @pytest.mark.parametrize(("words", "trait", "value"), REFUSALS)
    def test_once(self, words: str, trait: str, value: object) -> None:
        """A request without the field learns nothing from the words."""
        del trait, value
        assert trait_change(refused(words), translate(user("hi"), target=evolve(
            TARGET, encrypted_reasoning=False, prompt_cache_key=False, answer_limit=False
        ))) is None  # fmt: skip

    @pytest.mark.parametrize(("words", "trait", "value"), REFUSALS)
    def test_not_the_users(self, words: str, trait: str, value: object) -> None:
        """Words that stand in the conversation are the user's."""
        del trait, value
        quoted = translate(user(f"Why does it say: {words}?"), tools=[tool("Read")], session="s")
        assert trait_change(refused(words), quoted) is None

    def test_next_request(self) -> None:
        """What was learned is not sent again, and the same refusal teaches nothing more."""
        for words, trait, value in REFUSALS:
            learned: dict[str, Any] = {trait: value}
            target: Any = evolve(TARGET, **learned)
            again = everything(target=target)
            change = trait_change(refused(words), again)
            assert change is None or change.value != value, words

    @pytest.mark.parametrize(
        ("words", "levels"),
        [
            (
                "Unsupported value: 'high' is not supported with this model. Supported values are: 'low' and 'medium'.",
                ("low", "medium"),
            ),
            ("Invalid value for reasoning.effort: should be one of minimal, low", ("minimal", "low")),
        ],
    )
    def test_levels(self, words: str, levels: tuple[ReasoningLevel, ...]) -> None:
        """Levels that a refusal lists are those that there are."""
        message = words if "effort" in words else f"reasoning.effort: {words}"
        assert trait_change(refused(message), everything()) == TraitChange(trait="reasoning_levels", value=levels)

    def test_mandatory(self) -> None:
        """A model that always reasons is asked for its lowest level."""
        sent = translate(user("hi"), target=GPT, thinking={"type": "disabled"})
        change = trait_change(refused("Reasoning is mandatory for this endpoint and cannot be disabled."), sent)
        assert change == TraitChange(trait="reasoning_levels", value=("low", "medium", "high", "xhigh"))

    @pytest.mark.parametrize(
        "words",
        [
            "Invalid parameter: 'text.format' of type 'json_schema' is not supported with this model.",
            "Invalid schema for response_format 'response': In context=(), 'required' is required.",
            "Unknown parameter: 'text.format'.",
        ],
    )
    def test_format(self, words: str) -> None:
        """A schema that is refused becomes any JSON, and then words."""
        with_schema = formatted()
        assert trait_change(refused(words), with_schema) == TraitChange(trait="structured_output", value="json_object")
        beside_tools = formatted(tools=[tool("Read")])
        assert trait_change(refused(words), beside_tools) is not None
        any_json = formatted(target=evolve(TARGET, structured_output="json_object"))
        assert trait_change(refused("Unknown parameter: 'text.format'."), any_json) == TraitChange(
            trait="structured_output", value="instruction"
        )

    def test_system_messages(self) -> None:
        """System messages inside the conversation become a part of the user's."""
        sent = translate(user("hi"), system("be brief"), target=GPT)
        words = "Invalid value: 'developer'. Supported values are: 'user', 'system'."
        assert trait_change(refused(words), sent) == TraitChange(trait="system_role", value="system")
        words = "System message must be at the beginning."
        assert trait_change(refused(words), sent) == TraitChange(trait="system_messages", value="fold")

    def test_phases(self) -> None:
        """Phases of messages are left out where they are refused."""
        sent = translate(user("a"), assistant("b"), user("c"), target=GPT)
        change = trait_change(refused("Unknown parameter: 'input[1].phase'."), sent)
        assert change == TraitChange(trait="phases", value=False)
        assert trait_change(refused("Unknown parameter: 'input[1].phase'."), translate(user("a"))) is None


class PastReasoningTests:
    """Encrypted reasoning that the server cannot read."""

    @pytest.mark.parametrize(
        "words",
        [
            "The encrypted content gAAA... could not be verified. Reason: it could not be decrypted or parsed.",
            "Item 'rs_1' of type 'reasoning' was provided without its required following item.",
            "Item with id 'rs_1' not found. Items are not persisted when `store` is set to false.",
        ],
    )
    def test_left_out(self, words: str) -> None:
        """It is left out in one retry; without any in the request nothing follows."""
        state = pack_state(
            OpaqueState("generic", "m", {"id": "rs_9", "summary": [], "encrypted_content": "gAAAsecret"})
        )
        thinking = {"type": "thinking", "thinking": "", "signature": state}
        sent = translate(user("a"), assistant(thinking, text("b")), user("c"))
        advice = advise(refused(words), sent, estimate=10)
        assert advice.adjustment == Adjustment(why="echo", refuses_reasoning=True, remembered=False)
        assert advise(refused(words), translate(user("a")), estimate=10).adjustment is None


class OverflowTests:
    """Prompts and answers that are too long, as for every kind."""

    def test_window(self) -> None:
        """The answer is made shorter if the prompt fits."""
        message = "This model's maximum context length is 8192 tokens. However, your prompt contains 5000 tokens."
        advice = advise(refused(message), translate(user("hi")), estimate=5000)
        assert advice.context_window == 8192
        assert advice.adjustment is not None
        assert advice.adjustment.why == "shrink"

    def test_limit(self) -> None:
        """A limit that the server names is kept, not the field left out."""
        message = "max_output_tokens is too large: 32000. This model supports at most 16384 completion tokens."
        advice = advise(refused(message), translate(user("hi")), estimate=10)
        assert advice.adjustment == Adjustment(why="limit", max_output_tokens=16_384)

    def test_least(self) -> None:
        """One that is too small is a mistake of the client."""
        body = (
            b'{"error":{"message":"Invalid \'max_output_tokens\': integer below minimum value. Expected a value >= 16, '
            b'but got 1 instead.","type":"invalid_request_error","param":"max_output_tokens",'
            b'"code":"integer_below_min_value"}}'
        )
        failure = classification.from_response(400, {}, body, now=0.0)
        assert advise(failure, translate(user("hi"), max_tokens=1), estimate=10).adjustment is None
