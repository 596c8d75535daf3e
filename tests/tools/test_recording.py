"""The recording of the README is drawn from its transcript, and the transcript says what the commands say."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import pytest

from claude_bridge.cli.client_commands import launch
from claude_bridge.cli.options import parsers
from claude_bridge.cli.running_commands import demo
from claude_bridge.demo import show
from tests.end_to_end.claude_code import installed
from tests.npm import npm
from tools.recording import (
    DEMO,
    LAUNCH,
    PICTURE,
    ROOT,
    TRANSCRIPT,
    Command,
    drawn,
    launched,
    main,
    neutral,
    read,
    written,
)
from tools.scripted_model import LOOK_UP, needed
from tools.terminal_run import Chunk

COMMANDS: Final = read(TRANSCRIPT.read_text("utf-8"))
SVG: Final = PICTURE.read_text("utf-8")
TREE: Final = ET.fromstring(SVG)  # noqa: S314 - our own
MAX_BYTES: Final = 60_000
FAKE: Final = (
    Command(
        "claude-bridge demo", (Chunk(0.5, "one\n"), Chunk(9.0, "\r\x1b[K 1 of 2"), Chunk(9.5, "\r\x1b[Kdone <&>\n"))
    ),
)

CACHE: Final = ROOT / ".cache"

_TELLING: Final = 8
"""Letters of a pattern, below which it would match anything."""


def lines(output: tuple[Chunk, ...]) -> list[str]:
    """Return the lines that are left on the screen, and those that were overwritten on the way."""
    text = "".join(chunk.text for chunk in output).replace("\r\x1b[K", "\n")
    return [line for line in text.split("\n") if line]


def templates(folder: Path) -> Iterator[str]:
    """Yield a pattern for each line of each text in the modules of a folder."""
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = [re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in node.values]
                yield from "".join(parts).split("\\\n")
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from map(re.escape, node.value.split("\n"))


def without_numbers(line: str) -> str:
    """Return a line without what differs from run to run."""
    return re.sub(r"\d+(\.\d+)?", "N", line)


class PictureTests:
    """The file that the README shows."""

    def test_is_current(self) -> None:
        """It is what the script makes of the transcript (`python -m tools.recording`)."""
        assert drawn(COMMANDS) == SVG

    def test_is_small_and_complete(self) -> None:
        """It is well-formed, and loads nothing from elsewhere."""
        assert len(SVG.encode()) < MAX_BYTES
        assert TREE.tag == "{http://www.w3.org/2000/svg}svg"
        assert re.findall(r"https?://(?!127\.0\.0\.1)[^\"<]+", SVG) == ["http://www.w3.org/2000/svg"]
        assert not re.search(r"@import|@font-face|url\(|<image|<script|href", SVG)

    def test_everything_is_shown(self) -> None:
        """Each command and each line of its output is in the picture, after what comes before it."""
        shown = "".join(TREE.itertext())
        at = 0
        for line in [line for each in COMMANDS for line in (each.typed, *lines(each.output))]:
            at = shown.index(line[:50], at)

    def test_both_backgrounds(self) -> None:
        """There are colours for dark, and nothing moves for those who do not want it."""
        assert "prefers-color-scheme:dark" in SVG
        assert "prefers-reduced-motion:reduce" in SVG


class DrawingTests:
    """How a transcript becomes a picture."""

    def test_times(self) -> None:
        """Waits are shortened, what is overwritten is seen until then, and signs of XML are escaped."""
        picture = drawn(FAKE)
        delays = [float(each) for each in re.findall(r"animation-delay:([\d.]+)s", picture)]
        assert delays == sorted(delays)
        assert delays[-1] < 5
        assert re.search(r'class="g" style="[^"]*animation-duration:0.50s"> 1 of 2<', picture)
        assert "done &lt;&amp;&gt;" in picture

    def test_long_lines(self) -> None:
        """A line goes on in the next one where the terminal ends."""
        picture = drawn((Command("x", (Chunk(0.1, "a" * 111),)),))
        assert ">" + "a" * 110 + "<" in picture
        assert ">a<" in picture

    def test_neutral(self) -> None:
        """Homes and colours are taken out, pieces of one moment are joined, and notes for programs are left out."""
        chunks = [
            Chunk(0.1, "\x1b[1m/tmp/h/x\x1b[0m\r\n"), Chunk(0.11, "b"), Chunk(0.5, '\n[claude-code:model] {"a":1}\r\nc')
        ]  # fmt: skip
        assert neutral(chunks, {"/tmp/h": "/home/you"}) == (Chunk(0.1, "/home/you/x\nb"), Chunk(0.5, "\nc"))

    def test_kept(self) -> None:
        """A transcript is read as it was written."""
        assert read(written(FAKE)) == FAKE
        assert written(COMMANDS) == TRANSCRIPT.read_text("utf-8")

    def test_command(self) -> None:
        """The command draws the picture."""
        before = PICTURE.stat().st_size
        assert main([]) == 0
        assert PICTURE.stat().st_size == before


class TranscriptTests:
    """What is in the transcript is true today."""

    def test_commands(self) -> None:
        """The commands are those that are recorded, and this version has them with these options."""
        assert [each.typed for each in COMMANDS] == [DEMO, LAUNCH]
        for each in COMMANDS:
            words = shlex.split(each.typed.partition(" -- ")[0])[1:]
            assert parsers()[0].parse_args(words).command in {demo, launch}

    def test_demo(self) -> None:
        """Every line of the demo, but for the model's own answer, is one that its source has."""
        patterns = [each for each in templates(Path(show.__file__).parent) if len(each.replace(".*", "")) >= _TELLING]
        said = [line for line in lines(COMMANDS[0].output) if not line.startswith(("Question:", "Answer:"))]
        assert len(said) > 6
        assert [
            line
            for line in said
            if not any(re.fullmatch(each, line.strip()) or re.fullmatch(each, line) for each in patterns)
        ] == []
        assert f"Question: {show.QUESTION}" in lines(COMMANDS[0].output)

    def test_launch(self) -> None:
        """What Claude Code says at last is what the scripted model makes of this project's own file."""
        _, word, file = LOOK_UP.split()
        (found,) = (each for each in (ROOT / file).read_text("utf-8").splitlines() if word in each)
        assert lines(COMMANDS[1].output) == [needed(found)]

    @pytest.mark.model
    @pytest.mark.timeout(900)
    def test_real_demo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The demo prints the same today, numbers and the words of the model apart."""
        monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))
        command = [sys.executable, "-m", "claude_bridge.cli", *shlex.split(DEMO)[1:]]
        done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
        told, recorded = (
            [without_numbers(line) for line in text.split("\n") if line and not line.startswith("Answer:")]
            for text in (done.stdout, "\n".join(lines(COMMANDS[0].output)))
        )
        first = next(number for number, line in enumerate(recorded) if line.startswith("llama.cpp serves"))
        assert told[-len(recorded[first:]) :] == recorded[first:]

    @pytest.mark.client
    @pytest.mark.skipif(npm() is None, reason="npm is not installed, so Claude Code cannot be")
    @pytest.mark.timeout(900)
    def test_real_launch(self, tmp_path: Path) -> None:
        """The real Claude Code, started by `launch`, says the same today."""
        assert lines(launched(tmp_path, installed()).output) == lines(COMMANDS[1].output)
