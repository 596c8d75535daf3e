"""The shape of the tree is a promise too: a newcomer finds the tests of a module under its own name."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "src" / "claude_bridge"


class LayoutTests:
    """Where things are."""

    def test_every_module_has_its_twin(self) -> None:
        """``src/claude_bridge/a/b.py`` is tested by ``tests/a/test_b.py``, a tool by ``tests/tools/test_b.py``."""
        modules = [path.relative_to(SOURCES) for path in SOURCES.rglob("*.py")]
        modules += [path.relative_to(ROOT) for path in (ROOT / "tools").rglob("*.py")]
        missing = [
            str(twin.relative_to(ROOT))
            for module in modules
            if not module.name.startswith("__")
            for twin in [ROOT / "tests" / module.parent / f"test_{module.name}"]
            if not twin.exists()
        ]

        assert sorted(missing) == []

    def test_no_package_hides_twisted(self) -> None:
        """The top-level ``twisted`` folder is no package, or it would hide the real one."""
        assert list((ROOT / "twisted").rglob("__init__.py")) == []

    def test_packages_hold_no_logic(self) -> None:
        """An ``__init__.py`` has a docstring and at most names from elsewhere."""
        for package in SOURCES.rglob("__init__.py"):
            lines = package.read_text().splitlines()

            assert not any(line.startswith(("def ", "class ", "if ", "for ")) for line in lines), package
