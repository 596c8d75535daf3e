"""Tests for `claude_bridge.core.chat_completions.dialects.templated`."""

from __future__ import annotations

import pytest

from claude_bridge.core.chat_completions.dialect import Shaping
from claude_bridge.core.chat_completions.dialects.templated import Templated
from claude_bridge.core.chat_completions.dialects.vllm import Vllm
from claude_bridge.core.chat_completions.openai_types import ChatRequest
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.conversation import ReasoningLevel
from tests.core.asking import assistant, result, text, use, user
from tests.core.chat_completions.dialects.shaping import asked
from tests.core.chat_completions.dialects.translated import request


class TemplatedTests:
    """Servers that give a request's variables to the model's template."""

    @pytest.mark.parametrize(
        ("level", "effort"),
        [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("max", "high")],
    )
    def test_level(self, level: ReasoningLevel, effort: str) -> None:
        """Thinking is switched on, and the level goes along in a word that every version takes."""
        assert asked(Templated(), "Qwen/Qwen3-32B", level) == {
            "chat_template_kwargs": {"enable_thinking": True},
            "reasoning_effort": effort,
        }

    def test_other_levels(self) -> None:
        """A template with words of its own, configured or learned from its refusal, gets one of these."""
        shaping = Shaping(model="m", level="medium", traits=Traits(reasoning_levels=("none", "high")))
        chat = ChatRequest(model="m")
        Templated().shape(chat, {"chat_template_kwargs": {"enable_thinking": True}}, shaping)
        assert chat.reasoning_effort == "high"

    def test_off(self) -> None:
        """Thinking is switched off by the template's variable alone: older versions refuse the word ``none``."""
        assert asked(Templated(), "Qwen/Qwen3-32B", "none") == {"chat_template_kwargs": {"enable_thinking": False}}

    def test_nothing_said(self) -> None:
        """Where the client says nothing the model does as it is used to."""
        assert asked(Templated(), "Qwen/Qwen3-32B", None) == {}

    def test_other_switch(self) -> None:
        """DeepSeek's and Kimi's templates call the switch ``thinking`` (SGLang's source)."""
        assert asked(Templated(), "deepseek-ai/DeepSeek-V3.1", "none") == {"chat_template_kwargs": {"thinking": False}}

    def test_mistral(self) -> None:
        """Mistral's tokenizers take no variables.

        vLLM answers 400 "chat_template is not supported for Mistral tokenizers" (many public reports).
        """
        assert asked(Templated(), "mistralai/Devstral-2", "high") == {}

    def test_mistral_takes_turns(self) -> None:
        """A reminder behind tool results, refused by Mistral's validation, belongs to these (mistral-common 169)."""
        reminder = "<system-reminder>\nr\n</system-reminder>"
        told = [user("Read it."), assistant(use("t1")), user(result("t1", "ok"), text(reminder))]
        sent = request(Vllm(), "mistralai/Devstral-2", *told)["messages"]
        assert [each["role"] for each in sent] == ["user", "assistant", "tool"]
        assert sent[-1]["content"] == f"ok\n\n{reminder}"
        assert [each["role"] for each in request(Vllm(), "Qwen/Qwen3-32B", *told)["messages"]][-1] == "user"

    def test_gpt_oss(self) -> None:
        """gpt-oss knows three levels and cannot be switched off."""
        assert asked(Templated(), "openai/gpt-oss-120b", "none") == {"reasoning_effort": "low"}
        assert asked(Templated(), "openai/gpt-oss-120b", "xhigh") == {"reasoning_effort": "high"}

    def test_leaks(self) -> None:
        """Leaked calls are looked for in models that are known for them."""
        assert Templated().traits("Qwen/Qwen3-Coder").recover_tool_calls
        assert not Templated().traits("google/gemma-3").recover_tool_calls
