"""Gemini's OpenAI-compatible path: every call has a signature that must be sent back with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from attrs import define, evolve, frozen

from claude_bridge.core import strict_json
from claude_bridge.core.backend_api import Clues
from claude_bridge.core.chat_completions import finish_and_usage
from claude_bridge.core.chat_completions.dialect import StateCollector
from claude_bridge.core.chat_completions.dialects.hosted import Families, Hosted
from claude_bridge.core.chat_completions.openai_types import ChatMessage, Delta, SignedToolCall, ToolCall, ToolCallDelta
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.events import Usage

UNSIGNED: Final = "skip_thought_signature_validator"
"""The signature that Google's documentation (thought signatures, FAQ) provides for calls not made by Gemini: a
conversation that began with another model would be refused otherwise. Google validates the first call of each step."""

MAX_STATE_CHARACTERS: Final = 1 << 18
"""Characters of the longest signature that is kept; real ones have some thousands."""

_MAKERS: Final = ("google", "vertex")

# Unknown fields are refused ("Unknown name"), and there is no field for reasoning.
_CHATS: Final = Traits(
    reasoning_echo="never",
    parallel_tool_calls=False,
    schema="gemini",
    # a JSON answer beside tools is only for 3 and later
    structured_output="instruction",
)
_BASE: Final = evolve(
    _CHATS,
    reasoning_control="effort",
    reasoning_levels=("minimal", "low", "medium", "high"),
    structured_output="json_schema",
)
_OLD: Final = evolve(_BASE, structured_output="instruction")


@frozen
class Gemini(Hosted):
    """The Gemini API's and Vertex AI's paths for OpenAI clients."""

    name: ClassVar[str] = "gemini"
    server: ClassVar[str] = "The Gemini API's and Vertex AI's paths for OpenAI clients"
    known_by: ClassVar[str] = "the host of Vertex AI in each region, such as `us-central1-aiplatform.googleapis.com`"
    notes: ClassVar[tuple[str, ...]] = (
        "counts thoughts as output: they are in the total and in no other count",
        "keeps the signatures of calls and sends them back; the first call of a step gets a stand-in if it has none",
    )
    stateful: ClassVar[bool] = True
    hosts: ClassVar[tuple[str, ...]] = ("generativelanguage.googleapis.com", "aiplatform.googleapis.com")
    default_traits: ClassVar[Traits] = _BASE
    families: ClassVar[Families] = (
        (r"gemini-2\.5-pro", evolve(_OLD, reasoning_levels=("low", "medium", "high"))),
        (r"gemini-2\.5", evolve(_OLD, reasoning_levels=("none", "low", "medium", "high"))),
        (r"gemini-[12]\.|gemma", _CHATS),
        (r"gemini-3-pro", evolve(_BASE, reasoning_levels=("low", "high"))),
        (r"gemini.*pro", evolve(_BASE, reasoning_levels=("low", "medium", "high"))),
    )

    def recognised(self, clues: Clues) -> str:
        """Return the host, also of Vertex AI in any region: ``us-central1-aiplatform.googleapis.com``."""
        regional = clues.host.endswith(("-aiplatform.googleapis.com", ".aiplatform.googleapis.com"))
        return f"host {clues.host}" if regional else super().recognised(clues)

    def usage(self, raw: Mapping[str, Any]) -> Usage | None:
        """Return usage with thoughts counted as output: they are in the total and in no other count."""
        return finish_and_usage.usage(raw, counted_apart=True)

    def state_collector(self) -> StateCollector:
        """Return a collector of the calls' signatures."""
        return SignatureCollector()

    def restore(self, message: ChatMessage, states: Sequence[tuple[int, object]]) -> None:
        """Restore each call's signature; the first call gets a stand-in if it has none."""
        calls = message.tool_calls
        if not calls:
            return
        for at, state in states:
            signature = state.get("signature") if isinstance(state, dict) else None
            if isinstance(signature, str) and at < len(calls):
                maker = state.get("maker") if isinstance(state, dict) else None
                calls[at] = _signed(calls[at], maker if maker in _MAKERS else "google", signature)
        if not isinstance(calls[0], SignedToolCall):
            calls[0] = _signed(calls[0], "google", UNSIGNED)


def _signed(call: ToolCall, maker: str, signature: str) -> SignedToolCall:
    extra = strict_json.Raw(strict_json.encode({maker: {"thought_signature": signature}}))
    return SignedToolCall(call.id, call.function, call.type, extra)


@define
class SignatureCollector:
    """The signatures of one answer: each belongs to a call, so nothing else is collected."""

    def delta(self, delta: Delta) -> None:
        """Do nothing: only calls are signed on this path."""

    def before_call(self, call: ToolCallDelta) -> dict[str, str] | None:
        """Return the call's signature and the vendor's name under which it came."""
        if not call.extra_content or len(call.extra_content) > MAX_STATE_CHARACTERS:
            return None
        content = strict_json.decode(call.extra_content)
        for maker in _MAKERS:
            signature = _signature(content, maker)
            if signature:
                return {"signature": signature} if maker == "google" else {"signature": signature, "maker": maker}
        return None

    def flush(self) -> None:
        """Do nothing: there is no other state."""


def _signature(content: Any, maker: str) -> str:  # noqa: ANN401 - decoded JSON
    part = content.get(maker) if isinstance(content, dict) else None
    signature = part.get("thought_signature") if isinstance(part, dict) else None
    return signature if isinstance(signature, str) else ""
