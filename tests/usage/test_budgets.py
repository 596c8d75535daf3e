"""How much of the budgets is spent, on a real file."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.services.accounting.store.sqlite import connect
from claude_bridge.usage.command import LedgerFile, run_budgets
from claude_bridge.usage.order import Misuse, Order
from tests.config.files import config_of
from tests.services.accounting.store.books import NOON, attempt, entry, write

NOW = datetime.fromtimestamp(NOON / 1000 + 3600, UTC)
BUDGETS = """
[server]
credentials = keys
[key:alice]
secret = a-long-secret-of-alice
[backend:chutes]
[model:glm]
name = GLM
[budget:day]
amount = 5
per = day
timezone = Asia/Kolkata
[budget:alice]
for = key alice
tokens = 306
per = week
[budget:glm]
for = model glm
tokens = 1M
per = hour
[budget:long]
for = session
amount = 0.000002
[budget:runaway]
for = agent
tokens = 1000
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a ledger of two sessions, one with a subagent."""
    path = tmp_path / "ledger.sqlite"
    connection = connect(str(path))
    old = attempt(started=NOON - 86_400_000)
    write(connection, [entry(), entry(agent="a-1"), entry(session="s-2", key="bob"), entry(attempts=(old,))])
    connection.close()
    return path


def told(
    file: Path, text: str = BUDGETS, *words: str, form: str = "text", is_named: bool = False
) -> tuple[int, str, str]:
    """Return status, output and errors of the command."""
    out, err = io.StringIO(), io.StringIO()
    order = Order(words=("budgets", *words), form=form)
    ledger = LedgerFile(path=str(file), is_named=is_named)
    status = run_budgets(order, config_of(text), ledger, NOW, out, err)
    return status, out.getvalue(), err.getvalue()


class BudgetTests:
    """What is shown."""

    def test_table(self, file: Path) -> None:
        """Each budget with what is spent of how much and until when; of sessions and agents the dearest ones."""
        status, out, err = told(file)
        assert (status, err) == (0, "")
        assert [" ".join(line.split()) for line in out.splitlines()] == [
            "budget for spent of starts again",
            "day all <$0.01 $5.00 0 % Thursday 16 November at 00:00 (Asia/Kolkata)",
            "alice key alice 306 306 tokens spent Monday 20 November at 00:00 (UTC)",
            "glm model glm 0 1,000,000 tokens 0 % 14:00 (UTC)",
            "long session s-1 (alice) $0.0000045 $0.000002 spent never",
            "long session s-2 (bob) $0.0000015 $0.000002 75 % never",
            "runaway agent s-1 a-1 (alice) 102 1,000 tokens 10 % never",
        ]

    def test_session_without_a_key(self, file: Path) -> None:
        """What a session has spent by the client's own credential and by the bridge's is one sum, as it is refused."""
        connection = connect(str(file))
        write(connection, [entry(session="s-3", key=each, agent=who) for each in ("client", "") for who in ("", "a-3")])
        connection.close()
        rows = json.loads(told(file, form="json")[1])["budgets"]
        found = {(row["key"], row["session"], row.get("agent")): row["spent"] for row in rows if "session" in row}
        assert found["", "s-3", None] == 6e-6
        assert found["", "s-3", "a-3"] == 204
        assert len(found) == 5

    def test_one_key(self, tmp_path: Path) -> None:
        """Where all sessions are of one key it is not shown."""
        connection = connect(str(tmp_path / "ledger.sqlite"))
        write(connection, [entry(), entry(session="s-2")])
        connection.close()
        assert "alice)" not in told(tmp_path / "ledger.sqlite")[1]

    def test_json(self, file: Path) -> None:
        """As plain values: dollars or tokens, as the unit says."""
        status, out, _ = told(file, form="json")
        rows: list[dict[str, Any]] = json.loads(out)["budgets"]
        assert status == 0
        assert (rows[0]["budget"], rows[0]["for"], rows[0]["unit"], rows[0]["is_spent"]) == ("day", "all", "usd", False)
        assert (rows[0]["spent"], rows[0]["limit"], rows[0]["resets_at"]) == (4.5e-6, 5.0, "2023-11-15T18:30:00Z")
        assert (rows[-1]["key"], rows[-1]["session"], rows[-1]["agent"]) == ("alice", "s-1", "a-1")

    def test_unknown_price(self, file: Path) -> None:
        """What was used at an unknown price comes on top of an amount of dollars, also of nothing; tokens have it."""
        connection = connect(str(file))
        write(connection, [entry(session="s-3", key="bob", attempts=(attempt(cost=None),))])
        connection.close()
        text = BUDGETS.replace("amount = 0.000002", "amount = 0.01")
        lines = [" ".join(line.split()) for line in told(file, text)[1].splitlines()]
        assert [line.split(" + ?")[0].split()[-1] for line in lines if " + ?" in line] == ["<$0.01", "$0"]
        assert lines[-1] == "?: comes on top, at a price that is not known"
        assert not any("+ ?" in line for line in lines if "tokens" in line)
        rows = json.loads(told(file, text, form="json")[1])["budgets"]
        found = [(row["budget"], row["unpriced_attempts"]) for row in rows if row["unpriced_attempts"]]
        assert found == [("day", 1), ("long", 1)]

    def test_no_budget(self, file: Path, tmp_path: Path) -> None:
        """Without a budget that is said, whether anything was recorded or not."""
        for path in (file, tmp_path / "none"):
            assert told(path, "") == (0, "there is no [budget:*] in the configuration\n", "")
            assert json.loads(told(path, "", form="json")[1]) == {"budgets": []}

    def test_clock_that_was_ahead(self, file: Path) -> None:
        """What was booked while the clock was ahead is not spent now."""
        connection = connect(str(file))
        write(connection, [entry(attempts=(attempt(started=NOON + 365 * 86_400_000),))])
        connection.close()
        rows = json.loads(told(file, form="json")[1])["budgets"]
        assert [(row["budget"], row["spent"]) for row in rows[:2]] == [("day", 4.5e-6), ("alice", 306)]

    @pytest.mark.parametrize("is_empty", [False, True])
    def test_before_the_first_request(self, tmp_path: Path, is_empty: bool) -> None:
        """Whoever has just written budgets sees each with nothing spent, and where the accounts will be kept."""
        path = tmp_path / "state" / "ledger.sqlite"
        if is_empty:
            path.parent.mkdir()
            path.touch()
        status, out, err = told(path)
        assert (status, err) == (0, f"no request was recorded yet; the accounts will be kept in {path}\n")
        assert [" ".join(line.split()) for line in out.splitlines()] == [
            "budget for spent of starts again",
            "day all $0 $5.00 0 % Thursday 16 November at 00:00 (Asia/Kolkata)",
            "alice key alice 0 306 tokens 0 % Monday 20 November at 00:00 (UTC)",
            "glm model glm 0 1,000,000 tokens 0 % 14:00 (UTC)",
            "long session $0 $0.000002 0 % never",
            "runaway agent 0 1,000 tokens 0 % never",
        ]
        status, out, err = told(path, form="json")
        rows: list[dict[str, Any]] = json.loads(out)["budgets"]
        assert (status, [row["spent"] for row in rows]) == (0, [0, 0, 0, 0, 0])
        assert str(path) in err
        assert path.exists() == is_empty

    def test_no_session_yet(self, tmp_path: Path) -> None:
        """A budget for sessions or agents that nobody has used is shown too, beside those that somebody has."""
        path = tmp_path / "ledger.sqlite"
        connection = connect(str(path))
        write(connection, [entry()])
        connection.close()
        status, out, err = told(path)
        assert (status, err) == (0, "")
        assert [" ".join(line.split()[:3]) for line in out.splitlines()[-2:]] == ["long session s-1", "runaway agent 0"]

    def test_named_file(self, tmp_path: Path) -> None:
        """A file that was named and is not there is a mistake, and nothing is known."""
        status, out, err = told(tmp_path / "none", is_named=True)
        assert (status, out) == (1, "")
        assert "there is no ledger at" in err

    def test_no_accounts(self, file: Path) -> None:
        """Without accounts the running bridge alone knows what is spent: old accounts or a zero would be wrong."""
        text = f"[ledger]\nenabled = no\n{BUDGETS}"
        status, out, err = told(file, text)
        assert (status, out) == (1, "")
        assert err == (
            "claude-bridge usage: no accounts are kept ([ledger] enabled = no): only the running bridge knows what is "
            "spent; Claude Code's status line shows the budget of which least is left\n"
        )
        assert told(file, text, is_named=True)[0] == 0

    def test_damaged(self, tmp_path: Path) -> None:
        """A file that cannot be read is none with nothing in it."""
        path = tmp_path / "ledger.sqlite"
        path.write_bytes(b"something else entirely, " * 100)
        status, out, err = told(path)
        assert (status, out) == (1, "")
        assert "is no ledger, or a damaged one" in err

    def test_misuse(self, file: Path) -> None:
        """A word too many, and a form that there is not."""
        with pytest.raises(Misuse, match="alice is one word too many"):
            told(file, BUDGETS, "alice")
        with pytest.raises(Misuse, match="takes no --csv: its options are --json"):
            told(file, form="csv")
