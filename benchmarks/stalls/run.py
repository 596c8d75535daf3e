"""Sends each input to a daemon of its own and prints the longest turn that it cost."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attrs import define, field, frozen

from benchmarks import children
from benchmarks.load import Address
from benchmarks.stalls.inputs import CONFIGURATION, HEAD, HELLO, OK, Input, asking, inputs

GOAL = 0.1
"""Seconds of CPU that a turn may take."""

ANSWER_SECONDS = 60.0
"""Limit for one input; what a daemon does not answer until then is told as it is."""

SETTLE_SECONDS = 0.3
"""Waited for what is done after an answer: it is learned from in a later turn."""

WARM_UP = asking(HELLO, stream=False)
_PIECE = 1 << 16
_EMPTY_LIST = HEAD % b"application/json" + b'{"object":"list","data":[{"id":"m"}]}'


@frozen
class Row:
    """What came of an input: the longest turn of each run, in seconds, and the first line of the answer."""

    name: str
    longest: tuple[float, ...]
    answer: str

    @property
    def best(self) -> float:
        """Return the smallest: neighbours on the machine only ever add to it."""
        return min(self.longest)


@define
class Backend:
    """A server that answers with the bytes that it is told to."""

    answer: bytes = OK
    models: bytes = _EMPTY_LIST
    port: int = field(default=0, init=False)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen on a free port of loopback."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)
            answer = self.models if head.startswith(b"GET ") else self.answer
            for at in range(0, len(answer), _PIECE):
                writer.write(answer[at : at + _PIECE])
                await writer.drain()
        writer.close()


async def measure(one: Input, repeat: int) -> Row:
    """Send an input so many times and watch the turns."""
    request, answer = one.make()
    longest, told = [], ""
    for _ in range(repeat):
        seconds, told = await _once(one, request, answer)
        longest.append(seconds)
    return Row(one.name, tuple(longest), told)


async def _once(one: Input, request: bytes, answer: bytes) -> tuple[float, str]:
    """Send an input to a new daemon, which remembers nothing of it; return its longest turn and the answer's start."""
    backend = Backend()
    async with backend.listening(), _daemon(backend.port) as (address, turns):
        await _sent(address, WARM_UP)
        await asyncio.sleep(SETTLE_SECONDS)
        turns.new()  # what the start took
        if one.listed:
            backend.models = answer
        else:
            backend.answer = answer
        told = await _sent(address, request)
        await asyncio.sleep(SETTLE_SECONDS)
        return max(turns.new(), default=0.0), told


@define
class Turns:
    """The file into which the daemon writes its long turns."""

    path: Path
    _seen: int = field(default=0, init=False)

    def new(self) -> list[float]:
        """Return the turns that were noted since this was last asked."""
        with self.path.open() as file:
            file.seek(self._seen)
            turns = [float(line) for line in file]
        self._seen = self.path.stat().st_size
        return turns


@asynccontextmanager
async def _daemon(backend_port: int) -> AsyncIterator[tuple[Address, Turns]]:
    with tempfile.TemporaryDirectory(prefix="claude-bridge-stalls-") as folder:
        log, turns, configuration = Path(folder, "log"), Path(folder, "turns"), Path(folder, "b.ini")
        _prepare(configuration, backend_port, turns)
        command = ("-m", "benchmarks.stalls.turns", str(turns), "--nodaemon", "--pidfile=", "claude-bridge")
        process = await children.started(
            log,
            {"HOME": folder, "PATH": os.environ.get("PATH", os.defpath)},
            *(sys.executable, *command, "--config", str(configuration)),
            folder=children.ROOT,
        )
        try:
            yield await children.announced(process, log), Turns(turns)
        finally:
            await children.stop(process)


def _prepare(configuration: Path, backend_port: int, turns: Path) -> None:
    configuration.write_text(CONFIGURATION.format(port=backend_port))
    turns.touch()  # the daemon only adds to it


async def _sent(address: Address, request: bytes) -> str:
    """Send a request and return the first line of the answer, read to its end."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            writer.write(request)
            first = await reader.readline()
            while await reader.read(1 << 20):
                pass
        return first.decode("latin-1").strip()
    except (TimeoutError, ConnectionError) as problem:
        return repr(problem)
    finally:
        writer.close()


def table(rows: Sequence[Row]) -> str:
    """Return the rows as a Markdown table: milliseconds, the longest of all first."""
    lines = ["| input | longest turn, ms CPU | its runs | answered |", "| --- | --- | --- | --- |"]
    for row in sorted(rows, key=lambda row: -row.best):
        mark = " **" if row.best > GOAL else ""
        runs = ", ".join(f"{seconds * 1e3:.0f}" for seconds in row.longest)
        lines.append(f"| {row.name}{mark} | {row.best * 1e3:.0f} | {runs} | {row.answer} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Run from the command line; return the exit status: 1 if a turn took longer than `GOAL`."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks stalls", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of the names of inputs (default: all)")
    parser.add_argument("--repeat", type=int, default=3, choices=range(1, 21), metavar="N", help="runs of each")
    options = parser.parse_args(arguments)
    chosen = [one for one in inputs() if not options.names or any(name in one.name for name in options.names)]
    rows = []
    for number, one in enumerate(chosen, 1):
        sys.stderr.write(f"{number} of {len(chosen)}: {one.name}\n")
        rows.append(asyncio.run(measure(one, options.repeat)))
    sys.stdout.write(table(rows))
    slow = list(itertools.filterfalse(lambda row: row.best <= GOAL, rows))
    return 1 if slow else 0
