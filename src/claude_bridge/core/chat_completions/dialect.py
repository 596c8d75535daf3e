"""Dialects: the differences between servers behind one Protocol; `Generic` is the plain OpenAI-compatible server.

A dialect only describes how it differs: as data in its `Traits`, else in the few methods below. It does not
translate: the request is built and the answer is read by the same code for all. The dialects that differ from
`Generic` are in `claude_bridge.core.chat_completions.dialects`, one small file each. A `Target` is one model at one of
these servers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol

from attrs import fields, frozen

from claude_bridge.core import json_weight, strict_json
from claude_bridge.core.backend_api import ServerDialect, TokenizerEndpoint
from claude_bridge.core.chat_completions import finish_and_usage
from claude_bridge.core.chat_completions.openai_types import (
    ChatMessage,
    ChatRequest,
    Delta,
    StreamOptions,
    ToolCallDelta,
)
from claude_bridge.core.chat_completions.traits import Traits
from claude_bridge.core.conversation import ReasoningLevel
from claude_bridge.core.events import Usage
from claude_bridge.core.server import Server

__all__ = ["Dialect", "Generic", "Shaping", "StateCollector"]


@frozen(kw_only=True)
class Shaping:
    """What a dialect may need to know of a request to adapt its fields.

    :ivar level: how much reasoning the client asks for, None if it does not say.
    :ivar with_tools: whether tools are sent.
    :ivar session: the client's session, or "".
    """

    model: str
    traits: Traits
    level: ReasoningLevel | None = None
    with_tools: bool = False
    session: str = ""


class StateCollector(Protocol):
    """Collects the state of one answer that text cannot express and that the server needs back."""

    def delta(self, delta: Delta) -> None:
        """Collect the state in one delta."""

    def before_call(self, call: ToolCallDelta) -> object | None:
        """Return the state that belongs to this call and must stand in front of it, or None."""

    def flush(self) -> object | None:
        """Return the state collected since the last time, as JSON values, or None."""


class Dialect(ServerDialect, Protocol):
    """The respects in which servers differ."""

    @property
    def server(self) -> str:
        """Return a description of the server in a few words, for the documentation (Markdown)."""

    @property
    def known_by(self) -> str:
        """Return by what it is recognised besides its hosts, for the documentation, or ""."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what the bridge does for this server that no trait expresses, as verbs whose subject is the bridge."""

    @property
    def tokenizer(self) -> TokenizerEndpoint | None:
        """Return where prompts can be counted, or None."""

    @property
    def stateful(self) -> bool:
        """Whether `restore` does anything; otherwise it is not called."""

    def traits(self, model: str) -> Traits:
        """Return the traits of ``model`` at this server."""

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Adapt the request's fields to this server; ``extra`` contains fields that OpenAI does not have."""

    def reasoning(self, delta: Delta) -> str:
        """Return a delta's reasoning text, whatever its field is called; not asked about text or arguments alone."""

    def usage(self, raw: Mapping[str, Any]) -> Usage | None:
        """Return this server's usage divided as Anthropic does, or None if it contains no counts."""

    def state_collector(self) -> StateCollector | None:
        """Return a new collector of state for one answer, or None if this server has no state."""

    def restore(self, message: ChatMessage, states: Sequence[tuple[int, object]]) -> None:
        """Put state back into an assistant message; each state comes with the number of calls before it.

        Called for every assistant message, with or without state. State comes from the client and may be any JSON.
        """


@frozen
class Generic(Server):
    """A server that behaves as the OpenAI SDK's types say, whose answers are read as leniently as possible.

    Subclasses override as little as possible.
    """

    server: ClassVar[str] = "A server that does what the OpenAI SDK's types say, read as forgivingly as possible"
    notes: ClassVar[tuple[str, ...]] = ()
    tokenizer: ClassVar[TokenizerEndpoint | None] = None
    stateful: ClassVar[bool] = False
    default_traits: ClassVar[Traits] = Traits()

    def traits(self, model: str) -> Traits:
        """Return the same traits for all models."""
        del model
        return self.default_traits

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Set ``stream_options`` as the traits say."""
        del extra
        if chat.stream and shaping.traits.stream_options != "none":
            chat.stream_options = StreamOptions()
            if shaping.traits.stream_options == "continuous":
                chat.stream_options.continuous_usage_stats = True

    def reasoning(self, delta: Delta) -> str:
        """Return the first field that is not empty, as several may contain the same text."""
        text = delta.reasoning_content or delta.reasoning or delta.reasoning_text or delta.thinking
        if not text and delta.reasoning_details:
            json_weight.check_length(delta.reasoning_details, json_weight.MAX_PARTS, "details of reasoning")
            return "".join(_detail(raw) for raw in delta.reasoning_details)
        if not text and delta.thinking_blocks:
            json_weight.check_length(delta.thinking_blocks, json_weight.MAX_PARTS, "blocks of thinking")
            return "".join(_thinking(raw) for raw in delta.thinking_blocks)
        return text or ""

    def usage(self, raw: Mapping[str, Any]) -> Usage | None:
        """Return usage from all its common field names."""
        return finish_and_usage.usage(raw)

    def state_collector(self) -> StateCollector | None:
        """Return None: there is no state."""
        return None

    def restore(self, message: ChatMessage, states: Sequence[tuple[int, object]]) -> None:
        """Do nothing: another server's state means nothing here."""


def _thinking(raw: strict_json.Raw) -> str:
    """Return the text of one of ``thinking_blocks``: Anthropic's, as passed on by LiteLLM and Envoy's AI gateway."""
    value = strict_json.decode(raw)
    text = value.get("thinking") if isinstance(value, dict) else None
    return text if isinstance(text, str) else ""


def _detail(raw: strict_json.Raw) -> str:
    """Return the readable part of an OpenRouter reasoning detail: text or summary; encrypted ones have none."""
    value = strict_json.decode(raw)
    if not isinstance(value, dict):
        return ""
    text = value.get("text") or value.get("summary")
    return text if isinstance(text, str) else ""


GENERIC: Final = Generic()


@frozen(kw_only=True)
class Target(Traits):
    """One model at one backend, as far as a request depends on it: its traits, its name and its limits.

    :ivar model: the backend's own name of the model.
    :ivar context_window: tokens, prompt and answer together, where known.
    :ivar window_configured: whether the window was configured, so that it overrides what the backend reports.
    :ivar max_output_tokens: the largest ``max_tokens`` to request, where known.
    """

    model: str
    dialect: Dialect = GENERIC
    context_window: int | None = None
    window_configured: bool = False
    max_output_tokens: int | None = None
    strip_attribution: bool = True


def as_fields(traits: Traits) -> dict[str, Any]:
    """Return traits as keyword arguments for a target."""
    return {each.name: getattr(traits, each.name) for each in fields(Traits)}
