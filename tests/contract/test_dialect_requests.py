"""What each server never gets (docs/servers.md), whatever a client asks for.

Every rule is one quirk. It is held against requests of all kinds at once: levels of thinking, choices of tools, shapes
of answers, sampling, schemas, histories. The tests of each dialect say what is sent instead.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.errors import InvalidRequest
from tests.core.asking import IMAGE, assistant, result, system, text, tool, use, user
from tests.core.chat_completions.dialects.translated import LEVELS, loop, request, thinking

Sent = dict[str, Any]
Rule = Callable[[Sent], bool]

ODD = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "$id": "x",
    "type": "object",
    "properties": {
        "a": {"type": "string", "const": "x"},
        "b": {"type": "number", "exclusiveMinimum": 0},
        "c": {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": False},
        "d": {"type": "array", "items": [{"type": "string"}, {"type": "number"}]},
        "e": {"type": "string", "anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "additionalProperties": False,
}
STRICT = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
TOOLS = [tool("Read", input_schema=ODD), tool("Write", input_schema=STRICT, strict=True)]
FORCED: list[dict[str, Any]] = [{"type": "auto"}, {"type": "any"}, {"type": "tool", "name": "Read"}]
CHOICES: list[dict[str, Any]] = [
    {},
    {"tools": TOOLS},
    *({"tools": TOOLS, "tool_choice": choice | {"disable_parallel_tool_use": True}} for choice in FORCED),
    {"tools": TOOLS, "tool_choice": {"type": "none"}},
]
SHAPES: list[dict[str, Any]] = [{}, {"format": {"type": "json_schema", "schema": ODD}}]
SAMPLING: list[dict[str, Any]] = [
    {},
    {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "stop_sequences": ["a", "b", "c", "d", "e"]},
]
BUDGET: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 5000}}
HISTORIES: list[list[dict[str, object]]] = [
    [user("hi")],
    loop(),
    loop("", "", ""),
    [*loop(), system("note")],
    [
        user(text("look"), IMAGE),
        assistant(thinking("Hm"), text("Ok."), use("toolu_1", path="ä")),
        user(result("toolu_1", [IMAGE])),
    ],
]


@cache
def requests(dialect: str, model: str) -> list[Sent]:
    """Return what a model gets for all that a client may say: of one message in all combinations, then in histories."""
    fields = [
        {**level, **choice, **sampling, "output_config": {**level.get("output_config", {}), **shape}}
        for level, choice, sampling, shape in itertools.product([*LEVELS.values(), BUDGET], CHOICES, SAMPLING, SHAPES)
    ]
    asked = [(HISTORIES[0], each) for each in fields]
    asked += [(history, {**level, **CHOICES[1]}) for history in HISTORIES[1:] for level in [*LEVELS.values(), BUDGET]]
    return [sent for history, each in asked if (sent := _sent(dialect, model, history, each))]


def _sent(dialect: str, model: str, history: list[dict[str, object]], fields: dict[str, Any]) -> Sent:
    """Return the request, or nothing where the client is to leave its images out."""
    try:
        return request(DIALECTS[dialect], model, *history, **fields)
    except InvalidRequest as refused:
        if "capability_rejected: image_block" not in str(refused):
            raise
        return {}


def never(*names: str) -> Rule:
    """Fields that are not sent."""
    return lambda sent: sent.keys().isdisjoint(names)


def not_both(first: str, second: str) -> Rule:
    """Fields of which one at most is sent."""
    return lambda sent: not (first in sent and second in sent)


def one_of(name: str, *values: object) -> Rule:
    """Values that a field may have, if it is sent."""
    return lambda sent: name not in sent or sent[name] in values


def kept(name: str, value: object) -> Rule:
    """A field that is always this."""
    return lambda sent: sent.get(name) == value


def answers(sent: Sent) -> list[Sent]:
    """Return the assistant's messages."""
    return [message for message in sent["messages"] if message["role"] == "assistant"]


def in_answers(rule: Rule) -> Rule:
    """Hold a rule against each assistant message."""
    return lambda sent: all(map(rule, answers(sent)))


def in_calling(rule: Rule) -> Rule:
    """Hold a rule against each assistant message with calls."""
    return in_answers(lambda message: "tool_calls" not in message or rule(message))


def schemas_without(*keys: str) -> Rule:
    """Keys that no tool's schema has, at any depth."""
    found = re.compile("|".join(f'"{re.escape(key)}":' for key in keys))
    return lambda sent: not found.search(json.dumps([each["function"] for each in sent.get("tools", ())]))


def nine(sent: Sent) -> bool:
    """Return whether all ids of calls are nine letters and digits."""
    ids = [call["id"] for message in answers(sent) for call in message.get("tool_calls", ())]
    ids += [message["tool_call_id"] for message in sent["messages"] if message["role"] == "tool"]
    return all(re.fullmatch("[A-Za-z0-9]{9}", each) for each in ids)


def thinks(sent: Sent) -> bool:
    """Return whether the model will think, as far as fields of this name say."""
    return bool(sent.get("thinking", {}).get("type") != "disabled" and sent.get("enable_thinking") is not False)


def forced(sent: Sent) -> bool:
    """Return whether a call is demanded."""
    choice = sent.get("tool_choice", "auto")
    return isinstance(choice, dict) or choice not in {"auto", "none"}


def moonshot_tuples(sent: Sent) -> bool:
    """Return whether no array has a list of schemas under ``items``, nor ``type`` beside ``anyOf``."""
    written = json.dumps([each["function"] for each in sent.get("tools", ())])
    return '"items": [' not in written and not re.search(r'"type": "string", "anyOf"', written)


@frozen
class Quirk:
    """One rule of one server.

    :ivar says: the quirk, as `docs/servers.md` has it.
    """

    dialect: str
    models: tuple[str, ...]
    says: str
    rule: Rule


V4 = ("deepseek-v4-pro", "deepseek-flash")
KIMI = ("kimi-k2.5", "kimi-k2.6", "kimi-k2.7-code", "kimi-k3")
GLM = ("glm-4.6", "glm-4.7", "glm-5.2", "glm-5.3", "glm-4.5v")
FIREWORKS = tuple(f"accounts/fireworks/models/{name}" for name in ("kimi-k2p6", "glm-5p2", "gpt-oss-120b", "llama-3"))
GROQ = ("openai/gpt-oss-120b", "qwen/qwen3-32b", "llama-3.3-70b-versatile")
MISTRAL = ("mistral-large-2512", "mistral-small-2603", "magistral-medium-latest", "codestral-latest")
GROK = ("grok-4.3", "grok-4", "grok-code-fast-1", "grok-3-mini")
QWEN = ("qwen3.7-plus", "qwen3-max", "qwen-plus", "qwq-plus", "qwen3-coder-plus", "deepseek-v4-pro")

QUIRKS = (
    Quirk(
        "llamacpp",
        ("m",),
        "tool_choice as an object is taken for auto",
        one_of("tool_choice", "required", "auto", "none"),
    ),
    Quirk(
        "lmstudio",
        ("m", "openai/gpt-oss-20b"),
        "Invalid tool_choice type: 'object'",
        one_of("tool_choice", "required", "auto", "none"),
    ),
    Quirk("ollama", ("qwen3:8b", "llama3.2", "gpt-oss:20b"), "tool_choice unsupported", never("tool_choice")),
    Quirk(
        "ollama",
        ("qwen3:8b", "gpt-oss:20b"),
        "reasoning_effort none/low/medium/high/max",
        one_of("reasoning_effort", "none", "low", "medium", "high", "max"),
    ),
    Quirk(
        "ollama",
        ("llama3.2", "qwen3-coder:30b"),
        "m does not support thinking",
        never("reasoning_effort", "reasoning", "think"),
    ),
    Quirk(
        "vllm",
        ("mistralai/Devstral-2", "Ministral-3-14B"),
        "chat_template is not supported for Mistral tokenizers",
        never("chat_template_kwargs"),
    ),
    Quirk(
        "vllm",
        ("m", "openai/gpt-oss-20b"),
        "reasoning_effort of versions of a year ago",
        one_of("reasoning_effort", "low", "medium", "high"),
    ),
    Quirk(
        "sglang",
        ("m",),
        "reasoning_effort: Input should be 'low', 'medium' or 'high'",
        one_of("reasoning_effort", "low", "medium", "high"),
    ),
    Quirk(
        "deepseek",
        V4,
        "reasoning_content must be present on every assistant turn",
        in_answers(lambda message: bool(message.get("reasoning_content"))),
    ),
    Quirk(
        "deepseek",
        ("deepseek-reasoner",),
        "must not receive old reasoning before the last user turn",
        lambda sent: (
            all("reasoning_content" not in message for message in answers(sent)[:2]) if len(answers(sent)) > 2 else True
        ),
    ),
    Quirk("deepseek", V4, "reasoning_effort low/high/max", one_of("reasoning_effort", "low", "high", "max")),
    Quirk(
        "deepseek",
        V4,
        "no effort beside thinking that is off",
        lambda sent: thinks(sent) or "reasoning_effort" not in sent,
    ),
    Quirk(
        "deepseek",
        V4,
        "Thinking mode does not support this tool_choice",
        lambda sent: not (forced(sent) and thinks(sent)),
    ),
    Quirk("deepseek", (*V4, "deepseek-chat"), "strict tools only on the beta base URL", schemas_without("strict")),
    Quirk(
        "openrouter",
        ("anthropic/claude-sonnet-5", "x"),
        "reasoning {effort|max_tokens|enabled}, one of these",
        lambda sent: len(sent.get("reasoning", {"": 0})) == 1,
    ),
    Quirk(
        "openrouter",
        ("anthropic/claude-sonnet-5",),
        "only one of reasoning and reasoning_effort",
        never("reasoning_effort"),
    ),
    Quirk(
        "openrouter",
        ("deepseek/deepseek-v4-pro",),
        "what DeepSeek insists on",
        in_answers(lambda message: bool(message.get("reasoning"))),
    ),
    Quirk("groq", GROQ, "response_format neither streams nor goes beside tools", never("response_format")),
    Quirk("groq", GROQ[:2], "property 'reasoning_content' is unsupported", in_answers(never("reasoning_content"))),
    Quirk("groq", GROQ[2:], "property 'reasoning' is unsupported", in_answers(never("reasoning_content", "reasoning"))),
    Quirk("groq", GROQ[:1], "gpt-oss does not support reasoning_format", never("reasoning_format")),
    Quirk(
        "groq",
        GROQ[1:2],
        "reasoning needs reasoning_format parsed",
        lambda sent: "reasoning_effort" not in sent or sent["reasoning_format"] == "parsed",
    ),
    Quirk("groq", GROQ[1:2], "reasoning_effort none or default", one_of("reasoning_effort", "none")),
    Quirk("fireworks", FIREWORKS, "thinking or reasoning_effort, not both", not_both("thinking", "reasoning_effort")),
    Quirk("fireworks", FIREWORKS, "no tools together with response_format", not_both("tools", "response_format")),
    Quirk(
        "mistral",
        MISTRAL,
        "no stream_options, no max_completion_tokens",
        never("stream_options", "max_completion_tokens", "top_k"),
    ),
    Quirk("mistral", MISTRAL, "tool_choice any, no named choice", one_of("tool_choice", "any", "auto", "none")),
    Quirk("mistral", MISTRAL, "ids are nine alphanumerics", nine),
    Quirk(
        "mistral",
        MISTRAL,
        "schema keys that it refuses",
        schemas_without("$schema", "$id", "additionalProperties", "strict"),
    ),
    Quirk("mistral", MISTRAL, "reasoning_effort high/none", one_of("reasoning_effort", "none", "high")),
    Quirk("mistral", MISTRAL, "thinking is a part of the content", in_answers(never("reasoning_content", "reasoning"))),
    Quirk(
        "mistral",
        MISTRAL,
        "content is never null beside calls",
        in_answers(lambda message: message["content"] is not None),
    ),
    Quirk(
        "moonshot",
        KIMI,
        "reasoning_content required on assistant messages with tool calls",
        in_calling(lambda message: bool(message.get("reasoning_content"))),
    ),
    Quirk("moonshot", KIMI, "temperature fixed", never("temperature", "top_p")),
    Quirk("moonshot", KIMI[:1], "K2.5 refuses keep", lambda sent: "keep" not in sent.get("thinking", {})),
    Quirk("moonshot", KIMI[2:3], "K2.7 always on", thinks),
    Quirk("moonshot", KIMI[3:], "K3: no thinking field", never("thinking")),
    Quirk("moonshot", KIMI[3:], "K3: reasoning_effort low/high/max", one_of("reasoning_effort", "low", "high", "max")),
    Quirk(
        "moonshot",
        ("kimi-k2-0905-preview", "moonshot-v1-128k"),
        "older models lack tool_choice required",
        one_of("tool_choice", "auto", "none"),
    ),
    Quirk(
        "moonshot",
        KIMI[:2],
        "tool_choice is incompatible with thinking enabled",
        lambda sent: not (forced(sent) and thinks(sent)),
    ),
    Quirk("moonshot", KIMI, "no type beside anyOf, no tuples under items", moonshot_tuples),
    Quirk("zai", GLM, "only tool_choice auto", one_of("tool_choice", "auto", "none")),
    Quirk("zai", GLM, "no stream_options, no max_completion_tokens", never("stream_options", "max_completion_tokens")),
    Quirk("zai", GLM, "no strict", schemas_without("strict")),
    Quirk(
        "zai",
        GLM[:4],
        "tool_stream or minutes of silence",
        lambda sent: "tools" not in sent or sent["tool_stream"] is True,
    ),
    Quirk(
        "zai",
        GLM[1:4],
        "thinking must be returned with tool results",
        in_calling(lambda message: bool(message.get("reasoning_content"))),
    ),
    Quirk(
        "zai",
        GLM[1:4],
        "clear_thinking false, or it is not preserved",
        lambda sent: sent.get("thinking", {}).get("type") == "disabled" or sent["thinking"]["clear_thinking"] is False,
    ),
    Quirk(
        "zai",
        GLM[3:4],
        "GLM-5.3 always thinks, effort low/high/max",
        lambda sent: thinks(sent) and sent.get("reasoning_effort") in {None, "low", "high", "max"},
    ),
    Quirk(
        "dashscope",
        QWEN,
        "tool_choice required or object not in thinking mode",
        lambda sent: not forced(sent) or sent.get("enable_thinking") is not True,
    ),
    Quirk(
        "dashscope",
        QWEN,
        "no budget without thinking",
        lambda sent: sent.get("enable_thinking") is True or "thinking_budget" not in sent,
    ),
    Quirk("dashscope", QWEN[-2:-1], "the coder has no switch", never("enable_thinking", "thinking_budget")),
    Quirk(
        "gemini",
        ("gemini-3.1-pro-preview", "gemini-2.5-flash"),
        "Unknown name: fields that it does not know",
        never("parallel_tool_calls", "top_k", "enable_thinking", "thinking", "reasoning"),
    ),
    Quirk(
        "gemini",
        ("gemini-3.1-pro-preview",),
        "missing a thought_signature",
        in_calling(lambda message: "extra_content" in message["tool_calls"][0]),
    ),
    Quirk(
        "gemini",
        ("gemini-3.1-pro-preview",),
        "schema subset",
        schemas_without("$schema", "$id", "additionalProperties", "exclusiveMinimum", "propertyNames", "const"),
    ),
    Quirk(
        "gemini",
        ("gemini-3.1-pro-preview",),
        "reasoning has no field",
        in_answers(never("reasoning_content", "reasoning")),
    ),
    Quirk(
        "gemini",
        ("gemini-2.5-flash", "gemini-2.0-flash"),
        "JSON and tools not together before 3",
        not_both("tools", "response_format"),
    ),
    Quirk("xai", GROK[:3], "no stop on reasoning models", never("stop")),
    Quirk("xai", GROK, "no presence_penalty", never("presence_penalty", "frequency_penalty")),
    Quirk("xai", GROK[1:3], "effort refused before 4.3", never("reasoning_effort")),
    Quirk(
        "openai",
        ("gpt-5.6-sol",),
        "function tools with reasoning_effort are not supported",
        lambda sent: "tools" not in sent or sent["reasoning_effort"] == "none",
    ),
    Quirk("openai", ("gpt-5.6-sol", "gpt-5", "o3", "gpt-4.1"), "max_completion_tokens", never("max_tokens")),
    Quirk(
        "openai",
        ("gpt-5.6-sol", "gpt-5", "o3"),
        "developer role",
        lambda sent: all(message["role"] != "system" for message in sent["messages"]),
    ),
    Quirk(
        "openai",
        ("gpt-5.6-sol", "gpt-5", "o3"),
        "sampling is fixed while it reasons",
        never("temperature", "top_p", "stop"),
    ),
    Quirk("azure", ("my-deployment", "gpt-5"), "max_completion_tokens", never("max_tokens")),
    Quirk(
        "chutes",
        ("deepseek-ai/DeepSeek-V3.2", "zai-org/GLM-5.2"),
        "nothing of one engine alone",
        lambda sent: sent["stream_options"] == {"include_usage": True},
    ),
    *(
        Quirk("together", (model,), "one of reasoning and reasoning_effort", not_both("reasoning", "reasoning_effort"))
        for model in ("moonshotai/Kimi-K2.6", "zai-org/GLM-5.3", "deepseek-ai/DeepSeek-V4-Pro")
    ),
    # what an unknown server may not know
    Quirk(
        "generic",
        ("anything",),
        "an unknown server gets no field that OpenAI does not have",
        never(
            "reasoning_effort",
            "thinking",
            "reasoning",
            "chat_template_kwargs",
            "enable_thinking",
            "thinking_budget",
            "top_k",
            "max_completion_tokens",
            "extra_body",
            "metadata",
            "cache_control",
        ),
    ),
    Quirk(
        "generic",
        ("anything",),
        "usage is always asked for (docs/chat-completions.md 1.1)",
        kept("stream_options", {"include_usage": True}),
    ),
    Quirk("generic", ("anything",), "at most four stop sequences", lambda sent: len(sent.get("stop", ())) <= 4),
    *(
        Quirk(
            name,
            ("some-model",),
            "tool_choice never without tools (vLLM: When using `tool_choice`, `tools` must be set)",
            lambda sent: (
                "tools" in sent or sent.keys().isdisjoint({"tool_choice", "parallel_tool_calls", "tool_stream"})
            ),
        )
        for name in DIALECTS
    ),
    *(
        Quirk(
            name,
            ("some-model",),
            "no words of Anthropic's own (docs/chat-completions.md 1.1)",
            lambda sent: (
                not re.search(
                    r'"(?:input_schema|tool_use_id|signature|input_examples|context_management|redacted_thinking|betas)"',
                    json.dumps(sent),
                )
            ),
        )
        for name in DIALECTS
    ),
)


@pytest.mark.parametrize("quirk", QUIRKS, ids=lambda quirk: f"{quirk.dialect}: {quirk.says}")
def test_never(quirk: Quirk) -> None:
    """Nothing that a client can say makes a server get what it refuses."""
    for model in quirk.models:
        for sent in requests(quirk.dialect, model):
            assert quirk.rule(sent), (model, sent)
        assert len(requests(quirk.dialect, model)) > len(HISTORIES)


@given(
    st.sampled_from(list(DIALECTS)),
    st.text(max_size=256) | st.from_regex(r"[a-z]{0,4}[/:.-]?(?:gpt|glm|qwen|kimi|o|k)[-.\d]{0,9}[a-z:]{0,9}"),
)
def test_odd_names(name: str, model: str) -> None:
    """Whatever a model is called, each dialect has traits for it, and a request can be made."""
    assert isinstance(DIALECTS[name].traits(model), Traits)
    assert request(DIALECTS[name], model or "m", tools=[tool("Read")], thinking={"type": "adaptive"})["messages"]
