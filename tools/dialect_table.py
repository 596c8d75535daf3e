"""The tables of dialects for the documents: ``python -m tools.dialect_table --write docs/dialects.md``.

All of it comes from the code: a dialect's traits where they differ, and the notes that it declares.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from attrs import fields

from claude_bridge.config.dump import written
from claude_bridge.core.chat_completions.dialect import GENERIC, Dialect
from claude_bridge.core.chat_completions.dialects.hosted import Hosted
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.chat_completions.traits import Traits
from tools.generated import Generated

BEGIN: Final = "<!-- dialects:begin -->"
END: Final = "<!-- dialects:end -->"

UNKNOWN_MODEL: Final = "some-model"
EXAMPLES: Final = (
    "gpt-oss-120b",
    "Qwen3-32B",
    "DeepSeek-V3.1",
    "Mistral-Small-3.2",
    "Llama-3.3-70B",
    "gemma-3-27b",
)
"""Models to show what a dialect makes of a name that it does not look up in a table."""


def markdown() -> str:
    """Return both tables, with a line break at the end."""
    head = [
        "| dialect | server | known by | counts prompts at | differs from `generic` | and the bridge |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    families = ["| dialect | models | differs from the row above |", "| --- | --- | --- |"]
    first = [*head, *map(_row, DIALECTS.values())]
    second = [*families, *(row for dialect in DIALECTS.values() for row in _family_rows(dialect))]
    return "\n".join([*first, "", "### By model", "", *second]) + "\n"


GENERATED: Final = Generated(module="tools.dialect_table", begin=BEGIN, end=END, markdown=markdown)
insert: Final = GENERATED.insert
main: Final = GENERATED.main


def _row(dialect: Dialect) -> str:
    counter = f"`{dialect.tokenizer.path}`" if dialect.tokenizer is not None else ""
    differences, notes = "; ".join(_differences(dialect)), "; ".join(dialect.notes)
    return _cells(f"`{dialect.name}`", dialect.server, _known_by(dialect), counter, differences, notes)


def _known_by(dialect: Dialect) -> str:
    """Return how a server is recognised: its hosts, and other clues."""
    hosts = [f"`*{host}`" if host.startswith(".") else f"`{host}`" for host in getattr(dialect, "hosts", ())]
    return ", ".join([*hosts, dialect.known_by] if dialect.known_by else hosts)


def _differences(dialect: Dialect) -> list[str]:
    """Return what differs, traits and the header of the key; of the plain server, what the others differ from."""
    if dialect is GENERIC:
        return [_said_of(each.name, getattr(Traits(), each.name)) for each in fields(Traits)]
    found = list(_changed(Traits(), dialect.traits(UNKNOWN_MODEL)))
    if dialect.key_header != GENERIC.key_header:
        found.append(f"key in the header `{dialect.key_header}`")
    return found


def _family_rows(dialect: Dialect) -> Iterator[str]:
    """Yield a row for each family that a dialect knows, or for the examples that it treats in its own way."""
    plain = dialect.traits(UNKNOWN_MODEL)
    if isinstance(dialect, Hosted):
        for pattern, traits in dialect.families:
            yield _cells(f"`{dialect.name}`", f"`{pattern}`", "; ".join(_changed(plain, traits)) or "nothing")
        return
    alike: dict[str, list[str]] = {}
    for model in EXAMPLES:
        alike.setdefault("; ".join(_changed(plain, dialect.traits(model))), []).append(model)
    for changes, models in alike.items():
        if changes:
            yield _cells(f"`{dialect.name}`", f"such as {', '.join(models)}", changes)


def _changed(plain: Traits, traits: Traits) -> Iterator[str]:
    for each in fields(Traits):
        value = getattr(traits, each.name)
        if value != getattr(plain, each.name):
            yield _said_of(each.name, value)


def _said_of(name: str, value: object) -> str:
    return f"`{name} = {written(value)}`"


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
