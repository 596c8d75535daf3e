"""Whoever searches for a message of ours finds it in docs/troubleshooting.md, with its cause and its cure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from claude_bridge.client import status_request
from claude_bridge.core.errors import BridgeError
from claude_bridge.doctor.checks.order import CHECKS

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCE: Final = ROOT / "src" / "claude_bridge"
PAGE: Final = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")

COMMANDS: Final = frozenset(
    {
        "ExpectedFailure",
        "NoBridge",
        "NoLedger",
        "NotUsable",
        "NothingRecorded",
        "NotWritten",
        "SetupError",
        "Unreachable",
    }
)  # what the commands say when they fail
MACHINE: Final = frozenset({"client", "service"})
"""The doctor's checks of this machine, beside those of a backend."""

_SHORTEST: Final = 10
"""Letters of a piece of a message, below which it would be found anywhere."""


def table(heading: str) -> list[str]:
    """Return the first column of the table under a heading."""
    section = re.split(rf"^#+ {re.escape(heading)}$", PAGE, flags=re.MULTILINE)[1]
    section = re.split(r"^#", section, maxsplit=1, flags=re.MULTILINE)[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) > 2, heading
    return [row.split(" | ")[0].removeprefix("| ") for row in rows[2:]]


def phrases(heading: str) -> list[str]:
    """Return what is written as code in the first column of the table under a heading."""
    return [code for cell in table(heading) for _, code in re.findall(r"(`+)(.+?)\1(?!`)", cell)]


TOLD: Final = (
    "The backend cannot be reached or is wrong",
    "Keys",
    "Models and prompts",
    "What commands say",
)
"""The tables of messages that are raised as errors."""


LOG: Final = "Lines of the log that call for something"
STATUS_LINE: Final = "What the status line says"


def pieces(phrase: str) -> list[str]:
    """Return the parts of a phrase between those that differ from case to case."""
    return [piece.strip() for piece in phrase.replace("`", "").split("...") if piece.strip()]


def holds(template: str, phrase: str) -> bool:
    """Return whether a message has the parts of a phrase, in their order."""
    return re.search(".*".join(map(re.escape, pieces(phrase))), template.replace("`", ""), re.DOTALL) is not None


def kinds(kind: type[BridgeError]) -> Iterator[type[BridgeError]]:
    """Yield the kinds of errors below this one, and it."""
    yield kind
    for each in kind.__subclasses__():
        yield from kinds(each)


def written(node: ast.expr) -> str:
    """Return a text as it stands in the source, with ``...`` for what is filled in; "" if it does not stand there."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(written(value) or "..." for value in values)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return (written(left) or "...") + (written(right) or "...")
    return ""


@cache
def raised() -> dict[str, str]:
    """Return every message that an error of ours is made with in the source, and where."""
    names = {kind.__name__ for kind in kinds(BridgeError)} | COMMANDS
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        if "testing" in path.relative_to(SOURCE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                text = written(node.args[0])
                if name in names and max(map(len, pieces(text)), default=0) >= _SHORTEST:
                    found[text] = f"{path.relative_to(SOURCE)}:{node.lineno}"
    return found


@cache
def logged() -> dict[str, str]:
    """Return every warning and error of the log whose words stand in the source, with ``...`` for fields, and where."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
                is_log = ast.unparse(node.func.value) in {"_log", "self._log"} and node.func.attr in {"warn", "error"}
                text = unfilled(written(node.args[0])) if is_log else ""
                if max(map(len, pieces(text)), default=0) >= _SHORTEST:
                    found[text] = f"{path.relative_to(SOURCE)}:{node.lineno}"
    return found


def unfilled(text: str) -> str:
    """Return a text with ``...`` for the fields that the log fills in."""
    return re.sub(r"\{[a-z:]+\}", "...", text)


@cache
def texts() -> tuple[str, ...]:
    """Return every text in the source."""
    nodes = (node for path in SOURCE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8"))))
    return tuple({unfilled(text) for node in nodes if isinstance(node, ast.expr) and (text := written(node))})


class MessageTests:
    """Messages lead to the page, and the page to messages that there are."""

    def test_each_has_an_entry(self) -> None:
        """A client or a person who reads an error of ours finds its words on the page."""
        known = [phrase for heading in TOLD for phrase in phrases(heading)]
        missing = [
            f"{where}: {text}" for text, where in raised().items() if not any(holds(text, each) for each in known)
        ]
        assert missing == []

    @pytest.mark.parametrize(
        "phrase",
        [each for name in (*TOLD, "Start and configuration", STATUS_LINE, LOG) for each in phrases(name)],
    )
    def test_is_said(self, phrase: str) -> None:
        """What the page quotes stands in the source."""
        assert any(holds(text, phrase) for text in texts())

    def test_what_is_looked_for(self) -> None:
        """Parts that differ are left out of the comparison, in the source and on the page."""
        assert holds("backend ... is busy: it answers ...", "backend ... is busy")
        assert not holds("backend ... keeps failing", "backend ... is busy")
        assert len(raised()) > 150
        assert unfilled("{path} is damaged ({reason:g})") == "... is damaged (...)"
        assert len(logged()) > 25

    def test_each_line_of_the_log_has_an_entry(self) -> None:
        """Whoever reads a warning or an error in the log finds its words in the table of such lines."""
        known = phrases(LOG)
        missing = [
            f"{where}: {text}" for text, where in logged().items() if not any(holds(text, each) for each in known)
        ]
        assert missing == []

    def test_each_word_of_the_status_line_has_an_entry(self) -> None:
        """What the status line says instead of figures is on the page, word for word."""
        words = {value for name, value in vars(status_request).items() if name.isupper() and " " in str(value)}
        assert len(words) > 5
        assert set(phrases(STATUS_LINE)) == words


class OutcomeTests:
    """The words for how a request ended."""

    def test_each_is_explained(self) -> None:
        """Every kind of error has its word on the page, beside those for an answer and for a client that left."""
        words = {kind.outcome for kind in kinds(BridgeError) if "outcome" in vars(kind)}
        assert set(phrases("What the log says")) == {*words, "ok", "client_left"}


class DoctorTests:
    """What the doctor examines."""

    def test_each_is_explained(self) -> None:
        """Every check is on the page under its name."""
        told = {name for cell in table("What the doctor checks") for name in cell.split(", ")}
        assert told == {check.name for check in CHECKS} | MACHINE
