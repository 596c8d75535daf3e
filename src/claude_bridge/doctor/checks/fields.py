"""Checks 12 to 15: thinking, long answers, wild schemas, pictures."""

from __future__ import annotations

from typing import Final

from claude_bridge.core.errors import BridgeError
from claude_bridge.doctor import questions
from claude_bridge.doctor.asking import Answer
from claude_bridge.doctor.examination import Examination

LONG_ANSWER: Final = 32_000
"""Tokens that Claude Code asks for with models it does not know."""

_OPENED, _CLOSED = b"<think>", b"</think>"
_CLOSED_TEXT: Final = "</think>"


async def thinking(examination: Examination) -> None:
    """Ask a question without thinking and with it, and look where the thinking comes."""
    plain = await examination.ask(questions.thinking("none"))
    deep = await examination.ask(questions.thinking("high"))
    error = examination.meaning(deep)
    if error is not None:
        examination.warn(f"a question with thinking is refused: {error}")
    elif _CLOSED_TEXT in deep.text or (_CLOSED in deep.raw and _OPENED not in deep.raw):
        examination.warn(
            "the thinking stands in the answer up to `</think>`: the chat template opens it itself, and the server has "
            f"no reasoning parser ({_parser(examination)}); set `thinking_opened = yes`",
            option="thinking_opened = yes",
        )
    elif _OPENED in deep.raw:
        examination.ok(
            f"comes as <think> in the text, which the bridge separates; {_parser(examination)} does it in the server"
        )
    elif deep.reasoning and not deep.text and deep.finished is not None and not deep.calls and not _is_cut(deep):
        examination.warn("the whole answer comes as thinking, and no text: the server's reasoning parser is wrong")
    elif deep.reasoning:
        switched = "" if not plain.reasoning else ", and cannot be switched off"
        examination.ok(f"comes apart from the text{switched}")
    else:
        examination.ok("the model does not think aloud")


def _parser(examination: Examination) -> str:
    name = examination.dialect.dialect.name
    return "--reasoning-parser" if name in {"vllm", "sglang"} else "a reasoning parser"


def _is_cut(answer: Answer) -> bool:
    return answer.finished is not None and answer.finished.reason.value == "length"


async def max_tokens(examination: Examination) -> None:
    """Ask for an answer as long as Claude Code does."""
    answer = await examination.ask(questions.greeting(LONG_ANSWER))
    limits = [each.max_output_tokens for each in answer.adjustments if each.max_output_tokens is not None]
    error = examination.meaning(answer)
    if limits:
        option = f"max_output_tokens = {limits[-1]}"
        examination.warn(
            f"max_tokens = {LONG_ANSWER:,} is refused, {limits[-1]:,} is the limit: set `{option}`", option=option
        )
    elif error is not None:
        examination.fault(f"an answer of up to {LONG_ANSWER:,} tokens is refused: {error}")
    else:
        examination.ok(f"an answer of up to {LONG_ANSWER:,} tokens may be asked for")


async def schema(examination: Examination) -> None:
    """Offer a tool whose schema has what real ones have."""
    before = getattr(examination.target(), "schema", "")
    answer = await examination.ask(questions.schema())
    after = getattr(answer.target, "schema", "")
    error = examination.meaning(answer)
    if error is not None:
        examination.warn(f"a tool with anyOf, $ref and pattern in its schema is refused: {error}")
    elif before != after:
        examination.warn(
            f"anyOf, $ref or pattern in a tool's schema is refused: the bridge learns that by one refused request; set "
            f"`schema = {after}`",
            option=f"schema = {after}",
        )
    else:
        examination.ok("anyOf, $ref and pattern in a tool's schema are taken")


async def image(examination: Examination) -> None:
    """Show a small picture."""
    if getattr(examination.target(), "images", "yes") != "yes":
        examination.ok("images are not sent, as configured")
        return
    answer = await examination.ask(questions.image())
    error = examination.meaning(answer)
    if error is None:
        examination.ok("pictures are taken")
    elif _takes_none(error):
        examination.ok(
            "no pictures: Claude Code leaves them out and goes on; `images = refuse` saves the attempt",
            option="images = refuse",
        )
    else:
        examination.ok(f"a picture is refused ({error}); `images = refuse` has Claude Code leave them out")


def _takes_none(error: BridgeError) -> bool:
    return error.message.startswith("capability_rejected: image_block")
