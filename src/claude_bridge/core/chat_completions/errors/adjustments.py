"""Learns from a refusal which trait of a model is different from what was assumed, and its value.

Each rule has the words of real servers (the tests contain them, with their sources), the part of the request that they
can be about, and what to do instead. `claude_bridge.core.upstream_errors.trait_changes` applies them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.chat_completions.openai_types import NamedToolChoice
from claude_bridge.core.chat_completions.traits import RequestField
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.upstream_errors import trait_changes
from claude_bridge.core.upstream_errors.quotations import Quotations, without_quoted_input
from claude_bridge.core.upstream_errors.refusal_words import (
    ABOUT_FORMAT,
    FORMAT,
    LEVELS,
    MANDATORY,
    NOT,
    NOT_BESIDE_TOOLS,
    SCHEMA,
    SYSTEM_FIRST,
    TOOL_CHOICE,
    any_of,
    levels_without_none,
    other_levels,
    refused,
    weaker_tool_choice,
)
from claude_bridge.core.upstream_errors.trait_changes import Rule, TraitChange

IMAGE_PART: Final = b'"type":"image_url"'
"""As in a body; inside a text its quotes are escaped."""


def trait_change(failure: UpstreamFailure, sent: Translation) -> TraitChange | None:
    """Return the change that a refusal implies, or None. Check for overflows first, as their words may be similar."""
    return trait_changes.trait_change(failure, sent, RULES)


def refuses_images(failure: UpstreamFailure, sent: Translation) -> bool:
    """Return whether the server certainly says that the model accepts no images."""
    return trait_changes.refuses_images(failure, sent.body, IMAGE_PART)


def refuses_reasoning(failure: UpstreamFailure, sent: Translation) -> bool:
    """Return whether the server refuses ``reasoning_content``, and does not complain that it is missing."""
    text = without_quoted_input(failure.message.lower())
    if failure.status not in {400, 422} or _MISSING.search(text):
        return False
    return Quotations(sent.body).find_own(_REASONING, text) is not None


# With the words beside it, as the name alone stands in every request that has the field.
_REASONING: Final = re.compile(r"(?:\S{1,60} )?\S{0,60}reasoning_content\S{0,60}(?: \S{1,60})?")
# DeepSeek: "must be passed back"; Moonshot: "thinking is enabled but reasoning_content is missing".
_MISSING: Final = re.compile(
    r"(?:must|should|has to|have to|needs? to) (?:be (?:passed|sent|given|provided|included|present|kept|returned|set)|"
    r"have|contain|include)|(?<!not )\b(?:required|requires|missing)\b|(?:cannot|can't|may not|must not) be "
    r"(?:empty|null|blank|omitted)"
)

_OWN_LEVELS: Final = {"moonshot flavored": "moonshot", "function_declaration": "gemini"}


def _lower_schema_level(sent: Translation, text: str) -> str | None:
    """Return the level to try: the server's own if it names itself, else the lowest, or None if that was refused."""
    level = sent.target.schema
    own = next((name for word, name in _OWN_LEVELS.items() if word in text.lower()), "")
    if own and level in {"none", "basic"}:
        return own
    return None if level == "bare" else "bare"


def _lower_format(sent: Translation, text: str) -> str | None:
    form = sent.fields.response_format
    if form is None:
        return None
    if form.type == "json_schema" and not NOT_BESIDE_TOOLS.search(text):
        return "json_object"
    return "instruction"


def _has_format_without_tools(sent: Translation) -> bool:
    """Return whether the words can be about the answer's format; with tools in the request, they must name it."""
    return sent.fields.response_format is not None and not sent.fields.tools


def _weaker_tool_choice(sent: Translation, text: str) -> str:
    choice = sent.fields.tool_choice
    named = isinstance(choice, NamedToolChoice)
    return weaker_tool_choice(None if isinstance(choice, NamedToolChoice) else choice, text, named=named)


_CONTROLS_WITH_LEVELS: Final = frozenset({"effort", "reasoning"})


# OpenAI from gpt-5.4 on, which reason by default; some deployments at Azure refuse "none", too (`OpenAI.shape`).
_TOOLS_OR_EFFORT: Final = any_of(r"tools with reasoning_effort are not supported")


def _only_level_none(sent: Translation, _text: str) -> tuple[ReasoningLevel, ...] | None:
    """Return the one level that is allowed beside tools, or None if that was refused."""
    return None if sent.fields.reasoning_effort == "none" else ("none",)


def _control_beside_tools(sent: Translation, _text: str) -> str:
    """Return "none" if an effort was sent and refused, and "effort" if none was sent."""
    return "effort" if sent.fields.reasoning_effort is None else "none"


_CONTROLS: Final = frozenset(
    {"thinking", "chat_template_kwargs", "enable_thinking", "thinking_budget", "thinking_budget_tokens", "reasoning"}
)
_CONTROL: Final = (
    r"['\"`]?(?:reasoning(?:_effort)?|thinking(?:_budget)?(?:_tokens)?|enable_thinking|chat_template_kwargs)\b"
)


_MISSED: Final = any_of(
    # DeepSeek, V3.2 and V4, also through gateways; Moonshot
    r"\breasoning_content\b.{0,60}\b(?:must be (?:passed back|provided|included|present)|is (?:missing|required))",
    r"\bmissing\b.{0,20}\breasoning_content\b|\breasoning_content: field required",
)
_ASSISTANT_MESSAGE: Final = b'"role":"assistant"'
_NULL_CONTENT: Final = b'"content":null'


def _missing_thoughts(sent: Translation, text: str) -> str | None:
    """Return the policy that sends what is missing: for turns with calls if the words name these, else for all."""
    echo = sent.target.reasoning_echo
    if "tool call" in text.lower() and echo not in {"tool_turns", "all_turns"}:
        return "tool_turns"
    return "all_turns"


def _also_drop(name: RequestField) -> Callable[[Translation, str], tuple[RequestField, ...]]:
    return lambda sent, _: (*sent.target.drop, name)


def _has(name: RequestField) -> Callable[[Translation], bool]:
    return lambda sent: getattr(sent.fields, name) is not None


# A common word: it must stand as a name.
_STOP: Final = (
    rf"{NOT}[^.;]{{0,40}}(?:['\"`]stop['\"`]|parameter:? stop\b|: stop\b)|(?:['\"`]stop['\"`]|\.stop:).{{0,80}}?{NOT}"
)


def _drop_rules() -> Iterator[Rule[Translation]]:
    """Yield the rules for fields that can only be left out. Of two that exclude each other ``temperature`` stays."""
    alone: Iterable[tuple[RequestField, str]] = (
        ("top_p", rf"{refused('top_p')}|both be specified|invalid top_p: only"),
        ("temperature", rf"{refused('temperature')}|invalid temperature: only|only the default \(1\) value"),
        ("stop", _STOP),
    )
    for name, words in alone:
        yield Rule("drop", any_of(words), _has(name), _also_drop(name))


RULES: Final[tuple[Rule[Translation], ...]] = (
    Rule("structured_output", FORMAT, _has_format_without_tools, _lower_format),
    Rule(
        "structured_output",
        any_of(FORMAT.pattern, NOT_BESIDE_TOOLS.pattern),
        lambda sent: sent.fields.response_format and sent.fields.tools,
        lambda sent, text: _lower_format(sent, text) if ABOUT_FORMAT.search(text) else None,
    ),
    Rule("schema", SCHEMA, lambda sent: sent.fields.tools, _lower_schema_level),
    Rule(
        "tool_choice",
        TOOL_CHOICE,
        lambda sent: sent.fields.tool_choice is not None,
        _weaker_tool_choice,
    ),
    Rule(
        "stream_options",
        any_of(refused("(?:stream_options|include_usage|continuous_usage_stats)")),
        lambda sent: sent.fields.stream_options,
        lambda sent, text: "usage" if "continuous" in text and sent.target.stream_options == "continuous" else "none",
    ),
    Rule(
        "max_tokens_field",
        any_of(r"use ['\"`]?max_completion_tokens", refused("max_tokens")),
        lambda sent: sent.fields.max_tokens is not None,
        lambda _, text: "max_completion_tokens" if "max_completion_tokens" in text else None,
    ),
    Rule(
        "max_tokens_field",
        any_of(refused("max_completion_tokens")),
        lambda sent: sent.fields.max_completion_tokens is not None,
        lambda _sent, _text: "max_tokens",
    ),
    Rule(
        "parallel_tool_calls",
        any_of(refused("parallel_tool_calls")),
        lambda sent: sent.fields.parallel_tool_calls is not None,
        lambda _sent, _text: False,
    ),
    Rule("top_k", any_of(refused("top_k")), lambda sent: sent.fields.top_k is not None, lambda _sent, _text: False),
    *_drop_rules(),
    Rule(
        "reasoning_levels",
        MANDATORY,
        lambda sent: sent.target.reasoning_control in _CONTROLS_WITH_LEVELS,
        lambda sent, _text: levels_without_none(sent.target.reasoning_levels),
    ),
    Rule("reasoning_control", MANDATORY, lambda sent: sent.extra & _CONTROLS, lambda _sent, _text: "none"),
    Rule("reasoning_levels", _TOOLS_OR_EFFORT, lambda sent: sent.fields.tools, _only_level_none),
    Rule("reasoning_control", _TOOLS_OR_EFFORT, lambda sent: sent.fields.tools, _control_beside_tools),
    Rule(
        "reasoning_levels",
        LEVELS,
        lambda sent: sent.fields.reasoning_effort is not None,
        lambda sent, text: other_levels(text, sent.fields.reasoning_effort),
    ),
    Rule(
        "reasoning_control",
        any_of(
            rf"(?:unsupported|unrecogni[sz]ed|unknown)[^.;]{{0,30}}{_CONTROL}",
            rf"{_CONTROL}['\"`]?:? (?:extra inputs|(?:is|are) not (?:supported|permitted|allowed))",
            r"does not support (?:thinking|reasoning)\b",
            # Ollama until the autumn of 2025, where only gpt-oss had levels
            r"think value .{0,20} is not supported",
            # vLLM, which runs Mistral's models without a chat template
            r"chat_template is not supported|kwargs \[[^\]]{0,80}\] are not supported",
        ),
        lambda sent: sent.fields.reasoning_effort is not None or sent.extra & _CONTROLS,
        lambda _sent, _text: "none",
    ),
    Rule(
        "call_content",
        any_of(
            r"\bcontent\b.{0,60}?(?:valid string|was null|got null|none is not an allowed value)",
            r"\bcontent\b.{0,60}?(?:not|n't) be (?:null|none)|invalid type: null, expected",
        ),
        lambda sent: _NULL_CONTENT in sent.body,
        lambda _sent, _text: "empty",
    ),
    # gpt-oss' chat template, as LM Studio and llama.cpp run it
    Rule(
        "reasoning_echo",
        any_of(r"cannot pass both content and thinking"),
        lambda sent: _ASSISTANT_MESSAGE in sent.body,
        lambda _sent, _text: "never",
    ),
    Rule("reasoning_echo", _MISSED, lambda sent: _ASSISTANT_MESSAGE in sent.body, _missing_thoughts),
    Rule(
        "system_role",
        any_of(r"['\"`]developer['\"`]|\bdeveloper role|role developer|unexpected (?:message )?role.{0,20}developer"),
        lambda sent: sent.target.system_role == "developer",
        lambda _sent, _text: "system",
    ),
    Rule(
        "system_messages",
        SYSTEM_FIRST,
        lambda sent: sent.target.system_messages == "inline",
        lambda _sent, _text: "fold",
    ),
    Rule(
        "alternate",
        any_of(
            r"roles? must alternate|must alternate (?:between )?user",
            # Mistral's validation, wherever it runs
            r"unexpected role ['\"`]?user['\"`]? after role ['\"`]?tool",
        ),
        lambda sent: not sent.target.alternate,
        lambda _sent, _text: True,
    ),
)
