"""The command line as a whole: which command it names, and what is said about one that is mistyped."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from claude_bridge.cli import Surroundings, main
from claude_bridge.config.problems import EXIT_CONFIG


class CommandTests:
    """The command line as a whole."""

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`--version` shows the installed version."""
        with pytest.raises(SystemExit) as caught:
            main(["--version"])
        assert caught.value.code == 0
        assert re.fullmatch(r"claude-bridge \d+\.\d+\.\d+\n", capsys.readouterr().out)

    def test_file_that_is_called_like_a_command(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A configuration file behind `routes` may be called as it likes."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "explian").write_text("[backend:b]\n")
        assert main(["routes", "explian"], Surroundings({}, lambda _: None)) == 0

    def test_interrupted(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Ctrl-C ends a command without a traceback, as shells expect it."""

        def interrupt(_arguments: object) -> None:
            raise KeyboardInterrupt

        assert main(["run"], Surroundings({"HOME": str(tmp_path)}, interrupt)) == 130
        assert capsys.readouterr() == ("", "\n")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ([], "a command is missing: demo, launch, env"),
            (["start"], "did you mean launch?"),
            (["claude", "glm"], "did you mean launch?"),
            (["launch", "glm", "-p", "hello"], "Claude Code's own arguments go after --, as in: launch -- -p"),
            (["launch", "glm", "small"], "small is not for this command"),
            (["launch", "--ulr", "x"], "did you mean --url?"),
            (["serve"], "did you mean run?"),
            (["check"], "did you mean check-config?"),
            (["dumpconfig"], "did you mean dump-config?"),
            (["zzz"], "there are demo, launch, env, setup, undo, statusline, check-config"),
            (["configure"], "did you mean setup?"),
            (["uninstall"], "did you mean undo?"),
            (["status-line"], "did you mean statusline?"),
            (["setup", "--url", "bridge"], "--url bridge is not an address such as http://127.0.0.1:8080"),
            (["setup", " "], "MODEL is empty"),
            (["setup", "glm", "a.ini"], "a.ini is one word too many: name the configuration with"),
            (["setup", "a.ini"], "a.ini is not a model: name the configuration with --config"),
            (["undo", "x"], "x is one word too many"),
            (["undo", "--managed", "--project"], "--managed is for all users and projects"),
            (["setup", "--print"], "--print is for --managed; --dry-run shows"),
            (["setup", "glm", "--managed"], "--managed takes the prices of all models of a configuration"),
            (["--config", "c.ini", "run"], "the command comes first"),
            (["check-config", "--confg", "x"], "did you mean --config?"),
            (["check-config", "--zzz"], "there is no option --zzz ("),
            (["reload", "a.ini"], "a.ini is one word too many"),
            (["hup"], "did you mean reload?"),
            (["run", "a.ini", "b.ini"], "give one configuration file: b.ini is one too many"),
            (["env", "a.ini", "--config", "b.ini"], "give the configuration file once"),
            (["env", "--shell", "--json"], "not allowed with"),
            (["router"], "did you mean routes?"),
            (["explain", "r.json"], "did you mean routes explain?"),
            (["prices"], "did you mean usage prices?"),
            (["usage", "prices", "a.ini"], "a.ini is one word too many: name the"),
            (["routes", "explian", "r.json"], "there is no command routes explian, did you mean routes explain?"),
            (["routes", "why", "r.json"], "there is no command routes why, did you mean routes explain?"),
            (["lanch", "glm"], "there is no command lanch, did you mean launch?"),
            (["launch", "--model", "glm"], "give the model without --model: claude-bridge launch glm ("),
            (
                ["launch", "--url", "gpu:1", "--model=glm", "--", "-p", "a b"],
                "give the model without --model: claude-bridge launch --url gpu:1 glm -- -p 'a b' (",
            ),
            (["stup"], "did you mean setup?"),
            (["keys"], "did you mean key new?"),
            (["key", "nwe", "alice"], "there is no command key nwe, did you mean key new NAME?"),
            (["key", "new"], "the following arguments are required: NAME"),
            (["key", "new", "alice", "bob"], "bob is one"),
            (["undoo"], "did you mean undo?"),
            (["inti"], "did you mean init?"),
            (["migrate", "config.json"], "did you mean import?"),
            (["import"], "the following arguments are required: FILE"),
            (["import", "a.json", "b.json"], "b.json is one word too many"),
            (["import", "a.json", "--ouptut=x"], "did you mean --output?"),
            (["routes", "explain"], "the following arguments are required: REQUEST"),
            (["routes", "explain", "r.json", "a.ini"], "a.ini is one word too many: name the configuration with"),
            (["routes", "a.ini", "explain"], "give one configuration file: explain is one too many"),
            (["run", "--log-format", "xml"], "xml"),
            (["run", "--listen"], "expected one argument"),
        ],
    )
    def test_wrong_usage(self, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Wrong usage is one line with what to do, and status 2."""
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        out, err = capsys.readouterr()
        assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("claude-bridge")
        assert told in err
        assert "--help)" in err

    def test_quick_start(self) -> None:
        """The commands that only read the configuration load neither the reactor nor the web framework."""
        loaded = "claude_bridge.cli, claude_bridge.client.route_table, claude_bridge.client.route_explanation"
        script = f"import sys, {loaded}; print({{'klein', 'twisted.internet', 'treq'}} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == "set()\n"

    def test_exit_status(self) -> None:
        """The status for a wrong configuration is that of sysexits.h."""
        assert EXIT_CONFIG == 78
