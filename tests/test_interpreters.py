"""Tests for `tests.interpreters`: a Python on which nothing runs would go unnoticed."""

from __future__ import annotations

import sys
from pathlib import Path

from tests import interpreters
from tests.interpreters import ALL, QUICK, found, selections, version_of

OWN = tuple(sys.version_info[:3])


class InterpreterTests:
    """Which interpreters run what."""

    def test_version(self, tmp_path: Path) -> None:
        """An interpreter tells its version; what is none, or is not there, is passed over."""
        script = tmp_path / "python3"
        script.write_text("#!/bin/sh\nexit 127\n")
        script.chmod(0o755)

        assert version_of(Path(sys.executable)) == OWN
        assert version_of(script) is None
        assert version_of(tmp_path / "none") is None

    def test_found_once(self, tmp_path: Path) -> None:
        """One version is run once, however many names it has."""
        own = Path(sys.executable)

        assert found([tmp_path / "none", own, own]) == {OWN: own}

    def test_oldest_and_newest_run_all(self) -> None:
        """The ends run every unit test, those between the quick ones, and our own Python none."""
        chosen = selections([(3, 13, 0), (3, 11, 2), (3, 12, 1), (3, 11, 7)], (3, 11, 7))

        assert chosen == {(3, 11, 2): ALL, (3, 12, 1): QUICK, (3, 13, 0): ALL}
        assert selections([], OWN) == {}

    def test_places(self, tmp_path: Path) -> None:
        """Looked at are the system's own, PATH, and pyenv's versions."""
        versioned = tmp_path / "versions" / "3.12.1" / "bin" / "python3"
        versioned.parent.mkdir(parents=True)
        versioned.touch()
        named = tmp_path / "python3.13"
        named.write_text("")
        named.chmod(0o755)

        places = list(interpreters.candidates({"PATH": str(tmp_path), "PYENV_ROOT": str(tmp_path)}))

        assert places == [Path(interpreters.SYSTEM), named, versioned]
