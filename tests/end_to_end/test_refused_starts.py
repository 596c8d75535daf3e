"""Starts that must not succeed: each ends with the right exit status and says why, in JSON lines only."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted

from tests.end_to_end.daemon import Daemon, ini
from tests.end_to_end.processes import Ran, run_program

SIX_MISTAKES = """\
[server]
listen = tcp:8080:interface=127.0.0.1
credentals = keys
ping_interval = soon

[backend:one]
url = ftp://example.com/v1
dialect = generik

[model:glm]
backend = two

[limts]
max_body = 1
"""

KEY = "the-owners-key-0123456789"


async def start(reactor: Any, folder: Path, config: str, *arguments: str) -> Ran:
    """Run the daemon until it gives up."""
    path = folder / "claude-bridge.ini"
    path.write_text(config)
    program = str(Path(sys.prefix) / "bin" / "twistd")
    command = [program, "--nodaemon", "--pidfile=", "claude-bridge", "--config", str(path), *arguments]
    environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
    return await run_program(reactor, command, environment=environment, folder=folder, seconds=20)


def read_lines(ran: Ran) -> list[dict[str, Any]]:
    """Read standard error, all of which must be JSON objects, and check that standard output is empty."""
    assert ran.out == ""
    assert ran.err.endswith("\n")
    lines = [json.loads(line) for line in ran.err.splitlines()]
    assert all(isinstance(line, dict) for line in lines)
    return lines


class ConfigurationTests:
    """Configurations that cannot be right: status 78, after which systemd does not start it again."""

    @pytest_twisted.ensureDeferred
    async def test_six_mistakes(self, reactor: Any, tmp_path: Path) -> None:
        """All six are told at once, each with its section, its key and the nearest valid word."""
        ran = await start(reactor, tmp_path, SIX_MISTAKES)
        lines = read_lines(ran)
        assert ran.code == 78
        told = {(line["section"], line["key"]): line["problem"] for line in lines if line["event"] == "config-error"}
        assert set(told) == {
            ("server", "credentals"),
            ("server", "ping_interval"),
            ("backend:one", "url"),
            ("backend:one", "dialect"),
            ("model:glm", "backend"),
            ("limts", ""),
        }
        assert len(lines) == 6
        assert "credentials" in told["server", "credentals"]
        assert "generic" in told["backend:one", "dialect"]
        assert "one" in told["model:glm", "backend"]
        assert "limits" in told["limts", ""]

    @pytest_twisted.ensureDeferred
    async def test_check(self, reactor: Any, tmp_path: Path) -> None:
        """``--check-config`` finds the same and ends with the same status, in words for a person."""
        ran = await start(reactor, tmp_path, SIX_MISTAKES, "--check-config")
        assert (ran.code, ran.out) == (78, "")
        assert all(name in ran.err for name in ("credentals", "ping_interval", "url", "dialect", "glm", "limts"))

    @pytest_twisted.ensureDeferred
    @pytest.mark.parametrize("interface", ["0.0.0.0", "192.0.2.1", ""])
    @pytest.mark.parametrize(
        "sections",
        [
            {"server": {"credentials": "forward"}, "backend:scripted": {"api_key": KEY}},
            {"server": {"credentials": "none"}},
        ],
        ids=["forward", "none"],
    )
    async def test_open_relay(
        self, reactor: Any, tmp_path: Path, interface: str, sections: Mapping[str, dict[str, str]]
    ) -> None:
        """A listener beyond this machine is refused where anybody could spend the owner's key."""
        listen = f"tcp:0:interface={interface}" if interface else "tcp:0"
        told = {**sections, "server": {**sections["server"], "listen": listen}}
        ran = await start(reactor, tmp_path, ini("http://127.0.0.1:9/v1", told))
        lines = read_lines(ran)
        assert ran.code == 78
        assert [(line["event"], line["section"], line["key"]) for line in lines] == [
            ("config-error", "server", "listen")
        ]
        assert "credentials" in lines[0]["problem"]
        assert KEY not in ran.err

    @pytest_twisted.ensureDeferred
    async def test_allowed_listeners(self, reactor: Any, tmp_path: Path) -> None:
        """The same listener is fine with keys, with the client's own credential, or where the owner says so."""
        good: list[dict[str, dict[str, str]]] = [
            {"server": {"credentials": "keys"}, "key:me": {"secret": KEY}, "backend:scripted": {"api_key": KEY}},
            {"server": {"credentials": "forward"}},
            {"server": {"credentials": "none", "allow_open": "yes"}, "backend:scripted": {"api_key": KEY}},
        ]
        for number, sections in enumerate(good):
            sections["server"]["listen"] = "tcp:0:interface=0.0.0.0"
            folder = tmp_path / str(number)
            folder.mkdir()
            daemon = Daemon(reactor=reactor, folder=folder)
            await daemon.start(ini("http://127.0.0.1:9/v1", sections))
            assert daemon.host == "0.0.0.0"
            await daemon.finish()


class PortTests:
    """A port that is taken."""

    @pytest_twisted.ensureDeferred
    async def test_in_use(self, reactor: Any, tmp_path: Path) -> None:
        """It ends with status 1 and one error line that names the port, so that systemd may try again."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            config = ini("http://127.0.0.1:9/v1", {"server": {"listen": f"tcp:{port}:interface=127.0.0.1"}})
            ran = await start(reactor, tmp_path, config)
        (line,) = [line for line in read_lines(ran) if line["level"] != "info"]
        assert ran.code == 1
        assert line["level"] == "error"
        assert f"port {port} on 127.0.0.1 is taken" in line["message"]
        assert "ss -ltnp" in line["message"]
        assert "Traceback" not in ran.err

    @pytest_twisted.ensureDeferred
    async def test_another_bridge(self, reactor: Any, tmp_path: Path) -> None:
        """If it is a bridge that has the port, that is said."""
        (tmp_path / "first").mkdir()
        first = Daemon(reactor=reactor, folder=tmp_path / "first")
        await first.start(ini("http://127.0.0.1:9/v1"))
        config = ini("http://127.0.0.1:9/v1", {"server": {"listen": f"tcp:{first.port}:interface=127.0.0.1"}})
        ran = await start(reactor, tmp_path, config)
        await first.finish()
        (line,) = read_lines(ran)
        assert (ran.code, line["level"]) == (1, "error")
        assert "another claude-bridge has it" in line["message"]
