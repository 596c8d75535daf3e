"""Neutral stream events: what an answer says, in neither side's words.

The reader makes them from upstream chunks, the writer and the accumulator consume them. They are
made for each delta of a stream, so they are slotted classes with one or two fields and no
validation.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from attrs import define, field


class FinishReason(Enum):
    """Why the model stopped, before it is known what was emitted (wire-contract 5.9)."""

    STOPPED = "stopped"
    STOP_SEQUENCE = "stop_sequence"
    LENGTH = "length"
    REFUSED = "refused"
    CONTEXT_FULL = "context_full"


@define
class Started:
    """The backend began to answer; ``model`` is its own name for what answers, or empty."""

    model: str


@define
class TextDelta:
    """More visible text; never empty."""

    text: str


@define
class ReasoningDelta:
    """More of the model's reasoning; never empty."""

    text: str


@define
class ToolCallStarted:
    """A tool call with a name; ``call`` numbers the calls of an answer from 0 and ``id`` is unique."""

    call: int
    id: str
    name: str


@define
class ToolArgumentsDelta:
    """More of a call's JSON arguments, as text."""

    call: int
    json: str


@define
class ToolCallEnded:
    """No more arguments will come for this call."""

    call: int


@define
class Usage:
    """Token counts of an answer, in Anthropic's division: the three input counts add up to the prompt.

    :ivar estimated: True if the backend did not say and the counts are the bridge's own.
    :ivar raw: what the backend said, for the books.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    thinking_tokens: int | None = None
    estimated: bool = False
    raw: Mapping[str, object] = field(factory=dict, eq=False)


@define
class Finished:
    """The answer is complete.

    :ivar reason: as the backend gave it, not yet reconciled with what was emitted.
    :ivar stop_sequence: the matched sequence, where the backend told.
    :ivar usage: final counts, or None where the backend reported none.
    :ivar explanation: a sentence for the person where the backend refused.
    """

    reason: FinishReason
    stop_sequence: str | None = None
    usage: Usage | None = None
    explanation: str | None = None


Event = Started | TextDelta | ReasoningDelta | ToolCallStarted | ToolArgumentsDelta | ToolCallEnded | Finished
