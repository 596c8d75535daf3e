"""The child process: reads one PDF with pypdf and reports each page's text.

It is a process of its own because a malicious document may need any amount of time and memory: a process can be limited
and killed, a thread cannot. It does not import Twisted, so that it starts quickly.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import resource
import signal
import sys
import unicodedata
from binascii import Error as InvalidBase64
from binascii import a2b_base64
from collections.abc import Iterator, Sequence
from io import BytesIO
from math import ceil
from typing import Final

from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError

from claude_bridge.services.documents.child import ExtractionLimits, Reason, Report

HEADER: Final = b"%PDF-"
HEADER_WITHIN: Final = 1024
"""Bytes of junk that may come first: the PDF reference, implementation note 13 of appendix H, on what readers take."""

FILES: Final = 16
"""Open files: three pipes, and one module after another."""

NICENESS: Final = 10
"""Answers that stream are more urgent than a document."""

_CONTROLS: Final = {
    code: None for code in range(0xA0) if unicodedata.category(chr(code)) == "Cc" and chr(code) not in "\t\n"
}


def extract(document: bytes, *, max_pages: int, max_characters: int) -> Iterator[Report]:
    """Yield the reports on a PDF as far as it can be read: ``total``, then each ``page``, then ``end``. Never raises.

    pypdf repairs damaged documents as far as it can. An encrypted one is read if its password is empty, as it is if
    only printing or copying is to be prevented.
    """
    if HEADER not in document[:HEADER_WITHIN]:
        yield "end", Reason.NOT_PDF
        return
    try:
        reader = PdfReader(BytesIO(document), strict=False)
        total = len(reader.pages)
    except FileNotDecryptedError:
        yield "end", Reason.PASSWORD
    except MemoryError:
        yield "end", Reason.MEMORY
    except Exception:  # noqa: BLE001 - "broken PDF files might cause other Exceptions" (pypdf.errors)
        yield "end", Reason.DAMAGED
    else:
        yield "total", total
        yield from _pages(reader, total, max_pages, max_characters)


def _pages(reader: PdfReader, total: int, max_pages: int, room: int) -> Iterator[Report]:
    for number in range(min(total, max_pages)):
        text = _text(reader, number)
        if text is not None and len(text) > room:
            if room:
                yield "page", text[:room]
            yield "end", Reason.CHARACTERS
            return
        room -= len(text or "")
        yield "page", text
    yield "end", Reason.PAGES if total > max_pages else None


def _text(reader: PdfReader, number: int) -> str | None:
    """Return a page's text; None if it cannot be read. The next page may be readable all the same."""
    try:
        return clean(reader.pages[number].extract_text())
    except Exception:  # noqa: BLE001 - as above; also MemoryError, since the page's memory is free again
        return None


def clean(text: str) -> str:
    """Return ``text`` without control characters and lone surrogates, which broken fonts produce."""
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.translate(_CONTROLS).strip()


def decode(document: bytes) -> bytes | None:
    """Return decoded base64; None if it is invalid. White space may be anywhere, as in mail."""
    try:
        return a2b_base64(b"".join(document.split()), strict_mode=True)
    except InvalidBase64:
        return None


def read(document: bytes, limits: ExtractionLimits) -> Iterator[Report]:
    """Yield the reports on a PDF in base64."""
    decoded = decode(document)
    if decoded is None:
        return iter([("end", Reason.NOT_BASE64)])
    return extract(decoded, max_pages=limits.max_pages, max_characters=limits.max_characters)


def restrict(limits: ExtractionLimits) -> None:
    """Limit this process to what it needs: no files to write, no core dump, no children, little memory and time.

    The daemon kills a child that takes too long; the CPU limit is for a child whose daemon has gone.
    """
    with contextlib.suppress(PermissionError):  # a system call filter: without niceness others are slowed down a little
        os.nice(NICENESS)
    seconds = ceil(limits.seconds) + 1
    _limit(resource.RLIMIT_AS, limits.memory, limits.memory)
    _limit(resource.RLIMIT_CPU, seconds, seconds + 1)  # SIGXCPU at the first, SIGKILL at the second
    _limit(resource.RLIMIT_NOFILE, FILES, FILES)
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        _limit(kind, 0, 0)


def _limit(kind: int, soft: int, hard: int) -> None:
    """Set a limit, unless the current one is stricter."""
    most = resource.getrlimit(kind)[1]
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(kind, (soft, hard))


def line_of(report: Report) -> bytes:
    """Return a report as a line of JSON."""
    return json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def write(report: Report) -> None:
    """Write a report at once: it counts even if the process dies over the next page."""
    sys.stdout.buffer.write(line_of(report))
    sys.stdout.buffer.flush()


def main(arguments: Sequence[str]) -> None:
    """Read the document on standard input and report on it; ``arguments`` are those of `ExtractionLimits`."""
    limits = ExtractionLimits.from_arguments(arguments)
    logging.disable(logging.CRITICAL)  # pypdf's remarks may quote the document
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the daemon, which lets running answers finish
    restrict(limits)
    write(("ready", None))
    try:
        reports = read(sys.stdin.buffer.read(), limits)
    except MemoryError:
        write(("end", Reason.MEMORY))
        return
    for report in reports:
        write(report)
