"""Neutral stream events: the content of an answer in terms that belong to neither API.

The reader makes them from upstream chunks; the stream writer and the accumulator consume them. They are slotted classes
with one or two fields and no validation. Those of which one is made for each delta of a stream are msgspec's, which are
made in a third of the time; ``gc=False``, because text and numbers cannot be part of a cycle.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final, Literal

from attrs import define, field, frozen
from msgspec import Struct


class FinishReason(Enum):
    """Why the model stopped, as the backend reports it, whatever content it sent (docs/chat-completions.md 2.8)."""

    STOPPED = "stopped"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    REFUSED = "refused"
    CONTEXT_FULL = "context_full"


@define
class Started:
    """The backend began to answer; ``model`` is its own name of the model that answers, or empty."""

    model: str


class TextDelta(Struct, gc=False):
    """More visible text; never empty."""

    text: str


class ReasoningDelta(Struct, gc=False):
    """More of the model's reasoning; never empty."""

    text: str


@define
class ReasoningState:
    """State that the backend needs back and text cannot express, packed by `claude_bridge.core.opaque_state`."""

    carrier: str


@define
class PromptSizeReported:
    """The backend reported the prompt's size, before or while it answers.

    :ivar read: how many tokens of the prompt it has read, cached ones among them; None if it does not tell.
    """

    usage: Usage
    read: int | None = None


@define
class ToolCallStarted:
    """A tool call began; ``call`` numbers the calls of an answer from 0 and ``id`` is unique."""

    call: int
    id: str
    name: str


class ToolArgumentsDelta(Struct, gc=False):
    """More of a call's JSON arguments, as text."""

    call: int
    json: str


@define
class ToolCallEnded:
    """The arguments of a call are complete."""

    call: int


SearchErrorCode = Literal[
    "invalid_tool_input",
    "unavailable",
    "max_uses_exceeded",
    "too_many_requests",
    "query_too_long",
    "request_too_large",
]
"""Why there are no results, in the API's words (``web_search_tool_result_error``)."""


@frozen
class SearchHit:
    """One result of a web search: plain text, and an http or https URL, which the bridge never requests.

    :ivar age: when the page was published or how old it is, as the search engine words it, or None.
    """

    title: str
    url: str
    snippet: str = ""
    age: str | None = None


@define
class ServerToolCalled:
    """The model called a tool that the bridge runs; ``id`` begins with ``srvtoolu_``, the input is an object."""

    id: str
    name: str
    input_json: str


@define
class SearchResulted:
    """The result of the web search with the id ``call_id``: hits, or why there are none."""

    call_id: str
    hits: tuple[SearchHit, ...] = ()
    error_code: SearchErrorCode | None = None


MAX_TOKEN_COUNT: Final = 2**53
"""Tokens; larger numbers are no counts, and floats are exact up to this one."""


def token_count(value: object) -> int | None:
    """Return a backend's number of tokens as an int, or None if it cannot be one: 1.7e3 is valid, True is not."""
    if value is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None  # most often because there is none
    return int(value) if 0 <= value <= MAX_TOKEN_COUNT else None


@define
class Usage:
    """Token counts of an answer, divided as in Anthropic's API: the three input counts add up to the prompt.

    :ivar estimated: whether the backend reported nothing and the counts are the bridge's own.
    :ivar web_search_requests: searches that the bridge made for this answer.
    :ivar raw: the backend's own object, which may say what the answer cost; empty in records.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    thinking_tokens: int | None = None
    estimated: bool = False
    web_search_requests: int = 0
    raw: Mapping[str, object] = field(factory=dict, eq=False)

    @property
    def prompt_tokens(self) -> int:
        """Return the tokens of the whole prompt: the three input counts together."""
        return self.input_tokens + self.cache_read_tokens + self.cache_write_tokens

    def plus(self, more: Usage) -> Usage:
        """Return the sum with the counts of another turn of the model for the same answer."""
        thoughts = [count for count in (self.thinking_tokens, more.thinking_tokens) if count is not None]
        return Usage(
            input_tokens=self.input_tokens + more.input_tokens,
            output_tokens=self.output_tokens + more.output_tokens,
            cache_read_tokens=self.cache_read_tokens + more.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + more.cache_write_tokens,
            thinking_tokens=sum(thoughts) if thoughts else None,
            estimated=self.estimated or more.estimated,
            web_search_requests=self.web_search_requests + more.web_search_requests,
            raw=more.raw,
        )


@define
class Finished:
    """The answer is complete.

    :ivar reason: as the backend gave it, not yet reconciled with the content that was sent.
    :ivar stop_sequence: the matched sequence, where the backend reported it.
    :ivar usage: final counts, or None where the backend reported none.
    :ivar explanation: a sentence for the user where the backend refused.
    """

    reason: FinishReason
    stop_sequence: str | None = None
    usage: Usage | None = None
    explanation: str | None = None


@define
class Verbatim:
    """A part of an answer in the clients' own API, to be passed on as it is.

    :ivar opening: what precedes ``data`` unless the client has got the beginning of a message already.
    :ivar data: whole events of a stream, or a whole message.
    :ivar usage: the counts so far, or None.
    :ivar headers: those of the response that concern the client; only the first part has them.
    """

    data: bytes
    opening: bytes = b""
    usage: Usage | None = None
    headers: tuple[tuple[str, str], ...] = ()


Event = (
    Started
    | TextDelta
    | ReasoningDelta
    | ReasoningState
    | PromptSizeReported
    | ToolCallStarted
    | ToolArgumentsDelta
    | ToolCallEnded
    | ServerToolCalled
    | SearchResulted
    | Verbatim
    | Finished
)
