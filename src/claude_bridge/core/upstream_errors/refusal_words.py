"""The words in which servers refuse a part of a request, whatever that part is called in the kind of backend.

The tests of each kind have the words of real servers, with their sources.
"""

from __future__ import annotations

import re
from typing import Final, get_args

from claude_bridge.core.conversation import ReasoningLevel


def any_of(*words: str) -> re.Pattern[str]:
    """Return a pattern for any of these, whatever their case."""
    return re.compile("|".join(words), re.IGNORECASE)


NOT: Final = (
    r"(?:not (?:be )?(?:supported|permitted|allowed|available|enabled|recogni[sz]ed|accepted)|unsupported|unavailable"
    r"|unrecogni[sz]ed|unknown (?:name|field|parameter|argument|variant|key)|unexpected|extra_forbidden|extra inputs"
    r"|deprecated|does(?: not|n't) (?:support|accept|allow)|doesn.t support|cannot (?:both )?be (?:specified|used|set)"
    r"|is only (?:allowed|supported)|incompatible)"
)


def refused(field: str) -> str:
    """Return a pattern for the refusal of a field as such, not of its value."""
    return rf"{NOT}[^.;]{{0,60}}\b{field}\b|\b{field}\b.{{0,80}}?{NOT}"


IMAGES: Final = any_of(
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

SCHEMA: Final = any_of(
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


FORMAT: Final = any_of(
    r"response.?format\b.{0,120}?(?:unavailable|unsupported|not supported|must be|invalid|cannot|not permitted|extra)",
    r"(?:unsupported|invalid|does not support|doesn.t support|cannot specify|not support)\b.{0,80}?response.?format",
    r"json.?(?:schema|mode|object)\b.{0,60}?(?:unavailable|not supported|not available|cannot be combined)",
    r"does not support (?:structured outputs?|json.?(?:schema|mode))|structured outputs? (?:is|are) not supported",
    r"response mime type.{0,60}unsupported",
    SCHEMA.pattern,
)
NOT_BESIDE_TOOLS: Final = any_of(
    r"\b(?:tools?|functions?)\b.{0,80}(?:same time|combined|together|mime type|with a response)",
    r"combined with (?:tool|function)",
)

ABOUT_FORMAT: Final = any_of(r"response.?(?:format|mime)|json mode|structured output")


THINKING: Final = re.compile(r"thinking|reason|required|only .{0,20}auto\b", re.IGNORECASE)


# OpenRouter about models that always think; Z.ai. Clients switch thinking off for titles and the like.
MANDATORY: Final = any_of(r"reasoning is mandatory|\b(?:thinking|reasoning)\b.{0,60}\bcan(?:not|'t) be disabled")

TOOL_CHOICE: Final = any_of(
    r"tool.?choice.{0,120}?(?:not support|supported|does not|incompatible|must (?:either )?be|invalid)",
    r"(?:not support|unsupported|invalid|unknown|that support)\b.{0,60}?tool.?choice",
    r"tool_choice: (?:input should be|extra inputs)",
)
SYSTEM_FIRST: Final = any_of(r"system messages? must (?:be|come|appear) (?:at the |the )?(?:beginning|first|start)")

LEVELS: Final = any_of(
    r"(?:reasoning.?)?effort\b.{0,120}?(?:supported values|one of|should be|expected|valid|available)",
    r"invalid reasoning value: .{0,40}\(must be",
)

_LISTED: Final = re.compile(r"supported values|one of|should be|must be|expected|\bvalid|available", re.IGNORECASE)


def listed_levels(text: str) -> tuple[ReasoningLevel, ...]:
    """Return the levels of reasoning that a refusal lists."""
    listed = _LISTED.split(text, maxsplit=1)[-1]
    return tuple(level for level in get_args(ReasoningLevel) if re.search(rf"\b{level}\b", listed, re.IGNORECASE))


def other_levels(text: str, refused_level: str | None) -> tuple[ReasoningLevel, ...] | None:
    """Return the levels that a refusal lists, or None if there are none or the refused one is among them."""
    found = listed_levels(text)
    return found if found and refused_level not in found else None


def levels_without_none(levels: tuple[ReasoningLevel, ...]) -> tuple[ReasoningLevel, ...] | None:
    """Return the levels without "none", so that the lowest is used instead, or None if it is not among them."""
    return tuple(level for level in levels if level != "none") if "none" in levels else None


def weaker_tool_choice(word: str | None, text: str, *, named: bool) -> str:
    """Return the next weaker form of tool choice: without a tool's name, then without forcing, then no field.

    ``word`` is the refused one; ``named``: a tool was named instead.
    """
    if named:
        return "auto" if THINKING.search(text) and not re.search("values?.{0,40}required", text) else "required"
    if word == "required" and re.search(r"['\"`]any['\"`]", text):
        return "any"
    return "auto" if word in {"required", "any"} else "none"
