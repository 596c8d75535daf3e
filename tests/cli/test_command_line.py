"""The `claude-bridge` command."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from claude_bridge import tap
from claude_bridge.cli import Surroundings, main
from claude_bridge.client import chosen_bridge, init, managed_prices, running_bridge
from claude_bridge.client.http_probe import BridgeSeen
from claude_bridge.config.problems import EXIT_CONFIG
from claude_bridge.config.secret import hash_of
from claude_bridge.services.accounting.store.sqlite import connect
from claude_bridge.services.knowledge.snapshot import digest
from tests.client.servers import serving
from tests.services.accounting.store.books import entry, write

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
    """Return an environment with one key, in which nothing is served."""
    return Surroundings({"KEY": "the-secret"}, lambda _arguments: pytest.fail("served"))


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Return the path of a valid file."""
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

    def test_settings_file_that_wins(
        self, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A settings file that beats the export lines is named with its key, in a comment."""
        monkeypatch.chdir(tmp_path)
        environ = {"KEY": "k", "CLAUDE_CONFIG_DIR": str(tmp_path)}
        assert main(["env", "--config", config], Surroundings(environ, lambda _: None)) == 0
        assert capsys.readouterr().out.endswith("`claude-bridge setup` writes these there\n")
        (tmp_path / "settings.json").write_text('{"env": {"ANTHROPIC_BASE_URL": "http://other"}}')
        assert main(["env", "--config", config], Surroundings(environ, lambda _: None)) == 0
        last = capsys.readouterr().out.splitlines()[-1]
        assert last == f"# here {tmp_path}/settings.json sets env.ANTHROPIC_BASE_URL"

    def test_json(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """With --json a settings.json comes out, for another address if that is asked for."""
        assert main(["env", "--json", "--config", config, "--url", "http://127.0.0.1:9/"], surroundings) == 0
        found = json.JSONDecoder().decode(capsys.readouterr().out)
        assert found["env"]["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:9"
        assert found["modelPicker"]["options"][0]["model"] == "m@claude-bridge"
        assert found["statusLine"]["command"].endswith(" statusline")
        assert main(["env", "--json", "--no-statusline", config], surroundings) == 0
        assert "statusLine" not in capsys.readouterr().out

    def test_vscode(self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """With --vscode the part of VS Code's settings comes out."""
        assert main(["env", "--vscode", config], surroundings) == 0
        found = json.JSONDecoder().decode(capsys.readouterr().out)
        variables = found["claudeCode.environmentVariables"]
        assert {"name": "ANTHROPIC_BASE_URL", "value": "http://127.0.0.1:9090"} in variables

    def test_aliases(
        self, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        """With --aliases there is a function for each model, for the same bridge, also without a fixed port."""
        assert main(["env", "--aliases", "--url", "http://127.0.0.1:9", "-c", config], surroundings) == 0
        lines = capsys.readouterr().out.splitlines()[1:]
        assert lines == ['claude-m() { claude-bridge launch --url http://127.0.0.1:9 m -- "$@"; }']
        path = tmp_path / "c.ini"
        path.write_text(VALID.replace("tcp:9090", "tcp:0"))
        assert main(["env", "--aliases", str(path)], surroundings) == 0
        assert f"claude-bridge launch --config {path} m --" in capsys.readouterr().out

    def test_secrets_out_of_reach(self, config: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """The file of a service is read although its keys are root's."""
        Path(config).write_text(VALID.replace("${KEY}", "credential:chutes"))
        assert main(["env", config], Surroundings({"HOME": str(tmp_path)}, lambda _: None)) == 0
        assert "export ANTHROPIC_AUTH_TOKEN=unused\n" in capsys.readouterr().out

    def test_unknown_window(self, config: str, capsys: pytest.CaptureFixture[str]) -> None:
        """A window that is not known is told in a comment, with the line that sets it."""
        assert main(["env", config], Surroundings({"KEY": "k", "HOME": "/h"}, lambda _: None)) == 0
        told = f"1,000,000 tokens: set `context_window` in [model:m] of {config}\n"
        assert told in capsys.readouterr().out

    def test_learned_window(self, config: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        """A window that the bridge has found out is told."""
        learned = {"name": "b", "url": digest("http://127.0.0.1:8000/v1"), "used": time.time()}
        learned["models"] = [{"model": "m", "listed": 8192, "used": time.time()}]
        (tmp_path / "learned.json").write_text(json.dumps({"version": 1, "backends": [learned]}))
        environ = {"KEY": "the-secret", "STATE_DIRECTORY": str(tmp_path)}
        assert main(["env", config], Surroundings(environ, lambda _: None)) == 0
        assert "export CLAUDE_CODE_MAX_CONTEXT_TOKENS=8192\n" in capsys.readouterr().out

    def test_variables_alone(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a file the variables decide: address, model, and that no key is needed; the key is not shown."""
        environ = {"HOST_PORT": "0.0.0.0:9090", "MODEL": "org/M", "BACKEND_URL": "http://vllm:8000/v1"}
        assert main(["env"], Surroundings(environ, lambda _: None)) == 0
        shown = capsys.readouterr().out
        assert "export ANTHROPIC_BASE_URL=http://127.0.0.1:9090\n" in shown
        assert "export ANTHROPIC_MODEL=org/M@claude-bridge\n" in shown
        assert "export ANTHROPIC_AUTH_TOKEN=YOUR-BACKEND-KEY\n" in shown
        environ = {**environ, "HOST_PORT": "9090", "BACKEND_API_KEY": "the-secret"}
        assert main(["env"], Surroundings(environ, lambda _: None)) == 0
        shown = capsys.readouterr().out
        assert "export ANTHROPIC_AUTH_TOKEN=unused\n" in shown
        assert "the-secret" not in shown

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


class SetupTests:
    """`claude-bridge setup` and `claude-bridge undo`."""

    @pytest.fixture(autouse=True)
    def _project(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Work in a project, on a machine where no bridge answers."""
        (tmp_path / "project").mkdir()
        monkeypatch.chdir(tmp_path / "project")
        monkeypatch.setattr(chosen_bridge, "look", lambda url, _key: BridgeSeen(silent=True, told=f"nothing at {url}"))

    @pytest.mark.parametrize("project", [[], ["--project"]])
    def test_there_and_back(
        self, project: list[str], config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The settings are written for the configuration's address, the model and key are used, and all is undone."""
        path = tmp_path / ("project/.claude/settings.local.json" if project else "home/.claude/settings.json")
        path.parent.mkdir(parents=True)
        path.write_text('{"theme": "dark"}')
        surroundings = Surroundings({"KEY": "the-secret", "HOME": str(tmp_path / "home")}, lambda _: None)
        assert main(["setup", "--dry-run", *project, "-c", config], surroundings) == 0
        assert "+++ " in capsys.readouterr().out
        assert path.read_text() == '{"theme": "dark"}'
        assert main(["setup", *project, "--config", config, "m"], surroundings) == 0
        out, err = capsys.readouterr()
        told = f"now uses http://127.0.0.1:9090; `{' '.join(['claude-bridge undo', *project])}` puts it back\n"
        assert told in out
        assert out.endswith(
            f"\nno bridge answers at http://127.0.0.1:9090 yet: start it with `claude-bridge run {config}`\n"
        )
        assert err == (
            "warning: the window of m is not known, and Claude Code assumes 1,000,000 tokens: set `context_window` in "
            f"[model:m] of {config}, then run `{' '.join(['claude-bridge setup', *project])}` again\n"
        )
        found = json.JSONDecoder().decode(path.read_text())
        assert found["env"]["ANTHROPIC_MODEL"] == "m@claude-bridge"
        assert "the-secret" not in path.read_text()
        assert main(["undo", *project], surroundings) == 0
        assert capsys.readouterr().out.startswith(f"{path}: took back env.ANTHROPIC_BASE_URL")
        assert path.read_text() == '{"theme": "dark"}'

    def test_as_env(self, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The settings are those that `env` prints, also of a service whose secrets are root's."""
        Path(config).write_text(VALID.replace("${KEY}", "credential:chutes"))
        surroundings = Surroundings({"HOME": str(tmp_path / "home")}, lambda _: None)
        assert main(["env", "--json", config], surroundings) == 0
        printed = json.JSONDecoder().decode(capsys.readouterr().out)["env"]
        assert main(["setup", "--config", config], surroundings) == 0
        written = json.JSONDecoder().decode((tmp_path / "home/.claude/settings.json").read_text())["env"]
        assert written == {**printed, "ANTHROPIC_API_KEY": ""}

    def test_no_address(self, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Without a listener whose port is known the address has to be given."""
        Path(config).write_text(VALID.replace("tcp:9090", "tcp:0"))
        surroundings = Surroundings({"KEY": "k", "HOME": str(tmp_path)}, lambda _: None)
        assert main(["setup", "--dry-run", "--config", config], surroundings) == 1
        assert "give the bridge's address with --url" in capsys.readouterr().err
        assert main(["setup", "--dry-run", "--url", "http://b:1", "--config", config], surroundings) == 0

    def test_error(self, config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What cannot be changed is one line, and status 1."""
        path = tmp_path / "settings.json"
        path.write_text("{} // mine")
        surroundings = Surroundings({"KEY": "k", "HOME": "/h", "CLAUDE_CONFIG_DIR": str(tmp_path)}, lambda _: None)
        assert main(["setup", "--config", config], surroundings) == 1
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert err.startswith(f"claude-bridge setup: {path}: line 1, column 4: a comment is not allowed")
        assert main(["undo"], surroundings) == 1
        assert capsys.readouterr().err.startswith(f"claude-bridge undo: {path}: ")


class FileTests:
    """The configuration file as a word of its own."""

    @pytest.mark.parametrize("command", ["check-config", "dump-config", "env", "routes"])
    def test_position(
        self, command: str, config: str, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Every command takes the file without `--config`, and says the same."""
        assert main([command, config], surroundings) == 0
        out = capsys.readouterr().out
        for option in ("--config", "-c"):
            assert main([command, option, config], surroundings) == 0
            assert capsys.readouterr().out == out

    def test_missing(self, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A file that is not there is told as such."""
        assert main(["check-config", "/nope.ini"], surroundings) == 78
        assert capsys.readouterr().err == "/nope.ini: cannot be read: No such file or directory\n"


REQUEST = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
def request_file(tmp_path: Path) -> Path:
    """Return the path of a saved request."""
    path = tmp_path / "request.json"
    path.write_text(json.dumps(REQUEST))
    return path


@pytest.mark.usefixtures("signals_kept")
class PricesTests:
    """`claude-bridge usage prices`."""

    @pytest.mark.parametrize("more", [[], ["--all"]])
    def test_prices(
        self, tmp_path: Path, surroundings: Surroundings, capsys: pytest.CaptureFixture[str], more: list[str]
    ) -> None:
        """The price of the file comes out, and that a backend is not there."""
        path = tmp_path / "prices.ini"
        path.write_text("[backend:b]\nurl = http://127.0.0.1:1/v1\n[model:m]\n[price:m]\ninput = 1\noutput = 2\n")
        assert main(["usage", "prices", "--config", str(path), *more], surroundings) == 0
        out, err = capsys.readouterr()
        assert "m = b/m   1.00        1.00         1.00    2.00       2.00  configuration\n" in out
        assert "backend b: its list of models did not arrive" in out
        assert err == ""


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


@pytest.mark.usefixtures("signals_kept")
class ManagedTests:
    """`claude-bridge setup --managed` and `claude-bridge undo --managed`."""

    def test_managed(
        self,
        tmp_path: Path,
        surroundings: Surroundings,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The prices are printed, written where the client reads them, and removed by a command of their own."""
        managed = tmp_path / "managed" / "managed-settings.d" / "50-claude-bridge.json"
        monkeypatch.setattr(managed_prices, "managed_file", lambda: managed)
        path = tmp_path / "prices.ini"
        path.write_text("[backend:b]\nurl = http://127.0.0.1:1/v1\n[model:m]\n[price:m]\ninput = 1\noutput = 2\n")
        command = ["setup", "--managed", "--config", str(path)]
        assert main([*command, "--print"], surroundings) == 0
        printed = capsys.readouterr()
        rows = json.JSONDecoder().decode(printed.out)["modelPricing"]["overrides"]
        assert rows["m@claude-bridge"] == {"input": 1, "output": 2, "cacheRead": 1, "cacheWrite": 1}
        assert (printed.err, managed.exists()) == ("", False)
        assert main(command, surroundings) == 0
        assert managed.read_text() == printed.out
        capsys.readouterr()
        assert main(["undo"], Surroundings({"HOME": str(tmp_path)}, lambda _: None)) == 0
        told = f"warning: {managed} has the prices of the bridge's models still: `claude-bridge undo --managed`"
        assert capsys.readouterr().err.startswith(told)
        assert main(["undo", "--managed"], surroundings) == 0
        assert not managed.exists()


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


def served(*arguments: str) -> list[str]:
    """Run `run` and return the arguments that the daemon got."""
    calls: list[Sequence[str]] = []
    assert main(["run", *arguments], Surroundings({}, calls.append)) == 0
    (call,) = calls
    return list(call)


class RunTests:
    """`claude-bridge run`."""

    @pytest.mark.parametrize("file", [["c.ini"], ["--config", "c.ini"], ["-c", "c.ini"]])
    def test_options(self, file: list[str]) -> None:
        """The daemon gets the file and every option, wherever the file stands among them."""
        options = ["--log-format", "text", "--listen", "0.0.0.0:80", "--state-dir", "none"]
        wanted = ["--config=c.ini", "--listen=0.0.0.0:80", "--state-dir=none", "--log-format=text"]
        assert served(*file, *options) == served(*options, *file) == wanted

    def test_nothing(self) -> None:
        """Without any option it gets none."""
        assert served() == []

    @pytest.mark.parametrize("flag", ["--check-config", "--dump-config"])
    def test_flags(self, flag: str) -> None:
        """What `twistd claude-bridge` can do besides serving, `run` can."""
        assert served(flag) == [flag]

    def test_every_option_of_the_daemon(self, capsys: pytest.CaptureFixture[str]) -> None:
        """No option of `twistd claude-bridge` is missing from the help."""
        with pytest.raises(SystemExit):
            main(["run", "--help"])
        shown = capsys.readouterr().out
        assert [option for option in tap.Options().longOpt if f"--{option.rstrip('=')}" not in shown] == []

    @pytest.mark.parametrize(
        ("arguments", "hint"),
        [
            (["--port", "8080"], "--listen 8080"),
            (["--port=8080"], "--listen 8080"),
            (["-p", "8080"], "--listen 8080"),
            (["--host", "0.0.0.0"], "--listen HOST:PORT"),
            (["--bind", "::"], "--listen HOST:PORT"),
        ],
    )
    def test_words_of_other_servers(self, arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Whoever asks for a port or a host as elsewhere is told the option for it."""
        with pytest.raises(SystemExit):
            main(["run", *arguments])
        assert hint in capsys.readouterr().err


class ReloadTests:
    """`claude-bridge reload`."""

    def test_nobody(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Where no bridge runs the command says what to do, and fails."""
        assert main(["reload", "--socket", str(tmp_path / "s")], Surroundings({}, lambda _: None)) == 69
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("claude-bridge reload: no bridge answers at ")

    def test_found_by_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Without `--socket` the environment says where the bridge is; output and errors come out apart."""
        monkeypatch.setattr(running_bridge, "find", lambda environ: f"{environ['XDG_RUNTIME_DIR']}/s")
        told = "asked at {}, set up: {is_set_up}".format
        monkeypatch.setattr(running_bridge, "reload", lambda path, **more: (78, [told(path, **more)], ["wrong"]))
        assert main(["reload"], Surroundings({"XDG_RUNTIME_DIR": "/run/user/1"}, lambda _: None)) == 78
        assert capsys.readouterr() == ("asked at /run/user/1/s, set up: False\n", "wrong\n")


class CommandTests:
    """The command line as a whole."""

    def test_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`--version` shows the installed version."""
        with pytest.raises(SystemExit) as caught:
            main(["--version"])
        assert caught.value.code == 0
        assert re.fullmatch(r"claude-bridge \d+\.\d+\.\d+\n", capsys.readouterr().out)

    def test_file_that_is_called_like_a_command(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A configuration file behind `routes` may be called as it likes."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "explian").write_text("[backend:b]\n")
        assert main(["routes", "explian"], Surroundings({}, lambda _: None)) == 0

    def test_interrupted(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Ctrl-C ends a command without a traceback, as shells expect it."""

        def interrupt(_arguments: object) -> None:
            raise KeyboardInterrupt

        assert main(["run"], Surroundings({"HOME": str(tmp_path)}, interrupt)) == 130
        assert capsys.readouterr() == ("", "\n")

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            ([], "a command is missing: demo, launch, env"),
            (["start"], "did you mean launch?"),
            (["claude", "glm"], "did you mean launch?"),
            (["launch", "glm", "-p", "hello"], "Claude Code's own arguments go after --, as in: launch -- -p"),
            (["launch", "glm", "small"], "small is not for this command"),
            (["launch", "--ulr", "x"], "did you mean --url?"),
            (["serve"], "did you mean run?"),
            (["check"], "did you mean check-config?"),
            (["dumpconfig"], "did you mean dump-config?"),
            (["zzz"], "there are demo, launch, env, setup, undo, statusline, check-config"),
            (["configure"], "did you mean setup?"),
            (["uninstall"], "did you mean undo?"),
            (["status-line"], "did you mean statusline?"),
            (["setup", "--url", "bridge"], "--url bridge is not an address such as http://127.0.0.1:8080"),
            (["setup", " "], "MODEL is empty"),
            (["setup", "glm", "a.ini"], "a.ini is one word too many: name the configuration with"),
            (["setup", "a.ini"], "a.ini is not a model: name the configuration with --config"),
            (["undo", "x"], "x is one word too many"),
            (["undo", "--managed", "--project"], "--managed is for all users and projects"),
            (["setup", "--print"], "--print is for --managed; --dry-run shows"),
            (["setup", "glm", "--managed"], "--managed takes the prices of all models of a configuration"),
            (["--config", "c.ini", "run"], "the command comes first"),
            (["check-config", "--confg", "x"], "did you mean --config?"),
            (["check-config", "--zzz"], "there is no option --zzz ("),
            (["reload", "a.ini"], "a.ini is one word too many"),
            (["hup"], "did you mean reload?"),
            (["run", "a.ini", "b.ini"], "give one configuration file: b.ini is one too many"),
            (["env", "a.ini", "--config", "b.ini"], "give the configuration file once"),
            (["env", "--shell", "--json"], "not allowed with"),
            (["router"], "did you mean routes?"),
            (["explain", "r.json"], "did you mean routes explain?"),
            (["prices"], "did you mean usage prices?"),
            (["usage", "prices", "a.ini"], "a.ini is one word too many: name the"),
            (["routes", "explian", "r.json"], "there is no command routes explian, did you mean routes explain?"),
            (["routes", "why", "r.json"], "there is no command routes why, did you mean routes explain?"),
            (["lanch", "glm"], "there is no command lanch, did you mean launch?"),
            (["launch", "--model", "glm"], "give the model without --model: claude-bridge launch glm ("),
            (
                ["launch", "--url", "gpu:1", "--model=glm", "--", "-p", "a b"],
                "give the model without --model: claude-bridge launch --url gpu:1 glm -- -p 'a b' (",
            ),
            (["stup"], "did you mean setup?"),
            (["keys"], "did you mean key new?"),
            (["key", "nwe", "alice"], "there is no command key nwe, did you mean key new NAME?"),
            (["key", "new"], "the following arguments are required: NAME"),
            (["key", "new", "alice", "bob"], "bob is one"),
            (["undoo"], "did you mean undo?"),
            (["inti"], "did you mean init?"),
            (["migrate", "config.json"], "did you mean import?"),
            (["import"], "the following arguments are required: FILE"),
            (["import", "a.json", "b.json"], "b.json is one word too many"),
            (["import", "a.json", "--ouptut=x"], "did you mean --output?"),
            (["routes", "explain"], "the following arguments are required: REQUEST"),
            (["routes", "explain", "r.json", "a.ini"], "a.ini is one word too many: name the configuration with"),
            (["routes", "a.ini", "explain"], "give one configuration file: explain is one too many"),
            (["run", "--log-format", "xml"], "xml"),
            (["run", "--listen"], "expected one argument"),
        ],
    )
    def test_wrong_usage(self, arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
        """Wrong usage is one line with what to do, and status 2."""
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        out, err = capsys.readouterr()
        assert (caught.value.code, out, err.count("\n")) == (2, "", 1)
        assert err.startswith("claude-bridge")
        assert told in err
        assert "--help)" in err

    def test_demo_failure(self, capsys: pytest.CaptureFixture[str]) -> None:
        """`demo` reports a failure of its own with status 1."""
        assert main(["demo", "--once"], Surroundings({}, lambda _: None)) == 1
        assert "claude-bridge demo: " in capsys.readouterr().err

    def test_quick_start(self) -> None:
        """The commands that only read the configuration load neither the reactor nor the web framework."""
        loaded = "claude_bridge.cli, claude_bridge.client.route_table, claude_bridge.client.route_explanation"
        script = f"import sys, {loaded}; print({{'klein', 'twisted.internet', 'treq'}} & set(sys.modules))"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
        assert done.stdout == "set()\n"

    def test_exit_status(self) -> None:
        """The status for a wrong configuration is that of sysexits.h."""
        assert EXIT_CONFIG == 78


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


@pytest.mark.usefixtures("signals_kept")
class DoctorTests:
    """`claude-bridge doctor`, and `check-config --online`; a backend that is down is all they need here."""

    DOWN = "[server]\nlisten = tcp:9090:interface=127.0.0.1\n[backend:tower]\nurl = http://127.0.0.1:1/v1\n"

    @pytest.fixture
    def down(self, tmp_path: Path) -> str:
        """Return the path of a file whose backend is down."""
        path = tmp_path / "down.ini"
        path.write_text(self.DOWN)
        return str(path)

    @pytest.fixture
    def at_home(self, tmp_path: Path) -> Surroundings:
        """Return an environment with nothing but a home."""
        return Surroundings({"HOME": str(tmp_path), "PATH": str(tmp_path)}, lambda _arguments: pytest.fail("served"))

    def test_file(self, down: str, at_home: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """The backends of a file are examined, then the client; status 2 says that something is broken."""
        assert main(["doctor", "--config", down], at_home) == 2
        shown = capsys.readouterr().out
        assert "backend tower  http://127.0.0.1:1/v1\n" in shown
        assert "connection refused: start the server, or correct `url`" in shown
        assert "no bridge runs at http://127.0.0.1:9090 now" in shown

    def test_outdated_settings(
        self, down: str, at_home: Surroundings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What `setup` wrote for an earlier configuration is told, and what `setup` writes again is not."""
        environ = {**at_home.environ, "CLAUDE_CONFIG_DIR": str(tmp_path / "claude")}
        at_home = Surroundings(environ, at_home.serve)
        routed = f"{self.DOWN}[model:m]\nbackend = tower\n"
        Path(down).write_text(routed)
        assert main(["setup", "--config", down], at_home) == 0
        Path(down).write_text(f"{routed}[route:default]\nmodels = m, tower/n\n")
        main(["doctor", "--config", down], at_home)
        shown = capsys.readouterr().out
        assert f"{tmp_path}/claude/settings.json comes from an earlier configuration (ANTHROPIC_MODEL is m" in shown
        assert f"run `claude-bridge setup --config {down}` again" in shown
        assert main(["setup", "--config", down], at_home) == 0
        main(["doctor", "--config", down], at_home)
        assert "earlier configuration" not in capsys.readouterr().out

    def test_url(self, at_home: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A backend that is in no file is examined alone."""
        assert main(["doctor", "--url", "http://127.0.0.1:1/v1", "--json"], at_home) == 2
        document = json.JSONDecoder().decode(capsys.readouterr().out)
        assert [part["title"] for part in document["parts"]] == ["backend default"]

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["towre"], "there is no backend towre, did you mean tower?"),
            (["tower", "other"], "give one backend, or none for all of them: other is one too many"),
            (["--url", "http://x/v1", "tower"], "give it alone"),
            (["--quik"], "did you mean --quick?"),
        ],
    )
    def test_usage(
        self,
        arguments: list[str],
        told: str,
        down: str,
        at_home: Surroundings,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Wrong usage says what is right."""
        with pytest.raises(SystemExit) as stopped:
            main(["doctor", *arguments, "--config", down], at_home)
        assert stopped.value.code == 2
        assert told in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("given", "meant"),
        [
            ("127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
            ("gpu:8000/v1/", "http://gpu:8000/v1"),
            ("localhost", "http://localhost/v1"),
        ],
    )
    def test_url_without_a_scheme(
        self, given: str, meant: str, at_home: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What was typed is named, and what may have been meant."""
        with pytest.raises(SystemExit) as stopped:
            main(["doctor", "--url", given], at_home)
        assert stopped.value.code == 2
        told = capsys.readouterr().err
        assert f"--url {given} must be a URL that begins with http://" in told
        assert f", as in --url {meant} (see" in told
        assert "BACKEND_URL" not in told

    @pytest.mark.parametrize("arguments", [[], ["--url", "http://127.0.0.1:1/v1"]])
    def test_without_a_file(
        self, arguments: list[str], at_home: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """No section of a file is named where there is none."""
        environ = {**at_home.environ, "BACKEND_URL": "http://127.0.0.1:1/v1"}
        assert main(["doctor", "--fix", *arguments], Surroundings(environ, at_home.serve)) == 2
        shown = capsys.readouterr().out
        assert f"start the server, or correct {arguments[0] if arguments else 'BACKEND_URL'}\n" in shown
        assert "[backend" not in shown

    def test_wrong_file(self, tmp_path: Path, at_home: Surroundings) -> None:
        """A file that is not valid is reported as by every command."""
        path = tmp_path / "wrong.ini"
        path.write_text("[backend:b]\nurl = x\n")
        assert main(["doctor", "--config", str(path)], at_home) == EXIT_CONFIG

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


class UsageTests:
    """`claude-bridge usage`."""

    @pytest.fixture
    def at_home(self, tmp_path: Path) -> Surroundings:
        """Return an environment with nothing but a home."""
        return Surroundings({"HOME": str(tmp_path)}, lambda _arguments: pytest.fail("served"))

    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Path:
        """Write a ledger of one request, long ago, where a bridge of this home would have it."""
        path = tmp_path / ".local/state/claude-bridge/ledger.sqlite"
        connection = connect(str(path))
        write(connection, [entry()])
        connection.close()
        return path

    @pytest.mark.usefixtures("ledger")
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["all"], "chutes/GLM         1"),
            (["all", "--by", "key", "--csv"], "alice,1,0,1"),
            (["session", "s-1"], "s-1, key alice"),
            (["export", "--since", "all", "--format", "jsonl"], '"session":"s-1"'),
            (["forget", "--session", "s-1"], "session s-1 is forgotten: 1 requests"),
            (["budgets"], "there is no [budget:*]"),
            (["compact"], "ledger.sqlite: "),
        ],
    )
    def test_actions(
        self, arguments: list[str], told: str, at_home: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Each does what it says, with the file that the configuration leads to."""
        assert main(["usage", *arguments], at_home) == 0
        assert told in capsys.readouterr().out

    def test_database(self, ledger: Path, surroundings: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """A copy elsewhere is read by its path, and no configuration is needed for that."""
        assert main(["usage", "all", "--json", "--database", str(ledger)], surroundings) == 0
        assert json.JSONDecoder().decode(capsys.readouterr().out)["total"]["requests"] == 1

    def test_no_ledger(self, at_home: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
        """Where there is none the status is 1 and the error says where it would be."""
        assert main(["usage"], at_home) == 1
        assert "there is no ledger at" in capsys.readouterr().err
        assert main(["usage"], Surroundings({}, at_home.serve)) == 1
        assert "no accounts are kept: there is no state directory" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["usage", "yesterday"], "yesterday is not a time: today, week"),
            (["usage", "--bye", "day"], "did you mean --by?"),
            (["usage", "--by", "week"], "invalid choice: 'week'"),
            (["cost"], "did you mean usage?"),
        ],
    )
    def test_wrong_words(
        self, arguments: list[str], told: str, at_home: Surroundings, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Wrong usage says what is right."""
        with pytest.raises(SystemExit) as stopped:
            main(arguments, at_home)
        assert stopped.value.code == 2
        assert told in capsys.readouterr().err

    def test_needs_no_twisted(self, ledger: Path) -> None:
        """It is quick, because it imports nothing of the daemon."""
        program = (
            "import sys\nfrom claude_bridge.cli import main\n"
            f"status = main(['usage', '--database', {str(ledger)!r}])\n"
            "print(status, 'twisted.internet.reactor' in sys.modules, 'klein' in sys.modules)\n"
        )
        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert told.stdout.splitlines()[-1] == "0 False False"
