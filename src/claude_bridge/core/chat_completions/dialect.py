"""What differs from server to server, behind one Protocol; `Generic` is the plain OpenAI-compatible server.

A dialect only ever says how it differs: as data in its `Traits`, else at the few points below. It owns no
translation: the request is built and the answer is read by the same code for all. The dialects that differ from
`Generic` are in `claude_bridge.core.chat_completions.dialects`, one small file each. A `Target` is one model at one of
these servers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Protocol

from attrs import fields, frozen

from claude_bridge.core import json_weight, strict_json
from claude_bridge.core.backend_api import Clues, TokenizerEndpoint
from claude_bridge.core.chat_completions.answer import finish_and_usage
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

__all__ = ["Dialect", "Generic", "Shaping", "StateCollector"]


@frozen(kw_only=True)
class Shaping:
    """What a dialect may want to know of a request to shape it.

    :ivar level: how much thinking the client wants, None where it says nothing.
    :ivar with_tools: whether tools are sent.
    :ivar session: the client's session, or "".
    """

    model: str
    traits: Traits
    level: ReasoningLevel | None = None
    with_tools: bool = False
    session: str = ""


class StateCollector(Protocol):
    """Collects what an answer holds that its text cannot carry and that the server wants back."""

    def delta(self, delta: Delta) -> None:
        """Look at one delta."""

    def before_call(self, call: ToolCallDelta) -> object | None:
        """Return the state that belongs to this very call, to stand in front of it, or None."""

    def flush(self) -> object | None:
        """Return what was collected since the last time, as plain JSON values, or None."""


class Dialect(Protocol):
    """The points at which servers differ."""

    @property
    def name(self) -> str:
        """Name it as in ``dialect = NAME``."""

    @property
    def server(self) -> str:
        """Describe the server in a few words, for the documents (Markdown)."""

    @property
    def known_by(self) -> str:
        """Describe by what it is recognised besides its hosts, for the documents, or ""."""

    @property
    def notes(self) -> tuple[str, ...]:
        """Describe what is done for this server that no trait says: verbs whose subject is the bridge."""

    @property
    def tokenizer(self) -> TokenizerEndpoint | None:
        """Return where prompts can be counted, if anywhere."""

    @property
    def key_header(self) -> str:
        """Name the header that takes the credential."""

    @property
    def lists(self) -> tuple[str, ...]:
        """Name the lists, besides that of its models, that tell the windows of those that are loaded."""

    @property
    def speaks_for_itself(self) -> bool:
        """Return whether such a server never shows what another one is.

        Services and gateways pass on what the engine behind them says, and ``generic`` is nobody's.
        """

    @property
    def stateful(self) -> bool:
        """Return whether `restore` does anything; it is not even called otherwise."""

    def recognised(self, clues: Clues) -> str:
        """Return by what this server is recognised ("host api.deepseek.com"), or "" if it is not."""

    def traits(self, model: str) -> Traits:
        """Return the differences of ``model`` at this server."""

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Change the request's fields to what this server takes; ``extra`` holds fields that OpenAI does not have."""

    def reasoning(self, delta: Delta) -> str:
        """Return a delta's reasoning text, whatever its field is called."""

    def usage(self, raw: Mapping[str, Any]) -> Usage | None:
        """Divide this server's usage as Anthropic does."""

    def state_collector(self) -> StateCollector | None:
        """Make the collector of state for one answer, or None where text carries everything."""

    def restore(self, message: ChatMessage, states: Sequence[tuple[int, object]]) -> None:
        """Put state back into an assistant message; each comes with the number of calls that stood before it.

        Called for every assistant message, also where there is no state. State is the client's word: any JSON.
        """


@frozen
class Generic:
    """A server that does what the OpenAI SDK's types say, read as forgivingly as possible.

    Subclasses name themselves, and differ by as little as they can.

    :cvar hosts: host names, or their ends with a leading dot, by which the server is known.
    """

    name: ClassVar[str] = "generic"
    server: ClassVar[str] = "A server that does what the OpenAI SDK's types say, read as forgivingly as possible"
    known_by: ClassVar[str] = ""
    notes: ClassVar[tuple[str, ...]] = ()
    hosts: ClassVar[tuple[str, ...]] = ()
    tokenizer: ClassVar[TokenizerEndpoint | None] = None
    key_header: ClassVar[str] = "Authorization"
    lists: ClassVar[tuple[str, ...]] = ()
    speaks_for_itself: ClassVar[bool] = False
    stateful: ClassVar[bool] = False
    default_traits: ClassVar[Traits] = Traits()

    def recognised(self, clues: Clues) -> str:
        """Recognise the host; subclasses may know more."""
        known = any(clues.host == host or (host[:1] == "." and clues.host.endswith(host)) for host in self.hosts)
        return f"host {clues.host}" if known else ""

    def traits(self, model: str) -> Traits:
        """Return the same for all models."""
        del model
        return self.default_traits

    def shape(self, chat: ChatRequest, extra: dict[str, object], shaping: Shaping) -> None:
        """Ask for usage as the traits say; all else is as it is."""
        del extra
        if chat.stream and shaping.traits.stream_options != "none":
            chat.stream_options = StreamOptions()
            if shaping.traits.stream_options == "continuous":
                chat.stream_options.continuous_usage_stats = True

    def reasoning(self, delta: Delta) -> str:
        """Take the first field that has something: two that carry the same text count once."""
        text = delta.reasoning_content or delta.reasoning or delta.reasoning_text or delta.thinking
        if not text and delta.reasoning_details:
            json_weight.check_length(delta.reasoning_details, json_weight.MAX_PARTS, "details of reasoning")
            return "".join(_detail(raw) for raw in delta.reasoning_details)
        if not text and delta.thinking_blocks:
            json_weight.check_length(delta.thinking_blocks, json_weight.MAX_PARTS, "blocks of thinking")
            return "".join(_thinking(raw) for raw in delta.thinking_blocks)
        return text or ""

    def usage(self, raw: Mapping[str, Any]) -> Usage | None:
        """Read usage under all its common names."""
        return finish_and_usage.usage(raw)

    def state_collector(self) -> StateCollector | None:
        """Keep nothing."""
        return None

    def restore(self, message: ChatMessage, states: Sequence[tuple[int, object]]) -> None:
        """Put nothing back: another server's state means nothing here."""


def _thinking(raw: strict_json.Raw) -> str:
    """Return the text of one of ``thinking_blocks``: Anthropic's, as LiteLLM and Envoy's AI gateway hand them on."""
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
    """One model at one backend, as far as a request's shape depends on it: its traits, its name and its limits.

    :ivar model: the backend's own name for it.
    :ivar context_window: tokens, prompt and answer together, where known.
    :ivar window_configured: the owner said so; nothing that a backend says is believed against it.
    :ivar max_output_tokens: largest ``max_tokens`` to ask for, where known.
    """

    model: str
    dialect: Dialect = GENERIC
    context_window: int | None = None
    window_configured: bool = False
    max_output_tokens: int | None = None
    strip_attribution: bool = True


def as_fields(traits: Traits) -> dict[str, Any]:
    """Return traits by name, to make a target of."""
    return {each.name: getattr(traits, each.name) for each in fields(Traits)}
