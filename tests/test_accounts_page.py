"""The commands of docs/accounts.md do what the page says."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from claude_bridge.services.accounting.store.sqlite import connect
from tests.services.accounting.store.books import entry, rows, write

PAGE: Final = (Path(__file__).resolve().parent.parent / "docs" / "accounts.md").read_text("utf-8")


def commands(name: str) -> list[str]:
    """Return the lines between the marks of a block of commands."""
    found = re.search(rf"<!-- command:{name} -->\n```\n(.*?)```\n<!-- end -->", PAGE, re.DOTALL)
    assert found is not None, name
    return found[1].splitlines()


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """Return the folder of a bridge that was killed after a copy was taken, and after one request more."""
    running, folder = tmp_path / "running", tmp_path / "killed"
    running.mkdir()
    with closing(connect(str(running / "ledger.sqlite"))) as connection:
        write(connection, [entry(session="before")])
        with closing(sqlite3.connect(running / "copy.sqlite")) as copy:
            connection.backup(copy)
        write(connection, [entry(session="after")])
        shutil.copytree(running, folder)  # what a kill leaves, as nothing is closed
    assert (folder / "ledger.sqlite-wal").stat().st_size > 0
    return folder


def restored(folder: Path, lines: list[str]) -> list[tuple[object, ...]]:
    """Return the sessions that a bridge finds after some commands."""
    subprocess.run(["bash", "-euc", "\n".join(lines)], cwd=folder, check=True)
    with closing(connect(str(folder / "ledger.sqlite"))) as connection:
        found = rows(connection, "SELECT session FROM requests ORDER BY id")
        write(connection, [entry(session="later")])
        assert rows(connection, "PRAGMA integrity_check") == [("ok",)]
    return found


class RestoreTests:
    """A copy that is put in the place of the ledger."""

    @pytest.mark.parametrize("is_there", [True, False])
    def test_commands(self, killed: Path, is_there: bool) -> None:
        """A bridge goes on from the copy, and nobody else can read it, whether there was a file or not."""
        (killed / "copy.sqlite").chmod(0o644)
        if not is_there:
            (killed / "ledger.sqlite").unlink()
        assert restored(killed, commands("restore")) == [("before",)]
        assert (killed / "ledger.sqlite").stat().st_mode & 0o777 == 0o600

    def test_first_line_matters(self, killed: Path) -> None:
        """Without it what was in the file beside it comes back: should that change, the page may be shorter."""
        assert restored(killed, commands("restore")[1:]) == [("before",), ("after",)]
