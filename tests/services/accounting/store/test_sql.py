"""Every statement is one that the database takes, on the tables that there are."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from claude_bridge.services.accounting.store import entries, sql, sqlite

CONSTANTS = {
    name: value
    for name, value in vars(sql).items()
    if name.isupper() and not name.startswith("_") and name not in {"SUMS", "TOTALS", "NO_FAILURE", *vars(entries)}
}


QUERIES = ("SESSIONS", "SESSIONS_OF_KEY", "AGENTS", "AGENTS_OF_KEY", "AGENTS_OF", "PAST_AGENTS", "LAST_ANSWER")


def texts(value: object) -> list[str]:
    """Return the statements of a constant."""
    if isinstance(value, str):
        return [value]
    assert isinstance(value, tuple)
    return [text for each in value for text in texts(each)]


class StatementTests:
    """The statements."""

    @pytest.mark.parametrize("name", sorted(CONSTANTS))
    def test_is_taken(self, name: str, tmp_path: Path) -> None:
        """The database can run it: every table and column is there."""
        connection = sqlite.connect(str(tmp_path / "ledger.sqlite"))
        for text in texts(CONSTANTS[name]):
            connection.execute(f"EXPLAIN {text}", (None,) * text.count("?"))
        connection.close()

    @pytest.mark.parametrize("table", ["hour", "day"])
    @pytest.mark.parametrize("by", ["", "model", "backend", "key", "day"])
    def test_sums(self, table: str, by: str, tmp_path: Path) -> None:
        """So are the queries for sums, whatever they are grouped by, and whose they are."""
        connection = sqlite.connect(str(tmp_path / "ledger.sqlite"))
        connection.execute(sql.sums(table, by), (0, 9))
        connection.execute(sql.sums(table, by, of_key=True), (0, 9, "alice"))
        connection.close()

    @pytest.mark.parametrize("of_key", [False, True])
    @pytest.mark.parametrize("of_session", [False, True])
    def test_export(self, of_key: bool, of_session: bool, tmp_path: Path) -> None:
        """So is that for attempts, which reads only the requests that are asked for, in their order."""
        connection = sqlite.connect(str(tmp_path / "ledger.sqlite"))
        text = sql.export(of_key=of_key, of_session=of_session)
        plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * text.count("?")).fetchall()
        connection.close()
        steps = [step for *_, step in plan]
        assert [step for step in steps if "SCAN request" in step or "SCAN attempt" in step or "B-TREE" in step] == []
        assert of_session is any("session USING" in step and "text=?" in step for step in steps)

    @pytest.mark.parametrize(
        "name", [*QUERIES, "SPENT_IN_HOURS", "SPENT_IN_ATTEMPTS", "OLD_REQUESTS", "REQUESTS_OF_SESSION"]
    )
    def test_uses_indexes(self, name: str, tmp_path: Path) -> None:
        """What is asked of a large ledger reads no table from end to end."""
        connection = sqlite.connect(str(tmp_path / "ledger.sqlite"))
        text = CONSTANTS[name]
        plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", (None,) * text.count("?")).fetchall()
        connection.close()
        assert [step for *_, step in plan if step.startswith("SCAN") and "name" not in step] == []

    @pytest.mark.parametrize(("table", "by"), [("hour", "hour"), ("day", "day")])
    def test_periods_come_in_their_order(self, table: str, by: str, tmp_path: Path) -> None:
        """Sums of hours and days are read in the order of the table: to sort them took ten times as long."""
        connection = sqlite.connect(str(tmp_path / "ledger.sqlite"))
        plan = connection.execute(f"EXPLAIN QUERY PLAN {sql.sums(table, by)}", (0, 9)).fetchall()
        connection.close()
        assert [step for *_, step in plan if "B-TREE" in step] == []

    def test_same_outcomes(self) -> None:
        """What is no failure when a request is written is none when it is removed."""
        assert str(sql.NO_FAILURE) in sql.OLD_REQUESTS

    def test_database_is_new_enough(self) -> None:
        """``RETURNING`` came with SQLite 3.35."""
        assert sqlite3.sqlite_version_info >= (3, 35)
