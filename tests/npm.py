"""Programs out of npm that judge us or play a backend, installed once and kept under ``.cache``."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
from pathlib import Path

from attrs import frozen

CACHE = Path(__file__).resolve().parents[1] / ".cache"

INSTALL_SECONDS = 600
"""Limit for npm: up to 100 MB to download."""


@frozen(kw_only=True)
class Package:
    """One package in one version.

    :ivar name: its name for npm.
    :ivar folder: beginning of the name of the folder that it is kept in.
    """

    name: str
    version: str
    folder: str


CLAUDE_CODE = Package(name="@anthropic-ai/claude-code", version="2.1.330", folder="claude-code")
"""The version whose behaviour the tests know."""

AIMOCK = Package(name="@copilotkit/aimock", version="1.43.0", folder="aimock")


def npm() -> str | None:
    """Find npm."""
    return shutil.which("npm")


def installed(package: Package, cache: Path = CACHE) -> Path:
    """Give the folder with ``node_modules``, filling it where need be. Blocks, for minutes on a slow network."""
    folder = cache / f"{package.folder}-{package.version}"
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / ".complete"
    with (cache / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # goes with the process, however it ends
        if not done.exists():
            _install(package, folder)
            done.touch()
    return folder


def _install(package: Package, folder: Path) -> None:
    command = [npm() or "npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", str(folder)]
    ran = subprocess.run(
        [*command, f"{package.name}@{package.version}"],
        capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False,
    )  # fmt: skip
    if ran.returncode:
        raise RuntimeError(f"npm ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
