"""Programs out of npm that judge us, ask us or play a backend, installed once and kept under ``.cache``."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from attrs import frozen

CACHE = Path(__file__).resolve().parents[1] / ".cache"

INSTALL_SECONDS = 600
"""Limit for one run of npm: up to 120 MB to download."""


@frozen(kw_only=True)
class Package:
    """One package in one version.

    :ivar name: its name for npm.
    :ivar folder: beginning of the name of the folder that it is kept in.
    :ivar beside: ``NAME@VERSION`` of what is installed into the same folder.
    """

    name: str
    version: str
    folder: str
    beside: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name the folder: changes with everything that changes what is in it."""
        if not self.beside:
            return f"{self.folder}-{self.version}"
        return f"{self.folder}-{self.version}-{hashlib.sha256(' '.join(self.beside).encode()).hexdigest()[:12]}"


CLAUDE_CODE = Package(name="@anthropic-ai/claude-code", version="2.1.330", folder="claude-code")
"""The version whose behaviour the tests know."""

AIMOCK = Package(name="@copilotkit/aimock", version="1.43.0", folder="aimock")

_ZOD = "zod@4.6.7"  # the clients describe tools and answers with it, and let their users choose the version

AI_5 = Package(name="ai", version="5.0.277", folder="ai", beside=("@ai-sdk/anthropic@2.0.112", _ZOD))
AI_6 = Package(name="ai", version="6.0.325", folder="ai", beside=("@ai-sdk/anthropic@3.0.140", _ZOD))
AI_7 = Package(name="ai", version="7.0.173", folder="ai", beside=("@ai-sdk/anthropic@4.0.105", _ZOD, "node@22.23.3"))
"""With the Node that it needs: an older one is what many machines have."""

ANTHROPIC_SDK = Package(name="@anthropic-ai/sdk", version="1.14.0", folder="anthropic-sdk", beside=(_ZOD,))

CLAUDE_AGENT_SDK = Package(
    name="@anthropic-ai/claude-agent-sdk", version="0.3.332", folder="claude-agent-sdk", beside=(_ZOD,)
)

TYPESCRIPT = Package(name="typescript", version="7.0.2", folder="typescript")
"""Compares settings with the types that the Agent SDK has for them."""

OPENCODE = Package(name="opencode-ai", version="1.18.33", folder="opencode", beside=(_ZOD,))

MARKED = {
    "peers": (AIMOCK,),
    "client": (CLAUDE_CODE,),
    "other_clients": (AI_5, AI_6, AI_7, ANTHROPIC_SDK, CLAUDE_AGENT_SDK, TYPESCRIPT, OPENCODE),
}
"""What tests with these marks need."""


def npm() -> str | None:
    """Find npm."""
    return shutil.which("npm")


def node(folder: Path) -> str:
    """Return the Node for what is installed in a folder: the one that was installed with it, else the machine's."""
    own = folder / "node_modules" / "node"
    if not own.exists():
        return shutil.which("node") or "node"
    program = own / "bin" / "node"
    if not program.exists():
        raise RuntimeError(f"npm has put no Node for this platform into {own}")
    return str(program)


def installed(package: Package, cache: Path = CACHE) -> Path:
    """Return the folder with ``node_modules``, filling it where need be. Blocks, for minutes on a slow network."""
    folder = cache / package.key
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
        [*command, f"{package.name}@{package.version}", *package.beside],
        capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False,
    )  # fmt: skip
    if ran.returncode:
        raise RuntimeError(f"npm ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
