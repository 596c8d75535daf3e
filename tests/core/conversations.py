"""Random Messages requests: every kind of block in every place, likely and unlikely."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tests.core.asking import IMAGE, PIXEL, tool
from tests.core.strategies import JSON

WORD = "said "
"""How everything begins that must not be lost."""

WORDS = st.integers(0, 999).map(lambda number: f"{WORD}{number} \u00e9\U0001f600.")
IDS = st.sampled_from(
    ["a", "b", "", "call_1:0|x", "toolu_0123456789_ZnVuY3Rpb25zLmY6MA", "toolu_9876543210_ZnVuY3Rpb25zLmY6MA"]
)
NAMES = st.sampled_from(["Read", "Bash", "server.search", "x" * 70, "Deferred"])
SAID = st.recursive(
    WORDS | st.none() | st.booleans() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "text", "content"]), inner, max_size=3)
    ),
    max_leaves=5,
)

TEXTS = st.fixed_dictionaries(
    {"type": st.just("text"), "text": WORDS | st.just("")},
    optional={"cache_control": st.just({"type": "ephemeral"}), "citations": st.none()},
)
IMAGES = st.sampled_from([
    IMAGE,
    {"type": "image", "source": {"type": "url", "url": "https://example.org/x.png"}},
    {"type": "image", "source": {"type": "file", "file_id": "said file"}},
])  # fmt: skip


def _document(source: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {"type": st.just("document"), "source": source}, optional={"title": WORDS, "context": WORDS | st.none()}
    )


def _content(blocks: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return WORDS | st.just("") | st.lists(blocks, max_size=3)


SOURCES = st.one_of(
    st.just({"type": "base64", "media_type": "application/pdf", "data": PIXEL}),
    st.fixed_dictionaries({"type": st.just("text"), "data": WORDS}),
    st.fixed_dictionaries({"type": st.just("content"), "content": _content(TEXTS | IMAGES)}),
    st.fixed_dictionaries({"type": st.sampled_from(["url", "novel"]), "url": WORDS}),
    st.fixed_dictionaries({"type": st.just("file"), "file_id": WORDS}),
)
UNKNOWN = st.builds(
    lambda kind, fields: {**fields, "type": kind},
    st.sampled_from(["novel", "container_upload", "web_search_tool_result", "browser_state", "mcp_tool_result"]),
    st.dictionaries(st.sampled_from(["content", "stdout", "url", "text"]), SAID, max_size=3),
)
SERVED = st.fixed_dictionaries(
    {"type": st.just("server_tool_use"), "id": IDS, "name": WORDS, "input": st.dictionaries(st.just("query"), WORDS)}
)
CHANGES = st.builds(
    lambda kind, name: {"type": kind, "tool": {"type": "tool_reference", "name": name}},
    st.sampled_from(["tool_addition", "tool_removal"]),
    NAMES,
)
SEARCH_RESULTS = st.fixed_dictionaries(
    {"type": st.just("search_result"), "content": _content(TEXTS)}, optional={"title": WORDS, "source": WORDS}
)
INSIDE = st.one_of(
    TEXTS,
    IMAGES,
    _document(SOURCES),
    SEARCH_RESULTS,
    UNKNOWN,
    NAMES.map(lambda n: {"type": "tool_reference", "tool_name": n}),
)
RESULTS = st.fixed_dictionaries(
    {"type": st.just("tool_result"), "tool_use_id": IDS},
    optional={"content": st.none() | _content(INSIDE), "is_error": st.booleans() | st.none()},
)
USES = st.fixed_dictionaries(
    {"type": st.just("tool_use"), "id": IDS, "name": NAMES},
    optional={"input": st.none() | st.dictionaries(st.sampled_from(["p", "q"]), WORDS, max_size=2)},
)
THINKING = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("thinking"), "thinking": st.sampled_from(["", "hm"])}, optional={"signature": st.none()}
    ),
    st.just({"type": "redacted_thinking", "data": "x"}),
)
SUMMARIES = st.fixed_dictionaries({"type": st.just("compaction"), "content": WORDS | st.none()})

USER = st.one_of(TEXTS, RESULTS, IMAGES, _document(SOURCES), SEARCH_RESULTS, UNKNOWN)
ASSISTANT = st.one_of(TEXTS, USES, USES, THINKING, SERVED, UNKNOWN, SUMMARIES)
ANY = st.one_of(USER, ASSISTANT, CHANGES)


def message(role: str, blocks: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return messages of one role."""
    return st.fixed_dictionaries({"role": st.just(role), "content": WORDS | st.just("") | st.lists(blocks, max_size=4)})


LIKELY = st.one_of(message("user", USER), message("assistant", ASSISTANT), message("system", TEXTS | CHANGES))
ODD = st.one_of(*(message(role, ANY) for role in ("user", "assistant", "system")))
CONVERSATIONS = st.lists(LIKELY | LIKELY | ODD, min_size=1, max_size=8)
TOOLS = [tool("Read"), tool("Bash"), tool("server.search"), tool("x" * 70), tool("Deferred", defer_loading=True)]

KINDS = st.sampled_from([
    "text", "image", "document", "search_result", "tool_use", "tool_result", "tool_reference", "thinking",
    "redacted_thinking", "compaction", "tool_addition", "server_tool_use", "tool_search_tool_result", "novel",
])  # fmt: skip
FIELDS = st.sampled_from(
    [
        "text",
        "source",
        "content",
        "id",
        "name",
        "input",
        "tool_use_id",
        "is_error",
        "thinking",
        "tool_name",
        "tool",
        "type",
    ]
)
MALFORMED = st.builds(lambda kind, fields: {"type": kind, **fields}, KINDS, st.dictionaries(FIELDS, JSON, max_size=4))
"""Blocks whose fields may have any type."""


def spoken_words(value: object) -> Iterator[str]:
    """Yield every string in a request that must not be lost."""
    if isinstance(value, str) and value.startswith(WORD):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from spoken_words(item)
