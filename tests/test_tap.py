"""Promises of ``twistd claude-bridge``: options, exit codes, and what is imported when."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from twisted.application.service import IServiceMaker
from twisted.logger import capturedLogs, formatEvent
from twisted.plugin import IPlugin
from twisted.python import usage
from zope.interface.verify import verifyObject

from claude_bridge import tap
from claude_bridge.config.load import parse
from claude_bridge.config.problems import ConfigErrors
from claude_bridge.daemon.control_socket import ControlSocket
from claude_bridge.daemon.logs.service import LoggedService
from claude_bridge.daemon.service import Bridge
from claude_bridge.daemon.signals import Signals
from tests.services.exchange.stage import ONE

WRONG = ONE + "[nonsense]\nx = 1\n[limits]\nmax_streams = none\n"


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep this machine's environment out of the tests."""
    for name in ("BACKEND_URL", "HOST_PORT", "BACKEND_TIMEOUT_SECS", "ENABLE_CIRCUIT_BREAKER", "LOG_LEVEL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("BACKEND_API_KEY", "MODEL", "ALLOWED_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("CLAUDE_BRIDGE_CONFIG", "CONFIGURATION_DIRECTORY", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a good configuration file."""
    path = tmp_path / "bridge.ini"
    path.write_text(ONE)
    return path


def parsed(*arguments: str) -> tap.Options:
    """Read a command line."""
    options = tap.Options()
    options.parseOptions(list(arguments))
    return options


def ended(*arguments: str) -> object:
    """Read a command line that ends the program, and return its exit code."""
    with pytest.raises(SystemExit) as caught:
        parsed(*arguments)
    return caught.value.code


def imported(code: str) -> set[str]:
    """Run ``code`` in a fresh Python and return the modules that it imported."""
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    return set(json.loads(ran.stdout.splitlines()[-1]))


class OptionsTests:
    """The command line."""

    def test_environment_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without any file the environment is the configuration."""
        monkeypatch.setenv("BACKEND_URL", "http://box:9/v1/chat/completions")
        monkeypatch.setenv("HOST_PORT", "9090")
        config = parsed().configuration
        assert config.backends["default"].url == "http://box:9/v1"
        assert config.server.listen == ("tcp:9090:interface=127.0.0.1:backlog=1024",)

    @pytest.mark.parametrize("option", ["--config", "-c"])
    def test_config(self, file: Path, option: str) -> None:
        """A file can be named."""
        config = parsed(option, str(file)).configuration
        assert (list(config.models), config.source) == (["glm"], str(file))

    def test_file_alone(self, file: Path) -> None:
        """The file needs no option; named twice it is a mistake in the command line."""
        assert parsed(str(file)).configuration.source == str(file)
        for twice in ([str(file), str(file)], ["--config", str(file), str(file)]):
            with pytest.raises(usage.UsageError, match="once"):
                parsed(*twice)

    def test_listen(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """`--listen` wins over the variable and the file, and the start line names it."""
        monkeypatch.setenv("HOST_PORT", "9090")
        config = parsed("--listen", "[::1]:7070", str(file)).configuration
        assert config.server.listen == (r"tcp:7070:interface=\:\:1:backlog=1024",)
        assert config.source == f"{file} with --listen"

    def test_state_dir(self, file: Path) -> None:
        """`--state-dir` wins over the file, at the start and at a reload; a relative one is wrong usage."""
        file.write_text(ONE.replace("[server]", "[server]\nstate_dir = /var/lib/x", 1))
        assert "/var/lib/x" in file.read_text()
        options = parsed("--state-dir", "none", str(file))
        assert [options.configuration.server.state_dir, options.read_again({}).server.state_dir] == ["none", "none"]
        with pytest.raises(usage.UsageError, match="--state-dir: must be the absolute path"):
            parsed("--state-dir", "here", str(file))

    @pytest.mark.parametrize("chosen", ["json", "text"])
    def test_log_format(self, file: Path, chosen: str) -> None:
        """The command line wins over the file's log format."""
        file.write_text(ONE + "[log]\nformat = json\n")
        assert parsed("--config", str(file), "--log-format", chosen).configuration.log.format == chosen

    def test_log_format_of_the_file(self, file: Path) -> None:
        """Without the option the file's own holds."""
        file.write_text(ONE + "[log]\nformat = text\n")
        assert parsed("--config", str(file)).configuration.log.format == "text"

    def test_read_again(self, file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """A reload reads the file that the start did, from wherever twistd has gone; the options still win."""
        monkeypatch.chdir(tmp_path)
        options = parsed("--config", file.name, "--listen", "7070", "--log-format", "text")
        monkeypatch.chdir("/")
        file.write_text(ONE.replace("zai/GLM", "zai/GLM-2"))
        config = options.read_again({})
        assert (config.models["glm"].name, config.log.format) == ("zai/GLM-2", "text")
        assert config.server.listen == options.configuration.server.listen

    def test_read_again_with_mistakes(self, file: Path) -> None:
        """Mistakes do not end the process here."""
        options = parsed("--config", str(file))
        file.write_text(WRONG)
        with pytest.raises(ConfigErrors) as caught:
            options.read_again({})
        assert len(caught.value.problems) == 2

    def test_wrong_log_format(self) -> None:
        """Another format is a mistake in the command line, told as such."""
        with pytest.raises(usage.UsageError, match="xml"):
            parsed("--log-format", "xml")

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The version is ours, not Twisted's."""
        assert ended("--version") == 0
        assert capsys.readouterr().out.startswith("claude-bridge ")

    def test_check_config(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """A good file is called valid, by name, and nothing is started."""
        assert ended("--config", str(file), "--check-config") == 0
        assert capsys.readouterr().out == f"{file}: valid\n"

    def test_check_config_reports_every_mistake(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """All mistakes are told at once, as text, and the exit code is 78."""
        file.write_text(WRONG)
        assert ended("--config", str(file), "--check-config") == 78
        told = capsys.readouterr()
        assert told.out == ""
        assert "nonsense" in told.err
        assert "max_streams" in told.err

    def test_dump_config(self, file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The dump shows no secret, and loads again when that is put back."""
        file.write_text(ONE.replace("url =", "api_key = owners-secret\nurl ="))
        assert ended("--config", str(file), "--dump-config") == 0
        dumped = capsys.readouterr().out
        assert "owners-secret" not in dumped
        assert list(parse(dumped.replace("***", "owners-secret"), {}, lambda path: path.encode()).models) == ["glm"]

    def test_mistakes_at_start_are_log_lines(self, file: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """A daemon that cannot start says why in the form of all its lines: one JSON object each, exit 78."""
        file.write_text(WRONG)
        assert ended("--config", str(file)) == 78
        told = capfd.readouterr()
        lines = [json.loads(line) for line in told.err.splitlines()]
        assert told.out == ""
        assert [(line["event"], line["section"]) for line in lines] == [
            ("config-error", "nonsense"),
            ("config-error", "limits"),
        ]

    def test_file_that_is_not_there(self, capfd: pytest.CaptureFixture[str]) -> None:
        """A mistake that has no section is told without brackets around nothing."""
        assert ended("--config", "/nope.ini") == 78
        line = json.loads(capfd.readouterr().err)
        assert line["message"] == "/nope.ini: cannot be read: No such file or directory"

    def test_mistakes_for_a_person(self, file: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """With `--log-format text` they are sentences."""
        file.write_text(WRONG)
        assert ended("--config", str(file), "--log-format", "text") == 78
        assert "nonsense" in capfd.readouterr().err

    def test_missing_file(self, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """A file that is named must be there."""
        assert ended("--config", str(tmp_path / "none.ini"), "--check-config") == 78
        assert "none.ini" in capfd.readouterr().err


class MakeServiceTests:
    """The daemon's service."""

    def test_bridge_below_the_log(self, file: Path) -> None:
        """The top service takes care of the log, the bridge is below it, and nothing is started yet."""
        top = tap.makeService(parsed("--config", str(file)))
        assert isinstance(top, LoggedService)
        signals, bridge, control = list(top)
        assert isinstance(signals, Signals)
        assert isinstance(bridge, Bridge)
        assert isinstance(control, ControlSocket)
        assert not bridge.running
        assert bridge.generation.config.source == str(file)

    def test_warnings(self, file: Path) -> None:
        """What is valid and should be different is in the log of every start, a line each."""
        keyed = ONE.replace("[model:glm]", "api_key = sk-9f8e7d6c5b4a\n[model:glm]")
        file.write_text(keyed.replace("= none", "= forward"))
        file.chmod(0o644)
        with capturedLogs() as logged:
            tap.makeService(parsed("--config", str(file)))
        (warning,) = (event for event in logged if event.get("event") == "config-warning")
        assert formatEvent(warning) == (
            f"[backend:box] api_key: is in plain text in a file that others can read: chmod 600 {file}"
        )


class PluginTests:
    """What twistd finds."""

    def test_is_found(self) -> None:
        """Twistd knows the command by its name."""
        from twisted.plugin import getPlugins

        (ours,) = [one for one in getPlugins(IServiceMaker) if one.tapname == "claude-bridge"]
        assert verifyObject(IServiceMaker, ours)
        assert verifyObject(IPlugin, ours)
        assert (ours.options, ours.makeService) == (tap.Options, tap.makeService)

    def test_finding_imports_nothing_of_ours(self) -> None:
        """Every `twistd` on the machine looks for plugins: ours costs it nothing."""
        modules = imported(
            "from twisted.plugin import getPlugins\nfrom twisted.application.service import IServiceMaker\n"
            "assert 'claude-bridge' in [one.tapname for one in getPlugins(IServiceMaker)]"
        )
        assert not {name for name in modules if name.startswith("claude_bridge.")}
        assert not {"klein", "treq", "msgspec", "cattrs"} & modules

    def test_checking_imports_no_edge(self, file: Path) -> None:
        """A configuration is checked without the server, and without a reactor."""
        modules = imported(
            "from claude_bridge.tap import Options\ntry:\n"
            f"    Options().parseOptions(['--check-config', '--config', {str(file)!r}])\nexcept SystemExit as end:\n"
            "    assert end.code == 0"
        )
        assert not {name for name in modules if name.startswith(("claude_bridge.edge", "claude_bridge.services"))}
        assert not {"klein", "treq", "twisted.internet.reactor", "claude_bridge.daemon.service"} & modules
