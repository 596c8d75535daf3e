"""Promises of asking a running bridge: which one, and what is said of its answer."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from claude_bridge.client import running_bridge


@pytest.fixture
def short() -> Iterator[Path]:
    """Yield a folder with a short name: the address of a UNIX socket has at most 107 bytes."""
    folder = tempfile.mkdtemp(dir="/tmp")
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Yield what keeps sockets open."""
    opened: list[socket.socket] = []
    yield opened
    for each in opened:
        each.close()


def listen(opened: list[socket.socket], path: Path) -> str:
    """Listen at a path, and return it."""
    path.parent.mkdir(exist_ok=True)
    one = socket.socket(socket.AF_UNIX)
    one.bind(str(path))
    one.listen()
    opened.append(one)
    return str(path)


def answering(opened: list[socket.socket], path: Path, status: int, body: str) -> str:
    """Answer one request at a path."""
    listen(opened, path)

    def answer() -> None:
        connection, _ = opened[-1].accept()
        with connection:
            connection.recv(10_000)
            head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body.encode())

    threading.Thread(target=answer, daemon=True).start()
    return str(path)


class FindTests:
    """The bridge that is meant."""

    def test_places(self, short: Path, sockets: list[socket.socket]) -> None:
        """It is looked for where the daemon puts it, by the same environment, and where the system's service does."""
        environ = {"XDG_RUNTIME_DIR": str(short), "HOME": str(short / "home")}
        system = short / "system"
        path = listen(sockets, system / "control.sock")
        assert running_bridge.find(environ, str(system)) == path
        sockets.pop().close()
        state = short / "home" / ".local" / "state" / "claude-bridge"
        state.mkdir(parents=True)
        path = listen(sockets, state / "control.sock")
        assert running_bridge.find(environ, str(system)) == path
        sockets.pop().close()
        path = listen(sockets, short / "claude-bridge" / "control.sock")
        assert running_bridge.find(environ, str(system)) == path

    def test_nobody(self, short: Path) -> None:
        """Where there is none, or a dead one, it is said where it was looked for and what to do."""
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(short / "control.sock"))
        with pytest.raises(running_bridge.NoBridge, match=f"no running bridge found in .*{short}.*--socket"):
            running_bridge.find({}, str(short))

    def test_several(self, short: Path, sockets: list[socket.socket]) -> None:
        """Of several somebody has to choose."""
        for name in ("control.sock", "control-8081.sock"):
            listen(sockets, short / name)
        with pytest.raises(running_bridge.NoBridge, match=f"--socket: {short}/control.sock, {short}/control-8081.sock"):
            running_bridge.find({}, str(short))

    def test_second_alone(self, short: Path, sockets: list[socket.socket]) -> None:
        """One that was the second and is alone now is found."""
        path = listen(sockets, short / "control-8081.sock")
        assert running_bridge.find({}, str(short)) == path


class ReloadTests:
    """What is printed, and the exit status."""

    def test_done(self, short: Path, sockets: list[socket.socket]) -> None:
        """What changed and what needs a restart, a line each; warnings apart."""
        body = (
            '{"source":"/etc/c.ini","changed":["[limits] max_body","[key:a] removed"],'
            '"needs_restart":["[server] listen"],"warnings":["[a] b: odd"]}'
        )
        status, out, err = running_bridge.reload(answering(sockets, short / "s", 200, body))
        assert (status, err) == (0, ["warning: [a] b: odd"])
        assert out == [
            "reloaded: /etc/c.ini",
            "changed: [limits] max_body",
            "changed: [key:a] removed",
            "needs a restart: [server] listen",
        ]

    @pytest.mark.parametrize(
        ("changed", "is_told"),
        [("[model:m] context_window", True), ("[route:default] models", True), ("[limits] max_body", False)],
    )
    def test_settings_of_the_client(
        self, changed: str, is_told: bool, short: Path, sockets: list[socket.socket]
    ) -> None:
        """A change of models, routes or windows reaches Claude Code's settings by another `setup` only."""
        body = f'{{"source":"c.ini","changed":["{changed}"],"needs_restart":[],"warnings":[]}}'
        _, out, _ = running_bridge.reload(answering(sockets, short / "s", 200, body), is_set_up=True)
        assert (out[-1] == running_bridge.SET_UP_AGAIN) == is_told
        _, out, _ = running_bridge.reload(answering(sockets, short / "t", 200, body))
        assert running_bridge.SET_UP_AGAIN not in out

    @pytest.mark.parametrize(
        ("changed", "is_told"),
        [
            ("[backend:b] url", True),
            ("[backend:b] added", True),
            ("[backend:b] removed", False),
            ("[log] level", False),
        ],
    )
    def test_backends(self, changed: str, is_told: bool, short: Path, sockets: list[socket.socket]) -> None:
        """It is told where to see whether backends that have changed are up."""
        body = f'{{"source":"c.ini","changed":["{changed}"],"needs_restart":[],"warnings":[]}}'
        _, out, _ = running_bridge.reload(answering(sockets, short / "s", 200, body))
        assert (running_bridge.LOOK_AT_BACKENDS in out) == is_told

    def test_nothing_changed(self, short: Path, sockets: list[socket.socket]) -> None:
        """That nothing changed is said."""
        body = '{"source":"x","changed":[],"needs_restart":[],"warnings":[]}'
        assert running_bridge.reload(answering(sockets, short / "s", 200, body)) == (
            0,
            ["reloaded: x", "changed: nothing"],
            [],
        )

    def test_mistakes(self, short: Path, sockets: list[socket.socket]) -> None:
        """All mistakes, and that nothing changed; the status is that of a wrong configuration."""
        status, out, err = running_bridge.reload(answering(sockets, short / "s", 422, '{"problems":["one","two"]}'))
        assert (status, out, err[:2]) == (78, [], ["one", "two"])
        assert "stays" in err[2]

    def test_stopping(self, short: Path, sockets: list[socket.socket]) -> None:
        """Any other answer is told."""
        told = running_bridge.reload(answering(sockets, short / "s", 409, '{"error":"the bridge is stopping"}'))
        assert told == (69, [], ["not reloaded: the bridge is stopping"])

    @pytest.mark.parametrize("body", ["no JSON", ""])
    def test_somebody_else(self, short: Path, sockets: list[socket.socket], body: str) -> None:
        """What is no bridge is told as such."""
        with pytest.raises(running_bridge.NoBridge, match="no bridge answers at"):
            running_bridge.reload(answering(sockets, short / "s", 200, body))

    def test_not_there(self, short: Path) -> None:
        """A path that is not there is told."""
        with pytest.raises(running_bridge.NoBridge, match=f"no bridge answers at {short}/s"):
            running_bridge.reload(str(short / "s"))
