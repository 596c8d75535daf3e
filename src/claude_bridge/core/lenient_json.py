"""Reads JSON of an answer whose types are not as documented: every value that fits, and none for the others."""

from __future__ import annotations

from typing import Any, Final

from claude_bridge.core import json_weight
from claude_bridge.core.strict_json import JsonError, Raw, encode

MEND_EVENT_LIMIT: Final = 1024 * 1024
"""Bytes of the largest event in which lone surrogates are replaced; an event is decoded in one reactor turn."""

_ABSENT: Final = Raw(b"")


def as_object(value: object) -> dict[str, Any]:
    """Return a value that must be an object; raises `JsonError` for any other."""
    if not isinstance(value, dict):
        raise JsonError("it is not a JSON object")
    return value


def text(value: object) -> str | None:
    """Return a value that is text, else None."""
    return value if isinstance(value, str) else None


def raw(value: object) -> Raw:
    """Return a value encoded again; empty, as a missing field, for null."""
    return _ABSENT if value is None else Raw(encode(value))


def raws(value: object) -> list[Raw] | None:
    """Return the values of a list raw, of too many one more than the limit, so that the reader notices; else None."""
    return [raw(each) for each in value[: json_weight.MAX_PARTS + 1]] if isinstance(value, list) else None
