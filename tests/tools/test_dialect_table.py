"""The documents' tables of dialects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import fields

from claude_bridge.config.dump import written
from claude_bridge.core.chat_completions.dialect import Generic
from claude_bridge.core.chat_completions.dialects.hosted import Hosted
from claude_bridge.core.chat_completions.dialects.registry import DIALECTS
from claude_bridge.core.chat_completions.traits import Traits
from tests.config.files import config_of
from tools.dialect_table import BEGIN, END, insert, main, markdown

DOCUMENT = Path(__file__).parents[2] / "docs" / "dialects.md"


def rows(first: str) -> list[list[str]]:
    """Return the rows that begin with this cell, in cells."""
    lines = (line.replace(r"\|", "\0") for line in markdown().splitlines() if line.startswith(f"| {first} |"))
    return [[cell.strip().replace("\0", "|") for cell in line.split("|")[1:-1]] for line in lines]


class MarkdownTests:
    """Every dialect has a row, and every family of models."""

    @pytest.mark.parametrize("name", DIALECTS)
    def test_rows(self, name: str) -> None:
        """There is one row for the dialect, and one for each family of its models."""
        found = rows(f"`{name}`")
        dialect = DIALECTS[name]

        assert len(found[0]) == 6
        assert {len(row) for row in found[1:]} <= {3}
        if isinstance(dialect, Hosted):
            assert [row[1] for row in found[1:]] == [f"`{pattern}`" for pattern, _ in dialect.families]

    def test_generic(self) -> None:
        """The plain server's row says all that the others differ from, and there is nothing more to say of it."""
        (row,) = rows("`generic`")
        assert (row[2], row[3], row[5]) == ("", "", "")
        assert [cell.split(" = ")[0] for cell in row[4].split("; ")] == [f"`{each.name}" for each in fields(Traits)]
        assert "`system_messages = fold`" in row[4]
        assert "`drop = none`" in row[4]

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
            ("gemini", 2, "`aiplatform.googleapis.com`, the host of Vertex AI in each region"),
            ("gemini", 5, "keeps the signatures of calls and sends them back"),
            ("openai", 5, "turns reasoning off beside tools"),
            ("llamacpp", 5, "asks for progress while the prompt is read; sends the level"),
        ],
    )
    def test_cells(self, name: str, column: int, words: str) -> None:
        """Hosts, clues, counters, traits as a file would have them, and the notes on the rest."""
        assert words in rows(f"`{name}`")[0][column]

    @pytest.mark.parametrize("name", [name for name in DIALECTS if name != "generic"])
    def test_points_without_a_trait(self, name: str) -> None:
        """Whatever a dialect does beyond its traits is noted, and so is every clue but the host."""
        dialect = DIALECTS[name]
        points = [
            getattr(type(dialect), point) for point in ("shape", "reasoning", "usage", "state_collector", "restore")
        ]
        own = {point.__qualname__.split(".")[0] for point in points} - {"Generic"}

        assert bool(own) == bool(dialect.notes)
        assert (type(dialect).recognised is not Generic.recognised) == bool(dialect.known_by)
        assert dialect.server != Generic.server

    def test_notes(self) -> None:
        """A note says what the bridge does: it begins with a verb of that form, and ends without a full stop."""
        for note in (note for dialect in DIALECTS.values() for note in dialect.notes):
            assert note.split()[0].endswith("s")
            assert not note.endswith(".")

    def test_families(self) -> None:
        """A family's row tells what is different for it."""
        (row,) = (row for row in rows("`openai`")[1:] if row[1] == r"`(?:^|[/:_-])o\d`")
        assert "`system_role = developer`" in row[2]
        assert "`drop = temperature, top_p, stop`" in row[2]


class DocumentTests:
    """The document holds exactly these tables."""

    def test_is_current(self) -> None:
        """The tables are the code's (`python -m tools.dialect_table --write docs/dialects.md`)."""
        text = DOCUMENT.read_text("utf-8")

        assert insert(text) == text

    def test_can_be_written_so(self) -> None:
        """Every value that the document shows can be written into a configuration as it stands there."""
        shown = dict.fromkeys(re.findall(r"`(\w+ = [^`]+)`", markdown()))
        of_models = [line for line in shown if line.split(" = ")[0] in {each.name for each in fields(Traits)}]
        assert len(of_models) > 60

        for line in of_models:
            key, _, value = line.partition(" = ")
            model = config_of(f"[model:m]\n{line}\n").models["m"]
            assert written(getattr(model, key)) == value


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
