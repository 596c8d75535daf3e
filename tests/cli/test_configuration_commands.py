"""The commands that write, check or show the configuration."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from claude_bridge.cli import Surroundings, main
from claude_bridge.client import init
from claude_bridge.config.secret import hash_of
from tests.cli.conftest import VALID
from tests.client.servers import serving

REQUEST = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.usefixtures("signals_kept")
class InitTests:
    """`claude-bridge init`."""

    MODELS: Mapping[str, object] = {"/v1/models": {"data": [{"id": "m"}]}}

    @pytest.fixture(autouse=True)
    def _free_port(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody has the usual port."""
        monkeypatch.setattr(init, "USUAL", "http://127.0.0.1:9")

    def test_written(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The file is written, and the next command named."""
        path, at_home = tmp_path / "b.ini", Surroundings({"HOME": str(tmp_path)}, lambda _arguments: None)
        with serving(self.MODELS) as url:
            assert main(["init", "--url", url, "-c", str(path), "--no-doctor"], at_home) == 0
        out = capsys.readouterr().out.splitlines()
        assert out[1:] == [f"written: {path}", f"next: claude-bridge launch --config {path}"]
        assert main(["check-config", str(path)], at_home) == 0

    def test_examined(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The doctor looks at the backend, and its verdict is the exit status; a key in a variable is used for it."""
        at_home = Surroundings({"HOME": str(tmp_path), "K": "sk-0123456789ab"}, lambda _arguments: None)
        with serving(self.MODELS, key="sk-0123456789ab") as url:
            assert main(["init", "--url", url, "--key-variable", "K"], at_home) == 2
        out = capsys.readouterr().out
        assert "backend local" in out
        assert out.endswith("\nonce that is fixed: claude-bridge launch\n")
        assert "sk-0123456789ab" not in out

    def test_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What is missing is told in one line."""
        at_home = Surroundings({"HOME": str(tmp_path)}, lambda _arguments: None)
        assert main(["init", "--url", "http://127.0.0.1:9"], at_home) == 1
        assert capsys.readouterr().err.startswith("claude-bridge init: nothing answers at http://127.0.0.1:9")


class KeyTests:
    """`claude-bridge key` and `claude-bridge key new`."""

    def test_new(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """The key is all that goes to standard output, so that it can be piped; the words go to the other one."""
        Path(config).write_text(VALID.replace("[server]", "[server]\ncredentials = keys"))
        assert main(["key", "new", "alice", "--config", config], surroundings) == 0
        out, err = capsys.readouterr()
        assert re.fullmatch(r"cb-[\w-]{43}\n", out)
        assert err.startswith(f"added to {config}: [key:alice]")
        assert hash_of(out.strip()) in Path(config).read_text()
        assert main(["check-config", config], surroundings) == 0
        capsys.readouterr()
        assert main(["key", "new", "alice", "-c", config], surroundings) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"claude-bridge key new: {config} has a [key:alice] already")

    def test_print(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """With --print the section is shown, and what else the file needs; nothing is written."""
        assert main(["key", "new", "bob", "--print", "--config", config], surroundings) == 0
        out, err = capsys.readouterr()
        assert f"[key:bob]\nhash = {hash_of(out.strip())}\n" in err
        assert "[server]\ncredentials = keys\n" in err
        assert Path(config).read_text() == VALID

    def test_alone(self, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a verb it says which there is, and how a key is revoked."""
        assert main(["key"], surroundings) == 2
        out, err = capsys.readouterr()
        assert out == ""
        for words in ("claude-bridge key new NAME", "remove that section", "claude-bridge reload"):
            assert words in err


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
        path.write_text(VALID.replace("${KEY}", "sk-9f8e7d6c5b4a"))
        path.chmod(0o644)
        assert main(["check-config", "--config", config], surroundings) == 0
        told = f"warning: [backend:b] api_key: is in plain text in a file that others can read: chmod 600 {config}\n"
        assert capsys.readouterr() == (f"{config}: valid\n", told)
        path.chmod(0o600)
        assert main(["check-config", "--config", config], surroundings) == 0
        assert capsys.readouterr() == (f"{config}: valid\n", "")

    def test_nothing_set(self, surroundings: Surroundings, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """An empty file is valid, and warned of: whoever mistyped its name would wonder for long."""
        path = tmp_path / "c.ini"
        path.touch()
        assert main(["check-config", str(path)], surroundings) == 0
        told = f"warning: {path}: sets nothing; the only backend is default, http://127.0.0.1:8000/v1\n"
        assert capsys.readouterr() == (f"{path}: valid\n", told)

    @pytest.mark.parametrize("command", ["check-config", "dump-config", "env", "routes"])
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
        surroundings = Surroundings({"KEY": "k", "STATE_DIRECTORY": "/var/lib/claude-bridge"}, lambda _: None)
        assert main(["dump-config", "--config", config], surroundings) == 0
        assert "# state_dir is not set: /var/lib/claude-bridge here\n" in capsys.readouterr().out


@pytest.mark.usefixtures("signals_kept")
class OnlineTests:
    """`claude-bridge check-config --online`."""

    def test_online(self, down: str, at_home: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """The look at the backends is printed, and makes the status 1 if one is down; without it the file is valid."""
        assert main(["check-config", "--online", down], at_home) == 1
        shown = capsys.readouterr().out
        assert shown.startswith(f"{down}: valid\nbackend tower: down: 127.0.0.1:1: connection refused")
        assert main(["check-config", down], at_home) == 0

    def test_online_without_the_model(
        self, tmp_path: Path, at_home: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A model that no request can get makes the status 1, whether a section or a route names it."""
        path = tmp_path / "c.ini"
        with serving({"/v1/models": {"data": [{"id": "glm"}]}}) as url:
            for name, status in (("glm", 0), ("gml", 1)):
                for more in (f"[model:m]\nname = {name}\n", f"[route:default]\nmodels = b/{name}\n"):
                    path.write_text(f"[backend:b]\nurl = {url}/v1\n{more}")
                    assert main(["check-config", "--online", str(path)], at_home) == status
                    assert ("gml is not in the list; there are glm: set `" in capsys.readouterr().out) == bool(status)


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """Return the path of a saved request."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST))
    return path


class RoutesTests:
    """`claude-bridge routes` and `claude-bridge routes explain`."""

    def test_table(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """The routes of a configuration come out."""
        assert main(["routes", config], surroundings) == 0
        out, err = capsys.readouterr()
        assert out.startswith("ROUTE    WHEN               MODELS\ndefault  any other request  m = b/m\n")
        assert err == ""

    def test_explain(
        self, config: str, request_file: Path, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A saved request is explained by the configuration that is named, before or after it."""
        assert main(["routes", "explain", str(request_file), "--config", config], surroundings) == 0
        out = capsys.readouterr().out
        assert "b/m" in out
        assert main(["routes", "explain", "-c", config, str(request_file)], surroundings) == 0
        assert capsys.readouterr().out == out

    def test_standard_input(
        self,
        config: str,
        surroundings: Surroundings,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A dash reads the request from standard input."""
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(REQUEST).encode())))
        assert main(["routes", "explain", "-", "--config", config], surroundings) == 0
        assert capsys.readouterr().out.startswith("model   m\n")

    @pytest.mark.parametrize(
        ("content", "told"),
        [
            (None, "No such file or directory"),
            ("", "it is empty"),
            ("{}", "Field required"),
            (json.dumps({"method": "GET", "path": "/v1/models", "headers": {}, "body": None}), "GET /v1/models is no"),
            (json.dumps({**REQUEST, "messages": [{"role": "x", "content": "hi"}]}), "role"),
            (" " * (33 * 1024**2 + 1), "it is larger than [limits] max_body, 33554432 bytes"),
        ],
    )
    def test_no_request(
        self,
        content: str | None,
        told: str,
        config: str,
        surroundings: Surroundings,
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        """What is no request is one clear line with the file's name, and status 1."""
        path = tmp_path / "saved.json"
        if content is not None:
            path.write_text(content)
        assert main(["routes", "explain", str(path), "--config", config], surroundings) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith(f"claude-bridge routes explain: {path}: ")
        assert told in err

    def test_directory(
        self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """Neither is a folder."""
        assert main(["routes", "explain", str(tmp_path), "--config", config], surroundings) == 1
        assert capsys.readouterr().err == f"claude-bridge routes explain: {tmp_path}: Is a directory\n"
