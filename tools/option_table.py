"""The table of every key for the documents: ``python -m tools.option_table --write docs/configuration.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

from attrs import NOTHING, Attribute, Factory

from claude_bridge.config.dump import show
from claude_bridge.config.fields import is_list
from claude_bridge.config.sections import KINDS
from tools.generated import Generated

BEGIN = "<!-- options:begin -->"
END = "<!-- options:end -->"

_UNITS = ((1024**3, "G"), (1024**2, "M"), (1024, "K"))
_DAY = 86_400


def markdown() -> str:
    """Return the table, one row a key in the order of the schema, with a line break at the end."""
    head = ["| section | key | unit | default | meaning |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *_rows()]) + "\n"


GENERATED: Final = Generated(module="tools.option_table", begin=BEGIN, end=END, markdown=markdown)
insert: Final = GENERATED.insert
main: Final = GENERATED.main


def _rows() -> Iterator[str]:
    for kind in KINDS.values():
        for key in kind.keys:
            cells = (f"`[{kind.header}]`", f"`{key.name}`", key.metadata["unit"], _default(key), key.metadata["help"])
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _default(key: Attribute[Any]) -> str:
    """Write the default of a key; nothing where the meaning tells it."""
    value = key.default
    if value in (None, "", NOTHING) or isinstance(value, Factory):  # type: ignore[arg-type]
        return ""
    if is_list(key):
        return ", ".join(f"`{show(entry, key)}`" for entry in value) or "none"
    if key.metadata["unit"] == "bytes":
        return next(f"`{value // step}{letter}`" for step, letter in (*_UNITS, (1, "")) if value % step == 0)
    if key.metadata["unit"] == "s" and value >= _DAY and value % _DAY == 0:
        return f"`{value // _DAY:g}d`"
    return f"`{show(value, key)}`"


if __name__ == "__main__":
    sys.exit(main())
