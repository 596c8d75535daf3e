"""The commands that run a bridge, or look at one and its backends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from claude_bridge.cli import Surroundings, main
from claude_bridge.client import managed_prices, running_bridge
from claude_bridge.config.problems import EXIT_CONFIG
from claude_bridge.services.accounting.store.sqlite import connect
from tests.cli.conftest import DOWN
from tests.services.accounting.store.books import entry, write


def served(*arguments: str) -> list[str]:
    """Run `run` and return the arguments that the daemon got."""
    calls: list[Sequence[str]] = []
    assert main(["run", *arguments], Surroundings({}, calls.append)) == 0
    (call,) = calls
    return list(call)


class RunTests:
    """`claude-bridge run`."""

    @pytest.mark.parametrize("file", [["c.ini"], ["--config", "c.ini"], ["-c", "c.ini"]])
    def test_options(self, file: list[str]) -> None:
        """The daemon gets the file and every option, wherever the file stands among them."""
        options = ["--log-format", "text", "--listen", "0.0.0.0:80", "--state-dir", "none"]
        wanted = ["--config=c.ini", "--listen=0.0.0.0:80", "--state-dir=none", "--log-format=text"]
        assert served(*file, *options) == served(*options, *file) == wanted

    def test_nothing(self) -> None:
        """Without any option it gets none."""
        assert served() == []

    @pytest.mark.parametrize("flag", ["--check-config", "--dump-config"])
    def test_flags(self, flag: str) -> None:
        """What `twistd claude-bridge` can do besides serving, `run` can."""
        assert served(flag) == [flag]


class ReloadTests:
    """`claude-bridge reload`."""

    def test_nobody(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Where no bridge runs the command says what to do, and fails."""
        assert main(["reload", "--socket", str(tmp_path / "s")], Surroundings({}, lambda _: None)) == 69
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("claude-bridge reload: no bridge answers at ")

    def test_found_by_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without `--socket` the environment says where the bridge is; output and errors come out apart."""
        monkeypatch.setattr(running_bridge, "find", lambda environ: f"{environ['XDG_RUNTIME_DIR']}/s")
        told = "asked at {}, set up: {is_set_up}".format
        monkeypatch.setattr(running_bridge, "reload", lambda path, **more: (78, [told(path, **more)], ["wrong"]))
        assert main(["reload"], Surroundings({"XDG_RUNTIME_DIR": "/run/user/1"}, lambda _: None)) == 78
        assert capsys.readouterr() == ("asked at /run/user/1/s, set up: False\n", "wrong\n")


@pytest.mark.usefixtures("signals_kept")
class DoctorTests:
    """`claude-bridge doctor`; a backend that is down is all it needs here."""

    def test_file(self, down: str, at_home: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """The backends of a file are examined, then the client; status 2 says that something is broken."""
        assert main(["doctor", "--config", down], at_home) == 2
        shown = capsys.readouterr().out
        assert "backend tower  http://127.0.0.1:1/v1\n" in shown
        assert "connection refused: start the server, or correct `url`" in shown
        assert "no bridge runs at http://127.0.0.1:9090 now" in shown

    def test_outdated_settings(
        self, down: str, at_home: Surroundings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What `setup` wrote for an earlier configuration is told, and what `setup` writes again is not."""
        environ = {**at_home.environ, "CLAUDE_CONFIG_DIR": str(tmp_path / "claude")}
        at_home = Surroundings(environ, at_home.serve)
        routed = f"{DOWN}[model:m]\nbackend = tower\n"
        Path(down).write_text(routed)
        assert main(["setup", "--config", down], at_home) == 0
        Path(down).write_text(f"{routed}[route:default]\nmodels = m, tower/n\n")
        main(["doctor", "--config", down], at_home)
        shown = capsys.readouterr().out
        assert f"{tmp_path}/claude/settings.json comes from an earlier configuration (ANTHROPIC_MODEL is m" in shown
        assert f"run `claude-bridge setup --config {down}` again" in shown
        assert main(["setup", "--config", down], at_home) == 0
        main(["doctor", "--config", down], at_home)
        assert "earlier configuration" not in capsys.readouterr().out

    def test_outdated_prices(
        self,
        down: str,
        at_home: Surroundings,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Prices that `setup --managed` wrote are told once the file has others; where there are none, nothing is."""
        managed = tmp_path / "managed" / "managed-settings.d" / "50-claude-bridge.json"
        monkeypatch.setattr(managed_prices, "managed_file", lambda: managed)
        monkeypatch.chdir(tmp_path)
        priced = f"{DOWN}[model:m]\nbackend = tower\n[price:m]\ninput = 1\noutput = {{}}\n"
        Path(down).write_text(priced.format(2))
        doctor = ["doctor", "--config", Path(down).name]
        main(doctor, at_home)
        assert str(managed) not in capsys.readouterr().out
        assert main(["setup", "--managed", "--config", down], at_home) == 0
        main(doctor, at_home)
        assert "other prices" not in capsys.readouterr().out
        Path(down).write_text(priced.format(3))
        main(doctor, at_home)
        shown = capsys.readouterr().out
        assert f"{managed} has other prices than the configuration and its backends have now (for m): run " in shown
        assert f"`{managed_prices.AS_ROOT} setup --managed --config {down}`" in shown

    def test_url(self, at_home: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A backend that is in no file is examined alone."""
        assert main(["doctor", "--url", "http://127.0.0.1:1/v1", "--json"], at_home) == 2
        document = json.JSONDecoder().decode(capsys.readouterr().out)
        assert [part["title"] for part in document["parts"]] == ["backend default"]

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["towre"], "there is no backend towre, did you mean tower?"),
            (["tower", "other"], "give one backend, or none for all of them: other is one too many"),
            (["--url", "http://x/v1", "tower"], "give it alone"),
            (["--quik"], "did you mean --quick?"),
        ],
    )
    def test_usage(
        self,
        arguments: list[str],
        told: str,
        down: str,
        at_home: Surroundings,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Wrong usage says what is right."""
        with pytest.raises(SystemExit) as stopped:
            main(["doctor", *arguments, "--config", down], at_home)
        assert stopped.value.code == 2
        assert told in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            ("127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
            ("gpu:8000/v1/", "http://gpu:8000/v1"),
            ("localhost", "http://localhost/v1"),
        ],
    )
    def test_url_without_a_scheme(
        self, given: str, meant: str, at_home: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What was typed is named, and what may have been meant."""
        with pytest.raises(SystemExit) as stopped:
            main(["doctor", "--url", given], at_home)
        assert stopped.value.code == 2
        told = capsys.readouterr().err
        assert f"--url {given} must be a URL that begins with http://" in told
        assert f", as in --url {meant} (see" in told
        assert "BACKEND_URL" not in told

    @pytest.mark.parametrize("arguments", [[], ["--url", "http://127.0.0.1:1/v1"]])
    def test_without_a_file(
        self, arguments: list[str], at_home: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """No section of a file is named where there is none."""
        environ = {**at_home.environ, "BACKEND_URL": "http://127.0.0.1:1/v1"}
        assert main(["doctor", "--fix", *arguments], Surroundings(environ, at_home.serve)) == 2
        shown = capsys.readouterr().out
        assert f"start the server, or correct {arguments[0] if arguments else 'BACKEND_URL'}\n" in shown
        assert "[backend" not in shown

    def test_wrong_file(self, tmp_path: Path, at_home: Surroundings) -> None:
        """A file that is not valid is reported as by every command."""
        path = tmp_path / "wrong.ini"
        path.write_text("[backend:b]\nurl = x\n")
        assert main(["doctor", "--config", str(path)], at_home) == EXIT_CONFIG


class UsageTests:
    """`claude-bridge usage`."""

    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Path:
        """Write a ledger of one request, long ago, where a bridge of this home would have it."""
        path = tmp_path / ".local/state/claude-bridge/ledger.sqlite"
        connection = connect(str(path))
        write(connection, [entry()])
        connection.close()
        return path

    @pytest.mark.usefixtures("ledger")
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["all"], "chutes/GLM         1"),
            (["all", "--by", "key", "--csv"], "alice,1,0,1"),
            (["session", "s-1"], "s-1, key alice"),
            (["all", "--key", "alice"], "all: with the key alice since the beginning"),
            (["all", "--key", ""], "nothing was used without a key since the beginning"),
            (["export", "--since", "all", "--format", "jsonl"], '"session":"s-1"'),
            (["export", "--key", "alice", "--session", "s-1"], '"session":"s-1"'),
            (["forget", "--session", "s-1"], "session s-1 is forgotten: 1 requests"),
            (["budgets"], "there is no [budget:*]"),
            (["compact"], "ledger.sqlite: "),
        ],
    )
    def test_actions(
        self, arguments: list[str], told: str, at_home: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each does what it says, with the file that the configuration leads to."""
        assert main(["usage", *arguments], at_home) == 0
        assert told in capsys.readouterr().out

    def test_database(self, ledger: Path, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A copy elsewhere is read by its path, and no configuration is needed for that."""
        assert main(["usage", "all", "--json", "--database", str(ledger)], surroundings) == 0
        assert json.JSONDecoder().decode(capsys.readouterr().out)["total"]["requests"] == 1

    def test_no_ledger(self, at_home: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """Where there is none the status is 1 and the error says where it would be."""
        assert main(["usage"], at_home) == 1
        assert "there is no ledger at" in capsys.readouterr().err
        assert main(["usage"], Surroundings({}, at_home.serve)) == 1
        assert "no accounts are kept: there is no state directory" in capsys.readouterr().err

    def test_budgets_before_the_first_request(
        self, tmp_path: Path, at_home: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The budgets of the file are shown; a ledger that was named must be there."""
        path = tmp_path / "claude-bridge.ini"
        path.write_text("[backend:b]\nurl = http://b/v1\n[budget:all]\namount = 5\nper = day\n")
        assert main(["usage", "budgets", "--config", str(path)], at_home) == 0
        told = capsys.readouterr()
        assert "all     all     $0  $5.00" in told.out
        assert f"will be kept in {tmp_path}/.local/state/claude-bridge/ledger.sqlite" in told.err
        named = ["--database", str(tmp_path / "none")]
        assert main(["usage", "budgets", "--config", str(path), *named], at_home) == 1
        assert "there is no ledger at" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["usage", "yesterday"], "yesterday is not a time: today, week"),
            (["usage", "--bye", "day"], "did you mean --by?"),
            (["usage", "--by", "week"], "invalid choice: 'week'"),
            (["usage", "--session", "s-1"], "a period takes no --session: the figures of one session are shown"),
            (["usage", "session", "s-1", "--by", "agent"], "usage session takes no --by: its options are --json"),
            (["usage", "week", "--format", "jsonl"], "a period takes no --format jsonl: its options are"),
            (["usage", "budgets", "--key", "alice"], "usage budgets takes no --key: its options are --json"),
            (["usage", "compact", "--key", ""], "usage compact takes no --key: it has no options of its own"),
            (["cost"], "did you mean usage?"),
        ],
    )
    def test_wrong_words(
        self, arguments: list[str], told: str, at_home: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Wrong usage says what is right."""
        with pytest.raises(SystemExit) as stopped:
            main(arguments, at_home)
        assert stopped.value.code == 2
        assert told in capsys.readouterr().err

    def test_needs_no_twisted(self, ledger: Path) -> None:
        """It is quick, because it imports nothing of the daemon."""
        program = (
            "import sys\nfrom claude_bridge.cli import main\n"
            f"status = main(['usage', '--database', {str(ledger)!r}])\n"
            "print(status, 'twisted.internet.reactor' in sys.modules, 'klein' in sys.modules)\n"
        )
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert told.stdout.splitlines()[-1] == "0 False False"


@pytest.mark.usefixtures("signals_kept")
class PricesTests:
    """`claude-bridge usage prices`."""

    @pytest.mark.parametrize("more", [[], ["--all"]])
    def test_prices(
        self, tmp_path: Path, surroundings: Surroundings, capsys: pytest.CaptureFixture[str], more: list[str]
    ) -> None:
        """The price of the file comes out, and that a backend is not there."""
        path = tmp_path / "prices.ini"
        path.write_text("[backend:b]\nurl = http://127.0.0.1:1/v1\n[model:m]\n[price:m]\ninput = 1\noutput = 2\n")
        assert main(["usage", "prices", "--config", str(path), *more], surroundings) == 0
        out, err = capsys.readouterr()
        assert "m = b/m   1.00        1.00         1.00    2.00       2.00  configuration\n" in out
        assert "backend b: its list of models did not arrive" in out
        assert err == ""


class DemoTests:
    """`claude-bridge demo`."""

    def test_demo_failure(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`demo` reports a failure of its own with status 1."""
        assert main(["demo", "--once"], Surroundings({}, lambda _: None)) == 1
        assert "claude-bridge demo: " in capsys.readouterr().err
