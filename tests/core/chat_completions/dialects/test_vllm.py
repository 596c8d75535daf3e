"""Tests for `claude_bridge.core.chat_completions.dialects.vllm`."""

from __future__ import annotations

import pytest

from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions.dialect import Shaping
from claude_bridge.core.chat_completions.dialects.vllm import Vllm
from claude_bridge.core.chat_completions.openai_types import ChatRequest, Delta

NOT_FOUND = {"message": "The model `m` does not exist.", "type": "NotFoundError", "param": "model", "code": 404}


class VllmTests:
    """vLLM 0.33 (docs/servers.md 1.1)."""

    def test_usage_in_every_chunk(self) -> None:
        """Usage is asked for in every chunk, so the true size of the prompt is known with the first."""
        chat = ChatRequest(model="m", stream=True)
        Vllm().shape(chat, {}, Shaping(model="m", traits=Vllm().traits("m")))
        assert chat.stream_options is not None
        assert chat.stream_options.continuous_usage_stats is True

    def test_reasoning(self) -> None:
        """Reasoning is in ``reasoning``, as its protocol.py says since 0.12, and in ``reasoning_content`` before."""
        assert Vllm().reasoning(Delta(reasoning="hm")) == Vllm().reasoning(Delta(reasoning_content="hm")) == "hm"
        assert Vllm().traits("m").reasoning_field == "reasoning_content"

    def test_known_by_its_list(self) -> None:
        """Its model list says ``owned_by: vllm`` (docs/servers.md 1.1)."""
        assert Vllm().recognised(Clues(owners=("vllm",))) == "owned_by vllm in its model list"

    @pytest.mark.parametrize(
        "error",
        [
            NOT_FOUND,
            {"message": "This model's ...", "type": "BadRequestError", "param": "input_tokens", "code": 400},
            {"message": "x", "type": "BadRequestError", "param": None, "code": 400},
        ],
    )
    def test_known_by_its_errors(self, error: object) -> None:
        """Its errors name a Python exception beside the status as a number (its serving code, docs/servers.md 1.1)."""
        assert Vllm().recognised(Clues(error={"error": error})).startswith("an error of type ")

    @pytest.mark.parametrize(
        "body",
        [
            None,
            [],
            "x",
            {"error": "x"},
            {"error": None},
            {"error": {**NOT_FOUND, "code": "404"}},
            {"error": {**NOT_FOUND, "code": 400}},
            {"error": {**NOT_FOUND, "type": "invalid_request_error"}},
            {"error": {**NOT_FOUND, "type": ["x"]}},
            {"error": {**NOT_FOUND, "object": "error"}},
            {"object": "error", **NOT_FOUND},
            {"error": {"message": "x", "type": "BadRequestError", "code": 400}},
        ],
    )
    def test_other_errors(self, body: object) -> None:
        """OpenAI's, LiteLLM's (its code is a string), SGLang's and broken ones are not taken for its own."""
        assert Vllm().recognised(Clues(error=body)) == ""

    def test_fingerprint_is_no_clue(self) -> None:
        """OpenRouter passes on "vllm-0.22.1-tp4-ep-d958916a" from the servers behind it, and is none itself."""
        assert Vllm().recognised(Clues(fingerprint="vllm-0.22.1-tp4-ep-d958916a", host="localhost")) == ""

    def test_counter(self) -> None:
        """Prompts are counted by ``/tokenize`` beside ``/v1``: messages, tools and template variables.

        It tells ``{count, max_model_len, tokens}`` (serve/tokenize/protocol.py).
        """
        tokenizer = Vllm().tokenizer
        assert tokenizer is not None
        assert (tokenizer.path, tokenizer.key, tokenizer.window) == ("/tokenize", "count", "max_model_len")
        assert {"messages", "tools", "chat_template_kwargs"} <= set(tokenizer.fields or ())

    def test_traits(self) -> None:
        """It takes ``top_k``, images in tool results, any choice of tool, and continues an answer if told so."""
        traits = Vllm().traits("Qwen/Qwen3-VL")
        assert (traits.top_k, traits.tool_images, traits.tool_choice, traits.prefill) == (
            True,
            True,
            "named",
            "continue",
        )
