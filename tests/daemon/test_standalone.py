"""The daemon without a search for plugins."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.application.service import ServiceMaker

from claude_bridge.daemon import standalone

START = """
import os, signal
from twisted.internet import reactor
from claude_bridge.daemon.standalone import serve
reactor.callWhenRunning(reactor.callLater, 0, os.kill, os.getpid(), signal.SIGTERM)
serve(["c.ini"])
"""
FILE = "[server]\nlisten = tcp:0:interface=127.0.0.1\n[backend:b]\nurl = http://127.0.0.1:9/v1\n[log]\nlevel = {}\n"


def lines(folder: Path, level: str) -> list[dict[str, Any]]:
    """Start it, let it stop as soon as it serves, and return all lines that it wrote."""
    (folder / "c.ini").write_text(FILE.format(level))
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"]}
    command = [sys.executable, "-c", START]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGTERM, "")
    return [json.loads(line) for line in done.stderr.splitlines()]


class ServeTests:
    """A start and a stop."""

    def test_quiet(self, tmp_path: Path) -> None:
        """At `info` a start says what is served where, and nothing else."""
        assert [line["event"] for line in lines(tmp_path, "info")] == [
            "configuration",
            "listening",
            "backend",
            "control",
            "stopping",
            "served",
        ]

    def test_debug(self, tmp_path: Path) -> None:
        """At `debug` Twisted's own lines are there, and none of them is about plugins: nobody looks for any."""
        told = [line["message"] for line in lines(tmp_path, "debug")]
        assert any(line.startswith("reactor class") for line in told)
        assert not [line for line in told if "plugin" in line]

    def test_no_plugins(self) -> None:
        """The command line is read without a look at what is installed, and does as the plugin says."""
        options: Any = standalone._Options()
        options._getPlugins = None
        assert [name for name, *_ in options.subCommands] == ["claude-bridge"]
        found: dict[str, Any] = {}
        plugin = Path(__file__).resolve().parents[2] / "twisted" / "plugins" / "claude_bridge_plugin.py"
        exec(plugin.read_text(), found)  # noqa: S102 - our own file, which no package has
        ours, theirs = options.loadedPlugins["claude-bridge"], found["claude_bridge"]
        assert isinstance(ours, ServiceMaker)
        assert (ours.module, ours.tapname) == (theirs.module, theirs.tapname)
