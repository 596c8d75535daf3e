"""The processes of a benchmark: the fake backend, and in front of it the real daemon or the relay."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from attrs import evolve, frozen

from benchmarks.load import Address

START_SECONDS = 30.0
"""Limit for a start: under a second on an idle machine."""

STOP_SECONDS = 10.0
"""Limit for a stop: no answer is under way then."""

_LOOK_SECONDS = 0.005
"""Between two looks at a process's log; as exact as the time to the first answer is."""

ROOT = Path(__file__).resolve().parent.parent
"""Where the modules of the children are found."""

_TAIL = 2000
"""Characters of the log shown if a process does not start."""


class NotStarted(Exception):
    """A process did not start; says what it wrote."""


@frozen(kw_only=True)
class Gateway:
    """What is measured.

    :ivar started: when, by the monotonic clock; None if it ran before.
    :ivar is_relay: whether the backend's own answer comes back, and no translation of it.
    """

    address: Address
    pids: tuple[int, ...]
    started: float | None = None
    is_relay: bool = False


@asynccontextmanager
async def backend(port: int) -> AsyncIterator[int]:
    """Run the fake backend and return its port; it also ends if this process does."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.backend", str(port), stdin=PIPE, stdout=PIPE,
        cwd=ROOT,
    )  # fmt: skip
    try:
        if process.stdout is None:
            raise NotStarted("no pipe to the fake backend")
        line = await asyncio.wait_for(process.stdout.readline(), START_SECONDS)
        if not line:
            raise NotStarted("the fake backend ended at once")
        yield int(line)
    finally:
        await stop(process)


@asynccontextmanager
async def daemon(backend_port: int, kind: str = "openai") -> AsyncIterator[Gateway]:
    """Run the real daemon, which knows of its backend no more than where it is and of which kind."""
    with tempfile.TemporaryDirectory(prefix="claude-bridge-benchmark-") as folder:
        config = Path(folder) / "claude-bridge.ini"
        config.write_text(f"[backend:default]\nurl = http://127.0.0.1:{backend_port}/v1\nkind = {kind}\n")
        environment = {"CLAUDE_BRIDGE_CONFIG": str(config), "HOST_PORT": "127.0.0.1:0"}
        program = Path(sys.prefix, "bin", "twistd")
        async with _gateway(environment, str(program), "--nodaemon", "--pidfile=", "claude-bridge") as gateway:
            yield gateway


@asynccontextmanager
async def relay(backend_port: int) -> AsyncIterator[Gateway]:
    """Run the relay."""
    environment = {"PYTHONPATH": str(ROOT)}
    async with _gateway(environment, sys.executable, "-m", "benchmarks.relay", str(backend_port)) as gateway:
        yield evolve(gateway, is_relay=True)


@asynccontextmanager
async def _gateway(environment: Mapping[str, str], *command: str) -> AsyncIterator[Gateway]:
    """Run a program that announces in its log where it listens, in a home of its own."""
    with tempfile.TemporaryDirectory(prefix="claude-bridge-benchmark-") as folder:
        log = Path(folder) / "log"
        began = time.monotonic()
        own = {"HOME": folder, "PATH": os.environ.get("PATH", os.defpath)}
        process = await started(log, {**own, **environment}, *command, folder=log.parent)
        try:
            address = await announced(process, log)
            yield Gateway(address=address, pids=(process.pid,), started=began)
        finally:
            await stop(process)


async def started(log: Path, environment: Mapping[str, str], *command: str, folder: Path) -> Process:
    """Start a program in ``folder`` whose output goes to ``log``."""
    with log.open("wb") as error:  # a file, since nobody reads a pipe meanwhile
        return await asyncio.create_subprocess_exec(
            *command, env=environment, cwd=folder, stdin=DEVNULL, stdout=error, stderr=error
        )


async def announced(process: Process, log: Path) -> Address:
    """Wait for the line in the log that says where the process listens."""
    limit = time.monotonic() + START_SECONDS
    while time.monotonic() < limit and process.returncode is None:
        address = listening(_written(log))
        if address is not None:
            return address
        await asyncio.sleep(_LOOK_SECONDS)
    raise NotStarted(f"nothing listens:\n{_written(log)[-_TAIL:]}")


def listening(log: str) -> Address | None:
    """Return the address that a log announces, if it does yet; the last line may not be whole."""
    for line in log.splitlines(keepends=True):
        if '"listening"' in line and line.endswith("\n"):
            event = json.loads(line)
            return Address(host=event["host"], port=event["port"])
    return None


def _written(log: Path) -> str:
    return log.read_text(errors="replace")


async def stop(process: Process) -> None:
    """End a process: politely, then by force."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
