"""Promises of the command."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar

import pytest
from twisted.internet.selectreactor import SelectReactor

from claude_bridge.doctor import command
from claude_bridge.doctor.checks import order
from claude_bridge.doctor.checks.order import CHECKS
from claude_bridge.doctor.command import Bridge, Order, in_reactor, online, run, turn
from tests.doctor.checks.test_reaching import free_port
from tests.services.exchange.stage import configured

KEY = "sk-a-key-of-the-owner-1234567890"
TOKEN = "a-token-of-the-client-here"
SETTINGS = '{"env": {"ANTHROPIC_BASE_URL": "http://127.0.0.1:8080", "ANTHROPIC_AUTH_TOKEN": "unused"}}'


class Handler(BaseHTTPRequestHandler):
    """Has a list of two models, unless it has another, and knows no chat."""

    seen: ClassVar[list[str | None]] = []
    listed: ClassVar[list[dict[str, object]]] = [{"id": "a"}, {"id": "b"}]

    def do_GET(self) -> None:
        """Note the credential and give the list."""
        self.seen.append(self.headers["Authorization"])
        body = json.dumps({"data": self.listed}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """Refuse."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_error(400)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the server names it
        """Write no log."""


@pytest.fixture
def url() -> Iterator[str]:
    """Yield the url of a server in a thread: the command blocks this one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    thread.join()
    server.server_close()


def ran(text: str, home: Path, **order: object) -> tuple[int, str]:
    """Return exit status and output of the command; no client and no systemd is on this path."""
    out, err = StringIO(), StringIO()
    environ = {"HOME": str(home), "PATH": str(home), "ANTHROPIC_AUTH_TOKEN": TOKEN}
    status = run(configured(text), Order(**order), environ, Bridge(), out=out, err=err)  # type: ignore[arg-type]
    assert ("This takes about" in err.getvalue()) == bool(order.get("json"))
    return status, out.getvalue()


@pytest.mark.usefixtures("signals_kept")
class RunTests:
    """The whole command, in a reactor of its own."""

    def test_fine(self, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What it will cost comes first, then one line for each check, and the sum."""
        monkeypatch.setattr(Handler, "listed", [{"id": "a", "context_length": 131_072}])
        monkeypatch.setattr(order, "chosen", lambda quick: CHECKS[: 7 if quick else 8])
        monkeypatch.setattr(command, "_version", lambda _program, _environ: "2.1.330")
        (tmp_path / "claude").touch(0o700)
        status, out = ran(f"[backend:tower]\nurl = {url}", tmp_path)
        lines = out.splitlines()
        assert status == 0
        assert lines[0].startswith("This takes about ")
        assert "--quick makes it" in lines[0]
        assert lines[2] == f"backend tower  {url}"
        assert lines[3].split() == ["ok", "connection", url.split("/")[2], "answers"]
        assert lines[-1] == "all is well"
        assert "client" in lines
        assert "\x1b" not in out

    def test_no_model(self, url: str, tmp_path: Path) -> None:
        """A backend of which no model was examined is not well."""
        status, out = ran(f"[backend:tower]\nurl = {url}", tmp_path, local=False)
        assert status == 1
        assert "no model was examined: there are a, b; name one, as in --model a" in out
        assert out.endswith("\n1 warning\n")

    def test_model_of_one_backend(self, url: str, tmp_path: Path) -> None:
        """Only the backend that has the model is asked for it."""
        text = f"[backend:one]\nurl = {url}\n[backend:two]\nurl = {url}\n[model:x]\nbackend = two\nname = b"
        _, out = ran(text, tmp_path, local=False, model="x")
        assert "backend one" not in out
        assert "b is listed" in out

    def test_broken(self, tmp_path: Path) -> None:
        """A fault makes the status 2, and the lines to write come at the end; no key is in any of it."""
        port = free_port()
        text = f"[backend:tower]\nurl = http://127.0.0.1:{port}/v1\napi_key = {KEY}"
        status, out = ran(text, tmp_path, local=False, fix=True)
        assert status == 2
        assert out.endswith("1 fault\n")
        assert KEY not in out

    def test_json(self, url: str, tmp_path: Path) -> None:
        """One document and nothing else."""
        status, out = ran(f"[backend:tower]\nurl = {url}", tmp_path, json=True)
        document = json.loads(out)
        assert document["status"] == status == 1
        assert [part["title"] for part in document["parts"]] == ["backend tower", "client"]

    def test_key_of_the_client(self, url: str, tmp_path: Path) -> None:
        """A client's key goes where the bridge would forward it, and never to a url of the command line."""
        text = f"[backend:tower]\nurl = {url}"
        Handler.seen.clear()
        _, out = ran(text, tmp_path)
        assert f"Bearer {TOKEN}" in Handler.seen
        assert TOKEN not in out
        Handler.seen.clear()
        ran(text, tmp_path, local=False)
        assert set(Handler.seen) == {None}

    def test_one_backend(self, url: str, tmp_path: Path) -> None:
        """Only the backend that is named is asked."""
        text = f"[backend:a]\nurl = {url}\n[backend:b]\nurl = {url}"
        assert "backend a" not in ran(text, tmp_path, backend="b")[1]
        assert "from each backend" in ran(text, tmp_path, quick=True)[1]

    def test_fix(self, url: str, tmp_path: Path) -> None:
        """The lines that mend it are printed under their sections."""
        text = f"[backend:tower]\nurl = {url}\n[model:m]\nname = A"
        status, out = ran(text, tmp_path, fix=True, local=False)
        assert status == 2
        assert "\n[model:m]\nname = a\n" in out

    def test_online(self, url: str) -> None:
        """The short form has a line for each backend."""
        found = online(configured(f"[backend:a]\nurl = {url}\n[backend:b]\nurl = http://127.0.0.1:{free_port()}/v1"))
        assert [each.good for each in found] == [True, False]
        assert str(found[0]) == "backend a: up, 2 models"

    def test_reactor_passes_errors_on(self) -> None:
        """What the work raises is raised."""

        async def work(_reactor: object) -> None:
            raise LookupError("here")

        with pytest.raises(LookupError, match="here"):
            in_reactor(work)

    def test_reactor_has_a_steady_clock(self) -> None:
        """Its timers are not due by the machine's clock, which somebody may set."""

        async def work(reactor: Any) -> object:
            return reactor.seconds

        assert in_reactor(work) is not SelectReactor.seconds


class TurnTests:
    """One turn of the client."""

    def client(self, tmp_path: Path, script: str) -> str:
        """Return a program that stands in for the client."""
        program = tmp_path / "claude"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o700)
        return str(program)

    def test_answers(self, tmp_path: Path) -> None:
        """The client gets settings of its own in a private file, the token in it and no key of Anthropic's."""
        script = f'cat "$4" > {tmp_path}/got; stat -c %a "$4" > {tmp_path}/mode; echo "$ANTHROPIC_API_KEY" ready'
        environ = {"PATH": "/usr/bin:/bin", "ANTHROPIC_API_KEY": "sk-ant-x", "ANTHROPIC_AUTH_TOKEN": KEY}
        bridge = Bridge(url="http://127.0.0.1:8080", settings=SETTINGS)
        found = turn(self.client(tmp_path, script), bridge, environ, alive=True)
        assert (found.level, found.sentence) == ("ok", "claude -p answers: ready")
        variables = json.loads((tmp_path / "got").read_text())["env"]
        assert variables["ANTHROPIC_AUTH_TOKEN"] == KEY
        assert variables["ANTHROPIC_API_KEY"] == ""
        assert (tmp_path / "mode").read_text() == "600\n"

    def test_fails(self, tmp_path: Path) -> None:
        """A client that fails is a fault, in its words."""
        bridge = Bridge(url="http://127.0.0.1:8080", settings=SETTINGS)
        program = self.client(tmp_path, "echo API Error >&2; exit 1")
        found = turn(program, bridge, {"PATH": "/usr/bin:/bin"}, alive=True)
        assert (found.level, found.sentence) == ("fault", "claude -p failed: API Error")

    def test_not_tried(self) -> None:
        """Without a client or a bridge there is nothing to try."""
        assert turn(None, Bridge(), {}, alive=False).level == "ok"
        assert "no bridge runs here" in turn("/bin/claude", Bridge(), {}, alive=False).sentence
