"""The documents' tables of dialects."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_bridge.config.dialect_table import BEGIN, END, insert, main, markdown
from claude_bridge.core.dialects.hosted import Hosted
from claude_bridge.core.dialects.registry import DIALECTS

DOCUMENT = Path(__file__).parents[2] / "docs" / "dialects.md"


def rows(first: str) -> list[list[str]]:
    """Give the rows that begin with this cell, in cells."""
    lines = (line.replace(r"\|", "\0") for line in markdown().splitlines() if line.startswith(f"| {first} |"))
    return [[cell.strip().replace("\0", "|") for cell in line.split("|")[1:-1]] for line in lines]


class MarkdownTests:
    """Every dialect has a row, and every family of models."""

    @pytest.mark.parametrize("name", DIALECTS)
    def test_rows(self, name: str) -> None:
        """There is one row for the dialect, and one for each family of its models."""
        found = rows(f"`{name}`")
        dialect = DIALECTS[name]

        assert len(found[0]) == 5
        assert {len(row) for row in found[1:]} <= {3}
        if isinstance(dialect, Hosted):
            assert [row[1] for row in found[1:]] == [f"`{pattern}`" for pattern, _ in dialect.families]

    def test_generic(self) -> None:
        """The plain server differs in nothing from itself."""
        assert rows("`generic`")[0][2:] == ["", "", ""]
        assert len(rows("`generic`")) == 1

    @pytest.mark.parametrize(
        ("name", "column", "words"),
        [
            ("deepseek", 2, "`api.deepseek.com`"),
            ("xai", 2, "`*.api.x.ai`"),
            ("vllm", 2, "owner of its models"),
            ("vllm", 3, "`/tokenize`"),
            ("deepseek", 4, "`reasoning_echo = all_turns`"),
            ("openrouter", 4, "`reasoning_levels = none, minimal, low, medium, high, xhigh`"),
            ("openai", 4, "`strict = yes`"),
            ("azure", 4, "key in the header `api-key`"),
            ("gemini", 4, "Give each call its signature back"),
        ],
    )
    def test_cells(self, name: str, column: int, words: str) -> None:
        """Hosts, clues, counters, traits as a file would have them, and what the code says of the rest."""
        assert words in rows(f"`{name}`")[0][column]

    def test_families(self) -> None:
        """A family's row tells what is different for it."""
        (row,) = (row for row in rows("`openai`")[1:] if row[1] == r"`(?:^|[/:_-])o\d`")
        assert "`system_role = developer`" in row[2]
        assert "`drop = temperature, top_p, stop`" in row[2]


class DocumentTests:
    """The document holds exactly these tables."""

    def test_is_current(self) -> None:
        """The tables are the code's (`python -m claude_bridge.config.dialect_table --write docs/dialects.md`)."""
        text = DOCUMENT.read_text("utf-8")

        assert insert(text) == text


class CommandTests:
    """The command prints the tables or writes them."""

    def test_print(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without an option the tables are printed."""
        assert main([]) == 0
        assert capsys.readouterr().out == markdown()

    def test_write(self, tmp_path: Path) -> None:
        """Between the markers the tables are replaced, the rest stays, and a second time changes nothing."""
        file = tmp_path / "dialects.md"
        file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")

        assert main(["--write", str(file)]) == 0
        first = file.read_text("utf-8")
        assert main(["--write", str(file)]) == 0

        assert first == file.read_text("utf-8") == f"before\n{BEGIN}\n{markdown()}{END}\nafter\n"

    def test_no_markers(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A file without the markers is left alone."""
        file = tmp_path / "dialects.md"
        file.write_text("nothing", "utf-8")

        assert main(["--write", str(file)]) == 1
        assert file.read_text("utf-8") == "nothing"
        assert BEGIN in capsys.readouterr().err
