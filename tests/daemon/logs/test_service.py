"""Promises of the log under the real twistd: from its first line to its last."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

from tests.daemon.logs.test_render import read

PLUGIN = """
    from twisted.application.service import ServiceMaker
    throwaway = ServiceMaker("throwaway", "throwaway_service", "a service for a test", "throwaway")
"""
SERVICE = """
    import os, sys, warnings
    from twisted.logger import Logger
    from twisted.python import log as legacy, usage
    from twisted.application.service import Service
    from twisted.internet.protocol import Factory
    from claude_bridge.config.schema import Log
    from claude_bridge.core.redaction import Redactor
    from claude_bridge.daemon.logs.observer import observer
    from claude_bridge.daemon.logs.service import LoggedService, twistd_descriptor

    class Options(usage.Options):
        pass

    class Brief(Service):
        def privilegedStartService(self):
            from twisted.internet import reactor
            if "TAKEN" in os.environ:
                reactor.listenTCP(int(os.environ["TAKEN"]), Factory(), interface="127.0.0.1")

        def startService(self):
            from twisted.internet import reactor
            print("printed by foreign code")
            warnings.warn("careful")
            Logger("own").info("started {n}", event="started", n=1)
            reactor.callLater(0, self.end)

        def end(self):
            from twisted.internet import reactor
            reactor.callLater(0, reactor.stop)
            raise RuntimeError("in the reactor")

    def makeService(options):
        Logger("own").info("before twistd's own first line", event="early")
        parent = options.parent
        from twisted.internet import reactor
        descriptor = twistd_descriptor(parent["logfile"], nodaemon=bool(parent["nodaemon"]))
        lines = observer(Log(), Redactor(()), os.environ, descriptor)
        top = LoggedService(lines, lines.writer, reactor)
        Brief().setServiceParent(top)
        return top
"""


class TwistdTests:
    """The same under the real twistd."""

    def run(self, folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run twistd with a throw-away plugin."""
        plugins = folder / "twisted" / "plugins"
        plugins.mkdir(parents=True)
        (plugins / "throwaway_plugin.py").write_text(textwrap.dedent(PLUGIN))
        (folder / "throwaway_service.py").write_text(textwrap.dedent(SERVICE))
        environ = {key: value for key, value in os.environ.items() if key != "JOURNAL_STREAM"}
        return subprocess.run(
            [sys.executable, "-c", "from twisted.scripts.twistd import run; run()", *arguments, "throwaway"],
            cwd=folder,
            env={**environ, "PYTHONPATH": str(folder), **more},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_json_from_the_first_line_on(self, tmp_path: Path) -> None:
        """Every line on standard error is JSON, Twisted's own and prints and warnings too, and stdout stays empty."""
        done = self.run(tmp_path, "--nodaemon", "--pidfile=")
        assert done.returncode == 0
        assert done.stdout == ""
        found = [read(line) for line in done.stderr.splitlines()]
        messages = [line["message"] for line in found]
        assert found[0]["event"] == "early"
        assert any("starting up" in message for message in messages)
        assert "printed by foreign code" in messages
        assert any("UserWarning: careful" in message for message in messages)
        assert [line["n"] for line in found if line["event"] == "started"] == [1]
        assert [line["error"] for line in found if "error" in line] == ["RuntimeError: in the reactor"]
        assert "Server Shut Down." in messages

    def test_logfile(self, tmp_path: Path) -> None:
        """`twistd --logfile` gets the same lines, and standard error stays empty."""
        done = self.run(tmp_path, "--nodaemon", "--pidfile=", "--logfile=here.log")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        lines = (tmp_path / "here.log").read_text().splitlines()
        assert "started" in [read(line)["event"] for line in lines]

    def test_port_taken(self, tmp_path: Path) -> None:
        """A port that is taken ends the daemon with one line that says so, and status 1."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            done = self.run(tmp_path, "--nodaemon", "--pidfile=", TAKEN=str(taken.getsockname()[1]))
        assert (done.returncode, done.stdout) == (1, "")
        last = read(done.stderr.splitlines()[-1])
        assert (last["event"], last["level"]) == ("start-failed", "error")
        assert "Address already in use" in last["message"]

    def test_daemonized(self, tmp_path: Path) -> None:
        """A daemon in the background, which forks after its first lines, writes each line once, up to its last."""
        started = self.run(tmp_path, "--pidfile=here.pid")
        assert started.returncode == 0, started.stderr
        log, limit = tmp_path / "twistd.log", time.monotonic() + 30
        while "Server Shut Down." not in log.read_text():
            assert time.monotonic() < limit
            time.sleep(0.05)
        found = [read(line) for line in log.read_text().splitlines()]
        assert [line["event"] for line in found if line["event"] in {"early", "started"}] == ["early", "started"]
