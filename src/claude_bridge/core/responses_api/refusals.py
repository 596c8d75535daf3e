"""What a refused request teaches: which trait of a model is different from what was assumed, and its value.

Each rule has the words of servers (the tests contain them, with their sources), the part of the request that they can
be about, and what to do instead. `claude_bridge.core.upstream_errors.trait_changes` applies them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from claude_bridge.core.backend_api import Adjustment, Advice, UpstreamFailure
from claude_bridge.core.responses_api.traits import RequestField
from claude_bridge.core.responses_api.translation import Translation
from claude_bridge.core.responses_api.wire_types import NamedToolChoice
from claude_bridge.core.upstream_errors import advice, trait_changes
from claude_bridge.core.upstream_errors.quotations import Quotations, without_quoted_input
from claude_bridge.core.upstream_errors.refusal_words import (
    FORMAT,
    LEVELS,
    MANDATORY,
    NOT,
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

IMAGE_PART: Final = b'"type":"input_image"'
"""As in a body; inside a text its quotes are escaped."""

_REASONING_ITEM: Final = b'{"type":"reasoning",'
_PHASE: Final = b'"phase":"'
_IN_OUTPUT: Final = re.compile(rb'"output":\[\{"type":"input_')

# OpenAI: of another organisation, or of an item that is not there; or one that nothing followed.
_PAST_REASONING: Final = any_of(
    r"invalid_encrypted_content|encrypted content\b.{0,80}could not be (?:verified|decrypted|parsed)",
    r"\bof type ['\"`]reasoning['\"`] was provided without its required following item",
    r"items? with id ['\"`]rs_\S{1,80}['\"`] not found",
)


def advise(failure: UpstreamFailure, sent: Translation, *, estimate: int) -> Advice:
    """Return how to send a request again after a refusal, if that can help, and the window that it names.

    Reasoning that the server cannot read any more is a matter of one conversation: no other one goes without its own.
    """
    if _refuses_past_reasoning(failure, sent):
        return Advice(adjustment=Adjustment(why="echo", refuses_reasoning=True, remembered=False))
    return advice.advise(failure, sent, estimate=estimate, other=lambda: _other_trait(failure, sent))


def trait_change(failure: UpstreamFailure, sent: Translation) -> TraitChange | None:
    """Return the change that a refusal implies, or None. Check for overflows first, as their words may be similar."""
    return trait_changes.trait_change(failure, sent, RULES)


def _refuses_past_reasoning(failure: UpstreamFailure, sent: Translation) -> bool:
    if failure.status not in trait_changes.STATUSES or _REASONING_ITEM not in sent.body:
        return False
    text = without_quoted_input(f"{failure.code} {failure.message}")
    return Quotations(sent.body).find_own(_PAST_REASONING, text) is not None


def _other_trait(failure: UpstreamFailure, sent: Translation) -> Adjustment | None:
    return trait_changes.adjustment_for(trait_change(failure, sent))


def _lower_format(sent: Translation, _text: str) -> str | None:
    text = sent.fields.text
    if text is None:
        return None
    return "json_object" if text.format.type == "json_schema" else "instruction"


def _lower_schema_level(sent: Translation, _text: str) -> str | None:
    return None if sent.target.schema == "bare" else "bare"


def _weaker_tool_choice(sent: Translation, text: str) -> str:
    choice = sent.fields.tool_choice
    named = isinstance(choice, NamedToolChoice)
    weaker = weaker_tool_choice(None if isinstance(choice, NamedToolChoice) else choice, text, named=named)
    return "auto" if weaker == "any" else weaker  # this API has no such word


def _effort(sent: Translation) -> str | None:
    return sent.fields.reasoning.effort if sent.fields.reasoning is not None else None


def _also_drop(name: RequestField) -> Callable[[Translation, str], tuple[RequestField, ...]]:
    return lambda sent, _: (*sent.target.drop, name)


def _has(name: RequestField) -> Callable[[Translation], bool]:
    return lambda sent: getattr(sent.fields, name) is not None


def _drop_rules() -> Iterator[Rule[Translation]]:
    """Yield the rules for fields that can only be left out. Of two that exclude each other ``temperature`` stays."""
    alone: tuple[tuple[RequestField, str], ...] = (
        ("top_p", rf"{refused('top_p')}|both be specified"),
        ("temperature", rf"{refused('temperature')}|only the default \(1\) value"),
    )
    for name, words in alone:
        yield Rule("drop", any_of(words), _has(name), _also_drop(name))


def _off(_sent: Translation, _text: str) -> bool:
    return False


_INCLUDE: Final = r"['\"`]include(?:\[\d\])?['\"`]"
"""A common word: it must stand as a name."""

_FORMAT_FIELD: Final = r"text\.format"

RULES: Final[tuple[Rule[Translation], ...]] = (
    Rule(
        "structured_output",
        any_of(FORMAT.pattern, refused(_FORMAT_FIELD), rf"{_FORMAT_FIELD}\.schema"),
        lambda sent: sent.fields.text and not sent.fields.tools,
        _lower_format,
    ),
    Rule(
        "structured_output",
        any_of(refused(_FORMAT_FIELD), rf"{_FORMAT_FIELD}\.schema|invalid schema for response_format"),
        lambda sent: sent.fields.text and sent.fields.tools,
        _lower_format,
    ),
    Rule("schema", SCHEMA, lambda sent: sent.fields.tools, _lower_schema_level),
    Rule("tool_choice", TOOL_CHOICE, lambda sent: sent.fields.tool_choice is not None, _weaker_tool_choice),
    Rule(
        "parallel_tool_calls",
        any_of(refused("parallel_tool_calls")),
        lambda sent: sent.fields.parallel_tool_calls is not None,
        _off,
    ),
    Rule("prompt_cache_key", any_of(refused("prompt_cache_key")), lambda sent: sent.fields.prompt_cache_key, _off),
    Rule(
        "encrypted_reasoning",
        any_of(
            refused(r"(?:reasoning\.)?encrypted_content"),
            rf"{NOT}[^.;]{{0,60}}{_INCLUDE}|{_INCLUDE}.{{0,80}}?{NOT}",
            r"\binclude(?:\[0\]|\.0)?: (?:extra inputs|input should be)",
            r"encrypted content is not supported",  # OpenAI, of models that do not reason
        ),
        lambda sent: sent.fields.include,
        _off,
    ),
    Rule(
        "reasoning_summary",
        any_of(
            refused(r"(?:reasoning\.summary|reasoning_summary)"),
            r"verified to (?:generate|stream) reasoning summar",  # OpenAI, of organisations
            refused("summary"),
        ),
        lambda sent: sent.fields.reasoning is not None and sent.fields.reasoning.summary,
        _off,
    ),
    Rule(
        "answer_limit",
        any_of(refused("max_output_tokens")),
        lambda sent: sent.fields.max_output_tokens is not None,
        _off,
    ),
    *_drop_rules(),
    Rule(
        "reasoning_levels",
        MANDATORY,
        lambda sent: sent.fields.reasoning,
        lambda sent, _text: levels_without_none(sent.target.reasoning_levels),
    ),
    Rule("reasoning_levels", LEVELS, _effort, lambda sent, text: other_levels(text, _effort(sent))),
    Rule(
        "reasoning_control",
        any_of(
            refused(r"['\"`]?reasoning(?:\.effort)?['\"`]?(?![.\w-])"), r"does not support (?:thinking|reasoning)\b"
        ),
        lambda sent: sent.fields.reasoning,
        lambda _sent, _text: "none",
    ),
    Rule(
        "strict",
        any_of(refused(r"(?:tools[\[.]\d+\]?\.)?(?:function\.)?strict")),
        lambda sent: sent.target.strict and sent.fields.tools,
        _off,
    ),
    Rule("phases", any_of(refused(r"(?:input\[\d+\]\.)?phase")), lambda sent: _PHASE in sent.body, _off),
    Rule(
        "tool_images",
        any_of(
            r"\boutput\b['\"`]?.{0,60}?(?:expected a string|must be a string|valid string)",
            r"output of tool call should be",  # llama.cpp, until it took images
        ),
        lambda sent: _IN_OUTPUT.search(sent.body),
        _off,
    ),
    Rule(
        "system_role",
        any_of(r"['\"`]developer['\"`]|\bdeveloper role|role developer"),
        lambda sent: sent.target.system_role == "developer",
        lambda _sent, _text: "system",
    ),
    Rule(
        "system_messages",
        SYSTEM_FIRST,
        lambda sent: sent.target.system_messages == "inline",
        lambda _sent, _text: "fold",
    ),
)
