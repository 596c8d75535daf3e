"""What the measurement of the ledger makes and asks."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import ledger
from benchmarks.__main__ import main
from claude_bridge.services.accounting.store.batch import DAY
from claude_bridge.services.accounting.store.sqlite import connect, open_to_read
from tests.services.accounting.store.books import NOON, assert_periods_add_up, assert_sessions_add_up, rows


class LedgerTests:
    """A file of made-up requests."""

    def test_filled_in_several_runs(self, tmp_path: Path) -> None:
        """It has as many requests as wanted, of ninety days, whose sums are right; a second run goes on."""
        path = str(tmp_path / "ledger.sqlite")
        assert ledger.fill(path, 400, NOON).requests == 400
        assert ledger.fill(path, 1000, NOON).requests == 600
        connection = connect(path)
        assert rows(connection, "SELECT count(*), count(DISTINCT request_id) FROM requests") == [(1000, 1000)]
        ((first, last),) = rows(connection, "SELECT min(started_ms), max(started_ms) FROM requests")
        assert NOON - 90 * DAY <= first < last <= NOON
        assert rows(connection, "SELECT count(*) FROM attempts WHERE status = 503") == [(50,)]
        assert_sessions_add_up(connection)
        assert_periods_add_up(connection)
        connection.close()

    def test_questions(self, tmp_path: Path) -> None:
        """Every question finds something."""
        path = str(tmp_path / "ledger.sqlite")
        ledger.fill(path, 1000, NOON)
        connection = open_to_read(path)
        for words, question in ledger.questions(NOON, ledger.session_id(0)):
            assert question(connection), words
        connection.close()

    @pytest.mark.usefixtures("signals_kept")
    def test_report(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Size, time, each question and the reactor's turns are in what it prints."""
        assert main(["ledger", "--requests", "500", "--repeat", "1", "--seconds", "0.2"]) == 0
        out = capsys.readouterr().out
        for told in ("size per million", "us\n", "usage month --by hour", "a second, with a ledger"):
            assert told in out
