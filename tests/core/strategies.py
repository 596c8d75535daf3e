"""What backends could say, at random: cuts of bytes, texts, tool arguments, and whole event sequences."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any, get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from claude_bridge.core.events import (
    Event,
    Finished,
    FinishReason,
    PromptSizeReported,
    ReasoningDelta,
    ReasoningState,
    SearchErrorCode,
    SearchHit,
    SearchResulted,
    ServerToolCalled,
    TextDelta,
    ToolArgumentsDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
"""Any text that UTF-8 can carry, control characters among it."""

# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("unhurried", suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

ODD_PROSE = (" ", "\n\n", "\t", "Hello ", "<think>", "</think>", "naïve 日本 😀", '"{}\\', "\r\n")
PROSE = TEXT.filter(bool) | st.sampled_from(ODD_PROSE)
"""Text as a delta carries it: never empty, often blank, sometimes looking like something else."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(-1e99, 1e99) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=2)
"""What tool arguments should be."""


def cuts(size: int) -> st.SearchStrategy[list[int]]:
    """Return positions at which something of this size may be cut."""
    return st.lists(st.integers(0, size), max_size=5).map(sorted)


def cut(data: Any, positions: Sequence[int]) -> list[Any]:
    """Cut bytes or text at the positions; pieces may be empty."""
    edges = [0, *positions, len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def in_steps(data: Any, size: int) -> list[Any]:
    """Cut bytes or text into pieces of one size."""
    return [data[at : at + size] for at in range(0, len(data), size)]


@st.composite
def pieces_of(draw: st.DrawFn, whole: st.SearchStrategy[Any]) -> list[Any]:
    """Draw something and cut it anywhere."""
    data = draw(whole)
    return cut(data, draw(cuts(len(data))))


@st.composite
def json_text(draw: st.DrawFn, objects: st.SearchStrategy[Any] = OBJECTS) -> str:
    """Write an object as one of the servers would: with or without escapes and white space."""
    value = draw(objects)
    return json.dumps(
        value,
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 2])),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])),
    )


# --- neutral events -----------------------------------------------------------------------------------------

USAGES = st.none() | st.builds(
    Usage,
    input_tokens=st.integers(0, 10**6),
    output_tokens=st.integers(0, 10**6),
    cache_read_tokens=st.integers(0, 10**6),
    cache_write_tokens=st.integers(0, 10**6),
    thinking_tokens=st.none() | st.integers(0, 10**6),
    web_search_requests=st.sampled_from([0, 0, 1, 10]),
)
HITS = st.builds(SearchHit, TEXT, TEXT, TEXT, st.none() | TEXT)
RESULTS = st.tuples(st.lists(HITS, max_size=2).map(tuple), st.none()) | st.tuples(
    st.just(()), st.sampled_from(get_args(SearchErrorCode))
)
FINISHES = st.builds(
    Finished,
    st.sampled_from(list(FinishReason)),
    st.none() | st.just("STOP"),
    USAGES,
)


@st.composite
def event_sequences(draw: st.DrawFn) -> list[Event]:
    """Draw the events of a finished answer: calls that overlap, text, reasoning, state and searches between."""
    count = draw(st.integers(0, 3))
    left = {number: _call(draw, number) for number in range(count)}
    events: list[Event] = []
    begun = 0
    while bool(left) or draw(st.integers(0, 3)):
        kind = draw(st.sampled_from("ctrccsxp" if left else "trsxp"))
        if kind == "x":
            events.append(ReasoningState(f"cb1.state{len(events)}"))
        elif kind == "p":
            events.append(
                PromptSizeReported(Usage(draw(st.integers(0, 999)), cache_read_tokens=draw(st.integers(0, 9))))
            )
        elif kind == "s":
            events += _search(draw, len(events))
        elif kind == "c":
            # calls begin in order, then go on in any order
            number = draw(st.sampled_from([key for key in left if key <= begun]))
            begun = max(begun, number + 1)
            events.append(left[number].pop(0))
            if not left[number]:
                del left[number]
        else:
            text = draw(PROSE)
            events.append(TextDelta(text) if kind == "t" else ReasoningDelta(text))
    return [*events, draw(FINISHES)]


def _call(draw: st.DrawFn, number: int) -> list[Event]:
    text = draw(json_text())
    deltas: list[Event] = [ToolArgumentsDelta(number, piece) for piece in cut(text, draw(cuts(len(text)))) if piece]
    return [ToolCallStarted(number, f"toolu_{number}", f"Tool{number}"), *deltas, ToolCallEnded(number)]


def _search(draw: st.DrawFn, number: int) -> list[Event]:
    called = ServerToolCalled(f"srvtoolu_{number}", "web_search", draw(json_text()))
    return [called, SearchResulted(called.id, *draw(RESULTS))]


# --- upstream chunks ----------------------------------------------------------------------------------------

ENDS = (b"\n\n", b"\r\n\r\n", b"\r\r")
REASONING_KEYS = ("reasoning_content", "reasoning", "reasoning_text", "thinking")
NOISE = (b": keep-alive", b"event: message", b"id: 1", b"retry: 10", b"data:")


@st.composite
def upstream_streams(draw: st.DrawFn) -> bytes:
    """Draw a finished stream of a backend with the liberties that backends take (docs/chat-completions.md 2.3)."""
    end = draw(st.sampled_from(ENDS))
    chunks = [{"role": "assistant", "content": ""}, *_deltas(draw)]
    framed = [draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))]
    for delta in chunks:
        framed.append(draw(st.sampled_from((b"", *(line + end[: len(end) // 2] for line in NOISE)))))
        framed.append(_event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}, end, draw))
    word = draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter", "eos"]))
    framed.append(_event({"choices": [{"index": 0, "delta": {}, "finish_reason": word}]}, end, draw))
    if draw(st.booleans()):
        usage = {"prompt_tokens": draw(st.integers(0, 999)), "completion_tokens": draw(st.integers(0, 999))}
        framed.append(_event({"choices": [], "usage": usage}, end, draw))
    if draw(st.booleans()):
        framed.append(b"data: [DONE]" + draw(st.sampled_from([b"", end])))
    return b"".join(framed)


def _event(value: dict[str, Any], end: bytes, draw: st.DrawFn) -> bytes:
    colon = draw(st.sampled_from([b"data: ", b"data:"]))
    return colon + json.dumps(value, ensure_ascii=draw(st.booleans())).encode() + end


def _deltas(draw: st.DrawFn) -> list[dict[str, Any]]:
    count = draw(st.integers(0, 3))
    left = {index: _fragments(draw, index) for index in range(count)}
    reasoning = draw(st.sampled_from(REASONING_KEYS))
    deltas: list[dict[str, Any]] = []
    while bool(left) or draw(st.integers(0, 3)):
        kind = draw(st.sampled_from("ctrcc" if left else "tr"))
        if kind == "c":
            index = draw(st.sampled_from(list(left)))
            deltas.append({"tool_calls": [left[index].pop(0)]})
            if not left[index]:
                del left[index]
        else:
            deltas.append({"content" if kind == "t" else reasoning: draw(PROSE)})
    return deltas


ODD_ARGUMENTS = ('{"a": tru th}', "", "null", '{"cut": "of', "no JSON", '{"tab": "\t"}', '{"a": 1} {"b": 2}', '"{}"')


def _fragments(draw: st.DrawFn, index: int) -> list[dict[str, Any]]:
    """Make the fragments of one call; the id may be missing or the same for all."""
    text = draw(json_text() | st.sampled_from(ODD_ARGUMENTS))
    first = {"index": index, "type": "function", "function": {"name": draw(st.sampled_from(["Bash", "Read"]))}}
    identifier = draw(st.sampled_from([None, "call_1", f"functions.f:{index}", "x" * 60]))
    if identifier is not None:
        first["id"] = identifier
    pieces = cut(text, draw(cuts(len(text))))
    return [first, *({"index": index, "function": {"arguments": piece}} for piece in pieces)]
