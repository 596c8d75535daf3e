"""Check 6: whether a conversation of Claude Code fits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from claude_bridge.core.conversation import Conversation
from claude_bridge.core.events import token_count
from claude_bridge.core.model_list import find
from claude_bridge.doctor import questions
from claude_bridge.doctor.checks import models
from claude_bridge.doctor.examination import Examination

TOO_SMALL: Final = 20_000
"""Tokens below which there is no room: the client's own instructions and tools take 12,000 to 40,000."""

SMALL: Final = 49_152
"""Tokens below which there is room for a few turns only."""

MORE: Final = 65_536
"""Tokens that are recommended."""

_LARGER: Final[Mapping[str, str]] = {
    "llamacpp": f"start llama-server with --ctx-size {MORE}",
    "ollama": f"start it with OLLAMA_CONTEXT_LENGTH={MORE}",
    "vllm": f"start vLLM with --max-model-len {MORE}",
    "sglang": f"start SGLang with --context-length {MORE}",
    "lmstudio": f"load the model with a context length of {MORE}",
}

_ENDLESS: Final = 100_000_000
"""Tokens of an answer that no server writes: it is refused with the window in the words, or ends when it is said."""


async def window(examination: Examination) -> None:
    """Find the context window in the configuration, the list of models, or llama.cpp's properties."""
    model = examination.model
    if model is None:
        return
    listed = find(await examination.lists.renewed(examination.backend, examination.credential), model.name)
    of_list = listed.context_window if listed is not None else None
    if of_list is None and len(examination.listed) == 1:
        of_list = examination.listed[0].context_window
    found = of_list or _of_slot(examination.properties)
    examination.window = model.context_window or found
    if examination.kind.passes_through:
        return  # what a beta may make larger only the server knows
    if model.context_window and found and model.context_window > found:
        examination.warn(
            f"`context_window = {model.context_window}` is more than the {found:,} tokens of the server",
            option=f"context_window = {found}",
        )
        examination.window = found


async def refused_window(examination: Examination) -> None:
    """Find a window that is still unknown by an answer that is too long for any; judge it."""
    known = examination.window is not None or examination.kind.passes_through  # where such a refusal is not read
    if not known and examination.model is not None and not _truncates(examination):
        await examination.ask(_endless())
    judge(examination)


async def known_window(examination: Examination) -> None:
    """Judge the window as far as it is known."""
    judge(examination)


def judge(examination: Examination) -> None:
    """Report whether the window is large enough."""
    size, dialect = examination.window, examination.dialect.dialect.name
    cuts = ": the server silently cuts longer prompts, so the bridge refuses them" if _truncates(examination) else ""
    if size is None:
        _unknown(examination)
        return
    larger = _LARGER.get(dialect, "start the server with a larger one")
    told = f"{size:,} tokens{cuts}"
    if size < TOO_SMALL:
        examination.fault(
            f"{told}. Claude Code's own instructions take 12,000 to 40,000: {larger}{_per_slot(examination)}"
        )
    elif size < SMALL:
        examination.warn(
            f"{told}. Claude Code's own instructions take 12,000 to 40,000, so a conversation is compacted often: "
            f"{larger}{_per_slot(examination)}"
        )
    else:
        examination.ok(told)


def _unknown(examination: Examination) -> None:
    if models.is_missing(examination):
        return
    if _truncates(examination):
        examination.warn(
            "not known until the model is loaded, and longer prompts are cut silently: load it with a larger context "
            f"({_LARGER['ollama']}), and set `context_window` to that",
            option=f"context_window = {MORE}",
        )
    elif examination.dialect.dialect.is_anthropic:
        examination.ok("not listed; Claude Code knows it by the model's name")
    else:
        place = examination.origin.place
        whose = " of a model that it does not know" if examination.kind.passes_through else ""
        examination.warn(
            f"the server does not report it, and Claude Code then assumes 1,000,000 tokens{whose} and compacts too "
            f"late: set `context_window = TOKENS` in [{examination.model_section}]{place}, to the server's own length",
            option="# context_window = TOKENS, the length that the server was started with",
        )


def _endless() -> Conversation:
    return questions.greeting(_ENDLESS)


def _truncates(examination: Examination) -> bool:
    return examination.target().truncates


def _of_slot(properties: Mapping[str, Any]) -> int | None:
    """Return llama.cpp's window of one slot."""
    settings = properties.get("default_generation_settings")
    return token_count(settings.get("n_ctx")) or None if isinstance(settings, dict) else None


def _per_slot(examination: Examination) -> str:
    slots = token_count(examination.properties.get("total_slots"))
    return f" for each of its {slots} slots (--parallel), so {slots} times that" if slots and slots > 1 else ""
