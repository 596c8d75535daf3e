"""Checks 12 to 15: thinking, long answers, wild schemas, many tools, pictures, PDF."""

from __future__ import annotations

from typing import Final

from claude_bridge.core.conversation import Conversation
from claude_bridge.core.errors import BridgeError
from claude_bridge.core.tokens.request_count import count
from claude_bridge.doctor import questions
from claude_bridge.doctor.asking import Answer
from claude_bridge.doctor.examination import Examination

LONG_ANSWER: Final = 32_000
"""Tokens that Claude Code asks for with models it does not know."""

_OPENED, _CLOSED = b"<think>", b"</think>"
_CLOSED_TEXT: Final = "</think>"
_PARTS: Final = f"{', '.join(questions.SCHEMA_PARTS[:-1])} and {questions.SCHEMA_PARTS[-1]}"

_MARGIN: Final = 2
"""How many times the estimate must fit into a window: nobody knows how a server counts blanks."""


async def thinking(examination: Examination) -> None:
    """Ask a question without thinking and with it, and look where the thinking comes.

    Where requests are passed on `passing_through` looks at it.
    """
    if examination.kind.passes_through:
        return
    plain = await examination.ask(questions.thinking("none"))
    deep = await examination.ask(questions.thinking("high"))
    error = examination.meaning(deep)
    if error is not None:
        examination.warn(f"a question with thinking is refused: {error}")
    elif _CLOSED_TEXT in deep.text or (_CLOSED in deep.raw and _OPENED not in deep.raw):
        told = (
            "the thinking stands in the answer up to `</think>`: the chat template opens it itself, and the server has "
            f"no reasoning parser ({_parser(examination)})"
        )
        if examination.knows("thinking_opened"):
            examination.warn(f"{told}; set `thinking_opened = yes`", option="thinking_opened = yes")
        else:
            examination.warn(told)
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
    elif error is not None and answer.refused and examination.kind.passes_through:
        examination.warn(
            f"an answer of up to {LONG_ANSWER:,} tokens is refused: {error}. Claude Code asks again for less where "
            "the refusal is worded as Anthropic's; else set CLAUDE_CODE_MAX_OUTPUT_TOKENS in the client's environment"
        )
    elif error is not None and answer.refused:
        examination.fault(f"an answer of up to {LONG_ANSWER:,} tokens is refused: {error}")
    elif error is not None:
        examination.warn(f"a short question is answered with an error: {error}")
    else:
        examination.ok(f"an answer of up to {LONG_ANSWER:,} tokens may be asked for")


async def schema(examination: Examination) -> None:
    """Offer a tool whose schema has what real ones have; where that is refused, look what of it, and what is taken."""
    if not examination.takes_tools:
        return
    if not examination.knows("schema"):
        await _schema_as_it_is(examination)
        return
    tried = await examination.try_trait("schema", questions.schema())
    if tried.good:
        reduced = "" if tried.before == "none" else f", as `schema = {tried.before}` sends them"
        examination.ok(f"{_PARTS} in a tool's schema are accepted{reduced}")
        return
    if tried.unclear:
        told = f"whether {_PARTS} in a tool's schema are accepted is not known"
        examination.warn(f"{told}, as the answer fails: {tried.error}")
        return
    refused = [part for part in questions.SCHEMA_PARTS if await _refuses(examination, part, tried.before)]
    levels = ["basic"] if tried.before == "none" else []
    levels += [] if tried.error is None else ["bare"]
    level = await examination.first_taken("schema", levels, questions.schema())
    level = level or ("" if tried.error is not None else tried.after)
    what = f"refused in a tool's schema: {', '.join(refused) or f'{_PARTS} together'}"
    if not level:
        examination.fault(f"{what}, even without everything that the bridge can leave out: {tried.error}")
        return
    examination.assume(schema=level)
    option = f"schema = {level}"
    if tried.error is not None:
        examination.fault(f"{what} ({tried.error}); the bridge does not learn from that: set `{option}`", option=option)
    else:
        examination.warn(
            f"{what}; set `{option}`, or the bridge learns `schema = {tried.after}` from one refused request",
            option=option,
        )


async def _schema_as_it_is(examination: Examination) -> None:
    """Look what is taken of a schema where the bridge leaves nothing out of it."""
    answer = await examination.ask(questions.schema())
    error = examination.meaning(answer)
    if error is None:
        examination.ok(f"{_PARTS} in a tool's schema are accepted")
    elif answer.refused:
        examination.fault(f"a tool's schema with {_PARTS} is refused, and is sent as it is: {error}")
    else:
        examination.warn(f"whether {_PARTS} in a tool's schema are accepted is not known, as the answer fails: {error}")


async def _refuses(examination: Examination, part: str, level: str) -> bool:
    answer = await examination.ask_with(questions.schema(part), schema=level)
    return answer.refused


async def many_tools(examination: Examination) -> None:
    """Offer as many tools as Claude Code does, in as many bytes."""
    question = questions.many_tools()
    fits = examination.window is None or examination.window >= count(question) * _MARGIN
    if not fits or not examination.takes_tools:
        return
    tried = await examination.try_trait("schema", question)
    size = f"{questions.TOOLS} tools of {questions.TOOLS * questions.TOOL_BYTES // 1000} KB"
    if tried.good:
        examination.ok(f"{size} are accepted")
    elif tried.unclear:
        examination.ok(f"whether {size} are accepted is not known: {tried.error}")
    elif tried.error is not None:
        examination.warn(
            f"{size} are refused, and Claude Code offers about as many: {tried.error}. Connect fewer MCP servers, or "
            "take another server"
        )
    else:
        option = f"schema = {tried.after}"
        examination.warn(f"{size} are refused with their schemas as they are: set `{option}`", option=option)


async def image(examination: Examination) -> None:
    """Show a small picture."""
    if not examination.knows("images"):
        await _media_as_it_is(examination, "a picture", questions.image(), questions.COLOUR)
        return
    configured = getattr(examination.target(), "images", "yes")
    if configured != "yes":
        examination.ok(f"images are not sent (`images = {configured}`)")
        return
    answer = await examination.ask(questions.image())
    error = examination.meaning(answer)
    if error is None:
        seen = questions.COLOUR in answer.text.lower()
        examination.ok(
            f"pictures are accepted (`images = yes`){'' if seen else '; whether this one was seen is not clear'}"
        )
    elif _takes_none(error):
        examination.ok(
            "no pictures: Claude Code leaves them out and goes on; `images = refuse` saves the attempt",
            option="images = refuse",
        )
    elif answer.refused:
        examination.ok(
            f"a picture is refused ({error}); `images = refuse` has Claude Code leave them out",
            option="images = refuse",
        )
    else:
        examination.warn(f"a question with a picture is not answered: {error}")


async def pdf(examination: Examination) -> None:
    """Send a small PDF as it is, which only some servers take; to the others the bridge sends the text of it."""
    if not examination.knows("pdf"):
        await _media_as_it_is(examination, "a PDF", questions.document(), questions.WORD)
        return
    configured = getattr(examination.target(), "pdf", "")
    if configured not in {"file", "text"}:
        if configured:
            examination.ok(f"PDF documents are not sent (`pdf = {configured}`)")
        return
    answer = await examination.ask_with(questions.document(), pdf="file")
    is_read = answer.finished is not None and questions.WORD in answer.text.lower()
    if configured == "file" and answer.refused:
        examination.warn(
            f"a PDF is refused as a file ({examination.meaning(answer)}): `pdf = text` sends its text",
            option="pdf = text",
        )
    elif configured == "file":
        examination.ok(
            f"a PDF is accepted as a file (`pdf = file`){'' if is_read else '; whether it was read is not clear'}"
        )
    elif is_read:
        examination.ok(
            "the bridge sends the text of a PDF; `pdf = file` would send it as it is, which this server reads"
        )
    else:
        examination.ok("the bridge sends the text of a PDF (`pdf = text`)")


async def _media_as_it_is(examination: Examination, what: str, question: Conversation, seen: str) -> None:
    """Look whether a picture or a document is taken where the bridge sends it as it is. ``seen``: what it shows."""
    answer = await examination.ask(question)
    error = examination.meaning(answer)
    if error is None:
        clear = "" if seen in answer.text.lower() else "; whether this one was seen is not clear"
        examination.ok(f"{what} is accepted{clear}")
    elif answer.refused:
        examination.warn(f"{what} is refused, and Claude Code is told so in the server's words: {error}")
    else:
        examination.warn(f"a question with {what} is not answered: {error}")


def _takes_none(error: BridgeError) -> bool:
    return error.message.startswith("capability_rejected: image_block")
