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

from claude_bridge.config.problems import EXIT_CONFIG
from claude_bridge.config.schema import Server

UNIT = Path(__file__).resolve().parents[1] / "systemd" / "claude-bridge.service"


def unit() -> RawConfigParser:
    """Read the unit; a directive given twice would be an error here."""
    parser = RawConfigParser(delimiters=("=",), comment_prefixes=("#",), strict=True)
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
        assert "Never set MemoryDenyWriteExecute" in UNIT.read_text()

    @pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
    def test_systemd_accepts_it(self) -> None:
        """Systemd itself has nothing to say but that the program is not installed here."""
        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(UNIT)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        complaints = [line for line in done.stderr.splitlines() if "is not executable" not in line]
        assert [line for line in complaints if "claude-bridge" in line] == []
