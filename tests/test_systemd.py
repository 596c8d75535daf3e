"""The service unit is right for the daemon that it starts."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest
from twisted.scripts._twistd_unix import ServerOptions

from claude_bridge.cli.options import parsers
from claude_bridge.cli.running_commands import reload
from claude_bridge.config.directories import CONTROL_SOCKET, control_directories
from claude_bridge.config.problems import EXIT_CONFIG
from claude_bridge.config.schema import Server

UNIT = Path(__file__).resolve().parents[1] / "systemd" / "claude-bridge.service"


NEEDS_SYSTEMD = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Let systemd's own tool judge the unit; nothing needs to run for that."""
    command = ["systemd-analyze", *arguments, str(UNIT)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def unit() -> RawConfigParser:
    """Read the unit; of a directive that is given twice, as system calls are, the last line counts here."""
    parser = RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # directives are case-sensitive
    parser.read_string(UNIT.read_text())
    return parser


class ServiceTests:
    """The plain unit."""

    def test_directives(self) -> None:
        """The service runs in the foreground as a user of its own, with folders of its own."""
        service = unit()["Service"]
        expected = {
            "Type": "exec",
            "Restart": "on-failure",
            "RestartPreventExitStatus": str(EXIT_CONFIG),
            "DynamicUser": "yes",
            "StateDirectory": "claude-bridge",
            "ConfigurationDirectory": "claude-bridge",
            "RuntimeDirectory": "claude-bridge",
            "RuntimeDirectoryMode": "0700",
        }
        assert {name: service.get(name) for name in expected} == expected

    def test_options_exist(self) -> None:
        """Every option of the command line exists, so the first start does not fail on it."""
        program, *arguments = shlex.split(unit()["Service"]["ExecStart"])
        command = arguments.index("claude-bridge")
        assert program.endswith("/twistd")
        known = ServerOptions()
        known.parseOptions(arguments[:command])
        assert known["nodaemon"]
        assert arguments[command + 1 :] == ["--config", "/etc/claude-bridge/claude-bridge.ini"]

    def test_reload(self) -> None:
        """A reload asks by the control socket where the daemon has it, so that mistakes fail the command."""
        program, *arguments = shlex.split(unit()["Service"]["ExecReload"])
        assert program.endswith("/claude-bridge")
        parser, _ = parsers()
        known = parser.parse_args([argument.replace("%t", "/run") for argument in arguments])
        (place,) = control_directories({"RUNTIME_DIRECTORY": "/run/claude-bridge"}, None)
        assert known.command is reload
        assert known.socket == f"{place}/{CONTROL_SOCKET.format('')}"

    def test_stop_leaves_time_for_the_drain(self) -> None:
        """Systemd waits longer for a stop than the bridge waits for answers under way."""
        assert float(unit()["Service"]["TimeoutStopSec"]) > Server().drain_timeout + 10

    def test_credentials_are_shown(self) -> None:
        """The unit shows how a key comes in without lying in the configuration."""
        assert re.search(r"^#LoadCredential=[\w-]+:/", UNIT.read_text(), re.MULTILINE)
        assert re.search(r"^#EnvironmentFile=/", UNIT.read_text(), re.MULTILINE)

    def test_tls_keeps_working(self) -> None:
        """The directive that breaks TLS is not set, and the file says why."""
        assert "MemoryDenyWriteExecute" not in unit()["Service"]
        assert "# MemoryDenyWriteExecute stays off: TLS" in UNIT.read_text()

    @NEEDS_SYSTEMD
    def test_systemd_accepts_it(self) -> None:
        """Systemd itself has nothing to say but that the program is not installed here."""
        done = analyze("verify", "--man=no")
        complaints = [line for line in done.stderr.splitlines() if "is not executable" not in line]
        assert [line for line in complaints if "claude-bridge" in line] == []

    @NEEDS_SYSTEMD
    def test_little_is_exposed(self) -> None:
        """Whoever takes the daemon over gets next to nothing of the machine: 1.1 of 10, as systemd judges."""
        done = analyze("security", "--offline=true", "--threshold=12", "--no-pager")
        (exposure,) = re.findall(r"Overall exposure level for claude-bridge.service: ([0-9.]+)", done.stdout)
        assert float(exposure) <= 1.1, done.stdout
        assert done.returncode == 0

    def test_lines_are_explained(self) -> None:
        """Every block of directives says above it what it is for, so that nobody undoes one for fear of it."""
        blocks = [block.strip().splitlines() for block in UNIT.read_text().split("\n\n")]
        silent = [block[0] for block in blocks if len(block) > 1 and not any(line.startswith("#") for line in block)]
        assert [line for line in silent if line.startswith(("Restrict", "System", "Protect", "Private"))] == []

    def test_pdfs_do_not_end_the_daemon(self) -> None:
        """When the kernel ends a PDF's process because memory runs out, the answers under way go on."""
        assert unit()["Service"]["OOMPolicy"] == "continue"
