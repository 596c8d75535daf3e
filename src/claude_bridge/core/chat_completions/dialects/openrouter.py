"""OpenRouter: one API for many servers, with reasoning as a list of objects that must be sent back complete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from attrs import define, evolve, field, frozen

from claude_bridge.core import strict_json
from claude_bridge.core.chat_completions.dialect import StateCollector
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted
from claude_bridge.core.chat_completions.openai_types import ChatMessage, Delta, ToolCallDelta
from claude_bridge.core.chat_completions.traits import Traits

MAX_DETAILS_BYTES: Final = 1 << 20
"""Characters of one answer's reasoning details that are kept: a larger opaque state would be dropped."""

MAX_DETAILS: Final = 1000
"""Reasoning details of one answer that are kept; real ones have a handful, and each costs memory."""

_TEXTS: Final = {"reasoning.text": "text", "reasoning.summary": "summary"}
_MARKS: Final = ("type", "index", "id")

_BASE: Final = Traits(
    reasoning_control="reasoning",
    # "xhigh" is the highest (LiteLLM 1.109)
    reasoning_levels=("none", "minimal", "low", "medium", "high", "xhigh"),
    reasoning_field="reasoning_details",
    schema="basic",
    pdf="file",
    top_k=True,
)


@frozen
class OpenRouter(Hosted):
    """OpenRouter's chat completions.

    Marks of cached prefixes are passed on for models whose servers know them (LiteLLM's list); usage's ``cost`` is not
    a count of tokens and stays in the raw usage. The requirements of Kimi, DeepSeek and Mistral apply behind a router,
    too.
    """

    name: ClassVar[str] = "openrouter"
    server: ClassVar[str] = "OpenRouter's chat completions"
    notes: ClassVar[tuple[str, ...]] = (
        "keeps reasoning details (signatures, encrypted parts, summaries) and sends them back instead of their text",
    )
    stateful: ClassVar[bool] = True
    hosts: ClassVar[tuple[str, ...]] = ("openrouter.ai", ".openrouter.ai")
    default_traits: ClassVar[Traits] = _BASE
    families: ClassVar[Families] = (
        (r"^(?:~?anthropic|z-ai|minimax)/|claude", evolve(_BASE, cache_control=True)),
        (r"^~?google/|gemini", evolve(_BASE, cache_control=True, schema="gemini")),
        (r"kimi-k(?:2\.[5-9]|2-thinking|[3-9])", evolve(_BASE, schema="moonshot", reasoning_echo="tool_turns")),
        (r"^~?moonshotai/|kimi", evolve(_BASE, schema="moonshot")),
        (r"deepseek-v[4-9]", evolve(_BASE, reasoning_echo="all_turns")),
        (r"^~?mistralai/", evolve(_BASE, schema="mistral", alternate=True)),
    )
    open_models: ClassVar[bool] = True

    def state_collector(self) -> StateCollector:
        """Return a collector of the reasoning details: signatures, encrypted parts, summaries."""
        return DetailsCollector()

    def restore(self, message: ChatMessage, states: Sequence[tuple[int, object]]) -> None:
        """Restore the details, and remove the same text beside them, which would count twice."""
        details = [each for _, state in states if isinstance(state, list) for each in state if isinstance(each, dict)]
        if details:
            message.reasoning_details = details
            message.reasoning_content = message.reasoning = None


@define
class _Detail:
    """One detail, whose text comes in many fragments."""

    values: dict[str, Any]
    texts: list[str] = field(factory=list)

    def complete(self) -> dict[str, Any]:
        key = _TEXTS.get(str(self.values.get("type")))
        return {**self.values, key: "".join(self.texts)} if key is not None and self.texts else self.values


@define
class DetailsCollector:
    """The reasoning details of one answer, each joined from its fragments."""

    _details: list[_Detail] = field(factory=list, init=False)
    _size: int = field(default=0, init=False)
    _count: int = field(default=0, init=False)

    def delta(self, delta: Delta) -> None:
        """Add a chunk's details."""
        for raw in delta.reasoning_details or ():
            self._size += len(raw)
            value = strict_json.decode(raw) if self._fits else None
            if isinstance(value, dict):
                self._add(value)

    def before_call(self, call: ToolCallDelta) -> None:
        """Return None: no detail belongs to a single call."""

    def flush(self) -> list[dict[str, Any]] | None:
        """Return the details since the last time, or None if there were too many, as incomplete ones are refused."""
        details, self._details = self._details, []
        return [each.complete() for each in details] if details and self._fits else None

    @property
    def _fits(self) -> bool:
        return self._size <= MAX_DETAILS_BYTES and self._count <= MAX_DETAILS

    def _add(self, value: dict[str, Any]) -> None:
        latest = self._details[-1] if self._details else None
        key = _TEXTS.get(str(value.get("type")))
        if key is None or latest is None or not _is_same_detail(latest.values, value):
            latest = _Detail({})
            self._details.append(latest)
            self._count += 1
        text = value.pop(key, None) if key is not None else None
        if isinstance(text, str):
            latest.texts.append(text)
        latest.values.update({name: part for name, part in value.items() if part is not None})


def _is_same_detail(known: dict[str, Any], value: dict[str, Any]) -> bool:
    """Return whether a fragment continues the detail before it, with the same type, index and id."""
    return all(value.get(mark) in (None, known.get(mark, value.get(mark))) for mark in _MARKS)
