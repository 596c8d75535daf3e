"""JSON5, as people write it by hand, -> Python values."""

from __future__ import annotations

from typing import Any, Final

import json5

from claude_bridge.core import strict_json
from claude_bridge.importers.source import NotUsable

MAX_CHARACTERS: Final = 512 * 1024
"""Characters of a text that is not plain JSON, of which some 80,000 are read in a second."""
MAX_DEPTH: Final = 60
"""Objects and lists within each other; real files have about six."""


def read_json5(text: str, called: str) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    """Return the value of a text. Raises `NotUsable` with the place of a mistake, and nothing of the text.

    Plain JSON is read first: it is much faster, and an export of version 3 holds a whole database. ``called`` is what
    the file is called in messages.
    """
    try:
        value = _decoded(text, called)
        _check_depth(value)
    except ValueError as error:
        raise NotUsable(f"{called} is not JSON5: {_place(str(error))}") from None
    except RecursionError:
        raise NotUsable(f"{called} is nested too deeply") from None
    return value


def _decoded(text: str, called: str) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    try:
        return strict_json.decode(text.encode())
    except strict_json.JsonError:
        pass
    if len(text) > MAX_CHARACTERS:
        raise NotUsable(
            f"{called} has more than {MAX_CHARACTERS // 1024} KB and is not plain JSON: take out its comments, and "
            "commas in front of closing brackets"
        )
    return _whole(json5.loads(text))


def _whole(value: Any) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    r"""Return a value with each pair of escapes (``\ud83d\ude00``) as one character, and U+FFFD for half a pair."""
    match value:
        case str():
            return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        case list():
            return [_whole(each) for each in value]
        case dict():
            return {_whole(key): _whole(each) for key, each in value.items()}
        case _:
            return value


def _check_depth(value: Any) -> None:  # noqa: ANN401 - decoded JSON is what it is
    """Raise `RecursionError` if a value is deeper than what reads it may recurse."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise RecursionError


def _place(message: str) -> str:
    """Return where a mistake is: the library's message also quotes the character that it met."""
    words = message.partition(" Unexpected")[0].removeprefix("<string>:")
    line = words.split(":")[0]
    return f"look at line {line}" if line.isdecimal() else "something in it is not closed"
