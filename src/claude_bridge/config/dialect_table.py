"""The tables of dialects for the documents: ``python -m claude_bridge.config.dialect_table --write docs/dialects.md``.

All of it comes from the code: a dialect's traits where they differ, and the first lines of what it says of itself.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Final

from attrs import fields

from claude_bridge.config.dump import written
from claude_bridge.config.generated import Generated
from claude_bridge.core.chat_completions.dialect import GENERIC, Dialect, Generic
from claude_bridge.core.chat_completions.dialects.hosted import Hosted
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.chat_completions.traits import Traits

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

# Notes for developers: where a fact is from.
_SOURCE: Final = re.compile(r" \((?:wire-contract|operations)[^()]*\)")
_POINTS: Final = ("shape", "reasoning", "usage", "keeper", "restore")
_ORDER: Final = re.compile(r"^(?:Know it by|Recognise) ")
_DOES: Final = {
    "ask": "asks",
    "count": "counts",
    "force": "forces",
    "give": "gives",
    "keep": "keeps",
    "reason": "lets it reason",
    "send": "sends",
    "stream": "streams",
    "switch": "switches",
    "think": "lets it think",
}
"""The verbs of what code says that it is to do -> what a table says that it does."""
_VERB: Final = re.compile(rf"(?:(?<=^)|(?<=; )|(?<=\band )|(?<=\bor ))(?:{'|'.join(_DOES)})\b", re.IGNORECASE)


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


GENERATED: Final = Generated(module="claude_bridge.config.dialect_table", begin=BEGIN, end=END, markdown=markdown)
insert: Final = GENERATED.insert
main: Final = GENERATED.main


def _row(dialect: Dialect) -> str:
    counter = f"`{dialect.tokenizer.path}`" if dialect.tokenizer is not None else ""
    differences, deeds = "; ".join(_differences(dialect)), "; ".join(_deeds(dialect))
    return _cells(f"`{dialect.name}`", _said(type(dialect)), _known_by(dialect), counter, differences, deeds)


def _known_by(dialect: Dialect) -> str:
    """Return how a server is recognised: its hosts, and what the dialect says of other clues."""
    hosts = [f"`*{host}`" if host.startswith(".") else f"`{host}`" for host in getattr(dialect, "hosts", ())]
    more = _ORDER.sub("", _own(dialect, "recognised"))
    return ", ".join([*hosts, more] if more else hosts)


def _differences(dialect: Dialect) -> list[str]:
    """Return what differs, traits and the header of the key; of the plain server, what the others differ from."""
    if dialect is GENERIC:
        return [_said_of(each.name, getattr(Traits(), each.name)) for each in fields(Traits)]
    found = list(_changed(Traits(), dialect.traits(UNKNOWN_MODEL)))
    if dialect.key_header != GENERIC.key_header:
        found.append(f"key in the header `{dialect.key_header}`")
    return found


def _deeds(dialect: Dialect) -> Iterator[str]:
    """Yield what is done for a server that no trait says, by what the points of the dialect say of themselves."""
    for point in _POINTS:
        if said := _own(dialect, point):
            yield _VERB.sub(lambda match: _DOES[match[0].lower()], said)


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


def _own(dialect: Dialect, point: str) -> str:
    """Return the first line of what a dialect says of one of its points, or "" where it has it from `Generic`."""
    method = getattr(type(dialect), point)
    return _said(method) if method is not getattr(Generic, point) else ""


def _said(thing: object) -> str:
    line = (inspect.getdoc(thing) or "").partition("\n")[0]
    return _SOURCE.sub("", line).replace("``", "`").rstrip(".")


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
