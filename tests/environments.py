"""Separate virtual environments for programs around us, built once and kept under ``.cache/envs``.

``python -m tests.environments`` builds those of unmarked tests ahead of them. An environment is named after what it
holds and a hash of its requirements, so that a changed requirement is a new environment. Two processes that want
the same one take turns at a file lock, and one whose build was cut short is built anew.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import field, frozen

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "envs"

BUILD_SECONDS = 900
"""Limit for one pip command: the packages are small, the network may be slow."""


@frozen(kw_only=True)
class Environment:
    """What one environment holds.

    :ivar requirements: pip requirement strings, pinned where an answer of the judge depends on the version.
    :ivar sources: ``NAME==VERSION`` of source distributions to unpack beside it.
    """

    name: str
    requirements: tuple[str, ...]
    sources: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name the folder: changes with everything that changes what is in it."""
        told = "\n".join([sys.version.split()[0], *self.requirements, "--", *self.sources])
        return f"{self.name}-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


@frozen(kw_only=True)
class Built:
    """An environment that is ready.

    :ivar sources: the folder of each unpacked source distribution, by the string that asked for it.
    """

    folder: Path
    sources: dict[str, Path] = field(factory=dict)

    @property
    def python(self) -> Path:
        """Find its interpreter."""
        return self.folder / "bin" / "python"

    def site_file(self, *parts: str) -> Path:
        """Find a file that a package of this environment installed."""
        (found,) = self.folder.glob("/".join(("lib", "python*", "site-packages", *parts)))
        return found


SDK_SOURCE = "anthropic==2.10.0"

JUDGES = Environment(
    name="judges",
    requirements=(
        "anthropic[aiohttp]==2.10.0",
        "llm-comply==0.5.0",
        # what the tests inside the SDK's source distribution import
        "pytest>=9,<10",
        "pytest-asyncio",
        "pytest-xdist",
        "respx",
        "inline-snapshot",
        "dirty-equals",
        "http-snapshot[httpx]==0.1.9",
        "httpx2",
        "rich",
        "time-machine",
    ),
    sources=(SDK_SOURCE,),
)

SDK060 = Environment(name="sdk060", requirements=("anthropic==0.60.0",))

LLMOCK = Environment(name="llmock", requirements=("llmock==0.2.2",))

LITELLM = Environment(name="litellm", requirements=("litellm[proxy]==1.106.2",))
"""742 MB, so nothing builds it but a test that asks for it."""

ANTHROPIC = Environment(name="anthropic", requirements=("anthropic==2.14.0",))
"""The newest, where the judges' is the one whose own tests we run."""

CLAUDE_AGENT_SDK = Environment(name="claude-agent-sdk", requirements=("claude-agent-sdk==0.2.189",))
"""Brings a whole Claude Code: 455 MB."""

LANGCHAIN = Environment(name="langchain", requirements=("langchain-anthropic==1.7.10", "langchain==1.5.2"))

PYDANTIC_AI = Environment(name="pydantic-ai", requirements=("pydantic-ai-slim[anthropic]==2.68.0",))
"""pydantic-ai itself, without the packages of all other providers."""

PROXY = Environment(name="proxy", requirements=("proxy.py==2.4.10",))
"""A CONNECT proxy: 2 MB, with nothing that it needs."""

ALL = (JUDGES, SDK060, PROXY)
"""What tests need that carry no mark."""

MARKED = {
    "peers": (LLMOCK,),
    "litellm": (LITELLM,),
    "other_clients": (ANTHROPIC, CLAUDE_AGENT_SDK, LANGCHAIN, PYDANTIC_AI),
}
"""What tests with these marks need."""


def built(environment: Environment, cache: Path = CACHE) -> Built:
    """Return the environment, building it where it is not there yet. Blocks, for minutes on a slow network."""
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / environment.key
    done = folder / ".complete"
    with _locked(cache / f"{environment.key}.lock"):
        if not done.exists():
            _build(environment, folder)
            done.touch()
    return Built(folder=folder, sources={name: _source_folder(folder, name) for name in environment.sources})


def _build(environment: Environment, folder: Path) -> None:
    if folder.exists():  # a build that was cut short
        shutil.rmtree(folder)
    _run([sys.executable, "-m", "venv", str(folder)])
    python = str(folder / "bin" / "python")
    _run([python, "-m", "pip", "install", "--quiet", *environment.requirements])
    for source in environment.sources:
        _unpack(python, source, folder / "sources")


def _unpack(python: str, requirement: str, target: Path) -> None:
    """Download a source distribution; only this package is taken as source, not what its metadata needs to build."""
    name = requirement.partition("==")[0]
    target.mkdir(exist_ok=True)
    _run([python, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", name, "-d", str(target), requirement])
    with tarfile.open(target / _archive(requirement)) as archive:
        # the filter takes only what unpacks below the folder; Python 3.11.2, Debian 12's own, has none yet
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(target)  # noqa: S202 - filtered where Python can


def _archive(requirement: str) -> str:
    return requirement.replace("==", "-") + ".tar.gz"


def _source_folder(folder: Path, requirement: str) -> Path:
    return folder / "sources" / requirement.replace("==", "-")


def _run(command: Sequence[str]) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
    if ran.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {ran.returncode}:\n{ran.stdout}{ran.stderr}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the system lets go when the process ends, however it ends."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    """Build all environments and say where they are."""
    for environment in ALL:
        print(f"{environment.name}: {built(environment).folder}", flush=True)  # noqa: T201 - a command's output


if __name__ == "__main__":
    main()
