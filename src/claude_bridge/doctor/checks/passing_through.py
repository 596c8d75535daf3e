"""Check 12 of a backend that gets the clients' requests as they are: what of them it takes.

Nothing of such a request can be changed by the configuration, so that it matters what the server refuses. The requests
here are made as Claude Code makes them with a model that it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from claude_bridge.core import strict_json
from claude_bridge.doctor.asking import Answer
from claude_bridge.doctor.examination import Examination

_BETAS: Final = "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27"
_THOUGHT: Final = b"thinking_delta"
_NOT_FOUND: Final = frozenset({404, 405, 501})


@frozen(kw_only=True)
class Part:
    """Something of a request that a server may not know.

    :ivar name: what people call it.
    :ivar remedy: what to do where it is refused; "" where Claude Code finds a way by itself.
    """

    name: str
    body: Mapping[str, Any] = field(factory=dict)
    headers: Mapping[str, str] = field(factory=dict)
    remedy: str = ""


PARTS: Final[Sequence[Part]] = (
    Part(
        name="thinking of the type `adaptive`",
        body={"thinking": {"type": "adaptive"}},
        remedy="CLAUDE_CODE_DISABLE_THINKING=1 in the client's environment leaves it out",
    ),
    Part(name="`output_config`", body={"output_config": {"effort": "high"}}, remedy="Claude Code cannot do without it"),
    Part(name="`context_management`", body={"context_management": {"edits": []}}),
    Part(name="`metadata`", body={"metadata": {"user_id": "claude-bridge-doctor"}}),
    Part(
        name="cache marks",
        body={"system": [{"type": "text", "text": "You are terse.", "cache_control": {"type": "ephemeral"}}]},
    ),
    Part(
        name="the header `anthropic-beta`",
        headers={"anthropic-beta": _BETAS},
        remedy="CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS=1 in the client's environment leaves most of it out",
    ),
)


async def requests(examination: Examination) -> None:
    """Ask as Claude Code does; where that is refused, look what of it. Anthropic itself needs no such question."""
    if not examination.kind.passes_through or examination.dialect.dialect.is_anthropic:
        return
    whole = await _ask(examination, PARTS)
    if not whole.refused:
        error = examination.meaning(whole)
        thinks = "" if _THOUGHT not in whole.raw else ", and the model thinks"
        if error is None:
            examination.ok(f"what Claude Code sends is accepted as it is{thinks}")
        else:
            examination.warn(f"a request as Claude Code sends it is answered with an error: {error}")
        return
    refused = [(part, why) for part in PARTS if (why := await _refusal(examination, part))]
    for part, why in refused:
        remedy = f". {part.remedy}" if part.remedy else ""
        examination.warn(f"{part.name}, which Claude Code sends, is refused: {why}{remedy}")
    if not refused:
        examination.warn(f"a request as Claude Code sends it is refused: {examination.meaning(whole)}")


async def signatures(examination: Examination) -> None:
    """Send thinking that the server has not signed, as a conversation has it that began at another backend."""
    if not examination.knows("signatures"):
        return
    configured = getattr(examination.target(), "signatures", "")
    if configured == "checked":
        examination.ok("thinking that the server has not signed is left out (`signatures = checked`)")
        return
    thought = {"type": "thinking", "thinking": "The user greets me.", "signature": "Y2xhdWRlLWJyaWRnZQ=="}
    turns = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Hello!"}]},
        {"role": "user", "content": "Reply with the one word: ready"},
    ]
    answer = await examination.ask_as_client({"max_tokens": 16, "messages": turns})
    if answer.finished is not None and not answer.adjustments:
        examination.ok("thinking from other backends is accepted, so a conversation may move here with all of it")
    elif answer.finished is not None:
        option = "signatures = checked"
        examination.ok(
            f"the server refuses thinking that it has not signed: `{option}` saves the bridge one refused request",
            option=option,
        )
    elif answer.refused:
        examination.warn(f"thinking of another backend is refused: {examination.meaning(answer)}")


async def count(examination: Examination) -> None:
    """Look whether the server counts tokens."""
    endpoint = examination.target().tokenizer
    if not examination.kind.passes_through or endpoint is None:
        return
    model = examination.target().model
    body = strict_json.encode({"model": model, "messages": [{"role": "user", "content": "Hello"}]})
    reply = await examination.post(endpoint.path, body)
    if reply.good:
        examination.ok(f"the server counts tokens (/{endpoint.path})")
    elif reply.status in _NOT_FOUND:
        examination.ok(
            f"the server does not count tokens (/{endpoint.path} answers {reply.status}): the bridge estimates them"
        )
    else:
        told = examination.meaning_of(reply)
        examination.ok(f"the server does not count tokens, so the bridge estimates: {told}")


async def _ask(examination: Examination, parts: Sequence[Part]) -> Answer:
    body: dict[str, Any] = {"max_tokens": 400, "messages": [{"role": "user", "content": "What is 17 + 25?"}]}
    headers: dict[str, str] = {}
    for part in parts:
        body |= part.body
        headers |= part.headers
    return await examination.ask_as_client(body, headers)


async def _refusal(examination: Examination, part: Part) -> str:
    """Return why a request with this part alone is refused, "" if it is not."""
    answer = await _ask(examination, [part])
    return str(examination.meaning(answer)) if answer.refused else ""
