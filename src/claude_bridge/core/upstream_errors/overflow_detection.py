"""Recognises errors of a conversation that does not fit the model's window, which every server words differently."""

from __future__ import annotations

import re
from collections.abc import Iterable

from claude_bridge.core.backend_api import UpstreamFailure
from claude_bridge.core.tokens.overflow import MIN_ANSWER_TOKENS, Overflow
from claude_bridge.core.upstream_errors.quotations import Quotations, without_quoted_input

# 502 stands for an error inside a stream whose code implies no status.
_STATUSES = frozenset((400, 413, 422, 500, 502))
# OpenAI, llama.cpp, proxies, Z.ai, GitHub Copilot, watsonx.
_NAMES = frozenset(
    (
        *("context_length_exceeded", "exceed_context_size_error", "context_exceeded", "context_window_exceeded"),
        *("model_context_window_exceeded", "model_max_prompt_tokens_exceeded", "token_quantity_exceeded"),
    )
)

_PHRASES = re.compile(
    r"maximum context length|maximum context limit|maximum prompt length|maximum allowed input length"
    r"|context[_ ](?:length|window|limit|size)[_ ](?:has been )?exceeded|exceed context limit"
    r"|exceed(?:s|ed)? (?:the )?(?:model(?:'s)? )?context (?:window|length)|exceeds? (?:the )?available context size"
    r"|context window exceeds limit|context length is only|context length of only"
    r"|(?:longer|greater) than the (?:model'?s )?context length|longer than the maximum model length"
    r"|larger than the max context size|configured context size is"
    r"|exceeds? the maximum number of (?:input )?tokens(?: allowed)?"
    r"|exceeded model token limit|model token limit exceeded"
    r"|input token length too long|input tokens exceed the configured limit|requested token count exceeds"
    r"|too many input tokens|too many tokens: (?:size limit exceeded|total number of tokens in the prompt)"
    r"|cannot exceed the total tokens limit|exceed max message tokens|should not exceed max_num_tokens"
    r"|must be less than (?:or equal to )?max_seq_len|cannot be greater than (?:max_model_len|max_total_tokens)"
    r"|exceeds (?:the )?maximum input length(?: of)? \(?[0-9,]+(?![0-9,]| ?char)|maximum input length is [0-9,]+ tokens"
    r"|tokens in request more than max tokens allowed|prompt exceeds max(?:imum)? length"
    r"|prompt token count of [0-9,]+ exceeds the limit|range of input length should be"
    r"|tokens?[^.]{0,80}(?:model|which) only supports up to"
    r"|reduce the length of the (?:messages|input prompt|prompt)"
    r"|inputs`? tokens \+ `?max_new_tokens`? must be|`inputs` must have less than"
    r"|prompt(?: is)? too long|input is too long|prompt ?\u8d85\u957f"
    r"|current length is [0-9,]+ while limit is|input too long:.{0,200}limit is"
    r"|capability_rejected: prompt_too_long"
)
# A parameter with too many characters, and a limit on tokens per minute: both mention lengths and limits too.
_NEAR_MISSES = re.compile(
    r"string[_ ]too[_ ]long|string_above_max_length|expected a string with maximum length"
    r"|should have at most [0-9]+ (?:characters|items)|array too long"
    r"|per (?:minute|min|hour|day|second)\b|\b[tr]p[md]\b|rate[_ ]limit|too many requests|throttl|please wait before"
)

_N = r"([0-9][0-9,]{0,14})"
# Each finds one number; the first match is used, so the precise wordings come first.
_PROMPT = (
    rf"exceed context limit: {_N} \+",
    rf"prompt is too long: {_N} tokens",
    rf"{_N} tokens from the input messages",
    rf"messages resulted in (?:over )?{_N} tokens",
    rf"\({_N} in (?:the messages|your prompt)",
    rf"(?:contains|passed|has)(?: about| at least)? {_N} (?:input )?tokens",
    rf"(?:input|request|prompt) \({_N}(?: tokens)?\)",
    rf"(?:token count|count of|prompt tokens):? (?:is )?\(?{_N}",
    rf"prompt \((?:length|total tokens:?) {_N}",
    rf"(?:prompt length|prompt_tokens|requested tokens) \({_N}",
    rf"number of input tokens {_N}",
    rf"in the prompt cannot exceed [0-9,]+ - received {_N}",
    rf"input length:? \(?{_N}",
    rf"current length is {_N}",
    rf"given: {_N} `?inputs`? tokens",
    rf"must have less than [0-9,]+ tokens\. given: {_N}",
    rf"actual: {_N}",
    rf"approximately {_N} tokens",
    rf"(?:too long:?|keep the first|n_keep:) \(?{_N}",
    rf"upper bound for {_N} input tokens",
)
# The second is for when vLLM did not count, as the text has more characters than the allowed tokens can have.
_AT_LEAST = re.compile(rf"at least {_N} (?:input )?tokens|upper bound for {_N} input tokens")
_COMPLETION = (
    rf"exceed context limit: [0-9,]+ \+ {_N}",
    rf"requested {_N} output tokens",
    rf"{_N} (?:tokens )?(?:in|for) the (?:completion|output)",
    rf"tokens and {_N} `?max_new_tokens",
    rf"too large: {_N}",
    rf"max_(?:completion_)?tokens={_N} cannot be greater",
)
_TOTAL = (
    rf"requested(?: a total of| about)? {_N} tokens",
    rf"\(requested: {_N}\)",
    rf"must be <= [0-9,]+\. given: {_N}(?! `?inputs)(?![0-9,])",
    rf"max_total_tokens \({_N}\)",
)
_WINDOW = (
    rf"exceed context limit: [0-9,]+ \+ [0-9,]+ > {_N}",
    rf"tokens > {_N}",
    rf"maximum (?:context|prompt|model) (?:length|limit)(?: is| of|:)? ?\(?{_N}",
    rf"(?:context length|available context size|max context size|context size) \(?(?:is |of )?(?:only )?{_N}",
    rf"maximum number of (?:input )?tokens(?: allowed)? \(?{_N}",
    rf"maximum allowed input length of {_N}",
    rf"model with {_N} maximum context length",
    rf"model token limit ?: ?{_N}",
    rf"configured limit of {_N}",
    rf"(?:while limit is|exceeds the limit of|only supports up to|limit is) {_N}",
    rf"range of input length should be \[[0-9]+, ?{_N}\]",
    rf"max_new_tokens`? must be <= {_N}",
    rf"must have less than {_N} tokens",
    rf"maximum: {_N}",
    rf"n_ctx:? {_N}",
    rf"exceeds context size \({_N}\)",
    rf"exceed context window of {_N}",
    rf"maximum input length(?: of| is)? \(?{_N}",
    rf"(?:max_num_tokens|max_seq_len) \({_N}",
    rf"max_(?:model_len|total_tokens)={_N}",
    rf"max input tokens: {_N}",
    rf"(?:total tokens limit|limit for this model is|in the prompt cannot exceed) {_N}",
)


def detect(failure: UpstreamFailure, sent: bytes = b"") -> Overflow | None:
    """Return the numbers of an overflow of the context window, or None if ``failure`` is something else. Never raises.

    ``sent``: the body of the refused request; words that the server only quotes from it do not count.
    """
    if failure.status not in _STATUSES or not _is_overflow(failure, Quotations(sent)):
        return None
    text = without_quoted_input(failure.message.lower())
    at_least = _AT_LEAST.search(text)
    return Overflow(
        prompt_tokens=failure.prompt_tokens or _number(text, _PROMPTS),
        completion_tokens=_number(text, _COMPLETIONS),
        window=failure.context_window or _number(text, _WINDOWS),
        total_tokens=_number(text, _TOTALS),
        at_least=at_least is not None and failure.prompt_tokens is None,
    )


# --- max_tokens beyond what the model ever gives ----------------------------------------------

_OUTPUT_PARAMETER = re.compile(
    r"max_(?:completion_|output_|new_)?tokens|maxoutputtokens|maximum (?:output |completion )?tokens"
)
# OpenAI and vLLM, Anthropic, DeepSeek and DashScope and Z.ai, Volcengine, Groq and pydantic, Bedrock.
_OUTPUT_LIMITS = (
    rf"supports at most {_N}",
    rf"> {_N}, which is the maximum",
    rf"(?:range of|max_tokens)[^\[\]]{{0,60}}\[ ?[0-9]+ ?, ?{_N} ?\]",
    rf"(?:<=|less than or equal to|at most|up to|no more than|cannot exceed|must not exceed) ?`?{_N}",
    rf"exceeds the (?:model )?(?:limit|maximum) of {_N}",
)
_EXCLUSIVE_OUTPUT_LIMITS = (
    rf"to {_N} \(exclusive\)",
    rf"(?:<|less than|lower than) ?`?{_N}",
)
# A number belongs to the parameter named last before it. Other parameters are recognised by an underscore in their
# name; those without one are listed.
_PARAMETER = re.compile(
    rf"(?P<output>{_OUTPUT_PARAMETER.pattern})"
    r"|\b[a-z][a-z0-9]*(?:_[a-z0-9]+)+|\b(?:temperature|seed|stop|n|top[ -][kp]|messages|tools|images|logprobs)\b"
)
# Fireworks refuses large answers that are not streamed; that number is not a limit of the model.
_NO_OUTPUT_LIMIT = re.compile(r"stream ?= ?true|must be streamed|streaming is (?:strongly )?(?:required|recommended)")


def max_output_limit(failure: UpstreamFailure, sent: bytes = b"") -> int | None:
    """Return the largest ``max_tokens`` that the model allows if ``failure`` says that more was requested, else None.

    It is None for an overflow of the window, which `detect` recognises, and for a limit that leaves no useful answer,
    as such a number must be about something else. ``sent`` is as for `detect`.
    """
    text, quotations = without_quoted_input(failure.message.lower()), Quotations(sent)
    if failure.status not in _STATUSES or _NO_OUTPUT_LIMIT.search(text) or _is_overflow(failure, quotations):
        return None
    owners = [(found.end(), found["output"] is not None) for found in _PARAMETER.finditer(text)]
    for patterns, beyond in ((_OUTPUTS, 0), (_EXCLUSIVE_OUTPUTS, 1)):
        for pattern in patterns:
            for found in pattern.finditer(text):
                limit = _tokens(found) - beyond
                if limit < MIN_ANSWER_TOKENS or not _is_of_output(owners, found.start(1)):
                    continue
                if not quotations.quotes_number(text, *found.span(1)):
                    return limit
    return None


def _is_of_output(owners: list[tuple[int, bool]], at: int) -> bool:
    """Return whether the number that begins at ``at`` is a limit of the output; ``owners``: ends of names, in order."""
    return next((ours for end, ours in reversed(owners) if end <= at), False)


# --- reading ----------------------------------------------------------------------------------


def _is_overflow(failure: UpstreamFailure, quotations: Quotations) -> bool:
    """Return whether code, type or the server's own words report an overflow."""
    if failure.code.lower() in _NAMES or failure.type.lower() in _NAMES:
        return True
    named = f"{failure.code} {failure.type}".lower()
    text = without_quoted_input(failure.message.lower())
    if _NEAR_MISSES.search(f"{named} {text}"):
        return False
    return _PHRASES.search(named) is not None or quotations.find_with_own_number(_PHRASES, text) is not None


def _number(text: str, patterns: Iterable[re.Pattern[str]]) -> int | None:
    """Return the first number that one of ``patterns`` finds, or None; zero counts as None."""
    for pattern in patterns:
        if found := pattern.search(text):
            return _tokens(found) or None
    return None


def _tokens(found: re.Match[str]) -> int:
    return int(found[1].replace(",", ""))


_PROMPTS, _COMPLETIONS, _TOTALS, _WINDOWS, _OUTPUTS, _EXCLUSIVE_OUTPUTS = (
    tuple(re.compile(pattern) for pattern in patterns)
    for patterns in (_PROMPT, _COMPLETION, _TOTAL, _WINDOW, _OUTPUT_LIMITS, _EXCLUSIVE_OUTPUT_LIMITS)
)
