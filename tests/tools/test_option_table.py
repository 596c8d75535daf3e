"""The table of options in the documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from claude_bridge.config.sections import KINDS
from tools.option_table import BEGIN, END, insert, main, markdown

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


class MarkdownTests:
    """Every key has a row."""

    def test_rows(self) -> None:
        """There is one row a key, each of five cells."""
        rows = markdown().splitlines()[2:]

        assert len(rows) == sum(len(kind.keys) for kind in KINDS.values())
        assert {row.count("|") - row.count(r"\|") for row in rows} == {6}

    @pytest.mark.parametrize(
        "row",
        [
            "| `[server]` | `listen` |  | `tcp:8080:interface=127.0.0.1:backlog=1024` |",
            "| `[server]` | `commit_after` | s | `10` |",
            "| `[server]` | `allowed_hosts` |  | none |",
            "| `[backend:NAME]` | `api_key` |  | none |",
            "| `[backend:NAME]` | `strip_attribution` |  | `yes` |",
            "| `[route:NAME]` | `models` |",
            "| `[limits]` | `max_body` | bytes | `32M` |",
            "| `[key:NAME]` | `secret` |  |  |",
            "| `[ledger]` | `keep` | s | `90d` |",
        ],
    )
    def test_cells(self, row: str) -> None:
        """Section, key, unit and default read as a file would have them."""
        assert row in markdown()


class DocumentTests:
    """The page on the configuration holds exactly this table."""

    def test_is_current(self) -> None:
        """The table is what the code gives (`python -m tools.option_table --write docs/configuration.md`)."""
        text = DOCUMENT.read_text("utf-8")

        assert insert(text) == text


class CommandTests:
    """The command prints the table or writes it."""

    def test_print(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without an option the table is printed."""
        assert main([]) == 0
        assert capsys.readouterr().out == markdown()

    def test_write(self, tmp_path: Path) -> None:
        """Between the markers the table is replaced, the rest stays, and a second time changes nothing."""
        file = tmp_path / "configuration.md"
        file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")

        assert main(["--write", str(file)]) == 0
        first = file.read_text("utf-8")
        assert main(["--write", str(file)]) == 0

        assert first == file.read_text("utf-8") == f"before\n{BEGIN}\n{markdown()}{END}\nafter\n"

    def test_no_markers(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A file without the markers is left alone."""
        file = tmp_path / "configuration.md"
        file.write_text("nothing", "utf-8")

        assert main(["--write", str(file)]) == 1
        assert file.read_text("utf-8") == "nothing"
        assert BEGIN in capsys.readouterr().err
