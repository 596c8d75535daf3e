"""The `claude-bridge` command."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from claude_bridge.cli import Surroundings, main
from claude_bridge.config.problems import EXIT_CONFIG

VALID = """
[server]
listen = tcp:9090:interface=127.0.0.1

[backend:b]
url = http://127.0.0.1:8000/v1
api_key = ${KEY}

[model:m]
backend = b

[route:default]
models = m
"""


@pytest.fixture
def surroundings() -> Surroundings:
    """Give an environment with one key, in which nothing can be replaced."""
    return Surroundings({"KEY": "the-secret"}, lambda _path, _arguments: pytest.fail("replaced"))


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Give the path of a valid file."""
    path = tmp_path / "claude-bridge.ini"
    path.write_text(VALID)
    return str(path)


class EnvTests:
    """`claude-bridge env`."""

    def test_shell(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """By default export lines come out, for the address and the model of the configuration."""
        assert main(["env", "--config", config], surroundings) == 0
        plain = capsys.readouterr().out
        assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:9090\n" in plain
        assert "export ANTHROPIC_MODEL=m@claude-bridge\n" in plain
        assert "the-secret" not in plain
        assert main(["env", "--shell", "--config", config], surroundings) == 0
        assert capsys.readouterr().out == plain

    def test_json(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """With --json a settings.json comes out, for another address if that is asked for."""
        assert main(["env", "--json", "--config", config, "--url", "https://bridge.example/"], surroundings) == 0
        found = json.JSONDecoder().decode(capsys.readouterr().out)
        assert found["env"]["ANTHROPIC_BASE_URL"] == "https://bridge.example"

    def test_unknown_address(
        self, surroundings: Surroundings, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """Where the configuration does not tell the port, the option that does is named."""
        path = tmp_path / "c.ini"
        path.write_text("[server]\nlisten = tcp:0:interface=127.0.0.1\n")
        assert main(["env", "--config", str(path)], surroundings) == 1
        assert "--url" in capsys.readouterr().err


class ConfigurationTests:
    """`claude-bridge check-config` and `dump-config`."""

    def test_valid(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A valid file is called valid."""
        assert main(["check-config", "--config", config], surroundings) == 0
        assert capsys.readouterr().out == f"{config}: valid\n"

    def test_key_for_all_to_read(
        self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A key written out in a file that others can read is valid, and warned of; in one of the owner's it is not."""
        path = Path(config)
        path.write_text(VALID.replace("${KEY}", "sk-1"))
        path.chmod(0o644)
        assert main(["check-config", "--config", config], surroundings) == 0
        told = f"warning: [backend:b] api_key: is written out in a file that others can read: chmod 600 {config}\n"
        assert capsys.readouterr() == (f"{config}: valid\n", told)
        path.chmod(0o600)
        assert main(["check-config", "--config", config], surroundings) == 0
        assert capsys.readouterr() == (f"{config}: valid\n", "")

    @pytest.mark.parametrize("command", ["check-config", "dump-config", "env"])
    def test_mistakes(
        self, command: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """All mistakes are reported, each on a line, with the exit status that stops a service from restarting."""
        path = tmp_path / "c.ini"
        path.write_text("[serve]\n\n[limits]\nmax_body = much\n")
        assert main([command, "--config", str(path)], surroundings) == 78
        out, err = capsys.readouterr()
        assert out == ""
        assert "[serve]" in err
        assert "max_body" in err

    def test_dump(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """The whole configuration is shown, without the secrets."""
        assert main(["dump-config", "--config", config], surroundings) == 0
        shown = capsys.readouterr().out
        assert "api_key = ***" in shown
        assert "the-secret" not in shown

    def test_state_directory(self, config: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Where this environment keeps what is learned is shown."""
        surroundings = Surroundings({"KEY": "k", "STATE_DIRECTORY": "/var/lib/claude-bridge"}, lambda _path, _: None)
        assert main(["dump-config", "--config", config], surroundings) == 0
        assert "# state_dir is not set: /var/lib/claude-bridge here\n" in capsys.readouterr().out


class RunTests:
    """`claude-bridge run`."""

    def test_becomes_twistd(self) -> None:
        """The command becomes the twistd of the same Python, in the foreground, and passes other options on."""
        calls: list[list[str]] = []
        assert (
            main(["run", "--config", "c.ini", "--log-format=text"], Surroundings({}, lambda _, a: calls.append(a))) == 0
        )
        ((python, *twistd, nodaemon, pidfile, name, option, file, rest),) = calls
        assert python == sys.executable
        assert (nodaemon, pidfile, name) == ("--nodaemon", "--pidfile=", "claude-bridge")
        assert (option, file, rest) == ("--config", "c.ini", "--log-format=text")
        done = subprocess.run([python, *twistd, "--version"], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.startswith("twistd (the Twisted daemon)")

    def test_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Its help says where the other options are, and names the most wanted one."""
        with pytest.raises(SystemExit):
            main(["run", "--help"])
        told = " ".join(capsys.readouterr().out.split())
        assert "--log-format" in told
        assert "`twistd claude-bridge --help` lists them" in told

    def test_without_the_script(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Where the twistd script is not beside this Python, its module is used."""
        calls: list[list[str]] = []
        monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
        main(["run"], Surroundings({}, lambda _, a: calls.append(a)))
        ((python, *twistd, _, _, _),) = calls
        done = subprocess.run([python, *twistd, "--version"], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout.startswith("twistd (the Twisted daemon)")


class CommandTests:
    """The command line as a whole."""

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`--version` shows the installed version."""
        with pytest.raises(SystemExit) as caught:
            main(["--version"])
        assert caught.value.code == 0
        assert re.fullmatch(r"claude-bridge \d+\.\d+\.\d+\n", capsys.readouterr().out)

    @pytest.mark.parametrize(
        "arguments", [[], ["serve"], ["check-config", "--confg", "x"], ["env", "--shell", "--json"]]
    )
    def test_wrong_usage(self, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
        """Wrong usage is explained, with status 2."""
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2
        assert "usage: claude-bridge" in capsys.readouterr().err

    def test_demo_failure(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`demo` reports a failure of its own with status 1."""
        assert main(["demo", "--once"], Surroundings({}, lambda _path, _arguments: None)) == 1
        assert "claude-bridge demo: " in capsys.readouterr().err

    def test_quick_start(self) -> None:
        """The commands that only read the configuration load neither the reactor nor the web framework."""
        script = "import sys, claude_bridge.cli; print({'klein', 'twisted.internet', 'treq'} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == "set()\n"

    def test_exit_status(self) -> None:
        """The status for a wrong configuration is that of sysexits.h."""
        assert EXIT_CONFIG == 78
