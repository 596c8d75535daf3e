"""The unit tests on each Python that is here: ``python -m tests.interpreters``.

Looked for are the system's own ``python3`` and 3.11 to 3.14, on PATH and among pyenv's versions. The oldest and the
newest run all unit tests, those between the tests of `QUICK` with few examples for each property. The Python that
runs this module is left out: it has just run, or is about to run, everything. As many run at once as there are cores.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache" / "interpreters"

SYSTEM = "/usr/bin/python3"
"""The distribution's own: on Debian 12 it is 3.11.2, and what most users have."""

NAMES = ("python3", "python3.11", "python3.12", "python3.13", "python3.14")
OLDEST_SUPPORTED = (3, 11)

ALL = ("tests", "--ignore=tests/end_to_end")
QUICK = ("--hypothesis-profile=quick", "tests/core", "tests/config", "tests/services", "tests/edge")

_PROBE = "import ctypes, ensurepip, ssl, venv, sys; print(*sys.version_info[:3])"

Version = tuple[int, ...]


def candidates(environment: Mapping[str, str]) -> Iterator[Path]:
    """Yield paths at which an interpreter may be; some of them are no interpreter, and some are the same one."""
    yield Path(SYSTEM)
    for name in NAMES:
        found = shutil.which(name, path=environment.get("PATH"))
        if found:
            yield Path(found)
    pyenv = environment.get("PYENV_ROOT") or str(Path(environment.get("HOME", "/nonexistent")) / ".pyenv")
    yield from sorted(Path(pyenv).glob("versions/3.*/bin/python3"))


def version_of(interpreter: Path) -> Version | None:
    """Return the version of an interpreter that can make environments, or None for anything else."""
    try:
        told = subprocess.run([interpreter, "-c", _PROBE], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return tuple(map(int, told.stdout.split()))


def found(paths: Iterable[Path]) -> dict[Version, Path]:
    """Return a path for each supported version, oldest first."""
    versions: dict[Version, Path] = {}
    for path in paths:
        version = version_of(path)
        if version is not None and version >= OLDEST_SUPPORTED:
            versions.setdefault(version, path)
    return dict(sorted(versions.items()))


def selections(versions: Iterable[Version], own: Version) -> dict[Version, tuple[str, ...]]:
    """Return pytest's arguments for each version but ``own``."""
    ordered = sorted(versions)
    ends = {ordered[0], ordered[-1]} if ordered else set()
    return {version: ALL if version in ends else QUICK for version in ordered if version != own}


def run(interpreter: Path, version: Version, selection: tuple[str, ...]) -> tuple[bool, str]:
    """Run the tests in an environment of their own; return whether they passed, and the output. Blocks for minutes."""
    folder = CACHE / _name(version)
    python = str(folder / "bin" / "python")
    commands = [
        [str(interpreter), "-m", "venv", str(folder)],
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", f"{ROOT}[test]"],
        [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *selection],
    ]
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "pycache")}
    output = ""
    for command in commands:
        ended = subprocess.run(
            command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        output += ended.stdout
        if ended.returncode:
            return False, output
    return True, output


def main() -> int:
    """Return which interpreters there are and run the tests on them; return the exit status."""
    own = tuple(sys.version_info[:3])
    versions = found(candidates(os.environ))
    chosen = selections(versions, own)
    for version, path in versions.items():
        what = "this one" if version == own else "all unit tests" if chosen[version] is ALL else "quick profile"
        _say(f"Python {_name(version)} ({path}): {what}")
    passed = True
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        longest_first = sorted(chosen, key=lambda version: chosen[version] is not ALL)
        running = {pool.submit(run, versions[version], version, chosen[version]): version for version in longest_first}
        for ended in as_completed(running):
            version_passed, output = ended.result()
            passed = passed and version_passed
            _say(f"-- Python {_name(running[ended])}:\n{output}")
    return 0 if passed else 1


def _name(version: Version) -> str:
    return ".".join(map(str, version))


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    sys.exit(main())
