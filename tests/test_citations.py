"""Comments give their reasons in documents that a reader can open, at sections that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READ = ("src", "tests", "benchmarks", "etc", "systemd", "docs")
TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "pyproject.toml")
SUFFIXES = frozenset({".py", ".md", ".toml", ".ini", ".service"})

# A citation may go on behind a line's end, in a comment behind its sign.
DOCUMENT = re.compile(r"(?<![\w/.-])((?:[\w-]+/)*[\w-]+\.md)\b")
SECTIONS = re.compile(r"`?\s+(?:#\s+)?(\d+(?:\.\d+)?)(?!\w)(?:(?:,| and| to)\s+(?:#\s+)?(\d+\.\d+)(?!\w))*")
HEADING = re.compile(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", re.MULTILINE)


def cited(text: str) -> Iterator[tuple[str, str]]:
    """Yield the document and the section of each citation; without a section, ""."""
    for document in DOCUMENT.finditer(text):
        sections = SECTIONS.match(text, document.end())
        numbers = re.findall(r"\d+(?:\.\d+)?", sections[0]) if sections is not None else [""]
        yield from ((document[1], number) for number in numbers)


def headings(text: str) -> set[str]:
    """Return the numbers of a document's sections."""
    return set(HEADING.findall(text))


def sources() -> Iterator[Path]:
    """Yield everything in which somebody may cite."""
    for folder in READ:
        yield from (path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES)
    yield from map(ROOT.joinpath, TOP)


@cache
def sections_of(document: str) -> set[str] | None:
    """Return the sections of a document, which stands at the top or, without a folder, in ``docs``; None for none."""
    places = (ROOT / document, ROOT / "docs" / document)
    there = next((place for place in places if place.is_file()), None)
    return headings(there.read_text()) | {""} if there is not None else None


def missing() -> Iterator[str]:
    """Yield the citations that lead nowhere."""
    for path in sources():
        if path == Path(__file__).resolve():
            continue
        for document, section in cited(path.read_text()):
            known = sections_of(document)
            if known is None or section not in known:
                yield f"{path.relative_to(ROOT)}: {document} {section}".rstrip()


FILE = re.compile(r"`((?:[\w-]+/)*[\w-]+\.py)`(?:: `([A-Za-z_][\w.]*)`)?")


def misplaced() -> Iterator[str]:
    """Yield files, and names in them, of which the documents tell and which are not there."""
    files = [path for folder in ("src", "tests", "tools", "benchmarks") for path in (ROOT / folder).rglob("*.py")]
    for document in (*(ROOT / "docs").glob("*.md"), *(ROOT / name for name in TOP if name.endswith(".md"))):
        for name, inside in FILE.findall(document.read_text()):
            there = [path for path in files if f"/{path.relative_to(ROOT)}".endswith(f"/{name}")]
            if not there:
                yield f"{document.name}: {name}"
            elif not any(all(_defines(path, part) for part in inside.split(".")) for path in there if inside):
                yield from (f"{document.name}: {inside} in {name}" for _ in there[:1] if inside)


def _defines(path: Path, name: str) -> bool:
    return re.search(rf"^\s*(?:class|def|async def) {name}\b|^{name}\b.*=", path.read_text(), re.MULTILINE) is not None


class CitationTests:
    """What a comment refers to can be looked up in this repository."""

    def test_each_leads_somewhere(self) -> None:
        """Every document that is named is there, and has each section that is cited of it."""
        assert sorted(missing()) == []

    def test_files_are_there(self) -> None:
        """Every module that a document names is there, and has the class or function that is named of it."""
        assert sorted(set(misplaced())) == []

    def test_sections_have_one_heading_each(self) -> None:
        """No number of a section is given twice in one document."""
        for path in (ROOT / "docs").glob("*.md"):
            numbers = HEADING.findall(path.read_text())

            assert sorted(numbers) == sorted(set(numbers)), path.name

    def test_what_counts_as_a_citation(self) -> None:
        """Several sections, a comment's line break and a document without a section are all read."""
        text = "(docs/a.md 1.2 and 2.3); see docs/b.md\n    # 4.1. `docs/c.md` 3 and README.md, docs/d.md 7 days"

        assert list(cited(text)) == [
            ("docs/a.md", "1.2"),
            ("docs/a.md", "2.3"),
            ("docs/b.md", "4.1"),
            ("docs/c.md", "3"),
            ("README.md", ""),
            ("docs/d.md", "7"),
        ]

    def test_headings(self) -> None:
        """Chapters and sections are headings with a number; other headings have none."""
        assert headings("# 1. Title\n## 1. One\ntext\n### 1.1 Part\n## Words\n#### 9.9 Deep\n") == {"1", "1.1"}
