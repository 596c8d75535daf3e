"""Tests of `tests.npm`, with an npm that installs nothing from anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from attrs import evolve

from tests.npm import Package, installed, node

LITTLE = Package(name="@nobody/little", version="1.2.3", folder="little")

NPM = """#!{python}
import sys
from pathlib import Path
at = sys.argv.index("--prefix")
with (Path(sys.argv[at + 1]) / "asked").open("a") as asked:
    asked.write(" ".join(sys.argv[at + 2 :]) + "\\n")
sys.exit({code})
"""


def fake_npm(folder: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Put an npm first on the path."""
    program = folder / "npm"
    program.write_text(NPM.format(python=sys.executable, code=code))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


class InstalledTests:
    """When a package is installed."""

    def test_once(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A package is installed the first time only, in exactly its version."""
        fake_npm(tmp_path, monkeypatch, 0)
        first, second = installed(LITTLE, tmp_path), installed(LITTLE, tmp_path)
        assert first == second == tmp_path / "little-1.2.3"
        assert (first / "asked").read_text() == "@nobody/little@1.2.3\n"

    def test_failed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An installation that failed is told, and tried again the next time."""
        fake_npm(tmp_path, monkeypatch, 3)
        for tries in (1, 2):
            with pytest.raises(RuntimeError, match="npm ended with 3"):
                installed(LITTLE, tmp_path)
            assert (tmp_path / "little-1.2.3" / "asked").read_text().count("\n") == tries

    def test_beside(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a package needs beside it comes with it, and another need is another folder."""
        fake_npm(tmp_path, monkeypatch, 0)
        folder = installed(evolve(LITTLE, beside=("more@4.5.6", "most@7.8.9")), tmp_path)
        assert (folder / "asked").read_text() == "@nobody/little@1.2.3 more@4.5.6 most@7.8.9\n"
        assert (
            len({installed(LITTLE, tmp_path), installed(evolve(LITTLE, beside=("more@4.5.7",)), tmp_path), folder}) == 3
        )


class NodeTests:
    """Which Node runs what is installed."""

    def test_machines(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without one of its own it is the machine's."""
        (tmp_path / "node").touch(0o755)
        monkeypatch.setenv("PATH", str(tmp_path))
        assert node(tmp_path / "installed") == str(tmp_path / "node")

    def test_own(self, tmp_path: Path) -> None:
        """A Node that was asked for is the one that runs, and its lack is told."""
        program = tmp_path / "node_modules" / "node" / "bin" / "node"
        program.parent.mkdir(parents=True)
        with pytest.raises(RuntimeError, match="no Node for this platform"):
            node(tmp_path)
        program.touch()
        assert node(tmp_path) == str(program)
