"""Tests for `claude_bridge.core.responses_api.request_fields`."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from claude_bridge.core.responses_api.traits import StructuredOutput
from tests.core.asking import tool, user
from tests.core.responses_api.asking import GPT, TARGET, sent, translate

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
OFF: dict[str, Any] = {"thinking": {"type": "disabled"}}
ON: dict[str, Any] = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}


def wants(schema: object = SCHEMA) -> dict[str, Any]:
    """Ask for an answer in the form of a schema."""
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


class FieldTests:
    """Fields that every request has, and those that it has not."""

    def test_always(self) -> None:
        """It is streamed and nothing is stored, so no earlier response is ever referred to."""
        request = sent(user("hi"))
        assert (request["stream"], request["store"]) == (True, False)
        assert "previous_response_id" not in request

    def test_lost(self) -> None:
        """This API has neither stop sequences nor ``top_k``."""
        request = sent(user("hi"), stop_sequences=["x"], top_k=5, temperature=0.5, top_p=0.9)
        assert not {"stop", "top_k"} & request.keys()
        assert (request["temperature"], request["top_p"]) == (0.5, 0.9)

    def test_left_out(self) -> None:
        """What the server refuses is left out, and what the client does not say."""
        target = evolve(
            TARGET, drop=("temperature",), answer_limit=False, prompt_cache_key=False, encrypted_reasoning=False
        )
        request = sent(user("hi"), target=target, session="s", temperature=0.5)
        assert list(request) == ["model", "stream", "store", "input"]

    @pytest.mark.parametrize(("session", "expected"), [("", None), ("abc", "abc"), ("x" * 100, "x" * 64)])
    def test_session(self, session: str, expected: object) -> None:
        """The session leads to the same cache; OpenAI takes 64 characters."""
        assert sent(user("hi"), session=session).get("prompt_cache_key") == expected


class ReasoningTests:
    """How much reasoning is asked for."""

    def test_wanted(self) -> None:
        """The level, and a summary for the client to see."""
        assert sent(user("hi"), **ON)["reasoning"] == {"effort": "high", "summary": "auto"}
        plain = evolve(TARGET, reasoning_summary=False)
        assert sent(user("hi"), target=plain, **ON)["reasoning"] == {"effort": "high"}

    def test_not_wanted(self) -> None:
        """A server that nobody knows is asked for nothing; one that can switch it off is asked to."""
        assert "reasoning" not in sent(user("hi"), **OFF)
        assert sent(user("hi"), target=GPT, **OFF)["reasoning"] == {"effort": "none"}
        minimal = evolve(TARGET, reasoning_levels=("minimal", "high"))
        assert sent(user("hi"), target=minimal, **OFF)["reasoning"] == {"effort": "minimal"}

    def test_beside_tools(self) -> None:
        """Models reason beside tools here."""
        assert sent(user("hi"), target=GPT, tools=[tool()], **ON)["reasoning"]["effort"] == "high"

    def test_never(self) -> None:
        """A model that takes no level gets none."""
        assert "reasoning" not in sent(user("hi"), target=evolve(TARGET, reasoning_control="none"), **ON)


class FormatTests:
    """Answers in the form of a schema."""

    def test_schema(self) -> None:
        """The schema stands in ``text.format``, strict where it may be."""
        request = sent(user("hi"), **wants())
        assert request["text"] == {
            "format": {"type": "json_schema", "name": "response", "schema": SCHEMA, "strict": True}
        }
        loose = sent(user("hi"), **wants({"type": "object", "properties": {"a": {}}}))
        assert loose["text"]["format"]["strict"] is False

    @pytest.mark.parametrize(
        ("trait", "form"), [("json_object", {"format": {"type": "json_object"}}), ("instruction", None)]
    )
    def test_less(self, trait: StructuredOutput, form: object) -> None:
        """A server that takes less is told in words, and the bridge checks."""
        translated = translate(user("hi"), target=evolve(TARGET, structured_output=trait), system="s", **wants())
        request = sent(user("hi"), target=evolve(TARGET, structured_output=trait), system="s", **wants())
        assert request.get("text") == form
        assert translated.answer_shape is not None
        assert request["instructions"] == f"s\n\n{translated.answer_shape.instruction}"
