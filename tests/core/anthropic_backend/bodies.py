"""JSON as clients may write it: any white space, any escapes, keys in any order, and requests of that kind."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tests.core.strategies import JSON, TEXT

SPACE = st.text(" \t\n\r", max_size=2)
NAMES = st.sampled_from(["model", "mode", "models", "mo\\del", "a", 'q"', "é", ""]) | TEXT


@st.composite
def written(draw: st.DrawFn, value: Any) -> str:
    """Return a value as JSON, with white space and escapes at random."""
    if isinstance(value, dict):
        members = [_spaced(draw, written(name)) + ":" + _spaced(draw, written(each)) for name, each in value.items()]
        return f"{{{','.join(members) or draw(SPACE)}}}"
    if isinstance(value, list):
        return f"[{','.join(_spaced(draw, written(each)) for each in value) or draw(SPACE)}]"
    if isinstance(value, str):
        return '"' + "".join(_character(each, draw(st.booleans())) for each in value) + '"'
    return json.dumps(value)


def _spaced(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    return draw(SPACE) + draw(inner) + draw(SPACE)


def _character(character: str, escaped: bool) -> str:
    if not escaped or ord(character) > 0xFFFF:
        return json.dumps(character, ensure_ascii=False)[1:-1]
    return f"\\u{ord(character):04x}"


def objects(**required: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with any members, among them the required ones, anywhere."""
    members = st.dictionaries(NAMES, JSON, max_size=4).map(lambda some: [*(some | required).items()])
    return members.flatmap(st.permutations).map(dict)


def written_values(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, bytes]]:
    """Return values together with one of the ways to write them."""
    return values.flatmap(lambda value: st.tuples(st.just(value), written(value).map(str.encode)))


def message(role: str, *blocks: Any) -> dict[str, Any]:
    """Return a message with these blocks; texts become text blocks."""
    return {"role": role, "content": [text(block) if isinstance(block, str) else block for block in blocks]}


def text(words: str) -> dict[str, Any]:
    """Return a text block."""
    return {"type": "text", "text": words}


def thinking(words: str, signature: str | None = "EqQBCgIYAhIM") -> dict[str, Any]:
    """Return a thinking block, by default with a signature as Anthropic's; None for a block without one."""
    block = {"type": "thinking", "thinking": words}
    return block if signature is None else {**block, "signature": signature}


def redacted(data: str) -> dict[str, Any]:
    """Return a redacted thinking block."""
    return {"type": "redacted_thinking", "data": data}


def body(*messages: Any, **more: Any) -> bytes:
    """Return a request's body, with white space as no encoder of the bridge's writes it."""
    return json.dumps({"model": "alias", "max_tokens": 9, "messages": messages, **more}, indent=1).encode()
