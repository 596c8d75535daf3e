"""Tests of `tests.npm`, with an npm that installs nothing from anywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.npm import Package, installed

LITTLE = Package(name="@nobody/little", version="1.2.3", folder="little")

NPM = """#!{python}
import sys
from pathlib import Path
folder, package = Path(sys.argv[sys.argv.index("--prefix") + 1]), sys.argv[-1]
with (folder / "asked").open("a") as asked:
    asked.write(package + "\\n")
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
