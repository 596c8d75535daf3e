"""The table of every key for the README: ``python -m claude_bridge.config.table --write README.md``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from attrs import NOTHING, Attribute, Factory

from claude_bridge.config.dump import show
from claude_bridge.config.fields import is_list
from claude_bridge.config.sections import KINDS

BEGIN = "<!-- options:begin -->"
END = "<!-- options:end -->"

_UNITS = ((1024**3, "G"), (1024**2, "M"), (1024, "K"))


def markdown() -> str:
    """Give the table, one row a key in the order of the schema, with a line break at the end."""
    head = ["| section | key | unit | default | meaning |", "| --- | --- | --- | --- | --- |"]
    return "\n".join([*head, *_rows()]) + "\n"


def insert(text: str) -> str:
    """Give ``text`` with the table between its two markers. Raises `ValueError` without them."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{markdown()}{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table, or write it into a file between its markers."""
    parser = ArgumentParser(prog="python -m claude_bridge.config.table", description=main.__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="a file that has both markers")
    target = parser.parse_args(arguments).write
    if target is None:
        sys.stdout.write(markdown())
        return 0
    try:
        target.write_text(insert(target.read_text("utf-8")), "utf-8")
    except ValueError as error:
        sys.stderr.write(f"{target}: {error}\n")
        return 1
    return 0


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
    return f"`{show(value, key)}`"


if __name__ == "__main__":
    sys.exit(main())
