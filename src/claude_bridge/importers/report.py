"""What a user is told after an import: what was carried over, what was not, how to go on and how to go back."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from claude_bridge.importers.draft import Finding, ImportedConfiguration
from claude_bridge.importers.ini_text import Written

_USUAL_PORT: Final = ":8080"
"""Where the bridge listens unless it is told otherwise."""


def report(draft: ImportedConfiguration, written: Written, findings: Sequence[Finding], target: Path | None) -> str:
    """Return the report of an import; ``target`` is the file that was written, None for standard output."""
    return "".join(f"{printable(line)}\n" for line in _lines(draft, written, findings, target))


def printable(line: str) -> str:
    """Return a line without what a terminal would obey: names of the source stand in it."""
    return "".join(each if each.isprintable() else "?" for each in line)


def _lines(
    draft: ImportedConfiguration, written: Written, findings: Sequence[Finding], target: Path | None
) -> Iterator[str]:
    yield f"carried over from {draft.tool}: {_counted(draft)}"
    yield from _found("not carried over:", [each for each in findings if each.lost])
    yield from _found("different here:", [each for each in findings if not each.lost])
    if written.to_set:
        yield "to set in the environment of the bridge:"
        yield from (f"  {name}: {what}" for name, what in written.to_set)
    file = "claude-bridge.ini" if target is None else shlex.quote(str(target))
    if target is None:
        yield f"to go on: save the text as {file} (secrets are written only with -o), then"
    else:
        yield f"written: {file}, for you alone; to go on:"
    yield f"  claude-bridge check-config {file}"
    yield f"  claude-bridge run {file}"
    yield f"  claude-bridge launch --config {file}     or, for good: claude-bridge setup --config {file}"
    if draft.keys:
        yield "  (clients need a key: set ANTHROPIC_AUTH_TOKEN to it for launch and setup)"
    where = f" at {draft.old_address}" if draft.old_address else ""
    if draft.server.listen or draft.old_address.endswith(_USUAL_PORT):
        yield f"  (stop {draft.tool} before: the bridge listens where it does{where and f',{where}'})"
    started = f"start it again with `{draft.how_back}`" if draft.how_back else "it can be started as before"
    yield f"to go back: nothing of {draft.tool} was changed; {started}{where and f', it is{where}'}"


def _found(heading: str, findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the findings below a heading."""
    if findings:
        yield heading
        yield from by_meaning(findings)


def by_meaning(findings: Iterable[Finding]) -> Iterator[str]:
    """Yield lines that say each meaning once, with all the places that it is about."""
    found: dict[str, dict[str, None]] = {}
    for each in findings:
        found.setdefault(each.meaning, {})[each.path] = None
    yield from (f"  {', '.join(paths)}: {meaning}" for meaning, paths in found.items())


def _counted(draft: ImportedConfiguration) -> str:
    counts = {
        "backend": len(draft.backends),
        "model": len(draft.models) + draft.models_without_section,
        "route": len(draft.routes),
        "price": len(draft.prices),
        "key": len(draft.keys),
        "budget": len(draft.budgets),
    }
    return ", ".join(f"{count} {word}{'' if count == 1 else 's'}" for word, count in counts.items() if count)
