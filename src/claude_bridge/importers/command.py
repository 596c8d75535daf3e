"""`claude-bridge import`: a file of another tool becomes an INI file, with a report of what could not be carried over.

Nothing but the output is written, and nothing is asked of the network. A secret of the source goes into a file that
only its owner can read, never to standard output or into a message.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO

from attrs import frozen

from claude_bridge.config.foreign_files import Foreign, foreign_file
from claude_bridge.config.ini import read_ini
from claude_bridge.config.load import parse
from claude_bridge.config.problems import ConfigErrors
from claude_bridge.config.secret import Read
from claude_bridge.importers.draft import Finding, ImportedConfiguration
from claude_bridge.importers.ini_text import Written, ini_text
from claude_bridge.importers.output import NotWritten, refuse_unfit, write_new
from claude_bridge.importers.report import by_meaning, printable, report
from claude_bridge.importers.source import UNNAMED, Importer, NotUsable, Source

ALL: Final = 0
"""Status: everything was carried over."""
IN_PART: Final = 1
"""Status: something was not."""
NOTHING: Final = 2
"""Status: there is no result."""

STANDARD_INPUT: Final = "-"

_MAX_BYTES: Final = 64 * 1024 * 1024
"""Bytes of a source: version 3 of Claude Code Router exports its database with its settings."""

_YAML: Final = re.compile(r"(?:\s*(?:#.*|---)?\n)*\w+:(?:\s|$)")
"""The beginning of a YAML mapping, as that of a LiteLLM file is."""

_SQLITE: Final = b"SQLite format 3"


@frozen(kw_only=True)
class Order:
    """What the command line says.

    :ivar file: the file to import, ``-`` for standard input.
    :ivar output: the file to write; None for standard output.
    :ivar keep_port: take over the address of the old program.
    :ivar force: replace a file that is there.
    """

    file: str
    output: str | None = None
    keep_port: bool = False
    force: bool = False

    @property
    def called(self) -> str:
        """What the file to import is called in messages."""
        return UNNAMED if self.file == STANDARD_INPUT else self.file


def read_source(path: str) -> bytes:
    """Return the content of a file. Raise `OSError`, also if it is too large."""
    with Path(path).open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise OSError(27, "file too large")
    return content


@frozen(kw_only=True)
class _Result:
    draft: ImportedConfiguration
    written: Written
    findings: Sequence[Finding]


def run(order: Order, out: TextIO, err: TextIO, read: Read = read_source) -> int:
    """Import a file, and return the exit status: `ALL`, `IN_PART` or `NOTHING`."""
    target = None if order.output in {None, STANDARD_INPUT} else Path(str(order.output))
    try:
        if target is not None:
            refuse_unfit(target, order.file, force=order.force)
        result = _result(order, read, with_secrets=target is not None)
        if target is None:
            _write(result.written.text, out)
        else:
            write_new(target, result.written.text, force=order.force)
    except (NotUsable, NotWritten) as error:
        err.write(f"claude-bridge import: {error}\n")
        return NOTHING
    err.write(report(result.draft, result.written, result.findings, target))
    return IN_PART if any(each.lost for each in result.findings) else ALL


def _write(text: str, out: TextIO) -> None:
    """Write a result in UTF-8, whatever the locale is. Raises `NotWritten`."""
    if isinstance(out, io.TextIOWrapper):
        out.reconfigure(encoding="utf-8", newline="\n")
    try:
        out.write(text)
        out.flush()
    except OSError as error:
        if out is sys.stdout:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer has to go
        raise NotWritten(f"standard output cannot be written: {error.strerror}") from error


def _result(order: Order, read: Read, *, with_secrets: bool) -> _Result:
    """Return a result that is valid. Raises `NotUsable`."""
    draft = _draft(order, read)
    written = ini_text(draft, with_secrets=with_secrets)
    findings = tuple(dict.fromkeys((*draft.findings, *written.findings)))
    if not draft.backends:
        raise NotUsable(_why_nothing(order.called, findings))
    if mistakes := mistakes_of(written):
        told = "".join(f"\n  {each}" for each in mistakes)
        raise NotUsable(f"the result is not valid, which is a mistake of claude-bridge: please report it{told}")
    return _Result(draft=draft, written=written, findings=(*findings, *_idle_budgets(written)))


def _idle_budgets(written: Written) -> Iterator[Finding]:
    """Yield what is doubtful about the budgets of a valid result, such as one that counts nothing."""
    config = parse(written.text, dict(written.samples), _no_file, path="import.ini", resolve_secrets=False)
    for each in config.warnings:
        if each.section.startswith("budget:"):
            yield Finding(f"[{each.section}] {each.key}", each.message, lost=False)


def mistakes_of(written: Written) -> Sequence[str]:
    """Return the mistakes of a result; nothing that is in a variable or a file is looked at."""
    try:
        parse(written.text, dict(written.samples), _no_file, path="import.ini", resolve_secrets=False)
    except ConfigErrors as errors:
        return [str(each) for each in errors.problems]
    return []


def _no_file(_path: str) -> bytes:
    """Return what any file is taken to hold: a certificate is the only one that is looked into."""
    return b"-----BEGIN CERTIFICATE-----"


def _draft(order: Order, read: Read) -> ImportedConfiguration:
    text = source_text(order, read)
    foreign = foreign_file(text)
    importer = None if foreign is None else _importer(foreign)
    if importer is None:
        raise NotUsable(_not_known(order, text, foreign))
    path = "" if order.file == STANDARD_INPUT else order.file
    return importer(Source(text=text, path=path, read=read, keep_port=order.keep_port))


def _importer(foreign: Foreign) -> Importer | None:
    """Return the reader of a tool's files, which alone imports the library that it needs."""
    match foreign:
        case Foreign.CLAUDE_CODE_ROUTER:
            from claude_bridge.importers.claude_code_router.reader import read_router  # noqa: PLC0415

            return read_router
        case Foreign.LITELLM:
            from claude_bridge.importers.litellm.reader import read_litellm  # noqa: PLC0415

            return read_litellm
        case _:
            return None


def source_text(order: Order, read: Read) -> str:
    """Return the text of a file in UTF-8, or UTF-16 with a byte order mark, without one. Raises `NotUsable`."""
    try:
        content = sys.stdin.buffer.read(_MAX_BYTES) if order.file == STANDARD_INPUT else read(order.file)
    except OSError as error:
        raise NotUsable(f"{order.called} cannot be read: {error.strerror or type(error).__name__}") from error
    if content.startswith(_SQLITE):
        raise NotUsable(
            f"{order.called} is the database of Claude Code Router 3: export its settings on its Settings page, and "
            "import that"
        )
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise NotUsable(f"{order.called} is not a text in UTF-8") from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _not_known(order: Order, text: str, foreign: Foreign | None) -> str:
    file = order.called
    if foreign is None and read_ini(text).sections:
        check = "" if order.file == STANDARD_INPUT else f": claude-bridge check-config {shlex.quote(order.file)}"
        return f"{file} is an INI file already{check}"
    if foreign is None and _YAML.match(text):
        from claude_bridge.importers.litellm.yaml_reader import read_yaml  # noqa: PLC0415 - it needs a library

        try:
            read_yaml(text, file)
        except NotUsable as error:
            return str(error)
    what = f" is {foreign.value}, but" if foreign is not None else " is"
    return f"{file}{what} neither a config.json of Claude Code Router nor a config.yaml of LiteLLM"


def _why_nothing(file: str, findings: Sequence[Finding]) -> str:
    told = "".join(f"\n{printable(line)}" for line in by_meaning(each for each in findings if each.lost))
    return f"{file} has no backend that could be carried over{told}"
