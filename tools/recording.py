"""The recording in the README: ``python -m tools.recording`` draws it, with ``--record CLAUDE`` from a new run.

The transcript of a real run is kept in ``docs/recording.json``: the demo, which installs its real model, and then the
real Claude Code behind ``claude-bridge launch``, with a scripted model that has it look something up. The picture,
``docs/recording.svg``, is made of the transcript alone. Waits are shortened, the home and the model's address are
replaced, and notes that Claude Code writes for other programs are left out; the rest is as it was printed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import msgspec
from attrs import define, field, frozen

from tools.scripted_model import ANNOUNCEMENT
from tools.terminal_run import COLUMNS, Chunk, run

ROOT: Final = Path(__file__).resolve().parent.parent
TRANSCRIPT: Final = ROOT / "docs" / "recording.json"
PICTURE: Final = ROOT / "docs" / "recording.svg"

URL: Final = "http://127.0.0.1:8000/v1"
HOME: Final = "/home/you"
DEMO: Final = "claude-bridge demo --once"
LAUNCH: Final = 'claude-bridge launch --url http://127.0.0.1:8000/v1 -- -p "Which Python does this need?"'

TYPING: Final = 0.03
"""Seconds for one letter that is typed."""
MAX_WAIT: Final = 1.2
"""Seconds that the picture waits at most, however long the command took."""
BETWEEN: Final = 1.5
"""Seconds between two commands."""
MERGED: Final = 0.05
"""Seconds within which two pieces are shown as one."""

_WIDTH: Final = 910
_LINE: Final = 19
_TOP: Final = 46
_LEFT: Final = 16
_ERASE: Final = "\r\x1b[K"
_NOTE: Final = re.compile(r"^\[claude-code:\w+\] \{.*\}\n", re.MULTILINE)
"""What Claude Code writes for programs that read its standard error."""
_CONTROLS: Final = re.compile(r"\x1b(?:\[[0-9;?<>=]*[a-zA-Z]|\][^\x07]*\x07|[78])")


@frozen
class Command:
    """One command of the transcript.

    :ivar typed: as somebody types it.
    :ivar output: what it prints, in the pieces in which that came.
    """

    typed: str
    output: tuple[Chunk, ...]


@define
class _Span:
    """A part of a line of the picture.

    :ivar shown: seconds after the beginning at which it appears.
    :ivar hidden: when it is overwritten; None if it stays.
    """

    text: str
    shown: float
    hidden: float | None = None
    kind: str = "o"


@define
class _Screen:
    """Lines of spans, filled from the top; a line that is overwritten keeps its earlier spans, which disappear."""

    lines: list[list[_Span]] = field(factory=lambda: [[]])
    seconds: float = 0.5

    def write(self, text: str, kind: str = "o") -> None:
        """Add text at this moment."""
        for number, part in enumerate(text.split("\n")):
            if number:
                self.lines.append([])
            pieces = part.split(_ERASE)
            for count, piece in enumerate(pieces):
                if count:
                    self._erase()
                self._add(piece, kind)

    def _add(self, text: str, kind: str) -> None:
        """Add a part of a line, which goes on in the next one where the terminal ends."""
        while text:
            left = COLUMNS - sum(len(span.text) for span in self.lines[-1] if span.hidden is None)
            if left <= 0:
                self.lines.append([])
                continue
            self.lines[-1].append(_Span(text[:left], self.seconds, kind=kind))
            text = text[left:]

    def _erase(self) -> None:
        for span in self.lines[-1]:
            span.hidden = self.seconds if span.hidden is None else span.hidden


def read(text: str) -> tuple[Command, ...]:
    """Return the commands of a transcript."""
    return tuple(
        Command(each["typed"], tuple(Chunk(*chunk) for chunk in each["output"])) for each in msgspec.json.decode(text)
    )


def written(commands: Sequence[Command]) -> str:
    """Return a transcript of commands, one line per piece of output."""
    shown = [
        {"typed": each.typed, "output": [[chunk.seconds, chunk.text] for chunk in each.output]} for each in commands
    ]
    text = json.dumps(shown, indent=1, ensure_ascii=False)
    return re.sub(r"\[\n\s+([\d.]+),\n\s+(\".*\")\n\s+\]", r"[\1, \2]", text) + "\n"


def drawn(commands: Sequence[Command]) -> str:
    """Return the picture: SVG that plays once and then stays, and that shows its end where nothing may move."""
    screen = _Screen()
    for number, command in enumerate(commands):
        if number:
            screen.seconds += BETWEEN
            screen.write("\n")
        screen.write("$ ", "p")
        for letter in re.findall(r"\S+\s*", command.typed):
            screen.write(letter, "c")
            screen.seconds += TYPING * len(letter)
        screen.write("\n")
        before = 0.0
        for chunk in command.output:
            screen.seconds += min(chunk.seconds - before, MAX_WAIT)
            before = chunk.seconds
            screen.write(chunk.text)
    while not any(span.hidden is None for span in screen.lines[-1]):
        screen.lines.pop()
    return "".join(_svg(screen.lines, commands))


def _svg(lines: Sequence[Sequence[_Span]], commands: Sequence[Command]) -> Iterator[str]:
    height = _TOP + _LINE * len(lines) + 8
    title = "A terminal: " + ", then ".join(command.typed.partition(" -- ")[0] for command in commands)
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img">\n'
    yield f"<title>{escape(title)}</title>\n<style>\n{_STYLE}</style>\n"
    yield f'<rect class="b" width="{_WIDTH}" height="{height}" rx="8"/>\n'
    yield "".join(f'<circle class="d" cx="{x}" cy="20" r="5"/>' for x in (20, 38, 56))
    yield '\n<g xml:space="preserve">\n'
    for number, line in enumerate(lines):
        if not line:
            continue
        y = _TOP + _LINE * (number + 1) - 6
        for group in _overwritten(line):
            spans = "".join(_tspan(span) for span in group)
            yield f'<text x="{_LEFT}" y="{y}">{spans}</text>\n'
    yield "</g>\n</svg>\n"


def _overwritten(line: Sequence[_Span]) -> Iterator[list[_Span]]:
    """Yield the spans of a line that are shown together: those of one moment of overwriting, and those that stay."""
    for hidden in dict.fromkeys(span.hidden for span in line):
        yield [span for span in line if span.hidden == hidden]


def _tspan(span: _Span) -> str:
    if span.hidden is None:
        return f'<tspan class="{span.kind}" style="animation-delay:{span.shown:.2f}s">{escape(span.text)}</tspan>'
    seconds = max(span.hidden - span.shown, 0.01)
    style = f"animation-delay:{span.shown:.2f}s;animation-duration:{seconds:.2f}s"
    return f'<tspan class="g" style="{style}">{escape(span.text)}</tspan>'


_STYLE: Final = """\
text{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;white-space:pre}
.b{fill:#f6f8fa;stroke:#d0d7de}.d{fill:#d0d7de}.o,.g{fill:#1f2328}.p{fill:#1a7f37}.c{fill:#0550ae;font-weight:bold}
.o,.p,.c{animation:a 1ms linear both}.g{fill-opacity:0;animation:g 1s linear}
@keyframes a{from{fill-opacity:0}to{fill-opacity:1}}
@keyframes g{from,to{fill-opacity:1}}
@media (prefers-color-scheme:dark){.b{fill:#0d1117;stroke:#30363d}.d{fill:#30363d}.o,.g{fill:#e6edf3}.p{fill:#3fb950}
.c{fill:#79c0ff}}
@media (prefers-reduced-motion:reduce){.o,.p,.c,.g{animation:none}}
"""


def neutral(chunks: Sequence[Chunk], replaced: Mapping[str, str]) -> tuple[Chunk, ...]:
    """Return output without the addresses and folders of one machine, and without what only moves the cursor."""
    result: list[Chunk] = []
    for chunk in chunks:
        text = chunk.text.replace("\r\n", "\n")
        for old, new in replaced.items():
            text = text.replace(old, new)
        text = text.replace(_ERASE, "\0")
        text = _NOTE.sub("", _CONTROLS.sub("", text).replace("\0", _ERASE))
        if result and chunk.seconds - result[-1].seconds < MERGED and _ERASE not in text:
            result[-1] = Chunk(result[-1].seconds, result[-1].text + text)
        elif text:
            result.append(Chunk(chunk.seconds, text))
    return tuple(result)


def demonstrated(folder: Path) -> Command:
    """Run the demo in a home below ``folder``, where it installs its model if that is not there."""
    chunks = run(shlex.split(DEMO), _environ(folder), ROOT)
    return Command(DEMO, neutral(chunks, {str(folder / "home"): HOME}))


def launched(folder: Path, claude: Path) -> Command:
    """Run Claude Code, which is the program ``claude``, by `launch` in a home below ``folder``."""
    environ = _environ(folder)
    (folder / "bin").mkdir()
    (folder / "bin" / "claude").symlink_to(claude)
    with _model() as url:
        chunks = run(shlex.split(LAUNCH.replace(URL, url)), environ, ROOT)
    return Command(LAUNCH, neutral(chunks, {str(folder / "home"): HOME, url: URL}))


def _environ(folder: Path) -> dict[str, str]:
    """Return the environment of somebody whose home is below ``folder``."""
    (folder / "home").mkdir(exist_ok=True)
    return {
        "HOME": str(folder / "home"),
        "PATH": f"{folder / 'bin'}:{Path(sys.prefix) / 'bin'}:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        **{name: value for name, value in os.environ.items() if name.startswith("PIP_")},
    }


@contextmanager
def _model() -> Iterator[str]:
    """Run the scripted model; yield its base URL."""
    command = [sys.executable, "-m", "tools.scripted_model"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own module
        try:
            output = process.stdout or sys.stdin
            yield output.readline().strip().removeprefix(ANNOUNCEMENT)
        finally:
            process.terminate()


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the picture from the transcript, after recording that anew if asked."""
    parser = argparse.ArgumentParser(prog="python -m tools.recording", description=main.__doc__)
    parser.add_argument(
        "--record", type=Path, metavar="CLAUDE", help="run the commands; CLAUDE is the client's program"
    )
    claude = parser.parse_args(arguments).record
    if claude is not None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name).resolve()
            commands = demonstrated(folder), launched(folder, claude.absolute())
        TRANSCRIPT.write_text(written(commands), "utf-8")
    PICTURE.write_text(drawn(read(TRANSCRIPT.read_text("utf-8"))), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
