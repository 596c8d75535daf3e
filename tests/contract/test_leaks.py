"""Calls that a server left in the text (docs/chat-completions.md 2.6), from the backend's bytes to the client's.

One of each syntax, as the model's own chat template writes it; the tests of `core.chat_completions.tool_parsers` have
the variants. Each is read as a stream, in pieces of four sizes and of single characters, and whole.
"""
# ruff: noqa: RUF001, ISC004 - DeepSeek's own bars; one text over several lines

from __future__ import annotations

import json
from typing import Any

import pytest

from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.ids import upstream_id
from claude_bridge.core.strict_json import Raw
from tests.contract.answers import called, fragment, says, whole
from tests.contract.stream_rules import check_stream
from tests.contract.test_irregularities import SIZES, sse
from tests.core.strategies import in_steps
from tests.core.transcripts import carried

DONE = b"data: [DONE]\n\n"
SCHEMA = b'{"type":"object","properties":{"path":{"type":"string"},"limit":{"type":"integer"}}}'
OFFERED = {"Read": Raw(SCHEMA)}
CALL = ("tool_use", "Read", {"path": "a.txt", "limit": 5})
BOTH = '{"path": "a.txt", "limit": 5}'

LEAKED: dict[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "Hermes, Qwen 2.5": (
        (("vllm", "Qwen/Qwen2.5-32B-Instruct"), ("lmstudio", "hermes-3-llama-3.1-8b")),
        f'<tool_call>\n{{"name": "Read", "arguments": {BOTH}}}\n</tool_call>',
    ),
    "Qwen3-Coder": (
        (("llamacpp", "Qwen3-Coder-30B"), ("dashscope", "qwen3-coder-plus")),
        "<tool_call>\n<function=Read>\n<parameter=path>\na.txt\n</parameter>\n<parameter=limit>\n5\n</parameter>\n"
        "</function>\n</tool_call>",
    ),
    "GLM": (
        (("zai", "glm-4.7"), ("sglang", "zai-org/GLM-4.6")),
        "<tool_call>Read\n<arg_key>path</arg_key>\n<arg_value>a.txt</arg_value>\n<arg_key>limit</arg_key>\n"
        "<arg_value>5</arg_value>\n</tool_call>",
    ),
    "Kimi K2": (
        (("moonshot", "kimi-k2-0905-preview"), ("groq", "moonshotai/kimi-k2-instruct-0905")),
        "<|tool_calls_section_begin|><|tool_call_begin|>functions.Read:0<|tool_call_argument_begin|>"
        f"{BOTH}<|tool_call_end|><|tool_calls_section_end|>",
    ),
    "Kimi K3": (
        (("moonshot", "kimi-k3"), ("chutes", "moonshotai/Kimi-K3-TEE")),
        '<|open|>tools<|sep|><|open|>call tool="Read" index="1"<|sep|><|open|>argument key="path" type="string"<|sep|>'
        'a.txt<|close|>argument<|sep|><|open|>argument key="limit" type="number"<|sep|>5<|close|>argument<|sep|>'
        "<|close|>call<|sep|><|close|>tools<|sep|>",
    ),
    "DeepSeek V3.1": (
        (("vllm", "deepseek-ai/DeepSeek-V3.1"), ("together", "deepseek-ai/DeepSeek-V3.1")),
        f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>Read<｜tool▁sep｜>{BOTH}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    ),
    "DeepSeek V3.2": (
        (("openrouter", "deepseek/deepseek-v3.2"), ("sglang", "deepseek-ai/DeepSeek-V3.2")),
        '<｜DSML｜function_calls>\n<｜DSML｜invoke name="Read">\n<｜DSML｜parameter name="path" string="true">a.txt'
        '</｜DSML｜parameter>\n<｜DSML｜parameter name="limit" string="false">5</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
    ),
    "DeepSeek V4": (
        (("deepseek", "deepseek-v4-pro"), ("fireworks", "accounts/fireworks/models/deepseek-v4-flash")),
        '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="Read">\n<｜DSML｜parameter name="path" string="true">a.txt'
        '</｜DSML｜parameter>\n<｜DSML｜parameter name="limit" string="false">5</｜DSML｜parameter>\n'
        "</｜DSML｜invoke>\n</｜DSML｜tool_calls>",
    ),
    "MiniMax M2": (
        (("ollama", "minimax-m2:cloud"), ("together", "MiniMaxAI/MiniMax-M2")),
        '<minimax:tool_call>\n<invoke name="Read">\n<parameter name="path">a.txt</parameter>\n'
        '<parameter name="limit">5</parameter>\n</invoke>\n</minimax:tool_call>',
    ),
    "Mistral": (
        (("vllm", "mistralai/Devstral-Small-2507"), ("ollama", "mistral-small3.2")),
        f'[TOOL_CALLS][{{"name": "Read", "arguments": {BOTH}}}]',
    ),
    "Llama 3": (
        (("groq", "llama-3.3-70b-versatile"), ("llamacpp", "Llama-3.1-8B-Instruct")),
        f'<|python_tag|>{{"name": "Read", "parameters": {BOTH}}}',
    ),
    "Llama's pythonic list": (
        (("vllm", "meta-llama/Llama-4-Scout"), ("ollama", "llama3.2")),
        '[Read(path="a.txt", limit=5)]',
    ),
    "plain JSON": (
        (("ollama", "qwen2.5-coder:7b"), ("vllm", "meta-llama/Llama-3.1-8B-Instruct")),
        f'{{"name": "Read", "arguments": {BOTH}}}',
    ),
    "harmony": (
        (("vllm", "openai/gpt-oss-120b"), ("groq", "openai/gpt-oss-20b")),
        f"<|channel|>commentary to=functions.Read <|constrain|>json<|message|>{BOTH}<|call|>",
    ),
}
SERVED = [(name, served) for name, (servers, _) in LEAKED.items() for served in servers]


def streamed(text: str, step: int) -> bytes:
    """Stream a text in pieces of so many characters."""
    return sse(*(says(content=piece) for piece in in_steps(text, step)), says("stop")) + DONE


def answered(text: str) -> bytes:
    """Answer with a text at once."""
    return json.dumps(whole("stop", {}, content=text)).encode()


def content(body: bytes, size: int, **options: Any) -> list[tuple[Any, ...]]:
    """Carry an answer through and return what its message says; its stream says the same."""
    found = carried(in_steps(body, size), **options)
    assert (found.failure, found.error) == (None, None)
    assert found.message is not None
    blocks = check_stream(found.stream)["content"]
    assert blocks == found.message["content"]
    uses = any(block["type"] == "tool_use" for block in blocks)
    assert found.message["stop_reason"] == ("tool_use" if uses else "end_turn")
    return [
        (block["type"], block["text"]) if block["type"] == "text" else (block["type"], block["name"], block["input"])
        for block in blocks
    ]


@pytest.mark.parametrize("size", SIZES)
class LeakTests:
    """A leaked call is a call again."""

    @pytest.mark.parametrize(("name", "served"), SERVED)
    def test_recovered(self, size: int, name: str, served: tuple[str, str]) -> None:
        """Where the model is known for it this needs no setting, and what the model said before the call stays."""
        dialect, model = DIALECTS[served[0]], served[1]
        assert dialect.traits(model).recover_tool_calls
        looking = {"dialect": dialect, "model": model, "recoverable": OFFERED}
        text = LEAKED[name][1]
        for body in (streamed(text, 1), streamed(text, 11), answered(text)):
            assert content(body, size, **looking) == [CALL]
        if not text.startswith(("[Read", "{")):  # these count only where they are the whole answer
            said = f"I look.\n\n{text}"
            for body in (streamed(said, 1), answered(said)):
                assert content(body, size, **looking) == [("text", "I look."), CALL]

    @pytest.mark.parametrize("name", LEAKED)
    def test_unknown_name(self, size: int, name: str) -> None:
        """A tool that was not offered is not called: its name stays text, to the last character."""
        text = LEAKED[name][1]
        for body in (streamed(text, 1), answered(text)):
            assert content(body, size, recoverable={"Write": Raw(SCHEMA)}) == [("text", text)]

    @pytest.mark.parametrize("name", LEAKED)
    def test_off(self, size: int, name: str) -> None:
        """Where nothing is looked for, or no tools were offered, it is the text that it was."""
        text = LEAKED[name][1]
        for body in (streamed(text, 1), answered(text)):
            assert content(body, size) == [("text", text)]

    @pytest.mark.parametrize("name", LEAKED)
    def test_structured_call(self, size: int, name: str) -> None:
        """Once the server found a call itself, what looks like another one in the text is text."""
        text = LEAKED[name][1]
        body = sse(
            says(tool_calls=[fragment(id="c", type="function", name="Read", arguments=BOTH)]),
            *(says(content=piece) for piece in in_steps(text, 3)),
            says("tool_calls"),
        )
        assert content(body + DONE, size, recoverable=OFFERED) == [CALL, ("text", text)]

    def test_whole_structured_call(self, size: int) -> None:
        """In an unstreamed answer, or in one chunk, the text comes first and is text all the same."""
        text = LEAKED["Hermes, Qwen 2.5"][1]
        chunk = says(content=text, tool_calls=[fragment(id="c", type="function", name="Read", arguments=BOTH)])
        unstreamed = whole("stop", {}, content=text, tool_calls=[called("Read", BOTH)])
        for body in (json.dumps(unstreamed).encode(), sse(chunk, says("stop"))):
            assert content(body, size, recoverable=OFFERED) == [("text", text), CALL]

    def test_ids(self, size: int) -> None:
        """A recovered call has an id that the client can answer it by, and no two have the same."""
        text = LEAKED["Hermes, Qwen 2.5"][1] * 2
        found = carried(in_steps(streamed(text, 5), size), recoverable=OFFERED)
        assert found.message is not None
        ids = [block["id"] for block in found.message["content"]]
        assert len(set(ids)) == 2
        assert all(identifier.startswith("toolu_") and upstream_id(identifier) == identifier for identifier in ids)

    @pytest.mark.parametrize(
        "text",
        [
            "The tag <tool_call> opens a call.",
            "```xml\n<tool_call>\n{}\n</tool_call>\n```".format('{"name": "Read", "arguments": {}}'),
            'Write `<tool_call>{"name": "Read"}</tool_call>` to call it.',
            "a [link](Read) and [Read(path)] in a list",
            "if x < tool_call and y > 2: print('[TOOL_CALLS')",
            "<function=",
            '{"name": "Read", "description": "a tool"}',
            '{"name": "claude-bridge", "arguments": {}}',
        ],
    )
    def test_prose(self, size: int, text: str) -> None:
        """Prose that merely looks like a call is untouched."""
        for body in (streamed(text, 1), answered(text)):
            assert content(body, size, recoverable=OFFERED) == [("text", text)]


QUIET = (
    ("generic", "Qwen/Qwen3-32B"),
    ("openai", "gpt-5.6-sol"),
    ("azure", "gpt-4.1"),
    ("gemini", "gemini-3.1-pro-preview"),
    ("mistral", "mistral-large-2512"),
    ("xai", "grok-4.3"),
    ("openrouter", "anthropic/claude-sonnet-5"),
    ("vllm", "google/gemma-3-27b-it"),
)


@pytest.mark.parametrize("served", QUIET)
def test_quiet(served: tuple[str, str]) -> None:
    """Nothing is looked for at an unknown server, nor in models that are not known for it."""
    assert not DIALECTS[served[0]].traits(served[1]).recover_tool_calls
