"""Promises of the forms of a report."""

from __future__ import annotations

import json

from attrs import evolve

from claude_bridge.doctor.finding import Finding
from claude_bridge.doctor.report import Part, as_json, fixes, heading, line, summary

GOOD = Finding(number=1, check="connection", level="ok", sentence="tower:8000 answers")
URL = Finding(
    number=2, check="path", level="fault", sentence="wrong", subject="backend:tower", option="url = http://t/v1"
)
LIMIT = Finding(
    number=13, check="max_tokens", level="warning", sentence="less", subject="model:m", option="max_output_tokens = 1"
)
PART = Part(title="backend tower", about="http://t", findings=(GOOD, URL, LIMIT))


class LineTests:
    """One line for each finding."""

    def test_words(self) -> None:
        """Away from a terminal there are words, and no colours; a check has a name, and no number that could jump."""
        assert line(GOOD, terminal=False) == "  ok      connection   tower:8000 answers\n"
        assert line(URL, terminal=False) == "  FAULT   path         wrong\n"

    def test_symbols(self) -> None:
        """On a terminal there are symbols in colour."""
        assert line(URL, terminal=True).startswith("  \x1b[31m\u2717\x1b[0m path  ")

    def test_heading(self) -> None:
        """A part has its title and its address."""
        assert heading(PART) == "backend tower  http://t\n"
        assert heading(Part(title="client")) == "client\n"


class EndTests:
    """The end of a report."""

    def test_summary(self) -> None:
        """The last line counts."""
        assert summary([PART]) == "1 fault, 1 warning\n"
        assert summary([Part(title="x", findings=(GOOD,))]) == "all is well\n"

    def test_json(self) -> None:
        """The document has the status and every finding."""
        document = json.loads(as_json([PART]))
        assert document["status"] == 2
        assert document["parts"][0]["findings"][1]["option"] == "url = http://t/v1"

    def test_ini(self) -> None:
        """The lines stand under their sections, each once."""
        assert fixes([PART, PART]) == "[backend:tower]\nurl = http://t/v1\n\n[model:m]\nmax_output_tokens = 1\n"
        assert fixes([Part(title="x", findings=(GOOD,))]) == ""

    def test_elsewhere(self) -> None:
        """What is not for a file has a comment above it instead of a section."""
        here = evolve(URL, subject="environment", option="BACKEND_URL=http://t/v1")
        there = evolve(URL, subject="command line", option="--url http://t/v1")
        told = fixes([Part(title="x", findings=(here, there))])
        assert told == "# environment\nBACKEND_URL=http://t/v1\n\n# command line\n--url http://t/v1\n"

    def test_no_file(self) -> None:
        """Where there is no file yet, sections say how to get one."""
        told = fixes([Part(title="x", findings=(LIMIT,))], in_file=False)
        assert told.startswith("# sections are for a configuration file: claude-bridge init writes one\n[model:m]\n")
        here = evolve(URL, subject="environment", option="BACKEND_URL=http://t/v1")
        assert fixes([Part(title="x", findings=(here,))], in_file=False).startswith("# environment")
