"""Learns from a refusal which trait of a model is different from what was assumed, and its value.

Each rule has the words of real servers (the tests contain them, with their sources), the part of the request that they
can be about, and what to do instead. A rule applies only if the request had that part, so that nothing is learned from
a server's help text, and only if the words do not stand in the request, as they are then the user's (`quotations`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, get_args

from attrs import frozen

from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.chat_completions.openai_types import NamedToolChoice
from claude_bridge.core.chat_completions.traits import RequestField
from claude_bridge.core.chat_completions.translation import Translation
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.upstream_errors.quotations import Quotations, without_quoted_input

STATUSES: Final = frozenset({400, 404, 415, 422, 500, 501, 502})
"""OpenRouter answers 404 for what no provider supports, llama.cpp 500 for images, llama-cpp-python 500 for anything; an
error inside a stream without a status counts as 502."""

_IMAGE_PART: Final = b'"type":"image_url"'
"""As in a body; inside a text its quotes are escaped."""


@frozen(kw_only=True)
class TraitChange:
    """A trait that is different from what was assumed."""

    trait: str
    value: Any

    def __str__(self) -> str:
        """Return it as in the configuration."""
        return f"{self.trait} = {self.value}"


@frozen
class _Rule:
    """One kind of refusal.

    :ivar concerns: returns whether the request had what the words are about.
    :ivar instead: returns the trait's next value for the words, or None if there is none.
    """

    trait: str
    words: re.Pattern[str]
    concerns: Callable[[Translation], object]
    instead: Callable[[Translation, str], Any]


def trait_change(failure: UpstreamFailure, sent: Translation) -> TraitChange | None:
    """Return the change that a refusal implies, or None. Check for overflows first, as their words may be similar.

    The change is only a guess until a request succeeds with it.
    """
    if failure.status not in STATUSES:
        return None
    text, quotations = without_quoted_input(f"{failure.code} {failure.message}"), Quotations(sent.body)
    for rule in _RULES:
        if rule.concerns(sent) and quotations.find_own(rule.words, text):
            value = rule.instead(sent, text)
            if value is not None and value != getattr(sent.target, rule.trait):
                return TraitChange(trait=rule.trait, value=value)
    return None


def refuses_images(failure: UpstreamFailure, sent: Translation) -> bool:
    """Return whether the server certainly says that the model accepts no images.

    This is not remembered: the client leaves them out from then on, and the server may get a projector later.
    """
    if failure.status not in STATUSES or _IMAGE_PART not in sent.body:
        return False
    return Quotations(sent.body).find_own(_IMAGES, without_quoted_input(failure.message)) is not None


def refuses_reasoning(failure: UpstreamFailure, sent: Translation) -> bool:
    """Return whether the server refuses ``reasoning_content``, and does not complain that it is missing."""
    text = without_quoted_input(failure.message.lower())
    if failure.status not in {400, 422} or _MISSING.search(text):
        return False
    return Quotations(sent.body).find_own(_REASONING, text) is not None


def _any_of(*words: str) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)


_NOT: Final = (
    r"(?:not (?:be )?(?:supported|permitted|allowed|available|enabled|recogni[sz]ed|accepted)|unsupported|unavailable"
    r"|unrecogni[sz]ed|unknown (?:name|field|parameter|argument|variant|key)|unexpected|extra_forbidden|extra inputs"
    r"|deprecated|does(?: not|n't) (?:support|accept|allow)|doesn.t support|cannot (?:both )?be (?:specified|used|set)"
    r"|is only (?:allowed|supported)|incompatible)"
)


def _refused(field: str) -> str:
    """Return a pattern for the refusal of a field as such, not of its value."""
    return rf"{_NOT}[^.;]{{0,60}}\b{field}\b|\b{field}\b.{{0,80}}?{_NOT}"


_IMAGES: Final = _any_of(
    r"(?:not|n't|n.t) (?:support|accept) (?:an? )?(?:images?\b|vision|multi-?modal)",
    r"images?(?:_url)?(?: input| content|s)? (?:is|are) (?:not|only) (?:supported|enabled|allowed)",
    r"no endpoints found that support image",
    r"unknown variant .?image_url",
    r"(?:is not|not) a (?:multi-?modal|vision) model",
    r"at most 0 image",
    r"content must be a string",
    r"invalid type: sequence, expected a string",
    r"vision is not (?:supported|enabled)",
    r"missing data required for image input",
)

# With the words beside it, as the name alone stands in every request that has the field.
_REASONING: Final = re.compile(r"(?:\S{1,60} )?\S{0,60}reasoning_content\S{0,60}(?: \S{1,60})?")
# DeepSeek: "must be passed back"; Moonshot: "thinking is enabled but reasoning_content is missing".
_MISSING: Final = re.compile(
    r"(?:must|should|has to|have to|needs? to) (?:be (?:passed|sent|given|provided|included|present|kept|returned|set)|"
    r"have|contain|include)|(?<!not )\b(?:required|requires|missing)\b|(?:cannot|can't|may not|must not) be "
    r"(?:empty|null|blank|omitted)"
)

_SCHEMA: Final = _any_of(
    # llama.cpp and LM Studio, which is built on it
    r"failed to parse grammar|error parsing grammar|json schema conversion failed|unrecognized schema",
    # OpenAI and whoever copies it; Groq; xAI; Fireworks; Cerebras; Anthropic behind a gateway
    r"invalid schema for function|invalid_function_parameters|invalid (?:json|function|tool) schema",
    r"json schema (?:is )?(?:not supported|invalid)|unsupported json schema|error initializing \S{0,40}grammar",
    r"tools\.\d+\.(?:custom\.)?input_schema",
    # vLLM and SGLang with their makers of grammars
    r"not supported by (?:xgrammar|outlines|guidance|llguidance|lm-?format-enforcer)|unimplemented keys",
    r"failed to (?:compile|convert|build)\b[^.]{0,40}(?:grammar|json schema)",
    # Moonshot
    r"moonshot flavored json schema|tools\.function\.parameters",
    # Google
    r"function_?declarations?\b.{0,200}(?:cannot find field|field|schema|should be|must be)",
    r"unknown name .{0,80}\btools\[|didn't specify the schema type|fields alongside any_of",
    # any other that mentions both
    r"(?:tools?|functions?)\b.{0,60}\bschema\b.{0,60}(?:invalid|not valid|unsupported|not supported)",
    r"(?:invalid|unsupported)\b.{0,40}\bschema\b.{0,60}\b(?:tools?|functions?|parameters)\b",
)


_OWN_LEVELS: Final = {"moonshot flavored": "moonshot", "function_declaration": "gemini"}


def _lower_schema_level(sent: Translation, text: str) -> str | None:
    """Return the level to try: the server's own if it names itself, else the lowest, or None if that was refused."""
    level = sent.target.schema
    own = next((name for word, name in _OWN_LEVELS.items() if word in text.lower()), "")
    if own and level in {"none", "basic"}:
        return own
    return None if level == "bare" else "bare"


_FORMAT: Final = _any_of(
    r"response.?format\b.{0,120}?(?:unavailable|unsupported|not supported|must be|invalid|cannot|not permitted|extra)",
    r"(?:unsupported|invalid|does not support|doesn.t support|cannot specify|not support)\b.{0,80}?response.?format",
    r"json.?(?:schema|mode|object)\b.{0,60}?(?:unavailable|not supported|not available|cannot be combined)",
    r"does not support (?:structured outputs?|json.?(?:schema|mode))|structured outputs? (?:is|are) not supported",
    r"response mime type.{0,60}unsupported",
    _SCHEMA.pattern,
)
_NOT_BESIDE_TOOLS: Final = _any_of(
    r"\b(?:tools?|functions?)\b.{0,80}(?:same time|combined|together|mime type|with a response)",
    r"combined with (?:tool|function)",
)

_ABOUT_FORMAT: Final = _any_of(r"response.?(?:format|mime)|json mode|structured output")


def _lower_format(sent: Translation, text: str) -> str | None:
    form = sent.fields.response_format
    if form is None:
        return None
    if form.type == "json_schema" and not _NOT_BESIDE_TOOLS.search(text):
        return "json_object"
    return "instruction"


def _has_format_without_tools(sent: Translation) -> bool:
    """Return whether the words can be about the answer's format; with tools in the request, they must name it."""
    return sent.fields.response_format is not None and not sent.fields.tools


_THINKING: Final = re.compile(r"thinking|reason|required|only .{0,20}auto\b", re.IGNORECASE)


def _weaker_tool_choice(sent: Translation, text: str) -> str | None:
    """Return the next weaker form of tool choice: without a tool's name, then without forcing, then no field."""
    choice = sent.fields.tool_choice
    if isinstance(choice, NamedToolChoice):
        return "auto" if _THINKING.search(text) and not re.search("values?.{0,40}required", text) else "required"
    if choice == "required" and re.search(r"['\"`]any['\"`]", text):
        return "any"
    return "auto" if choice in {"required", "any"} else "none"


_LISTED: Final = re.compile(r"supported values|one of|should be|must be|expected|\bvalid|available", re.IGNORECASE)


def _listed_levels(sent: Translation, text: str) -> tuple[ReasoningLevel, ...] | None:
    """Return the levels that a refusal lists, or None if the refused one is among them."""
    listed = _LISTED.split(text, maxsplit=1)[-1]
    found = tuple(level for level in get_args(ReasoningLevel) if re.search(rf"\b{level}\b", listed, re.IGNORECASE))
    return found if found and sent.fields.reasoning_effort not in found else None


# OpenRouter about models that always think; Z.ai. Clients switch thinking off for titles and the like.
_MANDATORY: Final = _any_of(r"reasoning is mandatory|\b(?:thinking|reasoning)\b.{0,60}\bcan(?:not|'t) be disabled")
_CONTROLS_WITH_LEVELS: Final = frozenset({"effort", "reasoning"})


def _levels_without_none(sent: Translation, _text: str) -> tuple[ReasoningLevel, ...] | None:
    """Return the levels without "none", so that the lowest is used instead, or None if it is not among them."""
    levels = sent.target.reasoning_levels
    return tuple(level for level in levels if level != "none") if "none" in levels else None


# OpenAI from gpt-5.4 on, which reason by default; some deployments at Azure refuse "none", too (`OpenAI.shape`).
_TOOLS_OR_EFFORT: Final = _any_of(r"tools with reasoning_effort are not supported")


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


_MISSED: Final = _any_of(
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
    rf"{_NOT}[^.;]{{0,40}}(?:['\"`]stop['\"`]|parameter:? stop\b|: stop\b)|(?:['\"`]stop['\"`]|\.stop:).{{0,80}}?{_NOT}"
)


def _drop_rules() -> Iterator[_Rule]:
    """Yield the rules for fields that can only be left out. Of two that exclude each other ``temperature`` stays."""
    alone: Iterable[tuple[RequestField, str]] = (
        ("top_p", rf"{_refused('top_p')}|both be specified|invalid top_p: only"),
        ("temperature", rf"{_refused('temperature')}|invalid temperature: only|only the default \(1\) value"),
        ("stop", _STOP),
    )
    for name, words in alone:
        yield _Rule("drop", _any_of(words), _has(name), _also_drop(name))


_RULES: Final[tuple[_Rule, ...]] = (
    _Rule("structured_output", _FORMAT, _has_format_without_tools, _lower_format),
    _Rule(
        "structured_output",
        _any_of(_FORMAT.pattern, _NOT_BESIDE_TOOLS.pattern),
        lambda sent: sent.fields.response_format and sent.fields.tools,
        lambda sent, text: _lower_format(sent, text) if _ABOUT_FORMAT.search(text) else None,
    ),
    _Rule("schema", _SCHEMA, lambda sent: sent.fields.tools, _lower_schema_level),
    _Rule(
        "tool_choice",
        _any_of(
            r"tool.?choice.{0,120}?(?:not support|supported|does not|incompatible|must (?:either )?be|invalid)",
            r"(?:not support|unsupported|invalid|unknown|that support)\b.{0,60}?tool.?choice",
            r"tool_choice: (?:input should be|extra inputs)",
        ),
        lambda sent: sent.fields.tool_choice is not None,
        _weaker_tool_choice,
    ),
    _Rule(
        "stream_options",
        _any_of(_refused("(?:stream_options|include_usage|continuous_usage_stats)")),
        lambda sent: sent.fields.stream_options,
        lambda sent, text: "usage" if "continuous" in text and sent.target.stream_options == "continuous" else "none",
    ),
    _Rule(
        "max_tokens_field",
        _any_of(r"use ['\"`]?max_completion_tokens", _refused("max_tokens")),
        lambda sent: sent.fields.max_tokens is not None,
        lambda _, text: "max_completion_tokens" if "max_completion_tokens" in text else None,
    ),
    _Rule(
        "max_tokens_field",
        _any_of(_refused("max_completion_tokens")),
        lambda sent: sent.fields.max_completion_tokens is not None,
        lambda _sent, _text: "max_tokens",
    ),
    _Rule(
        "parallel_tool_calls",
        _any_of(_refused("parallel_tool_calls")),
        lambda sent: sent.fields.parallel_tool_calls is not None,
        lambda _sent, _text: False,
    ),
    _Rule("top_k", _any_of(_refused("top_k")), lambda sent: sent.fields.top_k is not None, lambda _sent, _text: False),
    *_drop_rules(),
    _Rule(
        "reasoning_levels",
        _MANDATORY,
        lambda sent: sent.target.reasoning_control in _CONTROLS_WITH_LEVELS,
        _levels_without_none,
    ),
    _Rule("reasoning_control", _MANDATORY, lambda sent: sent.extra & _CONTROLS, lambda _sent, _text: "none"),
    _Rule("reasoning_levels", _TOOLS_OR_EFFORT, lambda sent: sent.fields.tools, _only_level_none),
    _Rule("reasoning_control", _TOOLS_OR_EFFORT, lambda sent: sent.fields.tools, _control_beside_tools),
    _Rule(
        "reasoning_levels",
        _any_of(
            r"(?:reasoning.?)?effort\b.{0,120}?(?:supported values|one of|should be|expected|valid|available)",
            r"invalid reasoning value: .{0,40}\(must be",
        ),
        lambda sent: sent.fields.reasoning_effort is not None,
        _listed_levels,
    ),
    _Rule(
        "reasoning_control",
        _any_of(
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
    _Rule(
        "call_content",
        _any_of(
            r"\bcontent\b.{0,60}?(?:valid string|was null|got null|none is not an allowed value)",
            r"\bcontent\b.{0,60}?(?:not|n't) be (?:null|none)|invalid type: null, expected",
        ),
        lambda sent: _NULL_CONTENT in sent.body,
        lambda _sent, _text: "empty",
    ),
    # gpt-oss' chat template, as LM Studio and llama.cpp run it
    _Rule(
        "reasoning_echo",
        _any_of(r"cannot pass both content and thinking"),
        lambda sent: _ASSISTANT_MESSAGE in sent.body,
        lambda _sent, _text: "never",
    ),
    _Rule("reasoning_echo", _MISSED, lambda sent: _ASSISTANT_MESSAGE in sent.body, _missing_thoughts),
    _Rule(
        "system_role",
        _any_of(r"['\"`]developer['\"`]|\bdeveloper role|role developer|unexpected (?:message )?role.{0,20}developer"),
        lambda sent: sent.target.system_role == "developer",
        lambda _sent, _text: "system",
    ),
    _Rule(
        "system_messages",
        _any_of(r"system messages? must (?:be|come|appear) (?:at the |the )?(?:beginning|first|start)"),
        lambda sent: sent.target.system_messages == "inline",
        lambda _sent, _text: "fold",
    ),
    _Rule(
        "alternate",
        _any_of(
            r"roles? must alternate|must alternate (?:between )?user",
            # Mistral's validation, wherever it runs
            r"unexpected role ['\"`]?user['\"`]? after role ['\"`]?tool",
        ),
        lambda sent: not sent.target.alternate,
        lambda _sent, _text: True,
    ),
)
