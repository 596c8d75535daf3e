"""`claude-bridge usage` on real files."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from claude_bridge.services.accounting.store.errors import NoLedger
from claude_bridge.services.accounting.store.figures import BY, By
from claude_bridge.services.accounting.store.removal import forget_session
from claude_bridge.services.accounting.store.sqlite import connect, open_to_read
from claude_bridge.usage.command import LedgerFile, find, run
from claude_bridge.usage.order import Misuse, Order
from claude_bridge.usage.period import milliseconds
from tests.config.files import config_of
from tests.services.accounting.store.books import NOON, attempt, entry, rows, write

NOW = datetime.fromtimestamp(NOON / 1000 + 3600, UTC)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a ledger of a session with a subagent, and of a key without a session."""
    path = tmp_path / "ledger.sqlite"
    connection = connect(str(path))
    explorer = {"agent": "a-1", "agent_type": "Explore", "kind": "subagent"}
    box = attempt(backend="box", model="qwen", cost=None)
    write(
        connection,
        [
            entry(session="3f2a-91"),
            entry(session="3f2a-91", attempts=(attempt(outcome="upstream_cut"), attempt())),
            entry(session="3f2a-91", **explorer),
            entry(session="", key="bob", attempts=(box,), status=502, outcome="upstream_cut"),
        ],
    )
    connection.close()
    return path


def told(file: Path, *words: str, **more: Any) -> tuple[int, str, str]:
    """Return status, output and errors of a command."""
    out, err = io.StringIO(), io.StringIO()
    status = run(Order(words=words, **more), LedgerFile(path=str(file), is_own=True), NOW, out, err)
    return status, out.getvalue(), err.getvalue()


class PeriodTests:
    """What was used in some time."""

    def test_today(self, file: Path) -> None:
        """Without a word it is today, by model, as text."""
        status, out, err = told(file)
        assert (status, err) == (0, "")
        assert out.splitlines() == [
            "today: since 2023-11-15 00:00 UTC",
            "model       requests  failed  prompt  cached  output          cost",
            "chutes/GLM         3       0     380    84 %      28      <$0.0001",
            "box/qwen           1       1      95    84 %       7       unknown",
            "total              4       1     475    84 %      35  <$0.0001 + ?",
            "?: the price of 1 attempt is not known",
        ]

    def test_sessions(self, file: Path) -> None:
        """Sessions say that they are whole, and what has none is told too."""
        _, out, _ = told(file, "week", by="session")
        assert out.startswith(
            "sessions that were used since 2023-11-13 00:00 UTC, the last one first, each with all its figures\n"
        )
        assert out.splitlines()[1].split()[:3] == ["session", "last", "used"]
        assert "3f2a-91 (alice)     2023-11-15 12:00" in out
        assert "(no session) (bob)" in out

    def test_hours(self, file: Path) -> None:
        """All hours of the time are shown, as far back as there are any, with their sum."""
        connection = connect(str(file))
        for number in range(60):
            time = NOON - number * 3_600_000
            write(connection, [entry(started=time, attempts=(attempt(started=time),))])
        connection.close()
        _, out, _ = told(file, "all", by="hour")
        assert out.startswith("all: since 2023-10-11 13:00 UTC\n")
        lines = out.splitlines()[2:]
        assert len(lines) == 62
        assert lines[-2].split()[:2] == ["total", "64"]

    def test_nothing(self, file: Path) -> None:
        """A time in which nothing was used is told in words."""
        assert told(file, "2024-01-01") == (0, "nothing was used since 2024-01-01 00:00 UTC\n", "")

    def test_json(self, file: Path) -> None:
        """A program gets the rows and their sum."""
        _, out, _ = told(file, "all", by="key", form="json")
        document = json.loads(out)
        assert (document["since"], document["by"]) == ("1970-01-01T00:00:00Z", "key")
        assert [(row["key"], row["requests"], row["cost_usd"]) for row in document["rows"]] == [
            ("alice", 3, 6e-6),
            ("bob", 1, None),
        ]
        assert (document["total"]["attempts"], document["total"]["unpriced_attempts"]) == (5, 1)

    def test_csv(self, file: Path) -> None:
        """A spreadsheet gets the rows alone."""
        _, out, _ = told(file, by="backend", form="csv")
        assert [row["backend"] for row in csv.DictReader(io.StringIO(out))] == ["chutes", "box"]

    @pytest.mark.parametrize("by", BY)
    def test_csv_without_rows(self, file: Path, by: By) -> None:
        """Where nothing was used a spreadsheet has the same columns, of whatever the sums are."""
        head, *lines = told(file, by=by, form="csv")[1].splitlines()
        assert lines
        assert told(file, by=by, form="csv", since="2024-01-01") == (0, f"{head}\n", "")

    @pytest.mark.parametrize("by", BY)
    def test_of_a_key(self, file: Path, by: By) -> None:
        """Whatever they are by, the sums of a key are its own alone."""
        document = json.loads(told(file, "2023-11-15T12", by=by, key="bob", form="json")[1])
        assert (document["key"], document["total"]["requests"], document["total"]["failed"]) == ("bob", 1, 1)
        assert {row.get("key", "bob") for row in document["rows"]} == {"bob"}
        assert json.loads(told(file, by=by, key="alice", form="json")[1])["total"]["attempts"] == 4
        assert json.loads(told(file, by=by, key="", form="json")[1])["rows"] == []

    def test_headline_of_a_key(self, file: Path) -> None:
        """Whose figures they are is said above them."""
        assert told(file, key="bob")[1].startswith("today: with the key bob since 2023-11-15 00:00 UTC\n")
        assert told(file, key="bob", by="session")[1].startswith("sessions that were used with the key bob since")
        assert told(file, key="bod")[1] == "nothing was used with the key bod since 2023-11-15 00:00 UTC\n"
        assert told(file, key="")[1] == "nothing was used without a key since 2023-11-15 00:00 UTC\n"

    def test_since(self, file: Path) -> None:
        """A period may be named by an option, but not by a word too."""
        assert told(file, since="2024-01-01")[1] == "nothing was used since 2024-01-01 00:00 UTC\n"
        with pytest.raises(Misuse, match="one period is enough: week, or --since 7d"):
            told(file, "week", since="7d")
        with pytest.raises(Misuse, match="is not a time"):
            told(file, since="")

    def test_month(self, file: Path) -> None:
        """A month that is named is that month alone, whatever came after it."""
        connection = connect(str(file))
        first, last = (milliseconds(datetime(2023, 10, day, tzinfo=UTC)) for day in (1, 31))
        for time in (first - 5000, first, last + 86_399_999):
            write(connection, [entry(session=f"s-{time}", started=time, attempts=(attempt(started=time),))])
        connection.close()
        headline = "from 2023-10-01 00:00 to 2023-11-01 00:00 UTC"
        for word in ("2023-10", "last-month"):
            _, out, _ = told(file, word, by="backend")
            assert out.startswith(f"{word}: {headline}\n")
            assert out.splitlines()[2].split()[:2] == ["chutes", "2"]
        document = json.loads(told(file, "2023-10", by="session", form="json")[1])
        assert (document["since"], document["until"]) == ("2023-10-01T00:00:00Z", "2023-11-01T00:00:00Z")
        assert [row["session"] for row in document["rows"]] == [f"s-{last + 86_399_999}", f"s-{first}"]
        assert len(json.loads(told(file, "2023-09", by="agent", form="json")[1])["rows"]) == 1
        assert told(file, "2023-08")[1] == "nothing was used from 2023-08-01 00:00 to 2023-09-01 00:00 UTC\n"
        assert json.loads(told(file, "all", form="json")[1])["until"] is None

    @pytest.mark.parametrize("by", BY)
    def test_until(self, file: Path, by: By) -> None:
        """An end is not in the period, whatever the sums are of, and whosoever."""
        for key, count in ((None, 4), ("bob", 1)):
            before = json.loads(told(file, "today", until="2023-11-15T12", by=by, key=key, form="json")[1])
            after = json.loads(told(file, "today", until="2023-11-15T13", by=by, key=key, form="json")[1])
            assert (before["total"]["requests"], after["total"]["requests"]) == (0, count)

    def test_until_is_rounded(self, file: Path) -> None:
        """An end within an hour is rounded down, of old periods within a day; the headline has what is meant."""
        until = "2023-11-15T12:59"
        assert told(file, "today", until=until)[1].endswith("from 2023-11-15 00:00 to 2023-11-15 12:00 UTC\n")
        assert told(file, until=until)[1] == "nothing was used until 2023-11-15 00:00 UTC\n"
        with pytest.raises(Misuse, match="more than 35 days ago of whole days"):
            told(file, "2023-10-03T04:00", until="2023-10-03T23:00")
        with pytest.raises(Misuse, match="no sums by hour that are older than 35 days: --by day has them"):
            told(file, "2023-09", by="hour")
        with pytest.raises(Misuse, match="nothing is between 2023-11-15 00:00 and 2023-11-01 00:00 UTC: sums are"):
            told(file, "today", until="month", by="hour")
        with pytest.raises(Misuse, match="2023-10 has an end of its own"):
            told(file, "2023-10", until=until)

    @pytest.mark.parametrize(
        ("words", "reason"),
        [
            (("yesterday",), r"yesterday is not a time: .*, 4w\)$"),
            (("budget",), r"did you mean budgets\?$"),
            (("today", "week"), "week is one word too many"),
        ],
    )
    def test_misuse(self, file: Path, words: tuple[str, ...], reason: str) -> None:
        """A word that means nothing is told."""
        with pytest.raises(Misuse, match=reason):
            told(file, *words)


class SessionTests:
    """One session as a tree."""

    def test_tree(self, file: Path) -> None:
        """Main conversation and agents are below the session, whose sum they are."""
        status, out, _ = told(file, "session", "3f2a")
        assert status == 0
        lines = out.splitlines()
        assert lines[0] == "3f2a-91, key alice, 2023-11-15 12:00 to 2023-11-15 12:00 UTC"
        assert [line.split("  ")[0].strip() or line.split()[0:2] for line in lines[2:]] == [
            "session",
            ["main", "2"],
            ["Explore", "a-1"],
        ]
        assert "380" in lines[2]

    def test_json(self, file: Path) -> None:
        """A program gets the same."""
        _, out, _ = told(file, "session", "3f2a-91", form="json")
        document = json.loads(out)
        assert (document["session"], document["keys"]) == ("3f2a-91", ["alice"])
        assert [(row["agent"], row["type"], row["requests"]) for row in document["agents"]] == [
            ("", "", 2),
            ("a-1", "Explore", 1),
        ]
        assert document["total"]["attempts"] == 4

    def test_of_two_keys(self, file: Path) -> None:
        """A session that two keys have used is two trees."""
        connection = connect(str(file))
        write(connection, [entry(session="3f2a-91", key="bob")])
        connection.close()
        assert told(file, "session", "3f2a-91")[1].count("session  ") == 2

    def test_unknown(self, file: Path) -> None:
        """A session that is not there, or not the only one, is told as that."""
        assert told(file, "session", "zzz")[::2] == (
            1,
            "claude-bridge usage: there is no session zzz: usage all --by session shows the last ones\n",
        )
        connection = connect(str(file))
        write(connection, [entry(session="3f2b")])
        connection.close()
        assert "several sessions begin with 3f2: 3f2a-91, 3f2b" in told(file, "session", "3f2")[2]
        assert told(file, "session", "\udcff")[::2] == (1, "claude-bridge usage: there is none whose name is no text\n")

    def test_misuse(self, file: Path) -> None:
        """It needs one session."""
        with pytest.raises(Misuse, match="name one session"):
            told(file, "session")


class ExportTests:
    """Every attempt."""

    def test_json_lines(self, file: Path) -> None:
        """One line is one attempt, with all that is known of it."""
        lines = [json.loads(line) for line in told(file, "export")[1].splitlines()]
        assert len(lines) == 5
        assert (lines[4]["backend"], lines[4]["cost_usd"], lines[4]["outcome"]) == ("box", None, "ok")

    def test_csv(self, file: Path) -> None:
        """As CSV it has a line of names."""
        _, out, _ = told(file, "export", form="csv", since="2023-11-15")
        assert len(list(csv.DictReader(io.StringIO(out)))) == 5
        assert len(told(file, "export", form="csv", since="2023-11-16")[1].splitlines()) == 1

    def test_since_within_an_hour(self, file: Path) -> None:
        """Attempts are exported from the moment that is named, not from the hour that it is in."""
        connection = connect(str(file))
        write(connection, [entry(started=NOON + minutes * 60_000) for minutes in (29, 30)])
        connection.close()
        assert len(told(file, "export", since="2023-11-15T12:30")[1].splitlines()) == 1
        assert len(told(file, "export", since="2023-11-15T12:29")[1].splitlines()) == 2
        assert len(told(file, "export", since="1h")[1].splitlines()) == 7

    @pytest.mark.parametrize("more", [{}, {"key": "alice"}, {"session": "3f2a", "key": "alice"}])
    def test_until(self, file: Path, more: dict[str, str]) -> None:
        """An export ends before the very moment that is named."""
        connection = connect(str(file))
        write(connection, [entry(session="3f2a-91", started=NOON + 30 * 60_000)])
        connection.close()
        since = "2023-11-15T12:01"
        assert len(told(file, "export", since=since, until="2023-11-15T12:30", **more)[1].splitlines()) == 0
        assert len(told(file, "export", since=since, until="2023-11-15T12:31", **more)[1].splitlines()) == 1
        with pytest.raises(Misuse, match="--until is the later one"):
            told(file, "export", since=since, until=since)

    @pytest.mark.parametrize(
        ("more", "count"),
        [({"key": "bob"}, 1), ({"session": "3f2a"}, 4), ({"session": "3f2a-91", "key": "bob"}, 0), ({"key": "x"}, 0)],
    )
    def test_of_somebody(self, file: Path, more: dict[str, str], count: int) -> None:
        """The attempts of a key, of a session, or of a session with a key; the beginning of a session is enough."""
        status, out, err = told(file, "export", **more)
        assert (status, len(out.splitlines())) == (0, count)
        assert bool(err) is (count == 0)

    def test_nothing(self, file: Path) -> None:
        """Where there is nothing to export that is told beside the output, as for sums."""
        assert told(file, "export", key="nobody") == (
            0,
            "",
            "nothing was used with the key nobody since the beginning\n",
        )
        status, out, err = told(file, "export", key="bob", session="3f2a", form="csv", until="2023-11-16")
        assert (status, len(out.splitlines())) == (0, 1)
        assert err == "nothing was used with the key bob until 2023-11-16 00:00 UTC in session 3f2a-91\n"

    def test_unknown_session(self, file: Path) -> None:
        """A session that is not there is told as that."""
        assert told(file, "export", session="zzz")[0] == 1

    def test_misuse(self, file: Path) -> None:
        """Other forms and more words are told."""
        with pytest.raises(Misuse, match="takes no --json"):
            told(file, "export", form="json")
        with pytest.raises(Misuse, match="--since"):
            told(file, "export", "week")


class ChangeTests:
    """What changes the file, also while a daemon has it open."""

    def test_forget_session(self, file: Path) -> None:
        """A session is forgotten by its whole id, and it is told how much that was, and of copies."""
        daemon = connect(str(file))
        file.with_name("ledger.sqlite.version-1").touch()
        status, out, _ = told(file, "forget", session="3f2a-91")
        assert status == 0
        assert out.splitlines() == [
            "session 3f2a-91 is forgotten: 3 requests",
            "earlier copies beside it are unchanged: ledger.sqlite.version-1",
        ]
        assert rows(daemon, "SELECT key FROM requests") == [("bob",)]
        assert told(file, "forget", session="3f2a")[0] == 1
        daemon.close()

    def test_forget_key(self, file: Path) -> None:
        """A key is forgotten with its sessions; the days' sums stay."""
        assert told(file, "forget", key="alice")[1] == "key alice is forgotten: 3 requests\n"
        document = json.loads(told(file, by="key", form="json")[1])
        assert {row["key"]: row["requests"] for row in document["rows"]} == {"(forgotten)": 3, "bob": 1}

    def test_forget_key_without_requests(self, file: Path) -> None:
        """A key whose requests were removed by their age is forgotten in the sums, once."""
        connection = connect(str(file))
        forget_session(connection, "3f2a-91")
        connection.close()
        told_of_sums = "key alice is forgotten: its name in the sums; its requests were removed before\n"
        assert told(file, "forget", key="alice") == (0, told_of_sums, "")
        status, _, err = told(file, "forget", key="alice")
        assert (status, "there is no key alice in" in err) == (1, True)

    def test_forget_while_somebody_reads(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Old text that stays in the file beside it is told, and how to get rid of it; the exit status says so too."""
        monkeypatch.setattr("claude_bridge.usage.command.PATIENCE", 0.05)
        reader = open_to_read(str(file))
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM request").fetchall()
        status, out, _ = told(file, "forget", session="3f2a-91")
        assert status == 1
        assert out.splitlines() == [
            "session 3f2a-91 is forgotten: 3 requests",
            (
                "but ledger.sqlite-wal may still have it, as another program reads the ledger: end that, and run "
                "`claude-bridge usage compact`"
            ),
        ]
        status, out, _ = told(file, "compact")
        assert status == 1
        assert out.splitlines()[1].startswith("another program reads the file")
        reader.close()
        assert told(file, "compact")[0] == 0
        assert b"3f2a-91" not in b"".join(path.read_bytes() for path in file.parent.iterdir())

    def test_compact(self, file: Path) -> None:
        """It tells the size before and after."""
        daemon = connect(str(file))
        assert told(file, "compact")[1].startswith(f"{file}: 0.")
        write(daemon, [entry()])
        daemon.close()

    def test_compact_young(self, tmp_path: Path) -> None:
        """Of a ledger that is in the file beside it for the most part, it does not say that it grew."""
        path = tmp_path / "ledger.sqlite"
        daemon = connect(str(path))
        for number in range(100):
            write(daemon, [entry(session=f"s-{number}-{each}") for each in range(9)])
        assert Path(f"{path}-wal").stat().st_size > path.stat().st_size
        sizes = re.findall(r"([0-9.]+) MB", told(path, "compact")[1])
        assert float(sizes[0]) > float(sizes[1]) > 0
        daemon.close()

    @pytest.mark.parametrize(
        ("more", "reason"),
        [
            ({}, "name what to forget"),
            ({"key": ""}, "name what to forget"),
            ({"session": "a", "key": "b"}, "one of the two at a time"),
        ],
    )
    def test_misuse(self, file: Path, more: dict[str, str], reason: str) -> None:
        """One thing is forgotten at a time."""
        with pytest.raises(Misuse, match=reason):
            told(file, "forget", **more)
        with pytest.raises(Misuse, match="one word too many"):
            told(file, "compact", "now")


class NoFileTests:
    """A ledger that cannot be read."""

    @pytest.mark.parametrize("words", [(), ("export",), ("compact",), ("session", "x")])
    def test_none(self, tmp_path: Path, words: tuple[str, ...]) -> None:
        """Where there is none it is said, and none is made."""
        path = tmp_path / "ledger.sqlite"
        assert told(path, *words) == (
            1,
            "",
            f"claude-bridge usage: there is no ledger at {path}: no request has been recorded yet\n",
        )
        assert not path.exists()

    def test_none_of_that_name(self, tmp_path: Path) -> None:
        """Of a file that the command line names nobody can say that a bridge will make it."""
        path, err = tmp_path / "ledger.sqlite", io.StringIO()
        assert run(Order(), LedgerFile(path=str(path), is_named=True), NOW, io.StringIO(), err) == 1
        assert err.getvalue() == f"claude-bridge usage: there is no ledger at {path}, as --database says\n"

    def test_newer(self, file: Path) -> None:
        """The file of a newer version is told as that."""
        connection = connect(str(file))
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        status, _, err = told(file)
        assert (status, "written by a newer version" in err) == (1, True)

    def test_young(self, tmp_path: Path) -> None:
        """A ledger without a request says that nothing was used."""
        connect(str(tmp_path / "ledger.sqlite")).close()
        assert told(tmp_path / "ledger.sqlite", "all") == (0, "nothing was used since the beginning\n", "")


class FindTests:
    """Where the ledger is."""

    def test_by_the_configuration(self, tmp_path: Path) -> None:
        """The file says it, else it is in the state directory."""
        named = config_of("[ledger]\ndatabase = /srv/l.sqlite\n")
        assert find(named, {}, str(tmp_path)) == LedgerFile(path="/srv/l.sqlite")
        kept = config_of("[server]\nstate_dir = /srv\n")
        assert find(kept, {}, str(tmp_path)) == LedgerFile(path="/srv/ledger.sqlite")

    def test_of_the_service(self, file: Path, tmp_path: Path) -> None:
        """Where a person has no ledger, but the machine's service has one, that is meant."""
        home = {"HOME": str(tmp_path / "home")}
        assert find(config_of(""), home, str(file.parent)) == LedgerFile(path=str(file))
        own = tmp_path / "home/.local/state/claude-bridge/ledger.sqlite"
        own.parent.mkdir(parents=True)
        own.touch()
        found = find(config_of(""), home, str(file.parent))
        assert found == LedgerFile(path=str(own), is_own=True, of_service=str(file))

    def test_only_of_the_user(self, file: Path, tmp_path: Path) -> None:
        """There is nothing to choose where the service has none, or the user's own is that of the service."""
        home = {"XDG_STATE_HOME": str(tmp_path)}
        own = tmp_path / "claude-bridge"
        own.mkdir()
        mine = LedgerFile(path=str(own / "ledger.sqlite"), is_own=True)
        assert find(config_of(""), home, str(tmp_path / "none")) == mine
        (own / "ledger.sqlite").hardlink_to(file)
        assert find(config_of(""), home, str(tmp_path / "none")) == mine
        assert find(config_of(""), home, str(file.parent)) == mine

    def test_which_is_read(self, file: Path) -> None:
        """Where there are two it is said which one is read; the table names a file that is not the user's own."""
        out, err = io.StringIO(), io.StringIO()
        two = LedgerFile(path=str(file), is_own=True, of_service="/var/lib/x/ledger.sqlite")
        assert run(Order(form="json"), two, NOW, out, err) == 0
        assert err.getvalue() == (
            f"claude-bridge usage: this is {file}; the ledger of the machine's service is another: "
            "--database /var/lib/x/ledger.sqlite\n"
        )
        out = io.StringIO()
        run(Order(), LedgerFile(path=str(file)), NOW, out, err)
        assert out.getvalue().startswith(f"today: since 2023-11-15 00:00 UTC, in {file}\n")

    def test_of_the_service_before_its_first_request(self, tmp_path: Path) -> None:
        """Where the service keeps its files, and a person's own bridge has kept none, the ledger will be there."""
        system = tmp_path / "system"
        system.mkdir()
        own = tmp_path / "home/.local/state/claude-bridge/ledger.sqlite"
        home = {"HOME": str(tmp_path / "home")}
        assert find(config_of(""), home, str(system)).path == str(system / "ledger.sqlite")
        own.parent.mkdir(parents=True)
        assert find(config_of(""), home, str(system)).path == str(own)
        other = find(config_of(""), {"HOME": str(tmp_path / "other")}, str(tmp_path / "none"))
        assert other.path.startswith(str(tmp_path / "other"))

    def test_nowhere(self, tmp_path: Path) -> None:
        """Where nothing is kept it is said why."""
        with pytest.raises(NoLedger, match="no accounts are kept"):
            find(config_of(""), {}, str(tmp_path))
