"""JSON5, as people write it by hand, -> Python values."""

from __future__ import annotations

from typing import Any

import json5

from claude_bridge.core import strict_json
from claude_bridge.importers.source import NotUsable


def read_json5(text: str) -> Any:  # noqa: ANN401 - decoded JSON is what it is
    """Return the value of a text. Raises `NotUsable` with the place of a mistake, and nothing of the text.

    Plain JSON is read first: it is much faster, and an export of version 3 holds a whole database.
    """
    try:
        return strict_json.decode(text.encode())
    except strict_json.JsonError:
        pass
    try:
        return json5.loads(text)
    except ValueError as error:
        raise NotUsable(f"the file is not JSON5: {_place(str(error))}") from None
    except RecursionError:
        raise NotUsable("the file is nested too deeply") from None


def _place(message: str) -> str:
    """Return where a mistake is: the library's message also quotes the character that it met."""
    words = message.partition(" Unexpected")[0].removeprefix("<string>:")
    line = words.split(":")[0]
    return f"look at line {line}" if line.isdecimal() else "something in it is not closed"
