"""What is read of PDFs, good and bad, and at what cost."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from claude_bridge.services.documents import extract as child
from claude_bridge.services.documents.child import ExtractionLimits
from claude_bridge.services.documents.extract import clean, decode
from claude_bridge.services.documents.reading import command
from tests.services.documents import pdfs

THREE = pdfs.pdf("One", "", "Three (of 3)")


def extract(document: bytes, *, max_pages: int = 100, max_characters: int = 400_000) -> list[tuple[str, object]]:
    """Read a PDF in this process."""
    return list(child.extract(document, max_pages=max_pages, max_characters=max_characters))


def run(data: str, limits: ExtractionLimits | None = None) -> list[Any]:
    """Read a PDF in base64 as the daemon has it done: in a process of its own."""
    done = subprocess.run(
        command(limits or ExtractionLimits()), input=data.encode(), env={}, capture_output=True, check=True, timeout=60
    )
    assert done.stderr == b""
    return [json.loads(line) for line in done.stdout.splitlines()]


def script_output(script: str, *arguments: str) -> str:
    """Run a Python program."""
    command = [sys.executable, "-I", "-c", script, *arguments]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout


class ExtractTests:
    """Documents, in this process."""

    def test_pages(self) -> None:
        """Each page's text is read; a page without any is there too, so that the numbers stay right."""
        assert extract(THREE) == [
            ("total", 3),
            ("page", "One"),
            ("page", ""),
            ("page", "Three (of 3)"),
            ("end", None),
        ]

    def test_pages_are_bounded(self) -> None:
        """Of a long document the first pages are read, and it is said how many there are."""
        assert extract(THREE, max_pages=2) == [("total", 3), ("page", "One"), ("page", ""), ("end", "pages")]

    def test_as_many_pages_as_may_be(self) -> None:
        """A document of exactly as many pages as are read is read whole."""
        assert extract(THREE, max_pages=3)[-1] == ("end", None)

    def test_text_is_bounded(self) -> None:
        """Text that is too long is cut where it is enough."""
        document = pdfs.pdf("12345", "67890", "x")
        assert extract(document, max_characters=7)[1:] == [("page", "12345"), ("page", "67"), ("end", "characters")]
        assert extract(document, max_characters=10)[1:] == [("page", "12345"), ("page", "67890"), ("end", "characters")]
        assert extract(document, max_characters=11)[-1] == ("end", None)

    def test_no_pages(self) -> None:
        """A document without pages is read, and there is nothing in it."""
        assert extract(pdfs.pdf()) == [("total", 0), ("end", None)]

    def test_password(self) -> None:
        """A document that needs a password is said to."""
        assert extract(pdfs.locked(THREE, password="secret")) == [("end", "password")]

    def test_empty_password(self) -> None:
        """A document that anybody can open is read, though it is encrypted."""
        assert extract(pdfs.locked(THREE, password="")) == extract(THREE)

    @pytest.mark.parametrize("document", [b"", b"hello", b"\x89PNG\r\n", b"\0" * 2000 + THREE])
    def test_no_pdf(self, document: bytes) -> None:
        """What is something else is told from what is damaged."""
        assert extract(document) == [("end", "not_pdf")]

    def test_junk_before(self) -> None:
        """Some bytes before the document do not hide it."""
        assert extract(b"\r\n" * 100 + THREE) == extract(THREE)

    def test_wrong_table(self) -> None:
        """A document whose table of objects is not where it should be is mended."""
        assert extract(THREE.replace(b"startxref\n", b"startxref\n9")) == extract(THREE)

    @pytest.mark.parametrize("share", [0.1, 0.3, 0.6])
    def test_truncated(self, share: float) -> None:
        """A document that was cut off is said to be damaged."""
        assert extract(THREE[: int(len(THREE) * share)]) == [("end", "damaged")]

    def test_page_tree_in_circles(self) -> None:
        """A tree of pages that contains itself is no endless document."""
        assert extract(pdfs.cyclic()) == [("end", "damaged")]

    def test_page_tree_too_deep(self) -> None:
        """A tree of pages that is a thousand levels deep ends nothing but the reading."""
        levels = [b"<</Type/Pages/Count 1/Kids[%d 0 R]>>" % number for number in range(3, 1003)]
        document = pdfs.written([b"<</Type/Catalog/Pages 2 0 R>>", *levels, b"<</Type/Page/Parent 1001 0 R>>"])
        assert extract(document) == [("end", "damaged")]

    def test_damaged_page(self) -> None:
        """One bad page does not spoil the others."""
        unknown = pdfs.stream(b"Two", b"/Filter/Unheard-Of")
        document = pdfs.of_streams([pdfs.text_stream("One"), unknown, pdfs.text_stream("Three")])
        assert extract(document)[1:] == [("page", "One"), ("page", None), ("page", "Three"), ("end", None)]

    @pytest.mark.parametrize("opening", [b"[", b"<<", b"<</A", b"(", b"q ", b"BT "])
    def test_endless_openings(self, opening: bytes) -> None:
        """A page on which everything begins and nothing ends is no endless page."""
        document = pdfs.of_streams([pdfs.stream(opening * 20_000), pdfs.text_stream("Two")])
        assert extract(document)[2:] == [("page", "Two"), ("end", None)]

    @settings(max_examples=60)
    @given(st.lists(st.tuples(st.integers(0, len(THREE) - 1), st.binary(max_size=3)), max_size=12))
    def test_never_raises(self, changes: list[tuple[int, bytes]]) -> None:
        """Whatever happened to a document, there is an end with a reason that is known."""
        document = bytearray(THREE)
        for position, junk in changes:
            document[position : position + 2] = junk
        reports = extract(bytes(document))
        assert [name for name, _ in reports].count("end") == 1
        assert reports[-1] in {("end", None), ("end", "damaged"), ("end", "not_pdf"), ("end", "password")}


class CleanTests:
    """Text that goes into a request."""

    def test_text_stays(self) -> None:
        """Words, lines and tables are left as they are."""
        assert clean(" a\tb\n\nÄ € 漢 😀\n") == "a\tb\n\nÄ € 漢 😀"

    def test_what_is_no_text_goes(self) -> None:
        """Control characters go, and halves of characters do not break the request's encoding."""
        assert clean("a\0b\x1b[0m\r\x85\ud800c\ud83d\ude00") == "ab[0m�c😀"

    @given(st.text(st.characters(exclude_categories=[])))
    def test_can_always_be_sent(self, text: str) -> None:
        """Whatever a font gives, the result is text that any backend can take."""
        clean(text).encode("utf-8")


class DecodeTests:
    """Base64."""

    @given(st.binary())
    def test_round(self, data: bytes) -> None:
        """What was encoded is decoded."""
        assert decode(pdfs.base64(data).encode()) == data

    def test_lines(self) -> None:
        """Base64 in lines, as made for mail, is base64."""
        assert decode(b"aGVs\r\nbG8h\n") == b"hello!"

    @pytest.mark.parametrize("data", [b"a", b"aGVsbG8", b"aGVs*G8h", b"data:application/pdf;base64,aGVs"])
    def test_anything_else(self, data: bytes) -> None:
        """What is not base64 is nothing."""
        assert decode(data) is None


class ChildTests:
    """The same in a process of its own, with limits."""

    def test_reports(self) -> None:
        """The process says what it reads, line by line."""
        assert run(pdfs.base64(THREE)) == [
            ["ready", None],
            ["total", 3],
            ["page", "One"],
            ["page", ""],
            ["page", "Three (of 3)"],
            ["end", None],
        ]

    def test_not_base64(self) -> None:
        """What is not base64 is said to be that."""
        assert run("aGVs*") == [["ready", None], ["end", "not_base64"]]

    def test_interrupted(self) -> None:
        """Ctrl-C in the daemon's terminal does not take the document from an answer that is to be finished."""
        with subprocess.Popen(
            command(ExtractionLimits()), env={}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(pdfs.base64(THREE).encode(), timeout=60)
        assert output.endswith(b'["end",null]\n')

    def test_bombs(self) -> None:
        """Pages that would unpack to 2 GB each cost seconds and no more memory than may be; what is sound is read."""
        bomb = pdfs.bomb(2)
        document = pdfs.of_streams([bomb, bomb, bomb, pdfs.text_stream("After")])
        started = time.monotonic()
        reports = run(pdfs.base64(document), ExtractionLimits(memory=512 << 20))
        assert reports[1:] == [
            ["total", 4],
            ["page", None],
            ["page", None],
            ["page", None],
            ["page", "After"],
            ["end", None],
        ]
        assert time.monotonic() - started < 20

    def test_many_pages(self) -> None:
        """Ten thousand pages are not read because they are there."""
        reports = run(pdfs.base64(pdfs.pdf(*["x"] * 10_000)), ExtractionLimits(max_pages=2))
        assert reports[1:] == [["total", 10_000], ["page", "x"], ["page", "x"], ["end", "pages"]]

    def test_too_little_memory(self) -> None:
        """A document that takes more memory than may be is said to."""
        document = b"%PDF-1.7\n" + b" " * 60_000_000
        assert run(pdfs.base64(document), ExtractionLimits(memory=128 << 20)) == [["ready", None], ["end", "memory"]]

    def test_page_with_too_little_memory(self) -> None:
        """A page that takes more memory than may be spoils no other."""
        heavy = pdfs.packed(b"q Q " * 17_000_000)
        document = pdfs.of_streams([heavy, pdfs.text_stream("After")])
        reports = run(pdfs.base64(document), ExtractionLimits(memory=140 << 20))
        assert reports[1:] == [["total", 2], ["page", None], ["page", "After"], ["end", None]]

    def test_restricted(self, tmp_path: Path) -> None:
        """The process can write no file, leaves no core, starts no others, and its limits cannot be raised again."""
        script = """
import resource, sys
from claude_bridge.services.documents.extract import restrict
from claude_bridge.services.documents.child import ExtractionLimits
restrict(ExtractionLimits(seconds=2.5, memory=1 << 30))
for name in ("AS", "CPU", "NOFILE", "CORE", "FSIZE", "NPROC"):
    print(name, *resource.getrlimit(getattr(resource, "RLIMIT_" + name)))
try:
    with open(sys.argv[1], "wb") as file:
        file.write(b"x")
except OSError as error:
    print(error.strerror)
"""
        assert script_output(script, str(tmp_path / "file")).splitlines() == [
            f"AS {1 << 30} {1 << 30}",
            "CPU 4 5",
            "NOFILE 16 16",
            "CORE 0 0",
            "FSIZE 0 0",
            "NPROC 0 0",
            "File too large",
        ]

    def test_stricter_limits_stay(self) -> None:
        """Where the service may have less than our limits, that is no failure."""
        script = """
import resource
from claude_bridge.services.documents.extract import restrict
from claude_bridge.services.documents.child import ExtractionLimits
resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
restrict(ExtractionLimits())
print(*resource.getrlimit(resource.RLIMIT_AS))
"""
        assert script_output(script).split() == [str(1 << 29)] * 2

    def test_priority_that_may_not_change(self) -> None:
        """A service that may not change priorities, as ours under systemd, still reads, within all other limits."""
        script = """
import os, resource
def nice(_):
    raise PermissionError(1, "Operation not permitted")
os.nice = nice
from claude_bridge.services.documents.extract import restrict
from claude_bridge.services.documents.child import ExtractionLimits
restrict(ExtractionLimits(memory=1 << 30))
print(*resource.getrlimit(resource.RLIMIT_AS))
"""
        assert script_output(script).split() == [str(1 << 30)] * 2

    def test_knows_no_twisted(self) -> None:
        """The process starts quickly: it loads nothing of the daemon's framework."""
        script = """
import sys, claude_bridge.services.documents.extract
print([name for name in sys.modules if name.startswith(("twisted", "zope"))])
"""
        assert script_output(script) == "[]\n"
